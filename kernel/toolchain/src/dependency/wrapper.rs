//! The compiler as cargo calls it for `:dep`: this program, which leaves out what the SDK holds.
//!
//! Cargo names it by `RUSTC_WRAPPER`. For a package that the SDK holds it writes empty files where
//! cargo expects the compiler's, and a mark that says which of the SDK's files stands for them; where
//! another crate names the empty file, it is replaced by that one.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{BUNDLE, graph::PackageName, native};

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
    /// The libraries of the layers before, by their names as crates.
    pub layers: Vec<(String, PathBuf)>,
    /// The folders that describe the crates in them.
    pub layer_dependencies: Vec<PathBuf>,
    /// Packages, as `package version`, that are loaded and must not be compiled: cargo is to fail where it wants
    /// that, and [`REFUSED`] is written.
    pub refused: BTreeSet<String>,
    /// The digests of the sources of crates in folders, by `package version`. A crate whose sources have changed
    /// must be another one than that which is loaded.
    pub sources: BTreeMap<String, String>,
    /// Where C libraries go.
    pub natives: PathBuf,
}

/// The file beside the instructions that says that a loaded package would have been compiled.
pub const REFUSED: &str = "refused";

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
    let file = instructions;
    let text = fs::read(file).with_context(|| format!("{}", file.display()))?;
    let instructions: Instructions = serde_json::from_slice(&text)?;
    let package = PackageName { name, version };
    let call = Call::read(&arguments)?;
    let is_bundle = package.name == BUNDLE;
    let identity = format!("{} {}", package.name, package.version);
    if call.for_cells && instructions.refused.contains(&identity) {
        fs::write(file.with_file_name(REFUSED), &identity)?;
        bail!("{identity} is loaded");
    }
    let held = instructions
        .held
        .get(&identity)
        .and_then(|crates| crates.get(&call.crate_name));
    // What runs in the compiler cannot use the SDK's crates, its macros apart.
    if let Some(held) = held.filter(|_| call.for_cells || call.is_macro) {
        return call.leave_out(held);
    }
    let mut arguments = replace_held(&arguments);
    let mut further = Vec::new();
    if call.for_cells {
        for folder in
            std::iter::once(&instructions.dependencies).chain(&instructions.layer_dependencies)
        {
            further.push("-L".into());
            further.push(joined("dependency=", folder));
        }
        if let Some(digest) = instructions.sources.get(&identity) {
            further.push(format!("-Cmetadata={digest}").into());
        }
    }
    if is_bundle {
        further.push("--extern".into());
        further.push(joined("patchbay=", &instructions.library));
        for (name, library) in &instructions.layers {
            further.push("--extern".into());
            further.push(joined(&format!("{name}="), library));
        }
        further.push("-L".into());
        further.push(joined("native=", &instructions.natives));
        further.push("-Cprefer-dynamic".into());
        further.push(format!("-Clink-arg=-Wl,-soname={}", instructions.soname).into());
        further.push("-Clink-arg=-Wl,-rpath,$ORIGIN".into());
        for folder in instructions
            .layers
            .iter()
            .filter_map(|(_, library)| library.parent())
        {
            further.push("-L".into());
            further.push(joined("native=", folder));
            further.push("-L".into());
            further.push(joined("dependency=", folder));
            further.push(joined("-Clink-arg=-Wl,-rpath,", folder));
        }
    }
    if call.for_cells
        && !is_bundle
        && let Some(replaced) =
            native::Replaced::of(&arguments, &call.crate_name, &instructions.natives)?
    {
        return call.compile_with(&rustc, &replaced, &further);
    }
    arguments.extend(further);
    Err(Command::new(rustc).args(arguments).exec().into())
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

    /// Compiles a crate whose C libraries have been made shared ones.
    fn compile_with(
        &self,
        rustc: &OsString,
        replaced: &native::Replaced,
        further: &[OsString],
    ) -> Result<()> {
        let mut in_sources = replaced.names_in_sources();
        let mut output = None;
        // The sources may have an attribute that is not in force for this target: then without the name in it.
        for _ in 0..2 {
            let found = Command::new(rustc)
                .args(replaced.arguments(&in_sources))
                .args(further)
                .output()
                .context("the compiler does not start")?;
            let again = !found.status.success()
                && !in_sources.is_empty()
                && String::from_utf8_lossy(&found.stderr).contains("renaming of the library");
            output = Some(found);
            if !again {
                break;
            }
            in_sources.clear();
        }
        let output = output.context("the compiler was not called")?;
        io::stdout().write_all(&output.stdout)?;
        io::stderr().write_all(&output.stderr)?;
        if !output.status.success() {
            std::process::exit(output.status.code().unwrap_or(1));
        }
        let list = self.folder.join(format!(
            "lib{}{}.{}",
            self.crate_name,
            self.suffix,
            native::LIST
        ));
        fs::write(&list, format!("{}\n", replaced.library.display()))
            .with_context(|| format!("{}", list.display()))
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
pub const MARK: &str = "held";

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
