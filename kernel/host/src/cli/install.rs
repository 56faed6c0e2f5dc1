//! `patchbay install` and `patchbay uninstall`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use crate::{
    kernelspec::{self, DISPLAY_NAME, Environment, Place},
    side,
    snapshot::Snapshot,
};

/// Register the kernel, so that Jupyter lists it as "Rust (Patchbay)"
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    patchbay install                       for this user, whichever Jupyter they start\n  \
    patchbay install --sys-prefix          for the active Python environment\n  \
    patchbay install --prefix /opt/lab     for the Jupyter installed there\n  \
    patchbay install --completion          with completion by rust-analyzer, and the kernel on evcxr")]
pub struct InstallArguments {
    #[command(flatten)]
    pub place: PlaceArguments,
    /// Build the side process for completion by rust-analyzer and for the evcxr engine (some minutes)
    #[arg(long)]
    pub completion: bool,
}

/// Take the kernel off Jupyter's list
#[derive(Debug, clap::Args)]
pub struct UninstallArguments {
    #[command(flatten)]
    pub place: PlaceArguments,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct PlaceArguments {
    /// For this user (the default)
    #[arg(long)]
    user: bool,
    /// For the Jupyter that is installed under DIR
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// For the Python environment of `python3`
    #[arg(long)]
    sys_prefix: bool,
}

impl PlaceArguments {
    fn into_place(self) -> Place {
        match self.prefix {
            Some(prefix) => Place::Prefix(prefix),
            None if self.sys_prefix => Place::SysPrefix,
            None => Place::User,
        }
    }
}

pub fn install(arguments: InstallArguments) -> Result<ExitCode> {
    let mut snapshot = Snapshot::locate()?;
    if arguments.completion {
        println!(
            "building the side process for completion; the first time this takes some minutes"
        );
        side::config::build(&snapshot)?;
        snapshot = Snapshot::locate()?;
    }
    let built = side::config::is_built(&snapshot);
    let folder = arguments
        .place
        .into_place()
        .folder(&Environment::of_process())?;
    kernelspec::install(&folder, &snapshot.program())?;
    println!("registered \"{DISPLAY_NAME}\" in {}", folder.display());
    match kernelspec::install_evcxr(&folder, &snapshot.program(), built)? {
        Some(folder) => println!("registered the kernel on evcxr in {}", folder.display()),
        None => println!(
            "for completion by rust-analyzer, type: {}",
            side::config::INSTALL
        ),
    }
    println!("its SDK is in {}", snapshot.prefix.display());
    println!("open it with: patchbay lab");
    Ok(ExitCode::SUCCESS)
}

pub fn uninstall(place: PlaceArguments) -> Result<ExitCode> {
    let folder = place.into_place().folder(&Environment::of_process())?;
    kernelspec::uninstall(&folder.with_file_name(kernelspec::EVCXR_NAME))?;
    if kernelspec::uninstall(&folder)? {
        println!("removed {}", folder.display());
        println!("the SDK snapshots stay; remove them with: patchbay doctor --prune");
    } else {
        println!("nothing to remove: there is no {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}
