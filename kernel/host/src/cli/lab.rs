//! `patchbay lab`

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};
use patchbay_files::Access;

use crate::kernelspec::{self, Environment, InstallScope};
use patchbay_toolchain::snapshot::Snapshot;

const MISSING: &str = "JupyterLab is not installed\nget it with: pip install jupyterlab\n\
                       without it: patchbay run NOTEBOOK --html PAGE.html";

/// Register the kernel and open JupyterLab
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  patchbay lab\n  patchbay lab notebooks/quickstart.ipynb --no-browser --port 8899"
)]
pub struct Arguments {
    /// What `jupyter lab` gets: a notebook, options
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    arguments: Vec<String>,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let probe = Command::new("jupyter")
        .args(["lab", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match probe {
        Ok(status) if status.success() => {}
        Ok(_) => bail!(MISSING),
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(MISSING),
        Err(error) => return Err(error).context("jupyter does not start"),
    }
    let snapshot = Snapshot::locate(&kernelspec::registered_prefixes)?;
    let folder = InstallScope::User.folder(&Environment::of_process())?;
    kernelspec::install(&folder, &snapshot.program(), Access::Owner)?;
    // JupyterLab takes the place of this process, so that Ctrl-C and the terminal are its own.
    let error = Command::new("jupyter")
        .arg("lab")
        .args(&arguments.arguments)
        .exec();
    Err(error).context("jupyter does not start")
}
