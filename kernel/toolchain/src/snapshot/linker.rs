//! How cells are linked: by the toolchain's own linker without a C compiler's driver around it,
//! which saves a tenth of a small cell's compile, or else as rustc does by default.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::Rustc;

/// Where the folders of libraries stand in rustc's arguments.
const FOLDER: &str = "-Clink-arg=-L";

/// What rustc must be told to call its linker directly; empty where that does not work here.
pub fn direct(rustc: &Rustc, target: &str) -> Vec<String> {
    let linker = rustc
        .sysroot
        .join("lib/rustlib")
        .join(target)
        .join("bin/rust-lld");
    let folders = ["libc.so", "libgcc_s.so", "libgcc.a"].map(folder_of);
    let mut arguments = vec![
        format!("-Clinker={}", linker.display()),
        "-Clinker-flavor=ld.lld".to_owned(),
    ];
    for folder in folders.into_iter().flatten() {
        let argument = format!("{FOLDER}{}", folder.display());
        if !arguments.contains(&argument) {
            arguments.push(argument);
        }
    }
    if linker.is_file() && links(rustc, &arguments) {
        arguments
    } else {
        Vec::new()
    }
}

/// The arguments if all that they name is still there; a system's update may move its libraries.
pub fn present(arguments: &[String]) -> Vec<String> {
    let is_there = |argument: &String| {
        let path = argument
            .strip_prefix(FOLDER)
            .or_else(|| argument.strip_prefix("-Clinker="));
        path.is_none_or(|path| Path::new(path).exists())
    };
    if arguments.iter().all(is_there) {
        arguments.to_vec()
    } else {
        Vec::new()
    }
}

/// The folder in which the C compiler finds a library.
fn folder_of(library: &str) -> Option<PathBuf> {
    let output = Command::new("cc")
        .arg(format!("-print-file-name={library}"))
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    // Where it finds none, it repeats the name. The file itself may be a link into another folder.
    if path.is_absolute() {
        path.parent()?.canonicalize().ok()
    } else {
        None
    }
}

/// Whether a small library is linked with these arguments.
fn links(rustc: &Rustc, arguments: &[String]) -> bool {
    let Ok(folder) = tempfile::tempdir() else {
        return false;
    };
    let source = folder.path().join("trial.rs");
    let program =
        "#[unsafe(no_mangle)]\npub fn trial() -> String { format!(\"{:?}\", std::env::args()) }\n";
    fs::write(&source, program).is_ok()
        && Command::new(&rustc.path)
            .args(["--edition=2024", "--crate-type=cdylib", "-Cprefer-dynamic"])
            .args(arguments)
            .arg("-o")
            .arg(folder.path().join("trial.so"))
            .arg(&source)
            .output()
            .is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_gone_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display().to_string();
        let kept = [
            "-Clinker-flavor=ld.lld".to_owned(),
            format!("{FOLDER}{place}"),
        ];
        assert_eq!(present(&kept), kept);
        let gone = [format!("-Clinker={place}/rust-lld")];
        assert!(present(&gone).is_empty());
    }
}
