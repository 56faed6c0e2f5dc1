//! `patchbay kernel`

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

use crate::{server, session::SessionConfig, snapshot::Snapshot};

/// Serve as a Jupyter kernel; Jupyter itself types this
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file in which Jupyter names the ports and the key
    #[arg(long, short = 'f', value_name = "FILE")]
    connection_file: PathBuf,
}

pub fn main(arguments: Arguments) -> Result<ExitCode> {
    let prefix = Snapshot::locate()?.prefix;
    let working_directory =
        env::current_dir().context("the working directory is gone\ntype: cd ~")?;
    server::run(
        arguments.connection_file,
        SessionConfig {
            prefix,
            working_directory,
        },
    )?;
    Ok(ExitCode::SUCCESS)
}
