//! `patchbay kernel`

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

use crate::engines::EngineName;
use crate::kernelspec;
use patchbay_jupyter::{
    server::{self, About},
    wire::ConnectionInfo,
};
use patchbay_toolchain::snapshot::Snapshot;
use serde_json::json;

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
    let snapshot = Snapshot::locate(&kernelspec::registered_prefixes)?;
    let folder = env::current_dir().context("the working directory is gone\ntype: cd ~")?;
    let config = super::start::engine_config(&snapshot, arguments.engine, folder)?;
    let about = about(&snapshot.language_version());
    super::start::block_on(server::run(&connection, config.start(), about))?;
    Ok(ExitCode::SUCCESS)
}

/// What the kernel says of itself and of Rust.
fn about(language_version: &str) -> About {
    let version = env!("CARGO_PKG_VERSION");
    About {
        implementation: "patchbay",
        implementation_version: version,
        language: json!({
            "name": "rust",
            "version": language_version,
            "mimetype": "text/x-rustsrc",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
            "nbconvert_exporter": "script",
        }),
        banner: format!(
            "Patchbay {version}: Rust cells on candle tensors. %help lists the magics."
        ),
        help_links: &[
            ("The Rust book", "https://doc.rust-lang.org/book/"),
            ("Rust's standard library", "https://doc.rust-lang.org/std/"),
            ("candle", "https://docs.rs/candle-core"),
            ("plotters", "https://docs.rs/plotters"),
        ],
    }
}
