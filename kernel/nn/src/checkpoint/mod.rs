//! A run's state in one safetensors file.

mod file;
mod folder;
mod stateful;

use std::path::Path;

use candle_core::{Result, Var, bail};
use candle_nn::VarMap;

use crate::{OptimizerState, ParameterNames};
pub use folder::{Checkpoints, Saved};
use stateful::OfOptimizer;
pub use stateful::{State, Stateful};
#[doc(hidden)]
pub use stateful::{prepare_variables, state_of_variables};

/// Where a run was when it was saved.
///
/// [`Checkpoint::of`] puts the parts of a run together that are to be saved and loaded: networks, optimizers, averages, losses
/// and balancers in slots, loaders, counters. A run that is stopped and goes on in another process gives the same numbers, bit
/// for bit on the CPU, as one that was never stopped.
///
/// ```
/// # use patchbay::prelude::*;
/// # use std::sync::Mutex;
/// # let path = std::env::temp_dir().join(format!("checkpoint-of-parts-{}.safetensors", std::process::id()));
/// let varmap = VarMap::new();
/// let net = nn::linear(2, 3, nn::builder(&varmap, DType::F32, &device()))?;
/// let mut optimizer = nn::AdamW::new(net.parameters(), 1e-3)?;
/// let losses = Mutex::new(vec![0.7, 0.5]);
///
/// let checkpoint = nn::Checkpoint::of(&[("net", &net), ("optimizer", &optimizer), ("losses", &losses)]);
/// checkpoint.step(2).save(&path)?;
///
/// // In another session, with the same parts:
/// let loaded = nn::Checkpoint::of(&[("net", &net), ("optimizer", &optimizer), ("losses", &losses)]).load(&path)?;
/// assert_eq!(loaded.step, 2);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), candle::Error>(())
/// ```
///
/// The file has the tensors of each part under `PART.NAME`, `training.step`, `training.random`, the state of the generator of the
/// CPU, and `training.values`, all that is no tensor, as CBOR. Any reader of safetensors can open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many steps were done.
    pub step: usize,
}

impl Checkpoint {
    /// Begins with the parts of a run, each under a name of its own.
    #[must_use]
    pub fn of<'a>(parts: &[(&'a str, &'a dyn Stateful)]) -> Parts<'a> {
        Parts {
            parts: parts.to_vec(),
            step: 0,
        }
    }

    /// Writes a model and its optimizer: [`Checkpoint::of`] with the parts `model` and `optimizer`.
    ///
    /// # Errors
    ///
    /// As [`Parts::save`].
    pub fn save(
        path: impl AsRef<Path>,
        model: &VarMap,
        optimizer: Option<&dyn OptimizerState>,
        step: usize,
    ) -> Result<()> {
        model_and(model, optimizer.map(OfOptimizer).as_ref())
            .step(step)
            .save(path)
    }

    /// Puts back what [`Checkpoint::save`] has written.
    ///
    /// Variables are looked for by name, so the model has to be built first. Without an optimizer that of the file is left.
    ///
    /// # Errors
    ///
    /// As [`Parts::load`].
    pub fn load(
        path: impl AsRef<Path>,
        model: &VarMap,
        optimizer: Option<&mut dyn OptimizerState>,
    ) -> Result<Checkpoint> {
        let optimizer = optimizer.map(|optimizer| OfOptimizer(optimizer));
        let parts = model_and(model, optimizer.as_ref());
        file::load(&parts.parts, path.as_ref(), file::Others::Optimizer)
    }
}

fn model_and<'a>(model: &'a VarMap, optimizer: Option<&'a OfOptimizer<'a>>) -> Parts<'a> {
    let mut parts: Vec<(&str, &dyn Stateful)> = vec![("model", model)];
    if let Some(optimizer) = optimizer {
        parts.push(("optimizer", optimizer));
    }
    Parts { parts, step: 0 }
}

/// The parts of a checkpoint; see [`Checkpoint::of`].
#[derive(Clone)]
pub struct Parts<'a> {
    parts: Vec<(&'a str, &'a dyn Stateful)>,
    step: usize,
}

impl Parts<'_> {
    /// Sets the number of steps that are done.
    #[must_use]
    pub fn step(self, step: usize) -> Self {
        Parts { step, ..self }
    }

    /// Writes the file, or leaves the old one: a crash at any time leaves one that is whole.
    ///
    /// # Errors
    ///
    /// Fails where the folder does not exist or cannot be written, the disk is full, two parts have one name, or an optimizer
    /// has a parameter that is in none of the parts.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        file::save(&self.parts, self.step, path.as_ref())
    }

    /// Puts all parts and the generator back as they were. Nothing is changed where anything does not fit.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, has other parts, or a part has other names, shapes or settings there.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Checkpoint> {
        file::load(&self.parts, path.as_ref(), file::Others::None)
    }

    /// Puts these parts back and leaves the others of the file, and the generator: a model alone, to be used or trained anew.
    ///
    /// # Errors
    ///
    /// As [`Parts::load`], but for parts that the file has and this has not.
    pub fn load_parts(&self, path: impl AsRef<Path>) -> Result<Checkpoint> {
        file::load(&self.parts, path.as_ref(), file::Others::Any)
    }
}

/// The names of all variables of the parts: `PART.NAME`.
fn names_of(parts: &[(&str, &dyn Stateful)]) -> ParameterNames {
    let named: Vec<(String, Var)> = parts
        .iter()
        .flat_map(|(part, stateful)| {
            let named = stateful.named_vars().into_iter();
            named.map(move |(name, var)| (format!("{part}.{name}"), var))
        })
        .collect();
    ParameterNames::of_named(named.iter().map(|(name, var)| (name.clone(), var)))
}

/// Checks that parts can be told apart in a file.
fn check_names(parts: &[(&str, &dyn Stateful)]) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for (name, _) in parts {
        if name.is_empty() || name.contains('.') || *name == file::TRAINING {
            bail!(
                "a part of a checkpoint is called {name:?}: must be a name without dots, and not \"{}\", which the file has itself",
                file::TRAINING
            )
        }
        if !seen.insert(name) {
            bail!("two parts of a checkpoint are called {name:?}: each must have a name of its own")
        }
    }
    Ok(())
}
