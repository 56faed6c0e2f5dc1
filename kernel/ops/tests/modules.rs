//! What the modules of the crate import of each other: no circle of more than two files, and nothing private of an op.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Sources by the path of their module; the crate's root is the empty path.
type Sources = BTreeMap<Vec<String>, String>;

fn read(folder: &Path, module: &[String], sources: &mut Sources) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            read(&path, &[module, &[name]].concat(), sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = match name.as_str() {
                "lib" | "mod" => module.to_vec(),
                // Tests are imported by nothing.
                "tests" | "reference" => continue,
                _ => [module, &[name]].concat(),
            };
            sources.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

/// The text without comments and strings.
fn code(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut rest = line.split("//").next().unwrap();
        while let Some((before, after)) = rest.split_once('"') {
            out += before;
            rest = after.split_once('"').map_or("", |(_, after)| after);
        }
        out += rest;
        out.push('\n');
    }
    out
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The paths of a tree of imports that begins here, such as `a::{b, c::d}`.
fn tree(text: &str, before: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let skipped = text.len() - text.trim_start().len();
    let here = &text[skipped..];
    if here.starts_with('{') {
        let mut at = skipped + 1;
        loop {
            at += tree(&text[at..], before, paths);
            at += text[at..].len() - text[at..].trim_start().len();
            match text[at..].chars().next() {
                Some(',') => at += 1,
                Some('}') => return at + 1,
                _ => return at,
            }
        }
    }
    let name: String = here.chars().take_while(|&letter| is_name(letter)).collect();
    let end = skipped + name.len();
    if name.is_empty() {
        // The comma before the end of a group, or a star.
        if here.starts_with('*') {
            paths.push(before.to_vec());
            return skipped + 1;
        }
        return skipped;
    }
    let path = [before, &[name]].concat();
    match text[end..].strip_prefix("::") {
        Some(more) if more.starts_with(|letter| is_name(letter) || "{*".contains(letter)) => {
            end + 2 + tree(more, &path, paths)
        }
        _ => {
            paths.push(path);
            end
        }
    }
}

/// All paths of a module's source that lead into the crate, from its root on.
fn paths(module: &[String], text: &str) -> Vec<Vec<String>> {
    let code = code(text);
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|letter| is_name(letter) || letter == ':') {
                continue;
            }
            let parent = &module[..module.len().saturating_sub(1)];
            let from = match start {
                "crate::" => &[],
                "super::" => parent,
                _ => module,
            };
            tree(&code[at + start.len()..], from, &mut found);
        }
    }
    found
}

/// What the crate's root exports: names with the module that each is of.
fn exports(root: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (at, _) in root.match_indices("pub use ") {
        let mut found = Vec::new();
        tree(&root[at + "pub use ".len()..], &[], &mut found);
        for path in found.iter().filter(|path| path.len() > 1) {
            names.insert(path[1].clone(), path[0].clone());
        }
    }
    names
}

/// What is wrong with the imports of these sources.
fn faults(sources: &Sources) -> Vec<String> {
    let root = &sources[&Vec::new()];
    let exports = exports(&code(root));
    let mut faults = Vec::new();
    let mut edges: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> = BTreeMap::new();
    for (module, text) in sources.iter().filter(|(module, _)| !module.is_empty()) {
        let edges = edges.entry(module).or_default();
        for path in paths(module, text) {
            // `super::*` at the top is the root.
            let Some(first) = path.first() else { continue };
            // An op is a folder.
            let of_op = sources.contains_key(&vec![first.clone(), "cpu".to_owned()]);
            if of_op && path.len() > 1 && module[0] != *first {
                faults.push(format!(
                    "{} imports {}, which is private to an op: import what the crate exports, or move it out of the op",
                    module.join("::"),
                    path.join("::")
                ));
            }
            let longest = (1..=path.len())
                .rev()
                .find_map(|length| sources.get_key_value(&path[..length]));
            let target = match longest {
                Some((target, _)) => target,
                None => match exports.get(first).map(|of| vec![of.clone()]) {
                    Some(of) => match sources.get_key_value(&of) {
                        Some((target, _)) => target,
                        None => continue,
                    },
                    None => continue,
                },
            };
            edges.insert(target);
        }
        for (child, _) in sources.range(module.clone()..) {
            if child.len() == module.len() + 1 && child.starts_with(module) {
                edges.insert(child);
            }
        }
        edges.remove(module);
    }
    // Two modules are of one circle where each leads to the other.
    let reached = |from: &Vec<String>| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(module) = open.pop() {
            for &next in edges.get(&module).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        reached
    };
    let all: BTreeMap<_, _> = edges
        .keys()
        .map(|&module| (module, reached(module)))
        .collect();
    for (&module, reached) in &all {
        let circle: Vec<String> = all
            .iter()
            .filter(|(other, back)| reached.contains(**other) && back.contains(module))
            .map(|(other, _)| other.join("::"))
            .collect();
        if circle.len() > 2 && circle[0] == module.join("::") {
            faults.push(format!("a circle of imports: {}", circle.join(", ")));
        }
    }
    faults
}

#[test]
fn imports_go_one_way() {
    let mut sources = Sources::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &[],
        &mut sources,
    );
    assert!(sources.len() > 80, "{} modules", sources.len());
    let exported = exports(&code(&sources[&Vec::new()]));
    assert_eq!(exported["log_softmax"], "softmax");
    let imports = paths(
        &["softmax".to_owned()],
        &sources[&vec!["softmax".to_owned()]],
    );
    assert!(
        imports.contains(&vec!["dispatch".to_owned(), "dispatch".to_owned()]),
        "{imports:?}"
    );
    let faults = faults(&sources);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn circles_and_private_imports_are_found() {
    let of = |files: &[(&str, &str)]| {
        let module = |path: &str| {
            path.split("::")
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let sources = files
            .iter()
            .map(|(path, text)| (module(path), (*text).to_owned()));
        faults(&sources.collect())
    };
    let root = ("", "ops! {\n    pub use a::{f, G};\n    pub use b::{h};\n}");
    let two = [
        root,
        ("x", "use crate::y::Y;"),
        ("y", "// crate::z::Z\nuse crate::x::{X, W};"),
    ];
    assert!(of(&two).is_empty());
    let three = [
        root,
        ("x", "use crate::{\n    y::Y,\n};"),
        ("y", "fn f() { crate::z::g(\"crate::x\") }"),
        ("z", "use super::x;"),
    ];
    assert_eq!(of(&three), ["a circle of imports: x, y, z"]);
    // By way of what the root exports.
    let exported = [
        root,
        ("a", ""),
        ("a::cpu", ""),
        ("a::composed", "crate::h(x)"),
        ("b", "use crate::y::{self};"),
        ("y", "use crate::f;"),
    ];
    assert_eq!(of(&exported), ["a circle of imports: a, a::composed, b, y"]);
    let private = [
        root,
        ("a", ""),
        ("a::cpu", ""),
        ("b", "use crate::{a::{cpu::Kernel}, f};"),
        ("b::cpu", "use super::super::f;"),
    ];
    let faults = of(&private);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with("b imports a::cpu::Kernel"),
        "{faults:?}"
    );
}
