//! The pages for developers: what they name is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files that CONTRIBUTING.md sends a newcomer to are there.
#[test]
fn the_guide_names_files_that_are_there() {
    let guide = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let named: Vec<&str> = guide
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| text.contains('/') && !text.contains([' ', ':']))
        .filter(|text| !text.contains("my_"))
        .collect();
    assert!(named.len() >= 10, "{named:?}");
    for path in named {
        assert!(root().join(path).exists(), "{path}");
    }
}

/// Returns `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn expand_braces(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let (choices, after) = rest.split_once('}').expect("a brace that ends");
    choices
        .split(',')
        .flat_map(|choice| expand_braces(&format!("{before}{choice}{after}")))
        .collect()
}

fn files_below(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", ".git", "node_modules", "shared"].contains(&&*name) {
            files_below(&path, found);
        } else {
            found.push(path.to_string_lossy().into_owned());
        }
    }
}

/// The sources that the pages on the design name, with as much of their path as tells them from others, are there.
#[test]
fn the_pages_on_the_design_name_files_that_are_there() {
    let mut files = Vec::new();
    files_below(&root(), &mut files);
    let design = fs::read_dir(root().join("docs/design")).unwrap();
    let pages = design
        .map(|entry| entry.unwrap().path())
        .chain(["ARCHITECTURE.md", "SECURITY.md"].map(|page| root().join(page)));
    let mut named = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let quoted = text.split('`').skip(1).step_by(2);
        for path in quoted.filter(|path| !path.contains([' ', '*', '<', '\n'])) {
            if !path.ends_with(".rs")
                && !["kernel/", "plugins/", "tests/"]
                    .iter()
                    .any(|start| path.starts_with(start))
            {
                continue;
            }
            for path in expand_braces(path) {
                named += 1;
                let path = path.trim_end_matches('/');
                let is_there =
                    root().join(path).exists() || files.iter().any(|file| is_named_by(file, path));
                assert!(is_there, "{}: `{path}`", page.display());
            }
        }
    }
    assert!(named >= 100, "{named}");
}

/// Whether a file's path ends as is written; the crate's `src` may be left out.
fn is_named_by(file: &str, path: &str) -> bool {
    let ends = |file: &str| {
        file.strip_suffix(path)
            .is_some_and(|before| before.ends_with('/'))
    };
    ends(file) || ends(&file.replace("/src/", "/"))
}
