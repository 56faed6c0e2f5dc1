//! `patchbay quickstart`: the main job in one command.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};

use super::run::{Execution, execute};
use crate::{
    kernelspec::{self, Place},
    snapshot::Snapshot,
};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder for the executed notebook and the page
    #[arg(long, short, value_name = "DIR", default_value = "target/quickstart")]
    output: PathBuf,
    /// Do not register the kernel with Jupyter
    #[arg(long)]
    no_install: bool,
}

const NOTEBOOK: &str = "notebooks/quickstart.ipynb";

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let notebook = find_notebook()?;
    let snapshot = Snapshot::locate()?;
    println!("SDK snapshot: {}", snapshot.prefix.display());
    if !arguments.no_install {
        let folder = kernelspec::install(&snapshot, &Place::User)?;
        println!(
            "registered the kernel `{}` in {}",
            kernelspec::NAME,
            folder.display()
        );
    }
    let output = arguments.output.join("quickstart.ipynb");
    let html = arguments.output.join("quickstart.html");
    let request = Execution {
        notebook: &notebook,
        output: Some(&output),
        html: Some(&html),
        timeout: None,
        allow_errors: false,
    };
    let succeeded = super::block_on(execute(&snapshot, &request))?;
    println!("executed notebook: {}", output.display());
    println!("page with plots:   {}", html.display());
    ensure!(succeeded, "a cell failed; see above");
    println!("open it in JupyterLab: patchbay lab {NOTEBOOK}");
    Ok(ExitCode::SUCCESS)
}

/// The notebook, from the working folder or the one that the program was built in.
fn find_notebook() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let candidates = [
        PathBuf::from(NOTEBOOK),
        program
            .ancestors()
            .nth(3)
            .unwrap_or(Path::new("."))
            .join(NOTEBOOK),
    ];
    candidates
        .into_iter()
        .find(|path| path.exists())
        .with_context(|| format!("{NOTEBOOK} is not here; run this in the repository's folder"))
}
