//! `patchbay install` and `patchbay uninstall`.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    kernelspec::{self, Place},
    snapshot::Snapshot,
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// In the user's data folder (the default)
    #[arg(long, conflicts_with = "prefix")]
    user: bool,
    /// In DIR/share/jupyter, a virtual environment's folder for instance
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

impl Arguments {
    fn place(&self) -> Place {
        match &self.prefix {
            Some(prefix) => Place::Prefix(prefix.clone()),
            None => Place::User,
        }
    }
}

pub fn install(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let snapshot = Snapshot::locate()?;
    let folder = kernelspec::install(&snapshot, &arguments.place())?;
    println!(
        "registered the kernel `{}` in {}",
        kernelspec::NAME,
        folder.display()
    );
    println!("SDK snapshot: {}", snapshot.prefix.display());
    println!("open JupyterLab with: patchbay lab");
    Ok(ExitCode::SUCCESS)
}

pub fn uninstall(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match kernelspec::uninstall(&arguments.place())? {
        Some(folder) => println!("removed {}", folder.display()),
        None => println!("the kernel `{}` is not registered there", kernelspec::NAME),
    }
    Ok(ExitCode::SUCCESS)
}
