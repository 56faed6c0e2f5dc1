//! `patchbay quickstart`

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use patchbay_files::Access;

use super::run::{self, Outputs};
use crate::kernelspec::{self, DISPLAY_NAME, Environment, InstallScope};
use patchbay_notebook::Options;
use patchbay_toolchain::snapshot::Snapshot;

const NOTEBOOK: &str = "notebooks/quickstart.ipynb";

/// Register the kernel and execute the first notebook, with its plots in an HTML page
///
/// Needs neither Python nor Jupyter. Type it in the repository.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the executed notebook and the page go; without it target/quickstart in the repository
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Do not register the kernel with Jupyter
    #[arg(long)]
    no_install: bool,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let path = run::find_in_repository(NOTEBOOK)?;
    let repository = path.ancestors().nth(2).unwrap_or(&path);
    let folder = arguments
        .output
        .clone()
        .unwrap_or_else(|| repository.join("target/quickstart"));
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let snapshot = Snapshot::locate(&kernelspec::registered_prefixes)?;
    println!("SDK         {}", snapshot.prefix.display());
    if !arguments.no_install {
        let spec = InstallScope::User.folder(&Environment::of_process())?;
        kernelspec::install(&spec, &snapshot.program(), Access::Owner)?;
        println!("kernelspec  {}", spec.display());
    }
    println!("notebook    {}", path.display());
    let executed = folder.join("quickstart.ipynb");
    let page = folder.join("quickstart.html");
    let outputs = Outputs {
        notebook: Some(executed.clone()),
        html: Some(page.clone()),
        ..Outputs::default()
    };
    let report = run::run(&snapshot, &path, &outputs, Options::default())?;
    println!("executed    {}", executed.display());
    println!("page        {}", page.display());
    let code = run::conclude(&report);
    if report.fatal().is_none() {
        println!(
            "\nOpen the page in a browser, or the notebook in JupyterLab with the kernel \"{DISPLAY_NAME}\":"
        );
        println!("  patchbay lab {}", path.display());
    }
    Ok(code)
}
