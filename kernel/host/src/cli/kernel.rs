//! `patchbay kernel`

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

use crate::{engines::EngineName, server, snapshot::Snapshot, wire::ConnectionInfo};

/// Serve as a Jupyter kernel; Jupyter itself types this
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file in which Jupyter names the ports and the key
    #[arg(long, short = 'f', value_name = "FILE")]
    connection_file: PathBuf,
    /// What runs the cells
    #[arg(long, value_enum, default_value_t)]
    engine: EngineName,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let connection = ConnectionInfo::read(&arguments.connection_file)?;
    let snapshot = Snapshot::locate()?;
    let folder = env::current_dir().context("the working directory is gone\ntype: cd ~")?;
    let config = super::engine_config(&snapshot, arguments.engine, folder)?;
    super::block_on(server::run(
        &connection,
        config,
        snapshot.language_version(),
    ))?;
    Ok(ExitCode::SUCCESS)
}
