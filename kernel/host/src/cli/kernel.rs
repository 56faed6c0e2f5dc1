//! `patchbay kernel`.

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::Context;

use crate::{server, snapshot::Snapshot, wire::ConnectionInfo};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file with ports and key that Jupyter writes
    #[arg(long, short = 'f', value_name = "FILE")]
    connection_file: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let connection = ConnectionInfo::read(&arguments.connection_file)?;
    let snapshot = Snapshot::locate()?;
    let folder = env::current_dir().context("the working folder is gone")?;
    let config = super::session_config(&snapshot, folder);
    super::block_on(server::run(
        &connection,
        config,
        snapshot.language_version(),
    ))?;
    Ok(ExitCode::SUCCESS)
}
