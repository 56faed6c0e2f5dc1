//! `patchbay plugin`: make and build plugins.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{self, ExitCode},
};

use anyhow::{Context, Result, ensure};
use clap::{Subcommand, builder::PossibleValuesParser};

use super::start::block_on;
use crate::kernelspec;
use patchbay_protocol::{
    Ask,
    question::{DescribeComponent, ListComponents, Shown},
};
use patchbay_toolchain::{
    plugin::{self, Sdk},
    snapshot::Snapshot,
};

/// Make and build plugins
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a plugin crate that builds and tests with one command
    #[command(
        after_help = "Example:  patchbay plugin new my_losses --kind loss && cd my_losses && cargo test"
    )]
    New {
        /// The crate's folder; its last part is the crate's name
        path: PathBuf,
        /// The kind of its component
        #[arg(long, default_value = "loss", value_parser = PossibleValuesParser::new(plugin::kinds()))]
        kind: String,
    },
    /// List the components that there are
    List {
        /// Ids to list, with `*`: loss/*
        #[arg(default_value = "*")]
        pattern: String,
    },
    /// Say all that is known of a component: formula, shapes, settings, an example
    Describe {
        /// The component's id: loss/focal
        id: String,
    },
    /// Build a plugin against this kernel's SDK
    #[command(
        after_help = "The library's path is printed; plugin::load(\"PATH\")? in a cell loads it."
    )]
    Build {
        /// The folder of a plugin's crate, or a source file
        #[arg(default_value = ".")]
        path: PathBuf,
        /// Where the library goes; the crate's target/patchbay if not given
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

pub fn main(command: &Command) -> Result<ExitCode> {
    let snapshot = Snapshot::locate(&kernelspec::registered_prefixes)?;
    let sdk = Sdk::from(&snapshot.compiler());
    match command {
        Command::List { pattern } => {
            let pattern = pattern.clone();
            ask(&snapshot, ListComponents { pattern })?
        }
        Command::Describe { id } => ask(&snapshot, DescribeComponent { id: id.clone() })?,
        Command::New { path, kind } => {
            let path = env::current_dir()?.join(path);
            let path = plugin::create(&sdk, &path, kind)?;
            println!("made {}\n\ntest it:   cd {0} && cargo test", path.display());
            println!("build it:  patchbay plugin build {}", path.display());
        }
        Command::Build { path, output } => {
            let library = block_on(build(&sdk, path, output.as_deref()))?;
            println!("{}", library.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what the registry of plugins answers. The SDK is in the runtime, which is started for it.
fn ask(snapshot: &Snapshot, question: impl Ask<Answer = Shown>) -> Result<()> {
    let question = serde_json::to_string(&question.into())?;
    let output = process::Command::new(snapshot.runtime())
        .args(["ask", &question])
        .env("LD_LIBRARY_PATH", super::start::library_path(snapshot))
        .stderr(process::Stdio::inherit())
        .output()
        .with_context(|| format!("{} does not start", snapshot.runtime().display()))?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    ensure!(
        output.status.success(),
        "the registry of plugins has no answer; see above"
    );
    Ok(())
}

/// Builds a plugin and gives the library a name that stays the same from build to build.
async fn build(sdk: &Sdk, path: &Path, output: Option<&Path>) -> Result<PathBuf> {
    let path = path
        .canonicalize()
        .with_context(|| format!("there is no {}", path.display()))?;
    let folder = if path.is_dir() {
        path.join("target/patchbay")
    } else {
        path.with_extension("patchbay")
    };
    let built = plugin::build(sdk, &path, &folder).await?;
    if !built.warnings.trim().is_empty() {
        styled_eprintln!("{}", built.warnings.trim_end());
    }
    let name = built
        .library
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let stable = name
        .rsplit_once('-')
        .map_or(name.to_string(), |(name, _)| format!("{name}.so"));
    let destination = match output {
        Some(folder) => {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
            folder.join(stable)
        }
        None => folder.join(stable),
    };
    // A rename replaces the file in one step; a process that has mapped the old one keeps it.
    if fs::rename(&built.library, &destination).is_err() {
        // On another disk.
        let mode = fs::metadata(&built.library)?.permissions().mode() & 0o777;
        patchbay_files::read(&built.library)
            .and_then(|bytes| patchbay_files::replace(&destination, &bytes, mode))
            .with_context(|| format!("cannot write {}", destination.display()))?;
        let _ = fs::remove_file(&built.library);
    }
    Ok(destination)
}
