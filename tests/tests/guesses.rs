//! What people type who know Python works, or fails with an error that names what does.

use std::time::Instant;

use patchbay_tests::Client;

/// A line of the table.
struct Guess {
    code: &'static str,
    expected: &'static str,
    works: bool,
}

fn table() -> Vec<Guess> {
    let lines = include_str!("../guesses/table.rs").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines
        .map(|line| {
            let (works, parts) = match line.split_once(" //= ") {
                Some(parts) => (true, Some(parts)),
                None => (false, line.split_once(" //! ")),
            };
            let (code, expected) = parts.unwrap_or_else(|| panic!("no expectation in {line:?}"));
            Guess {
                code,
                expected,
                works,
            }
        })
        .collect()
}

fn told(index: usize, guess: &Guess) -> String {
    format!(
        "println!(\"@{index} {{}}\", told(&({{ {} }})));\n",
        guess.code
    )
}

/// The text of a cell that printed it, and of its error.
async fn run(client: &mut Client, code: &str) -> (String, String) {
    let mut execution = client.execute(code).await;
    let printed = execution.text("stdout");
    let traceback = execution.reply["traceback"].as_array().map(|lines| {
        let lines = lines.iter().filter_map(|line| line.as_str());
        lines.collect::<Vec<_>>().join("\n")
    });
    execution.rest();
    (printed, without_colors(&traceback.unwrap_or_default()))
}

fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}

#[tokio::test]
async fn what_python_people_type_works_or_names_what_does() {
    let began = Instant::now();
    let guesses = table();
    assert!(guesses.len() >= 150, "{} guesses", guesses.len());
    let mut client = Client::start().await;
    let (_, error) = run(&mut client, include_str!("../guesses/setup.rs")).await;
    assert_eq!(error, "");
    let mut wrong: Vec<String> = Vec::new();
    let working: Vec<(usize, &Guess)> = guesses
        .iter()
        .enumerate()
        .filter(|(_, guess)| guess.works)
        .collect();
    for batch in working.chunks(24) {
        let code: String = batch.iter().map(|(i, guess)| told(*i, guess)).collect();
        let (mut printed, error) = run(&mut client, &code).await;
        if !error.is_empty() {
            printed.clear();
            for (index, guess) in batch {
                let (text, error) = run(&mut client, &told(*index, guess)).await;
                printed += &text;
                if !error.is_empty() {
                    printed += &format!("@{index} {}\n", error.replace('\n', " | "));
                }
            }
        }
        for (index, guess) in batch {
            let start = format!("@{index} ");
            let found = printed.lines().find_map(|line| line.strip_prefix(&start));
            if found != Some(guess.expected) {
                wrong.push(format!(
                    "{}: {found:?}, not {:?}",
                    guess.code, guess.expected
                ));
            }
        }
    }
    for guess in guesses.iter().filter(|guess| !guess.works) {
        let (_, error) = run(&mut client, guess.code).await;
        if !error.contains(guess.expected) {
            wrong.push(format!(
                "{}: {:?} is not in\n{error}",
                guess.code, guess.expected
            ));
        }
    }
    let right = guesses.len() - wrong.len();
    let share = 100.0 * right as f64 / guesses.len() as f64;
    println!(
        "{right} of {} guesses ({share:.1} %) work or are told what does, {} of them work, in {:.1?}",
        guesses.len(),
        working.len(),
        began.elapsed()
    );
    assert!(share >= 95.0, "{share:.1} %:\n{}", wrong.join("\n\n"));
    for text in wrong {
        println!("wrong: {text}\n");
    }
}
