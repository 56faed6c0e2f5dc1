//! From a source to a library.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use super::{manifest::Package, template};
use patchbay_engine::compile::Compiler;
use patchbay_engine::native;

/// What plugins are built against.
#[derive(Clone, Debug)]
pub struct Sdk {
    /// The compiler that built the SDK.
    pub rustc: PathBuf,
    /// `libpatchbay.so`; the standard library is beside it.
    pub library: PathBuf,
    /// The metadata of the SDK's dependencies.
    pub dependencies: PathBuf,
}

impl From<&Compiler> for Sdk {
    fn from(compiler: &Compiler) -> Self {
        Sdk {
            rustc: compiler.rustc.clone(),
            library: compiler.library.clone(),
            dependencies: compiler.dependencies.clone(),
        }
    }
}

/// A plugin that was built.
#[derive(Clone, Debug)]
pub struct Built {
    pub library: PathBuf,
    pub duration: Duration,
    /// The compiler's warnings, with colors; empty if there are none.
    pub warnings: String,
}

impl Sdk {
    /// The cargo that belongs to the compiler.
    pub(super) fn cargo(&self) -> PathBuf {
        let beside = self.rustc.with_file_name("cargo");
        if beside.is_file() {
            beside
        } else {
            PathBuf::from("cargo")
        }
    }

    /// The flags with which a crate finds the SDK, at compile time and when its tests run.
    pub(super) fn flags(&self) -> Vec<OsString> {
        let joined = |start: &str, path: &Path| {
            let mut flag = OsString::from(start);
            flag.push(path);
            flag
        };
        let folder = self.library.parent().unwrap_or(Path::new("."));
        let mut flags = vec![
            "-Cprefer-dynamic".into(),
            joined("--extern=patchbay=", &self.library),
            joined("-Ldependency=", &self.dependencies),
            joined("-Clink-arg=-Wl,-rpath,", folder),
        ];
        flags.extend(native::beside(&self.library).map(|folder| joined("-Lnative=", &folder)));
        flags
    }
}

/// Builds the plugin in `path`, a source file or the folder of a crate. Files go to `folder`; the library's name is new at each call, because a file
/// that is mapped must not be written to.
///
/// # Errors
///
/// Fails where there is no source or it does not compile; the text has the compiler's words, with
/// colors.
pub async fn build(sdk: &Sdk, path: &Path, folder: &Path) -> Result<Built> {
    let start = Instant::now();
    tokio::fs::create_dir_all(folder)
        .await
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let (library, warnings) = if path.is_dir() {
        build_crate(sdk, path, folder).await?
    } else {
        build_file(sdk, path, folder).await?
    };
    // Without its digest the runtime does not load it.
    patchbay_files::seal_file(&library)
        .with_context(|| format!("cannot write {}", library.display()))?;
    Ok(Built {
        library,
        duration: start.elapsed(),
        warnings,
    })
}

/// One call of rustc.
struct Unit<'a> {
    name: &'a str,
    version: &'a str,
    edition: &'a str,
    file: &'a Path,
    /// What tells this plugin from others; the crate's name if `None`.
    source: Option<String>,
}

impl Unit<'_> {
    async fn compile(&self, sdk: &Sdk, folder: &Path) -> Result<(PathBuf, String)> {
        let name = self.name.replace('-', "_");
        let library = fresh_path(folder, &name);
        let place = self.file.parent().unwrap_or(Path::new("."));
        let mut command = Command::new(&sdk.rustc);
        command
            .current_dir(place)
            .arg(format!("--crate-name={name}"))
            .arg(format!("--edition={}", self.edition))
            .args([
                "--crate-type=cdylib",
                "-Copt-level=2",
                "-Ccodegen-units=2",
                "-Cdebuginfo=0",
                // Generic functions that the SDK has compiled are called there; see the SDK's
                // `instances`.
                "-Zshare-generics=yes",
                "--color=always",
            ])
            .args(sdk.flags())
            .arg("-o")
            .arg(&library)
            .arg(self.file.file_name().unwrap_or_default())
            .env_remove("RUSTFLAGS")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_PKG_NAME", self.name)
            .env("CARGO_PKG_VERSION", self.version);
        if let Some(source) = &self.source {
            command.env("PATCHBAY_PLUGIN_SOURCE", source);
        }
        let words = run(&mut command, self.name).await?;
        Ok((library, words))
    }
}

/// A single file is a plugin of its own, known by its path.
async fn build_file(sdk: &Sdk, path: &Path, folder: &Path) -> Result<(PathBuf, String)> {
    let file = path.canonicalize().with_context(|| {
        format!(
            "{} is neither a source file nor the folder of a crate",
            path.display()
        )
    })?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let source = Some(file.display().to_string());
    let unit = Unit {
        name: &name,
        version: "0.0.0",
        edition: "2024",
        file: &file,
        source,
    };
    unit.compile(sdk, folder).await
}

async fn build_crate(sdk: &Sdk, path: &Path, folder: &Path) -> Result<(PathBuf, String)> {
    let package = Package::read(&sdk.cargo(), path).await?;
    let (name, file) = package.library()?;
    if package.is_simple() {
        let Package {
            version, edition, ..
        } = &package;
        return Unit {
            name,
            version,
            edition,
            file,
            source: None,
        }
        .compile(sdk, folder)
        .await;
    }
    let mut command = Command::new(sdk.cargo());
    command
        .current_dir(path)
        .args([
            "build",
            "--release",
            "--message-format=json-render-diagnostics",
            "--color=always",
        ])
        .env("RUSTC", &sdk.rustc)
        .env_remove("RUSTFLAGS");
    if package.names_sdk() {
        // A crate of the SDK's own workspace. Building it alone could build the SDK's dependencies
        // with other features; the loader checks that what comes out fits.
        command.args(["--workspace", "--lib"]);
    } else if template::refresh(sdk, path)? {
        // The crate's own configuration has the flags.
    } else {
        let flags: Vec<String> = sdk
            .flags()
            .iter()
            .map(|flag| format!("{:?}", flag.to_string_lossy()))
            .collect();
        command
            .arg("--config")
            .arg(format!("build.rustflags=[{}]", flags.join(",")));
        command.arg("--target-dir").arg(folder.join("target"));
    }
    let output = output_of(&mut command).await?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("{} does not compile:\n{}", package.name, words.trim_end());
    }
    let built = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message["manifest_path"].as_str().map(Path::new) == Some(&package.manifest_path)
        })
        .filter_map(|message| message["filenames"].as_array().cloned())
        .flatten()
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| file.extension().is_some_and(|extension| extension == "so"))
        .with_context(|| format!("cargo built {}, but no .so came of it", package.name))?;
    let library = fresh_path(folder, &name.replace('-', "_"));
    tokio::fs::copy(&built, &library)
        .await
        .with_context(|| format!("cannot copy {}", built.display()))?;
    Ok((library, words))
}

fn fresh_path(folder: &Path, name: &str) -> PathBuf {
    let unique = uuid::Uuid::new_v4().simple();
    folder.join(format!("lib{name}-{unique}.so"))
}

/// Runs a compiler and returns its warnings.
async fn run(command: &mut Command, name: &str) -> Result<String> {
    let output = output_of(command).await?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(words);
    }
    bail!("{name} does not compile:\n{}", words.trim_end())
}

/// Dropping the future kills the process.
async fn output_of(command: &mut Command) -> Result<std::process::Output> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    command.output().await.with_context(|| {
        format!(
            "{} does not start",
            command.as_std().get_program().to_string_lossy()
        )
    })
}
