//! `patchbay cache`.

use std::process::ExitCode;

use anyhow::Context;

use patchbay_engine::cache::Cache;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// How many compiled cells there are, and how large they are
    Stats,
    /// Remove all of them
    Clear,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let cache = Cache::of_user().context("there is no home folder; set PATCHBAY_CACHE_DIR")?;
    if let Action::Clear = arguments.action {
        cache
            .clear()
            .with_context(|| format!("{} cannot be removed", cache.folder().display()))?;
    }
    let (entries, bytes) = cache.size();
    println!(
        "{entries} compiled cells, {:.1} MB in {}",
        bytes as f64 / 1e6,
        cache.folder().display()
    );
    Ok(ExitCode::SUCCESS)
}
