//! Prints the circles of files in each crate: `cargo run --release --package patchbay-tests --example arrows [MOST]`.

use std::path::Path;

fn main() {
    let most = std::env::args()
        .nth(1)
        .and_then(|most| most.parse().ok())
        .unwrap_or(2);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for group in ["kernel", "plugins"] {
        let Ok(entries) = std::fs::read_dir(root.join(group)) else {
            continue;
        };
        for entry in entries.flatten() {
            let source = entry.path().join("src");
            if !source.is_dir() {
                continue;
            }
            let arrows = patchbay_tests::arrows::of_crate(&source);
            let count: usize = arrows.arrows.values().map(|to| to.len()).sum();
            println!(
                "{}: {} files, {count} arrows",
                entry.path().display(),
                arrows.files.len()
            );
            for circle in arrows.circles(most) {
                let names: Vec<String> = circle
                    .iter()
                    .map(|path| {
                        path.strip_prefix(&source)
                            .unwrap_or(path)
                            .display()
                            .to_string()
                    })
                    .collect();
                println!("  a circle of {}: {}", circle.len(), names.join(", "));
                for (from, to) in &arrows.arrows {
                    let inside: Vec<String> = to
                        .iter()
                        .filter(|module| {
                            circle.contains(&arrows.files[from])
                                && circle.contains(&arrows.files[*module])
                        })
                        .map(|module| module.join("::"))
                        .collect();
                    if !inside.is_empty() {
                        println!("    {} -> {}", from.join("::"), inside.join(", "));
                    }
                }
            }
        }
    }
}
