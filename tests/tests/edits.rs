//! Cells are defined, edited and run again; what they show at the end is what a fresh session shows that runs the final
//! texts in order.
//!
//! The sequences are in `tests/edits`, Rust with lines that begin in a special way:
//!
//! | line | meaning |
//! |---|---|
//! | `//# name` | a sequence begins |
//! | `//= cell` | the text of a cell follows, its first or a new one; the cell is run |
//! | `//run cell` | a cell is run again as it is |
//! | `//fails` | the run before this line fails |
//! | `//show` | a cell follows whose output is compared |
//!
//! Others are made at random from cells with several versions each. `PATCHBAY_EDIT_SEEDS=100..200` tries other seeds.

use std::{collections::BTreeMap, fs, path::Path};

use patchbay_tests::{
    Client,
    differential::{Shown, show},
};

/// The fewest sequences; the suite is not to shrink unseen.
const FEWEST: usize = 60;

/// The seeds of the sequences that are made at random.
const SEEDS: std::ops::Range<u64> = 1..17;

/// Cells with what is done to them.
#[derive(Debug, Default)]
struct Sequence {
    name: String,
    steps: Vec<Step>,
    shows: Vec<String>,
}

#[derive(Clone, Debug)]
struct Step {
    cell: String,
    /// The new text; `None` runs the cell as it is.
    text: Option<String>,
    fails: bool,
}

fn read(path: &Path) -> Vec<Sequence> {
    #[derive(PartialEq)]
    enum Part {
        Cell,
        Show,
        Nothing,
    }
    let text = fs::read_to_string(path).unwrap();
    let mut sequences: Vec<Sequence> = Vec::new();
    let mut part = Part::Nothing;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("//# ") {
            sequences.push(Sequence {
                name: name.to_owned(),
                ..Sequence::default()
            });
            part = Part::Nothing;
            continue;
        }
        let Some(sequence) = sequences.last_mut() else {
            panic!("{}: a line before the first sequence", path.display());
        };
        if let Some(cell) = line.strip_prefix("//= ") {
            sequence.steps.push(Step {
                cell: cell.to_owned(),
                text: Some(String::new()),
                fails: false,
            });
            part = Part::Cell;
        } else if let Some(cell) = line.strip_prefix("//run ") {
            sequence.steps.push(Step {
                cell: cell.to_owned(),
                text: None,
                fails: false,
            });
            part = Part::Nothing;
        } else if line == "//fails" {
            sequence.steps.last_mut().unwrap().fails = true;
        } else if line == "//show" {
            sequence.shows.push(String::new());
            part = Part::Show;
        } else {
            let text = match part {
                Part::Cell => sequence.steps.last_mut().unwrap().text.as_mut().unwrap(),
                Part::Show => sequence.shows.last_mut().unwrap(),
                Part::Nothing if line.trim().is_empty() => continue,
                Part::Nothing => panic!("{}: {line:?}", path.display()),
            };
            text.push_str(line);
            text.push('\n');
        }
    }
    sequences
}

/// The final texts of the cells, in the order of their first appearance.
fn final_texts(steps: &[Step]) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for step in steps {
        let Some(text) = &step.text else { continue };
        match texts.iter_mut().find(|(cell, _)| *cell == step.cell) {
            Some((_, known)) => known.clone_from(text),
            None => texts.push((step.cell.clone(), text.clone())),
        }
    }
    texts
}

fn words(shown: &Shown) -> String {
    match shown.error() {
        Some((kind, text)) => format!("{kind}: {text}"),
        None => format!("{:?} {:?}", shown.result_text(), shown.stdout()),
    }
}

/// What the cells show in a fresh session that runs the final texts in order.
async fn fresh(client: &mut Client, texts: &[(String, String)], shows: &[String]) -> Vec<String> {
    show(client, ":clear").await;
    let mut shown = Vec::new();
    for (cell, text) in texts {
        let run = show(client, text).await;
        if let Some((_, error)) = run.error() {
            return vec![format!(
                "cell {cell} fails when all is run from the top: {error}"
            )];
        }
    }
    for text in shows {
        shown.push(words(&show(client, text).await));
    }
    shown
}

/// Does the steps and says what is not as it should be.
async fn check(edited: &mut Client, other: &mut Client, sequence: &Sequence) -> Option<String> {
    show(edited, ":clear").await;
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for (number, step) in sequence.steps.iter().enumerate() {
        if let Some(text) = &step.text {
            texts.insert(&step.cell, text);
        }
        let text = *texts.get(step.cell.as_str())?;
        let run = show(edited, text).await;
        if run.error().is_some() != step.fails {
            return Some(format!(
                "step {} ({}): {}",
                number + 1,
                step.cell,
                words(&run)
            ));
        }
    }
    let mut shown = Vec::new();
    for text in &sequence.shows {
        shown.push(words(&show(edited, text).await));
    }
    let expected = fresh(other, &final_texts(&sequence.steps), &sequence.shows).await;
    (shown != expected).then(|| format!("expected {expected:?}, came {shown:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_edited_shows_what_a_fresh_session_shows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("edits");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let (mut edited, mut other) = (Client::start().await, Client::start().await);
    let mut count = 0;
    let mut problems = Vec::new();
    for sequence in files.iter().flat_map(|file| read(file)) {
        count += 1;
        assert!(
            !sequence.shows.is_empty(),
            "{} shows nothing",
            sequence.name
        );
        if let Some(problem) = check(&mut edited, &mut other, &sequence).await {
            problems.push(format!("{}: {problem}", sequence.name));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count >= FEWEST, "{count} sequences");
    println!("{count} sequences");
}

/// A generator of numbers that are the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % bound
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for index in (1..list.len()).rev() {
            list.swap(index, self.below(index + 1));
        }
    }
}

/// Cells that depend on each other, each in a version for every state of a program. A program is a choice of states,
/// one for each cell's group; the cells of a group fit only in the same state.
const GROUPS: [&[(&str, &[&str])]; 7] = [
    &[
        (
            "net",
            &[
                "#[derive(Debug, Clone)] struct Net { w: i64 }",
                "#[derive(Debug, Clone)] struct Net { weight: i64, bias: i64 }",
                "#[derive(Debug, Clone)] struct Net<T>(T);",
            ],
        ),
        (
            "net_methods",
            &[
                "impl Net { fn value(&self) -> i64 { self.w * SCALE } fn more(&self) -> i64 { self.w } }",
                "impl Net { fn value(&self) -> i64 { self.weight * SCALE + self.bias } }",
                "impl<T: Into<i64> + Clone> Net<T> { fn value(&self) -> i64 { self.0.clone().into() * SCALE } }",
            ],
        ),
        (
            "net_make",
            &[
                "fn net() -> Net { Net { w: 2 } }",
                "fn net() -> Net { Net { weight: 3, bias: 1 } }",
                "fn net() -> Net<i32> { Net(5) }",
            ],
        ),
    ],
    &[(
        "scale",
        &[
            "const SCALE: i64 = 1;",
            "const SCALE: i64 = 10;",
            "const SCALE: i64 = -3;",
        ],
    )],
    &[
        (
            "animal",
            &[
                "trait Animal { fn name(&self) -> String; }",
                "trait Animal { fn name(&self) -> String; const LEGS: u32; fn legs(&self) -> u32 { Self::LEGS } }",
                "trait Animal { fn name(&self) -> &'static str; fn twice(&self) -> String { self.name().repeat(2) } }",
            ],
        ),
        (
            "dog",
            &[
                "struct Dog;\nimpl Animal for Dog { fn name(&self) -> String { \"dog\".into() } }",
                "struct Dog;\nimpl Animal for Dog { fn name(&self) -> String { \"Dog\".into() } const LEGS: u32 = 4; }",
                "struct Dog;\nimpl Animal for Dog { fn name(&self) -> &'static str { \"DOG\" } }",
            ],
        ),
        (
            "describe",
            &[
                "fn describe() -> String { Dog.name() }",
                "fn describe() -> String { format!(\"{} {}\", Dog.name(), Dog.legs()) }",
                "fn describe() -> String { Dog.twice() }",
            ],
        ),
    ],
    &[
        (
            "color",
            &[
                "#[derive(Debug, Clone, Copy, PartialEq)] enum Color { Red, Green }",
                "#[derive(Debug, Clone, Copy, PartialEq)] enum Color { Red, Blue, Gray(u8) }",
                "#[derive(Debug, Clone, Copy, PartialEq)] enum Color { Cyan { depth: u8 } }",
            ],
        ),
        (
            "color_use",
            &[
                "use Color::{Green, Red};",
                "use Color::{Blue, Gray, Red};",
                "use Color::Cyan;",
            ],
        ),
        (
            "color_name",
            &[
                "fn color_names() -> Vec<&'static str> { [Red, Green].map(|color| match color { Color::Red => \"red\", Color::Green => \"green\" }).into() }",
                "fn color_names() -> Vec<&'static str> { [Red, Blue, Gray(3)].map(|color| match color { Color::Red => \"red\", Color::Blue => \"blue\", Color::Gray(_) => \"gray\" }).into() }",
                "fn color_names() -> Vec<&'static str> { [Cyan { depth: 1 }].map(|color| match color { Color::Cyan { depth: 0 } => \"clear\", Color::Cyan { .. } => \"cyan\" }).into() }",
            ],
        ),
    ],
    &[
        (
            "macro",
            &[
                "macro_rules! twice { ($e:expr) => { $e * 2 } }",
                "macro_rules! twice { ($e:expr, $by:expr) => { $e * 2 * $by } }",
                "macro_rules! twice { ($name:ident = $e:expr) => { fn $name() -> i64 { $e * 2 } } }",
            ],
        ),
        (
            "macro_use",
            &[
                "fn from_macro() -> i64 { twice!(21) }",
                "fn from_macro() -> i64 { twice!(21, 5) }",
                "twice!(from_macro = 4);",
            ],
        ),
    ],
    &[
        (
            "module",
            &[
                "mod tools { pub fn first() -> i64 { 1 } pub fn second() -> i64 { 2 } }",
                "mod tools { pub fn second() -> i64 { 20 } pub struct Third(pub i64); }",
                "mod tools { pub mod inner { pub fn first() -> i64 { 100 } } pub use inner::first; }",
            ],
        ),
        (
            "module_use",
            &[
                "use tools::{first, second};",
                "use tools::{second, Third};",
                "use tools::first;",
            ],
        ),
        (
            "module_sum",
            &[
                "fn tools_sum() -> i64 { first() + second() }",
                "fn tools_sum() -> i64 { second() + Third(5).0 }",
                "fn tools_sum() -> i64 { first() * 2 }",
            ],
        ),
    ],
    &[
        (
            "debug_type",
            &[
                "struct Shown { a: u8 }",
                "#[derive(Debug)] struct Shown { a: u8 }",
                "#[derive(Debug, Default)] struct Shown { a: u8, b: u8 }",
            ],
        ),
        (
            "debug_impl",
            &[
                "impl std::fmt::Debug for Shown { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, \"by hand {}\", self.a) } }",
                "fn shown() -> String { format!(\"{:?}\", Shown { a: 1 }) }",
                "fn shown() -> String { format!(\"{:?}\", Shown::default()) }",
            ],
        ),
        (
            "debug_text",
            &[
                "fn debug_text() -> String { format!(\"{:?}\", Shown { a: 7 }) }",
                "fn debug_text() -> String { shown() }",
                "fn debug_text() -> String { shown() + \"!\" }",
            ],
        ),
    ],
];

/// What a program shows, by group.
const SHOWS: [&str; 7] = [
    "net().value()",
    "SCALE",
    "describe()",
    "color_names()",
    "from_macro()",
    "tools_sum()",
    "debug_text()",
];

/// Edits cells at random, often into versions that do not fit each other, then brings all to versions that do, and
/// runs those whose text is not what ran last, in any order, until each has run.
async fn check_random(edited: &mut Client, other: &mut Client, seed: u64) -> Option<String> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    // The first two stand on each other.
    let mut groups: Vec<usize> = (2..GROUPS.len()).collect();
    numbers.shuffle(&mut groups);
    groups.truncate(1 + numbers.below(2));
    groups.extend([0, 1]);
    groups.sort_unstable();
    let cells: Vec<(usize, &str, &[&str])> = groups
        .iter()
        .flat_map(|&group| {
            GROUPS[group]
                .iter()
                .map(move |&(cell, texts)| (group, cell, texts))
        })
        .collect();
    show(edited, ":clear").await;

    let mut log = Vec::new();
    let mut sound: BTreeMap<&str, &str> = BTreeMap::new();
    for round in 0..cells.len() + 5 {
        let (_, cell, texts) = cells[if round < cells.len() {
            round
        } else {
            numbers.below(cells.len())
        }];
        let text = texts[numbers.below(texts.len())];
        let succeeded = show(edited, text).await.error().is_none();
        log.push(format!(
            "{cell} {}: {text}",
            if succeeded { "runs" } else { "fails" }
        ));
        if succeeded {
            sound.insert(cell, text);
        } else {
            sound.remove(cell);
        }
    }
    let states: BTreeMap<usize, usize> = groups
        .iter()
        .map(|&group| (group, numbers.below(3)))
        .collect();
    let mut open: Vec<(&str, &str)> = cells
        .iter()
        .map(|(group, cell, texts)| (*cell, texts[states[group]]))
        .filter(|(cell, text)| sound.get(cell) != Some(text))
        .collect();
    numbers.shuffle(&mut open);
    let mut error = None;
    for _ in 0..=cells.len() {
        let mut left = Vec::new();
        for (cell, text) in open {
            let run = show(edited, text).await;
            log.push(format!("{cell} at last: {text}"));
            if let Some((_, words)) = run.error() {
                error = Some(words.to_owned());
                left.push((cell, text));
            }
        }
        open = left;
    }
    if let Some((cell, _)) = open.first() {
        return Some(format!(
            "{cell} cannot be run: {error:?}\n{}",
            log.join("\n")
        ));
    }
    let texts: Vec<(String, String)> = order(&cells, &states);
    let shows: Vec<String> = groups
        .iter()
        .map(|&group| SHOWS[group].to_owned())
        .collect();
    let mut shown = Vec::new();
    for text in &shows {
        shown.push(words(&show(edited, text).await));
    }
    let expected = fresh(other, &texts, &shows).await;
    (shown != expected)
        .then(|| format!("expected {expected:?}, came {shown:?}\n{}", log.join("\n")))
}

/// The final texts in an order in which each finds what it stands on: the constant before its users.
fn order(
    cells: &[(usize, &str, &[&str])],
    states: &BTreeMap<usize, usize>,
) -> Vec<(String, String)> {
    let mut cells = cells.to_vec();
    cells.sort_by_key(|(group, ..)| usize::from(*group != 1));
    cells
        .iter()
        .map(|(group, cell, texts)| ((*cell).to_owned(), texts[states[group]].to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_edits_show_what_a_fresh_session_shows() {
    let (mut edited, mut other) = (Client::start().await, Client::start().await);
    let mut problems = Vec::new();
    let seeds = std::env::var("PATCHBAY_EDIT_SEEDS")
        .ok()
        .map_or(SEEDS, |text| {
            let (from, to) = text.split_once("..").unwrap();
            from.parse().unwrap()..to.parse().unwrap()
        });
    for seed in seeds {
        if let Some(problem) = check_random(&mut edited, &mut other, seed).await {
            problems.push(format!("seed {seed}: {problem}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[tokio::test]
async fn what_no_longer_fits_is_named_with_its_cell_and_the_reason() {
    let mut client = Client::start().await;
    client.execute("struct Net { w: f64 }").await.ok();
    client
        .execute("impl Net { fn f(&self) -> f64 { self.w } fn g(&self) -> i32 { 1 } }")
        .await
        .ok();
    client
        .execute("fn net() -> Net { Net { w: 1.0 } }\nfn value() -> f64 { net().f() }")
        .await
        .ok();
    client
        .execute("struct Net { weight: f64 }")
        .await
        .stream_with(
            "stderr",
            &[
                "note: cell [2]'s impl of `Net` no longer compiles: no field `w` on type `&Net`; run cell [2] again when \
                 it is mended\n",
                "note: cell [3]'s `fn net` no longer compiles: ",
            ],
        )
        .ok();
    // Nothing that rests on it is in the way of other cells.
    client.execute("1 + 1").await.result("2").ok();
    client.execute("Net { weight: 1.0 }.g()").await.error(
        "CompileError",
        &[
            "no method named `g` found for struct `Net`",
            "cell [2]'s impl of `Net` no longer compiles (no field `w` on type `&Net`): mend cell [2] and run it again",
        ],
    );
    client.execute("value()").await.error(
        "CompileError",
        &[
            "cannot find function `value`",
            "cell [3]'s `fn net` no longer compiles",
        ],
    );
    // What was set aside says so once.
    client
        .execute("impl Net { fn f(&self) -> f64 { self.weight } }")
        .await
        .ok();
    client
        .execute("fn net() -> Net { Net { weight: 4.0 } }")
        .await
        .ok();
    client.execute("value()").await.result("4.0").ok();
    // The method that no cell has defined anew comes back with what it needs.
    client
        .execute("struct Net { weight: f64, w: f64 }")
        .await
        .stream_with(
            "stderr",
            &["cell [9]'s `fn net` no longer compiles: missing field `w`"],
        )
        .ok();
    client
        .execute("Net { weight: 1.0, w: 2.0 }.g()")
        .await
        .result("1")
        .ok();
}

#[tokio::test]
async fn a_cell_that_fails_sets_nothing_aside() {
    let mut client = Client::start().await;
    client.execute("fn f(x: i32) -> i32 { x }").await.ok();
    client.execute("fn g() -> i32 { f(1) }").await.ok();
    client
        .execute("fn f(x: &str) -> usize { x }")
        .await
        .error("CompileError", &["mismatched types", "cell [3]"]);
    client.execute("g()").await.result("1").ok();
}

#[tokio::test]
async fn an_error_of_a_cells_arguments_is_the_cells() {
    let mut client = Client::start().await;
    client
        .execute("fn positive<const N: usize>() -> usize { const { assert!(N > 0) } N }")
        .await
        .ok();
    client.execute("positive::<0>()").await.error(
        "CompileError",
        &["evaluation panicked: assertion failed: N > 0"],
    );
    client.execute("positive::<3>()").await.result("3").ok();
}

#[tokio::test]
async fn a_static_that_must_begin_anew_says_so() {
    let mut client = Client::start().await;
    client
        .execute(
            "struct Entry { n: u32 }\n\
             static ENTRIES: std::sync::Mutex<Vec<Entry>> = std::sync::Mutex::new(Vec::new());",
        )
        .await
        .ok();
    client
        .execute("ENTRIES.lock().unwrap().push(Entry { n: 1 });")
        .await
        .ok();
    client
        .execute("ENTRIES.lock().unwrap().iter().map(|entry| entry.n).sum::<u32>()")
        .await
        .result("1")
        .ok();
    client
        .execute("struct Entry { n: u32, text: String }")
        .await
        .stream(
            "stderr",
            "note: the static `ENTRIES` begins anew, because cell [4] changes what it is made of\n",
        )
        .ok();
    client
        .execute("ENTRIES.lock().unwrap().len()")
        .await
        .result("0")
        .ok();
}

#[tokio::test]
async fn statics_begin_anew_after_a_reset_and_in_a_new_process() {
    let mut client = Client::start().await;
    let counter = "use std::sync::atomic::{AtomicU32, Ordering}; static COUNT: AtomicU32 = AtomicU32::new(7);";
    let next = "COUNT.fetch_add(1, Ordering::SeqCst)";
    client.execute(counter).await.ok();
    client.execute(next).await.result("7").ok();
    client.execute(next).await.result("8").ok();
    let mut reset = client.execute(":clear").await;
    reset.rest();
    reset.ok();
    client.execute(counter).await.ok();
    client.execute(next).await.result("7").ok();
    client.execute("std::process::abort()").await.error(
        "ProcessEnded",
        &["the process that runs the cells has ended"],
    );
    client.execute(next).await.result("7").ok();
    client.execute(next).await.result("8").ok();
}

#[tokio::test]
async fn attributes_that_no_cell_can_have_are_explained() {
    let mut client = Client::start().await;
    client.execute("#![feature(box_patterns)]\n1").await.error(
        "CompileError",
        &[
            "`#![feature(box_patterns)]` asks for unstable features",
            "E0554",
            "cell [1]",
        ],
    );
    client
        .execute("#![no_std]\n1")
        .await
        .error("CompileError", &["`#![no_std]` is for a whole crate"]);
    client
        .execute("#![allow(non_upper_case_globals)]\nconst lower: i32 = 3; lower")
        .await
        .result("3")
        .ok();
    // A level that the engine's own lines would break is for the cell's items only.
    client
        .execute("#![forbid(unsafe_code)]\n#![deny(warnings)]\nlet x = 5; fn unused() {} x")
        .await
        .result("5")
        .ok();
}
