//! One call of rustc.

use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use patchbay_files::Access;
use patchbay_protocol::readable_bytes;
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt, process::Command};

use super::{diagnostics::Diagnostic, plan::Plan};
use crate::{bundle::Bundle, native};

/// The environment variable with the size of rustc's stack, and the address space for it; only what is used is ever backed
/// by memory.
const STACK_VARIABLE: &str = "RUST_MIN_STACK";
const STACK_BYTES: &str = "268435456";

/// The compiler and what it needs to link against the SDK.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Compiler {
    /// The compiler's path.
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
    /// Environment variables for the compiler, which `env!` reads.
    #[serde(skip)]
    pub environment: Vec<(String, String)>,
    /// The notebook's folder, to which `include_str!`, `mod x;` and their like are relative.
    #[serde(skip)]
    pub folder: PathBuf,
    /// There is no compiler here: only what has been compiled can be run.
    #[serde(skip)]
    pub sealed: bool,
}

/// Why the compiler was not called, or could not do its work.
#[derive(Debug)]
pub enum CompileError {
    /// There is no compiler here.
    Sealed,
    /// The compiler cannot be started.
    NotStarted(io::Error),
    /// The program cannot be written.
    NotWritten {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What was written is on a file system without room.
    NoRoom {
        /// The folder that is full.
        folder: PathBuf,
    },
}

impl CompileError {
    /// Of a file of a session.
    pub fn not_written(folder: &Path, error: io::Error) -> CompileError {
        let folder = folder.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                CompileError::NoRoom { folder }
            }
            _ => CompileError::NotWritten { folder, error },
        }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompileError::Sealed => write!(formatter, "there is no compiler here"),
            CompileError::NotStarted(error) => write!(formatter, "it does not start: {error}"),
            CompileError::NotWritten { folder, error } => write!(
                formatter,
                "the files of this session cannot be written to {}: {error}. Start the kernel again with TMPDIR set to a \
                 folder that can be written",
                folder.display()
            ),
            CompileError::NoRoom { folder } => {
                write!(formatter, "there is no room left in {}", folder.display())?;
                if let Some((free, total)) = room(folder) {
                    write!(
                        formatter,
                        " ({} of {} are free)",
                        readable_bytes(usize::try_from(free).unwrap_or(usize::MAX)),
                        readable_bytes(usize::try_from(total).unwrap_or(usize::MAX))
                    )?;
                }
                write!(
                    formatter,
                    ", where cells are compiled: make room there (df -h {}), or start the kernel again with TMPDIR set to a \
                     folder on another disk",
                    folder.display()
                )
            }
        }
    }
}

/// The bytes of a folder's file system that are free for this user, and all of them.
fn room(folder: &Path) -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some((bytes(found.f_bavail), bytes(found.f_blocks)))
}

/// Less is taken for nothing: a linker that finds no room is ended by a signal or says nothing that tells.
const NO_ROOM_BYTES: u64 = 1 << 20;

/// Whether a compile failed for want of room: the compiler says so, or it complains of no place in the program and there is
/// none.
fn found_no_room(folder: &Path, diagnostics: &[Diagnostic], other: &str) -> bool {
    let errors: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .collect();
    let says = |text: &str| {
        [
            "No space left on device",
            "os error 28",
            "Disk quota exceeded",
        ]
        .iter()
        .any(|words| text.contains(words))
    };
    if says(other) || errors.iter().any(|error| says(&error.message)) {
        return true;
    }
    errors.iter().all(|error| error.spans.is_empty())
        && room(folder).is_some_and(|(free, _)| free < NO_ROOM_BYTES)
}

/// What came of a call.
#[derive(Debug)]
pub struct Compilation {
    /// Whether a library was made, or the check has passed.
    pub succeeded: bool,
    /// The compiler's messages, in their order.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that the program includes.
    pub files: Vec<PathBuf>,
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
            // What the loader writes is in one page with the data: libraries stay loaded, and there are many.
            "-Crelro-level=off",
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
        arguments.push(format!("-Copt-level={}", plan.optimization));
        arguments.extend_from_slice(&self.linker);
        if plan.has_statics {
            // All programs share their statics, and none calls another's functions.
            arguments.push(if self.linker.is_empty() {
                "-Clink-arg=-Wl,-Bsymbolic-functions".to_owned()
            } else {
                "-Clink-arg=-Bsymbolic-functions".to_owned()
            });
        }
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

    /// Compiles a plan's program to `output`, or only checks it if there is nothing to run. `folder` is
    /// for files of the compiler's own. Dropping the future kills the compiler.
    ///
    /// The compiler works in the notebook's folder and gets the program over its stdin, under a name as
    /// if it were a file there, so that nothing is written into the user's folder.
    ///
    /// # Errors
    ///
    /// Fails where the compiler cannot be started, its input cannot be written, or there is no room for its output.
    pub async fn compile(
        &self,
        plan: &Plan,
        folder: &Path,
        output: &Path,
    ) -> Result<Compilation, CompileError> {
        if self.sealed {
            return Err(CompileError::Sealed);
        }
        let file = plan.program.file_name();
        let list = output.with_extension("d");
        let works_in = if self.folder.is_dir() {
            &self.folder
        } else {
            folder
        };
        let mut command = Command::new(&self.rustc);
        command
            .current_dir(works_in)
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
        if !self.bundle.layers.is_empty() {
            command.arg("-Zunstable-options");
        }
        for (name, library) in self.bundle.libraries() {
            // The cell may name none of the crates, but its variables may be of their types.
            command
                .arg("--extern")
                .arg(name_and_path(&format!("force:{name}"), library));
            if let Some(folder) = library.parent() {
                let start = if self.linker.is_empty() {
                    "-Clink-arg=-Wl,-rpath"
                } else {
                    "-Clink-arg=-rpath"
                };
                command
                    .arg(name_and_path(start, folder))
                    .arg("-L")
                    .arg(name_and_path("native", folder))
                    // Where a later layer's library looks for an earlier one's.
                    .arg("-L")
                    .arg(name_and_path("dependency", folder));
            }
        }
        for layer in &self.bundle.layers {
            command
                .arg("-L")
                .arg(name_and_path("dependency", &layer.dependencies));
        }
        let kind = if plan.items_only { "metadata" } else { "link" };
        command
            .arg(format!("--emit={kind}"))
            .arg(name_and_path("--emit=dep-info", &list))
            // Files on the way to the output are made beside it, under its name.
            .arg("-o")
            .arg(output)
            .arg("-")
            .env(NAME_OF_STDIN, &file)
            .env(FIRST_LINE_OF_STDIN, "0")
            // A crash of the compiler's would leave a file in the user's folder.
            .env("RUSTC_ICE", folder)
            // For the unstable switches among the arguments.
            .env("RUSTC_BOOTSTRAP", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(plan.environment.iter().map(|(name, value)| (name, value)))
            .env_remove("RUSTFLAGS")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // What is nested deeply is right, and overflows the stack that rustc has by default.
        if std::env::var_os(STACK_VARIABLE).is_none() {
            command.env(STACK_VARIABLE, STACK_BYTES);
        }
        let mut child = command.spawn().map_err(CompileError::NotStarted)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A compiler that does not read to the end says why.
            let _ = stdin.write_all(plan.program.text.as_bytes()).await;
        }
        let result = child
            .wait_with_output()
            .await
            .map_err(CompileError::NotStarted)?;
        let files = included(&tokio::fs::read_to_string(&list).await.unwrap_or_default());
        let _ = tokio::fs::remove_file(&list).await;
        let (diagnostics, other_output) = read(&result.stderr);
        if result.status.success() {
            // A linker makes it for everybody.
            let mode = Access::Owner.file(false);
            let _ = fs::set_permissions(output, fs::Permissions::from_mode(mode));
        } else if found_no_room(folder, &diagnostics, &other_output) {
            return Err(CompileError::NoRoom {
                folder: folder.to_owned(),
            });
        }
        Ok(Compilation {
            succeeded: result.status.success(),
            diagnostics,
            files,
            other_output,
        })
    }
}

/// The variables by which rustc takes its stdin for a file of this name, as rustdoc tells it for the examples of
/// documentation. Paths in the program are relative to that file's folder.
const NAME_OF_STDIN: &str = "UNSTABLE_RUSTDOC_TEST_PATH";
const FIRST_LINE_OF_STDIN: &str = "UNSTABLE_RUSTDOC_TEST_LINE";

/// The files in rustc's list, whose first line is `output: file file`; a space in a name has a backslash before it.
fn included(list: &str) -> Vec<PathBuf> {
    let Some((_, names)) = list.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    let mut name = String::new();
    let mut characters = names.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&' ') => {
                name.push(' ');
                characters.next();
            }
            ' ' => files.push(std::mem::take(&mut name)),
            _ => name.push(character),
        }
    }
    files.push(name);
    files
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustc_lists_the_files_that_a_program_includes() {
        let list = "/tmp/out.so: x.rs data/a\\ b.txt\n\nx.rs:\n";
        assert_eq!(
            included(list),
            [PathBuf::from("x.rs"), PathBuf::from("data/a b.txt")]
        );
        assert!(included("/tmp/out.so: \n").is_empty());
        assert!(included("").is_empty());
    }
}
