//! `patchbay exec`: what the command `run` of a compiled notebook calls.

use std::{collections::BTreeMap, env, path::PathBuf, process::ExitCode};

use anyhow::Result;

use super::{
    run::{self, Outputs},
    start::session_config,
};
use crate::{
    compiled::{self, Program},
    engines::EngineConfig,
};
use patchbay_engine::cache::Cache;
use patchbay_notebook::{Options, parameters};
use patchbay_toolchain::dependency::Workshop;

/// Run a notebook that `patchbay build` has compiled
///
/// What the cells print goes to stdout and stderr.
#[derive(Debug, clap::Args)]
#[command(override_usage = "run [OPTIONS]")]
pub struct Arguments {
    #[arg(hide = true)]
    program: PathBuf,
    #[command(flatten)]
    options: run::RunOptions,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let folder = &arguments.program;
    let (program, snapshot) = Program::open(folder)?;
    let values = parameters::read(&arguments.options.parameters, &program.parameters)?;
    let here = env::current_dir()?;
    let mut config = session_config(&snapshot, here.clone());
    // Nobody completes names in a job.
    config.side = None;
    config.snapshot = None;
    config.compiler = program.compiler.clone();
    config.compiler.sealed = true;
    config.cache = Some(Cache::new(folder.join("cells"), u64::MAX));
    config.dependencies = Workshop::sealed(&snapshot, program.kept.bundles.clone());
    config.plugins = program
        .kept
        .plugins
        .iter()
        .map(|(path, library)| (path.clone(), folder.join(library)))
        .collect::<BTreeMap<_, _>>();
    config.parameters = Some(serde_json::to_string(&values)?);
    let options = Options {
        open_parameters: true,
        ..arguments.options.options()
    };
    let outputs = Outputs {
        prints: true,
        ..arguments.options.outputs()
    };
    let source = folder.join(compiled::NOTEBOOK);
    let report = run::execute(
        &snapshot,
        EngineConfig::Own(Box::new(config)),
        &here,
        &source,
        &program.name,
        &outputs,
        options,
    )?;
    Ok(run::conclude(&report))
}
