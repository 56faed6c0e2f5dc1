//! Edits of the SDK that the dynamic loader would not notice.

use std::{env, fs, path::Path, process::Command};

use patchbay::plugin;

use crate::support::release;

/// One edit: what is replaced in which file, and the words of the refusal.
const EDITS: [(&str, &str, &str, &str, &str); 4] = [
    (
        "a private inline function",
        "kernel/plugin/src/slot.rs",
        "interrupt::check();\n        let bound",
        "if interrupt::requested() { interrupt::check(); }\n        let bound",
        "SDK sources",
    ),
    (
        "a field's type",
        "kernel/plugin/src/kinds/encoder.rs",
        "pub attention: Vec<Tensor>",
        "pub attention: std::collections::VecDeque<Tensor>",
        "SDK sources",
    ),
    (
        "the order of a trait's methods",
        "kernel/plugin/src/kinds/forecaster.rs",
        "        fn lookback(&self) -> usize;\n\n        /// How many steps are forecast.\n        #[constant]\n        fn horizon(&self) -> usize;",
        "        fn horizon(&self) -> usize;\n\n        /// How many steps are forecast.\n        #[constant]\n        fn lookback(&self) -> usize;",
        "SDK sources",
    ),
    (
        "a dependency's feature",
        "kernel/show/Cargo.toml",
        "base64 = \"0.22\"",
        "base64 = { version = \"0.22\", features = [\"alloc\"] }",
        "features or versions of dependencies",
    ),
];

/// What takes time and is not needed.
const NOT_BUILT: [&str; 12] = [
    "patchbay-albef",
    "patchbay-balancers",
    "patchbay-completion",
    "patchbay-dehaze",
    "patchbay-encoders",
    "patchbay-fusion",
    "patchbay-fuzz",
    "patchbay-host",
    "patchbay-runtime",
    "patchbay-session",
    "patchbay-tests",
    "patchbay-forecasters",
];

/// Builds the SDK and a plugin from edited copies of the sources (dependencies come from a copy of
/// the target folder, so that a build takes seconds) and offers each plugin to this process.
///
/// Run it with: cargo test --release --test plugins -- --ignored
#[test]
#[ignore = "builds the SDK four times, half a minute"]
fn a_plugin_of_an_edited_sdk_is_refused_and_never_called() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Outside the repository, whose cargo configuration would be read a second time inside it.
    let copy = env::temp_dir().join(format!("patchbay-edited-sdk-{}", std::process::id()));
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir_all(copy.join("target/release")).unwrap();
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    for name in [
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
        ".cargo",
        "kernel",
        "plugins",
        "tests",
    ] {
        run(Command::new("cp").arg("-a").arg(root.join(name)).arg(&copy));
    }
    for name in ["deps", "build", ".fingerprint"] {
        run(Command::new("cp")
            .arg("-a")
            .arg(release().join(name))
            .arg(copy.join("target/release")));
    }
    for (what, file, from, to, words) in EDITS {
        let path = copy.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(from),
            "{what}: {file} has changed; adapt this test"
        );
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        run(Command::new(env!("CARGO"))
            .args(["build", "--release", "--offline", "--workspace", "--lib"])
            // One plugin is enough. Some of the others use the struct whose field has another type, and would not compile.
            .args(NOT_BUILT.iter().flat_map(|name| ["--exclude", name]))
            .env_remove("CARGO_TARGET_DIR")
            .current_dir(&copy));
        fs::write(&path, text).unwrap();
        let text = plugin::load(copy.join("target/release/libpatchbay_losses.so"))
            .unwrap_err()
            .to_string();
        assert!(text.contains(words), "{what}: {text}");
        assert_eq!(text.matches("this kernel").count(), 1, "{what}: {text}");
        println!("{what}: {text}\n");
    }
    fs::remove_dir_all(&copy).unwrap();
}
