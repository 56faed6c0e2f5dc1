//! `patchbay lab`.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::bail;

use crate::{
    kernelspec::{self, Place},
    snapshot::Snapshot,
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Passed on to JupyterLab, a notebook or a folder for instance
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let snapshot = Snapshot::locate()?;
    let folder = kernelspec::install(&snapshot, &Place::User)?;
    println!("registered the kernel in {}", folder.display());
    match Command::new("jupyter")
        .arg("lab")
        .args(&arguments.arguments)
        .status()
    {
        Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
        Ok(status) => {
            bail!("`jupyter lab` ended with {status}; if it is missing: pip install jupyterlab")
        }
        Err(error) => bail!(
            "`jupyter` does not start ({error}). Get it with: pip install jupyterlab; \
             without it, `patchbay run NOTEBOOK --html OUT.html` executes notebooks"
        ),
    }
}
