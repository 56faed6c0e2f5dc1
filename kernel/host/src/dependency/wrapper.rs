//! The compiler as cargo calls it for `:dep`: this program, which leaves out what the SDK holds.
//!
//! Cargo names it by `RUSTC_WRAPPER`. For a package that the SDK holds it writes empty files where
//! cargo expects the compiler's, and a mark that says which of the SDK's files stands for them; where
//! another crate names the empty file, it is replaced by that one.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{BUNDLE, graph::PackageName};

/// The variable that makes this program a compiler: the file with [`Instructions`].
pub const VARIABLE: &str = "PATCHBAY_DEPENDENCY_PLAN";

/// What the wrapper must know.
#[derive(Debug, Serialize, Deserialize)]
pub struct Instructions {
    /// Crates that the SDK's stand for, by `package version`, then by name in Rust.
    pub held: BTreeMap<String, BTreeMap<String, PathBuf>>,
    /// `libpatchbay.so`.
    pub library: PathBuf,
    /// The folder that describes the SDK's dependencies.
    pub dependencies: PathBuf,
    /// The name by which a process knows the library.
    pub soname: String,
}

/// Runs the compiler that cargo asks for, or does without.
pub fn main(instructions: &Path) -> ExitCode {
    match run(instructions) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(instructions: &Path) -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let rustc = arguments.next().context("cargo names no compiler")?;
    let arguments: Vec<OsString> = arguments.collect();
    let compiles = arguments.iter().any(|argument| argument == "--out-dir");
    let (true, Ok(name), Ok(version)) = (
        compiles,
        env::var("CARGO_PKG_NAME"),
        env::var("CARGO_PKG_VERSION"),
    ) else {
        // Cargo asks the compiler about itself.
        return Err(Command::new(&rustc).args(&arguments).exec().into());
    };
    let text = fs::read(instructions).with_context(|| format!("{}", instructions.display()))?;
    let instructions: Instructions = serde_json::from_slice(&text)?;
    let package = PackageName { name, version };
    let call = Call::read(&arguments)?;
    let is_bundle = package.name == BUNDLE;
    let held = instructions
        .held
        .get(&format!("{} {}", package.name, package.version))
        .and_then(|crates| crates.get(&call.crate_name));
    // What runs in the compiler cannot use the SDK's crates, its macros apart.
    if let Some(held) = held.filter(|_| call.for_cells || call.is_macro) {
        return call.leave_out(held);
    }
    let mut command = Command::new(rustc);
    command.args(replace_held(&arguments));
    if call.for_cells {
        command
            .arg("-L")
            .arg(joined("dependency=", &instructions.dependencies));
    }
    if is_bundle {
        command
            .arg("--extern")
            .arg(joined("patchbay=", &instructions.library))
            .arg("-Cprefer-dynamic")
            .arg(format!("-Clink-arg=-Wl,-soname={}", instructions.soname));
    }
    Err(command.exec().into())
}

/// What cargo wants of the compiler.
struct Call {
    crate_name: String,
    /// What follows the crate's name in file names.
    suffix: String,
    folder: PathBuf,
    is_macro: bool,
    /// Cargo was given a target, which it names for everything that does not run in the compiler.
    for_cells: bool,
}

impl Call {
    fn read(arguments: &[OsString]) -> Result<Call> {
        let text: Vec<&str> = arguments
            .iter()
            .map(|argument| argument.to_str().context("an argument is not UTF-8"))
            .collect::<Result<_>>()?;
        let after = |name: &str| {
            text.iter()
                .position(|argument| *argument == name)
                .and_then(|at| text.get(at + 1).copied())
        };
        let crate_name = after("--crate-name")
            .context("cargo names no crate")?
            .to_owned();
        let suffix = text
            .iter()
            .find_map(|argument| argument.strip_prefix("extra-filename="));
        Ok(Call {
            is_macro: after("--crate-type") == Some("proc-macro"),
            crate_name,
            suffix: suffix.unwrap_or_default().to_owned(),
            folder: after("--out-dir").context("cargo names no folder")?.into(),
            for_cells: text
                .iter()
                .any(|argument| *argument == "--target" || argument.starts_with("--target=")),
        })
    }

    /// Writes what cargo expects of a compile that it believes to have happened.
    fn leave_out(&self, held: &Path) -> Result<()> {
        let stem = format!("{}{}", self.crate_name, self.suffix);
        let write = |name: String, text: &str| {
            let path = self.folder.join(name);
            fs::write(&path, text).with_context(|| format!("{}", path.display()))
        };
        write(format!("{stem}.d"), "")?;
        let extensions: &[&str] = if self.is_macro {
            &["so"]
        } else {
            &["rlib", "rmeta"]
        };
        for extension in extensions {
            write(format!("lib{stem}.{extension}"), "")?;
        }
        let held = held.to_str().context("a path is not UTF-8")?;
        write(format!("lib{stem}.{MARK}"), held)
    }
}

/// The extension of the files that name the SDK's file.
const MARK: &str = "held";

/// Replaces the empty files among `--extern name=file` by the SDK's.
fn replace_held(arguments: &[OsString]) -> Vec<OsString> {
    arguments
        .iter()
        .map(|argument| {
            let replaced = || {
                let (name, file) = argument.to_str()?.split_once('=')?;
                let mark = Path::new(file).with_extension(MARK);
                let held = fs::read_to_string(mark).ok()?;
                Some(OsString::from(format!("{name}={held}")))
            };
            replaced().unwrap_or_else(|| argument.clone())
        })
        .collect()
}

fn joined(start: &str, path: &Path) -> OsString {
    let mut text = OsString::from(start);
    text.push(path);
    text
}
