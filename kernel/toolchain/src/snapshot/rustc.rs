//! The compiler of a snapshot: a Rust dylib fits only the compiler that made it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::names::REBUILD;

/// The compiler that built the SDK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rustc {
    /// The program itself, `<sysroot>/bin/rustc`.
    pub path: PathBuf,
    /// The folder of the toolchain.
    pub sysroot: PathBuf,
    /// What `rustc -vV` prints.
    pub version: String,
    /// Size and time of change of the program, by which a start notices another compiler without
    /// asking it.
    pub bytes: u64,
    /// The time of the program's last change, since 1970.
    pub modified_nanoseconds: u64,
}

impl Rustc {
    /// Asks the compiler that works in `folder`, where `rust-toolchain.toml` may choose it.
    ///
    /// # Errors
    ///
    /// Fails where there is no compiler, with the way to get one.
    pub fn of_folder(folder: &Path) -> Result<Rustc> {
        let shim = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let sysroot = sysroot_by(Path::new(&shim), folder)?;
        let sysroot = PathBuf::from(sysroot.trim_end());
        let path = sysroot.join("bin/rustc");
        let version = output(Command::new(&path).arg("-vV"))?;
        let (bytes, modified_nanoseconds) = stamp(&path)?;
        Ok(Rustc {
            path,
            sysroot,
            version,
            bytes,
            modified_nanoseconds,
        })
    }

    /// The first line of the version, what `rustc -V` prints.
    pub fn short_version(&self) -> &str {
        self.version.lines().next().unwrap_or_default()
    }

    /// Checks that the recorded program is there and is the recorded version.
    ///
    /// # Errors
    ///
    /// Says which compiler was expected and which one was found.
    pub fn verify(&self) -> Result<()> {
        let found = match stamp(&self.path) {
            Ok(stamp) if stamp == (self.bytes, self.modified_nanoseconds) => return Ok(()),
            Ok(_) => output(Command::new(&self.path).arg("-vV"))?,
            Err(error) => match error.downcast_ref::<io::Error>() {
                Some(error) if error.kind() != io::ErrorKind::NotFound => {
                    format!("a file that this user cannot reach ({error})")
                }
                _ => "no such file".to_owned(),
            },
        };
        if found == self.version {
            return Ok(());
        }
        bail!(
            "the SDK fits only the compiler that built it: expected {} at {}, found {}\n{}",
            self.short_version(),
            self.path.display(),
            found
                .lines()
                .next()
                .unwrap_or("a program without a version"),
            self.remedy()
        )
    }

    fn remedy(&self) -> String {
        let release = self
            .version
            .lines()
            .find_map(|line| line.strip_prefix("release: "))
            .unwrap_or("stable");
        format!("type: rustup toolchain install {release}\nor, in the repository: {REBUILD}")
    }
}

/// How to get a compiler.
const GET: &str = "get one from https://rustup.rs, or have PATH or RUSTC say where it is";

/// The folder of the toolchain that a compiler belongs to.
fn sysroot_by(compiler: &Path, folder: &Path) -> Result<String> {
    let shown = compiler.display();
    let output = Command::new(compiler)
        .args(["--print", "sysroot"])
        .current_dir(folder)
        // A toolchain that is not there is told, and not downloaded.
        .env("RUSTUP_AUTO_INSTALL", "0")
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow!("no Rust compiler: there is no `{shown}`\n{GET}"),
            io::ErrorKind::PermissionDenied => {
                anyhow!("no Rust compiler: this user cannot run `{shown}` ({error})\n{GET}")
            }
            _ => anyhow!("no Rust compiler: `{shown}` does not start: {error}\n{GET}"),
        })?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!(
            "no Rust compiler: `{shown} --print sysroot` ends with {}: {}\n{GET}",
            output.status,
            words.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Size and time of change in nanoseconds.
fn stamp(path: &Path) -> Result<(u64, u64)> {
    let metadata = fs::metadata(path).with_context(|| format!("{}", path.display()))?;
    let modified = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok((
        metadata.len(),
        u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX),
    ))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{command:?} does not start"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn fake(folder: &Path, version: &str) -> Rustc {
        let path = folder.join("rustc");
        let staged = folder.join("staged");
        fs::write(&staged, format!("#!/bin/sh\nprintf '{version}'\n")).unwrap();
        fs::set_permissions(&staged, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&staged, &path).unwrap();
        let (bytes, modified_nanoseconds) = stamp(&path).unwrap();
        let version = version.replace("\\n", "\n");
        Rustc {
            path,
            sysroot: folder.to_owned(),
            version,
            bytes,
            modified_nanoseconds,
        }
    }

    #[test]
    fn another_version_is_named_with_the_expected_one() {
        let folder = tempfile::tempdir().unwrap();
        let compiler = fake(folder.path(), "rustc 1.95.0 (a)\\nrelease: 1.95.0\\n");
        compiler.verify().unwrap();
        fake(folder.path(), "rustc 1.96.0-beta (b)\\nrelease: 1.96.0\\n");
        let error = compiler.verify().unwrap_err().to_string();
        assert!(error.contains("expected rustc 1.95.0 (a)"), "{error}");
        assert!(error.contains("found rustc 1.96.0-beta (b)"), "{error}");
        assert!(error.contains("rustup toolchain install 1.95.0"), "{error}");
    }

    #[test]
    fn the_same_version_written_anew_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let mut compiler = fake(folder.path(), "rustc 1.95.0 (a)\\n");
        compiler.modified_nanoseconds -= 1;
        compiler.verify().unwrap();
    }

    #[test]
    fn a_missing_compiler_says_where_it_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let compiler = fake(folder.path(), "rustc 1.95.0 (a)\\n");
        fs::remove_file(&compiler.path).unwrap();
        let error = compiler.verify().unwrap_err().to_string();
        assert!(error.contains("found no such file"), "{error}");
        assert!(error.contains(compiler.path.to_str().unwrap()), "{error}");
    }

    #[test]
    fn a_compiler_that_is_hidden_is_told_with_what_hides_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let words = |path: &Path| {
            sysroot_by(path, folder.path())
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        let text = words(&at("missing"));
        assert!(
            text.contains("there is no") && text.contains("rustup.rs"),
            "{text}"
        );
        fs::write(at("plain"), "").unwrap();
        fs::set_permissions(at("plain"), fs::Permissions::from_mode(0o600)).unwrap();
        let text = words(&at("plain"));
        assert!(text.contains("this user cannot run"), "{text}");
        // What rustup's proxy does where the toolchain's folder is elsewhere.
        let proxy = "#!/bin/sh\n[ \"$RUSTUP_AUTO_INSTALL\" = 0 ] || exit 9\necho \"error: toolchain 'x' is not installed\" >&2; exit 1\n";
        fs::write(at("staged"), proxy).unwrap();
        fs::set_permissions(at("staged"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(at("staged"), at("proxy")).unwrap();
        let text = words(&at("proxy"));
        assert!(text.contains("toolchain 'x' is not installed"), "{text}");
    }
}
