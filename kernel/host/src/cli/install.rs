//! `patchbay install` and `patchbay uninstall`

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use patchbay_files::Access;

use crate::kernelspec::{self, DISPLAY_NAME, Environment, InstallScope};
use patchbay_side as side;
use patchbay_toolchain::snapshot::{Snapshot, Store};

/// Register the kernel, so that Jupyter lists it as "Rust (Patchbay)"
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    patchbay install                       for this user, whichever Jupyter they start\n  \
    patchbay install --sys-prefix          for the active Python environment\n  \
    patchbay install --prefix /opt/lab     for the Jupyter installed there\n  \
    patchbay install --completion          with completion by rust-analyzer, and the kernel on evcxr")]
pub struct InstallArguments {
    #[command(flatten)]
    pub scope: ScopeArguments,
    /// Build the side process for completion by rust-analyzer and for the evcxr engine (some minutes)
    #[arg(long)]
    pub completion: bool,
}

/// Take the kernel off Jupyter's list
#[derive(Debug, clap::Args)]
pub struct UninstallArguments {
    #[command(flatten)]
    pub scope: ScopeArguments,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct ScopeArguments {
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

impl ScopeArguments {
    fn into_scope(self) -> InstallScope {
        match self.prefix {
            Some(prefix) => InstallScope::Prefix(prefix),
            None if self.sys_prefix => InstallScope::SysPrefix,
            None => InstallScope::User,
        }
    }
}

pub fn install(arguments: InstallArguments) -> Result<ExitCode> {
    let mut snapshot = Snapshot::locate(&kernelspec::registered_prefixes)?;
    if arguments.completion {
        println!(
            "building the side process for completion; the first time this takes some minutes"
        );
        side::config::build(&snapshot)?;
        snapshot = Snapshot::locate(&kernelspec::registered_prefixes)?;
    }
    let scope = arguments.scope.into_scope();
    let access = match scope {
        InstallScope::User => Access::Owner,
        InstallScope::Prefix(_) | InstallScope::SysPrefix => Access::Everyone,
    };
    let folder = scope.folder(&Environment::of_process())?;
    // The administrator's own snapshot is not for others to read.
    if access == Access::Everyone
        && patchbay_files::user() == 0
        && let Some(prefix) = folder.ancestors().nth(4)
    {
        let store = Store::of_everyone(prefix);
        snapshot = store.copy_of(&snapshot)?;
        // Only this kernelspec starts what is there.
        store.remove_all_but(Some(&snapshot.prefix))?;
        if let Some(hidden) = hidden_from_others(&snapshot.manifest.rustc.path) {
            println!(
                "note: other users cannot run the compiler, {}, because {} is not theirs to enter: cells that they have not \
                 compiled yet will fail. Install Rust where everybody can read it (RUSTUP_HOME=/opt/rustup), build with it, \
                 and install again",
                snapshot.manifest.rustc.path.display(),
                hidden.display()
            );
        }
    }
    let built = side::config::is_built(&snapshot);
    kernelspec::install(&folder, &snapshot.program(), access)?;
    println!("registered \"{DISPLAY_NAME}\" in {}", folder.display());
    match kernelspec::install_evcxr(&folder, &snapshot.program(), built, access)? {
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

/// The folder on the way to a file that others cannot enter.
fn hidden_from_others(file: &Path) -> Option<PathBuf> {
    let folders = file.ancestors().skip(1);
    let is_hidden = |folder: &&Path| {
        fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 == 0)
    };
    folders.filter(is_hidden).last().map(Path::to_owned)
}

pub fn uninstall(scope: ScopeArguments) -> Result<ExitCode> {
    let scope = scope.into_scope();
    let folder = scope.folder(&Environment::of_process())?;
    kernelspec::uninstall(&folder.with_file_name(kernelspec::EVCXR_NAME))?;
    if kernelspec::uninstall(&folder)? {
        if folder.exists() {
            println!(
                "removed the kernelspec; {} holds other files, which stay",
                folder.display()
            );
        } else {
            println!("removed {}", folder.display());
        }
        if scope != InstallScope::User
            && let Some(prefix) = folder.ancestors().nth(4)
        {
            Store::of_everyone(prefix).remove_all_but(None)?;
        }
        println!("the SDK snapshots stay; remove them with: patchbay doctor --prune");
    } else {
        println!("nothing to remove: there is no {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}
