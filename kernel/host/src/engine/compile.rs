//! One call of rustc.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{diagnostics::Diagnostic, plan::Plan};
use crate::{
    dependency::{BUNDLE, Bundle},
    snapshot::native,
};

/// The environment variable with the size of rustc's stack, and the address space for it; only what is used is ever backed
/// by memory.
const STACK_VARIABLE: &str = "RUST_MIN_STACK";
const STACK_BYTES: &str = "268435456";

/// The compiler and what it needs to link against the SDK.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Compiler {
    pub rustc: PathBuf,
    /// `libpatchbay.so`.
    pub library: PathBuf,
    /// The metadata of the SDK's dependency graph.
    pub dependencies: PathBuf,
    /// Crates that a cell can name, with the file that describes each.
    pub externs: Vec<(String, PathBuf)>,
    /// The crates that the notebook has asked for.
    pub bundle: Bundle,
    /// What rustc must be told to call its linker directly; empty for its default way.
    pub linker: Vec<String>,
    /// The build id of the SDK, a part of every cache key.
    pub build_id: String,
    /// There is no compiler here: only what has been compiled can be run.
    #[serde(skip)]
    pub sealed: bool,
}

/// What came of a call.
#[derive(Debug)]
pub struct Compilation {
    pub succeeded: bool,
    pub diagnostics: Vec<Diagnostic>,
    /// What rustc printed besides diagnostics; not empty if it crashed.
    pub other_output: String,
}

impl Compiler {
    /// The arguments that decide what comes out, in the order in which they are given.
    pub fn arguments(&self, plan: &Plan) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "--edition=2024",
            "--crate-type=cdylib",
            "-Cmetadata=patchbay",
            "-Cprefer-dynamic",
            "-Cdebuginfo=0",
            "-Coverflow-checks=on",
            "-Cdebug-assertions=off",
            "--error-format=json",
            // The complete, nameable paths of variables' types; see `plan::Purpose::AskType`.
            "-Ztrim-diagnostic-paths=no",
            "-Zwrite-long-types-to-disk=no",
            // Generic functions that the SDK has compiled are called there, and not compiled again.
            "-Zshare-generics=yes",
            "-Ccodegen-units=2",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--crate-name={}", plan.crate_name));
        arguments.push(format!("-Copt-level={}", plan.optimisation));
        arguments.extend_from_slice(&self.linker);
        arguments
    }

    /// The crates that a cell can name: the SDK's, and those that the notebook has asked for.
    pub fn externs(&self) -> impl Iterator<Item = (&str, &Path)> {
        let asked_for = &self.bundle.externs;
        let own = self
            .externs
            .iter()
            .filter(|(name, _)| asked_for.iter().all(|(other, _)| other != name));
        own.chain(asked_for)
            .map(|(name, path)| (name.as_str(), path.as_path()))
    }

    /// Compiles a plan's program in `folder` to `output`, or only checks it if there is nothing to
    /// run. Dropping the future kills the compiler.
    ///
    /// # Errors
    ///
    /// Fails where the compiler cannot be started or its input cannot be written.
    pub async fn compile(
        &self,
        plan: &Plan,
        folder: &Path,
        output: &Path,
    ) -> io::Result<Compilation> {
        if self.sealed {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let file = plan.program.file_name();
        tokio::fs::write(folder.join(&file), &plan.program.text).await?;
        let mut command = Command::new(&self.rustc);
        command
            .current_dir(folder)
            .args(self.arguments(plan))
            .arg("--extern")
            .arg(name_and_path("patchbay", &self.library))
            .arg("-L")
            .arg(name_and_path("dependency", &self.dependencies));
        if let Some(folder) = native::beside(&self.library) {
            command.arg("-L").arg(name_and_path("native", &folder));
        }
        for (name, path) in self.externs() {
            command.arg("--extern").arg(name_and_path(name, path));
        }
        if let Some(library) = &self.bundle.library {
            // The cell may name none of the crates, but its variables may be of their types.
            command
                .arg("-Zunstable-options")
                .arg("--extern")
                .arg(name_and_path(&format!("force:{BUNDLE}"), library))
                .arg("-L")
                .arg(name_and_path("dependency", &self.bundle.dependencies));
            if let Some(folder) = library.parent() {
                let start = if self.linker.is_empty() {
                    "-Clink-arg=-Wl,-rpath"
                } else {
                    "-Clink-arg=-rpath"
                };
                command.arg(name_and_path(start, folder));
            }
        }
        if plan.items_only {
            command.arg("--emit=metadata");
        }
        command
            .arg("-o")
            .arg(output)
            .arg(&file)
            // For the unstable switches among the arguments.
            .env("RUSTC_BOOTSTRAP", "1")
            .envs(plan.environment.iter().map(|(name, value)| (name, value)))
            .env_remove("RUSTFLAGS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // What is nested deeply is right, and overflows the stack that rustc has by default.
        if std::env::var_os(STACK_VARIABLE).is_none() {
            command.env(STACK_VARIABLE, STACK_BYTES);
        }
        let result = command.spawn()?.wait_with_output().await?;
        let _ = tokio::fs::remove_file(folder.join(&file)).await;
        let (diagnostics, other_output) = read(&result.stderr);
        Ok(Compilation {
            succeeded: result.status.success(),
            diagnostics,
            other_output,
        })
    }
}

fn name_and_path(name: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(name);
    argument.push("=");
    argument.push(path);
    argument
}

/// Splits rustc's stderr into diagnostics and the rest.
pub fn read(stderr: &[u8]) -> (Vec<Diagnostic>, String) {
    let mut diagnostics = Vec::new();
    let mut other = String::new();
    for line in String::from_utf8_lossy(stderr).lines() {
        match serde_json::from_str::<Diagnostic>(line) {
            Ok(diagnostic) => diagnostics.push(diagnostic),
            Err(_) => {
                other.push_str(line);
                other.push('\n');
            }
        }
    }
    (diagnostics, other)
}
