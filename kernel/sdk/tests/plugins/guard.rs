//! Files that must not be loaded.

use std::{env, fs};

use patchbay::{build::BUILD_ID, plugin};

use crate::support::{build, compile, loss, patched, release, scratch};

fn refusal(path: impl AsRef<std::path::Path>) -> String {
    plugin::load(path).unwrap_err().to_string()
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn a_file_that_is_no_plugin_says_so() {
    assert_says(
        &refusal("/nowhere/libx.so"),
        &["/nowhere/libx.so: cannot be read"],
    );
    let text = scratch("text.so");
    fs::write(&text, "not a library").unwrap();
    assert_says(&refusal(&text), &["text.so: not a plugin", "not a li"]);
    let own_library = release().join("libpatchbay.so");
    assert_says(
        &refusal(own_library),
        &["not a plugin", ".patchbay.plugin", "export_plugin!"],
    );
}

#[test]
fn a_truncated_plugin_is_refused_at_any_length() {
    let library = build("truncated", &loss("loss/truncated", "prediction.sum_all()"));
    let bytes = fs::read(&library).unwrap();
    let cut = scratch("cut.so");
    for length in [10, 64, 5_000, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&cut, &bytes[..length]).unwrap();
        assert_says(
            &refusal(&cut),
            &[
                "cut.so: not a complete ELF shared library",
                "patchbay plugin build",
            ],
        );
    }
    fs::write(&cut, &bytes).unwrap();
    plugin::load(&cut).unwrap();
}

/// Sets an environment variable as soon as the dynamic loader runs its constructor.
const CONSTRUCTOR: &str = r#"
    #[used]
    #[unsafe(link_section = ".init_array")]
    static CONSTRUCTOR: extern "C" fn() = {
        extern "C" fn run() {
            unsafe { std::env::set_var("PATCHBAY_TEST_CONSTRUCTOR", "ran") }
        }
        run
    };"#;

#[test]
fn a_plugin_of_another_build_is_refused_before_any_of_its_code_runs() {
    let source = loss("loss/stale", "panic!(\"must never run\")") + CONSTRUCTOR;
    let library = build("stale", &source);
    let other_id = "0123456789abcdef";

    // Another compiler: the metadata tells.
    let compiler = patched(&library, "compiler.so", "rustc 1.", "rustc 9.");
    let compiler = patched(&compiler, "compiler.so", BUILD_ID, other_id);
    assert_says(
        &refusal(&compiler),
        &[
            "compiler: plugin rustc 9.",
            "this kernel rustc 1.",
            "patchbay plugin build",
            "cargo build --release",
        ],
    );

    // Other sources, features, flags: each is named alone.
    for (part, value) in [
        ("SDK sources", patchbay::build::SOURCES),
        (
            "features or versions of dependencies",
            patchbay::build::FEATURES,
        ),
        ("compiler flags", patchbay::build::FLAGS),
    ] {
        let other = patched(&library, "part.so", value, other_id);
        let other = patched(&other, "part.so", BUILD_ID, other_id);
        let text = refusal(&other);
        assert_says(&text, &[part, other_id, value]);
        assert_eq!(text.matches("this kernel").count(), 1, "{text}");
    }

    // Metadata that lies: the canary's symbol is the other build's, and the loader refuses.
    let canary = patched(
        &library,
        "canary.so",
        &format!("patchbay_sdk_{BUILD_ID}"),
        &format!("patchbay_sdk_{other_id}"),
    );
    assert_says(
        &refusal(&canary),
        &[
            "dynamic loader refuses",
            "patchbay_sdk_0123456789abcdef",
            "another SDK",
        ],
    );

    assert_eq!(
        env::var_os("PATCHBAY_TEST_CONSTRUCTOR"),
        None,
        "a refused plugin has run"
    );
    plugin::load(&library).unwrap();
    assert_eq!(
        env::var("PATCHBAY_TEST_CONSTRUCTOR").unwrap(),
        "ran",
        "the check above would see nothing"
    );
}

#[test]
fn a_plugin_with_an_sdk_of_its_own_is_refused() {
    let file = scratch("static.rs");
    fs::write(&file, loss("loss/static", "prediction.sum_all()")).unwrap();
    let library = scratch("libstatic.so");
    compile(&file, &library, |command| {
        let rlib = release().join("deps/libpatchbay.rlib");
        command
            .arg("--extern")
            .arg(format!("patchbay={}", rlib.display()));
    });
    let metadata = plugin::read_metadata(&library).unwrap();
    assert_eq!(
        metadata.build_id, BUILD_ID,
        "the build id alone would have accepted it"
    );
    assert_says(
        &refusal(&library),
        &["carries an SDK of its own", "wrong gradients"],
    );
}

#[test]
fn one_id_from_two_sources_is_an_error_that_names_both() {
    let first = build("first_of_two", &loss("loss/twice", "prediction.sum_all()"));
    let second = build(
        "second_of_two",
        &loss("loss/twice", "prediction.mean_all()"),
    );
    plugin::load(&first).unwrap();
    let text = refusal(&second);
    assert_says(
        &text,
        &[
            "loss/twice",
            "first_of_two",
            "second_of_two",
            "plugin::unregister(\"loss/twice\")",
        ],
    );
    assert!(plugin::unregister("loss/twice"));
    plugin::load(&second).unwrap();
}

#[test]
fn listing_reads_metadata_without_loading() {
    let source = loss("loss/listed", "prediction.sum_all()");
    let library = build("listed", &source);
    let metadata = plugin::read_metadata(&library).unwrap();
    assert_eq!(
        (metadata.name.as_str(), metadata.source.as_str()),
        ("listed", "listed")
    );
    assert_eq!(metadata.components.len(), 1);
    assert_eq!(metadata.components[0].id, "loss/listed");
    assert_eq!(metadata.components[0].summary, "a loss \"for\" a test");
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.contains("liblisted.so"));
}
