//! Building small plugins against the SDK that this test links.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder with `libpatchbay.so`.
pub fn release() -> PathBuf {
    let program = env::current_exe().unwrap();
    program.parent().unwrap().parent().unwrap().to_owned()
}

/// A fresh path for a test's file.
pub fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Compiles a plugin. `name` must be unique among the tests: it is the plugin's source.
pub fn build(name: &str, source: &str) -> PathBuf {
    let file = scratch(&format!("{name}.rs"));
    fs::write(&file, source).unwrap();
    let library = scratch(&format!("lib{name}.so"));
    let release = release();
    compile(&file, &library, |command| {
        command.args(["-Cprefer-dynamic", "--extern"]).arg(format!(
            "patchbay={}",
            release.join("libpatchbay.so").display()
        ));
    });
    patchbay::plugin::seal(&library).unwrap();
    library
}

/// Runs the compiler on one file.
pub fn compile(file: &Path, library: &Path, arguments: impl Fn(&mut Command)) {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.args([
        "--crate-type=cdylib",
        "--edition=2024",
        "-Copt-level=2",
        "-o",
    ]);
    command.arg(library).arg(file);
    command.arg(format!("-Ldependency={}", release().join("deps").display()));
    arguments(&mut command);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The source of a loss without settings; `body` sees `prediction` and `target`.
pub fn loss(id: &str, body: &str) -> String {
    format!(
        r#"use patchbay::plugin::prelude::*;
        pub struct Mine;
        impl Component for Mine {{}}
        impl Define for Mine {{
            type Kind = dyn Loss;
            type Config = ();
            const ID: &'static str = "{id}";
            const SUMMARY: &'static str = "a loss \"for\" a test";
            const DETAILS: Details = Details::NONE;
            fn build(_config: (), _context: &Context) -> Result<Self> {{ Ok(Mine) }}
        }}
        impl Loss for Mine {{
            fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {{
                let _ = (prediction, target);
                {body}
            }}
        }}
        patchbay::export_plugin!(Mine);"#
    )
}

/// A copy of a plugin in which bytes are replaced by as many others, all over the file, sealed as it is then.
pub fn patched(library: &Path, name: &str, from: &str, to: &str) -> PathBuf {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(library).unwrap();
    let mut count = 0;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            count += 1;
        }
    }
    assert!(count > 0, "{from} is not in {}", library.display());
    let path = scratch(name);
    fs::write(&path, bytes).unwrap();
    patchbay::plugin::seal(&path).unwrap();
    path
}
