//! Models, optimizers and the place in a run, in one safetensors file.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use candle_core::{Device, Result, Tensor};
use candle_nn::VarMap;

use super::{OptimizerState, ParameterNames};
use patchbay_ops::{RandomState, random_state, set_random_state};

/// Where a run was when it was saved.
///
/// The file has `model.<name>` for each variable, `optimizer.<...>` for the optimizer's state, by the names of the
/// variables, `training.step` and `training.random`, the state of the SDK's generator. Any reader of safetensors can open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many steps were done.
    pub step: usize,
}

impl Checkpoint {
    /// Writes the file, or leaves the old one: a crash at any time leaves one that is whole.
    ///
    /// # Errors
    ///
    /// Fails where the folder does not exist or cannot be written, the disk is full, or the optimizer has a parameter that
    /// the model lacks.
    pub fn save(
        path: impl AsRef<Path>,
        model: &VarMap,
        optimizer: Option<&dyn OptimizerState>,
        step: usize,
    ) -> Result<()> {
        save(path.as_ref(), model, optimizer, step)
    }

    /// Puts model, optimizer and generator back as they were.
    ///
    /// Variables are looked for by name, so the model has to be built first. Nothing is changed where anything
    /// does not fit.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, lacks a variable of the model, has one that the model lacks or one of
    /// another shape, has no state for the optimizer, that of another one or of other parameters, or keeps it by position, as
    /// files did before parameters had names there.
    pub fn load(
        path: impl AsRef<Path>,
        model: &VarMap,
        optimizer: Option<&mut dyn OptimizerState>,
    ) -> Result<Checkpoint> {
        load(path.as_ref(), model, optimizer)
    }
}

fn save(
    path: &Path,
    model: &VarMap,
    optimizer: Option<&dyn OptimizerState>,
    step: usize,
) -> Result<()> {
    let mut tensors = HashMap::new();
    for (name, var) in lock(model).iter() {
        tensors.insert(format!("model.{name}"), var.as_detached_tensor());
    }
    if let Some(optimizer) = optimizer {
        for (name, tensor) in optimizer.named_state(&ParameterNames::of(model))? {
            tensors.insert(format!("optimizer.{name}"), tensor);
        }
    }
    let random = random_state();
    let device = &Device::Cpu;
    tensors.insert(
        "training.step".to_owned(),
        Tensor::new(step as i64, device)?,
    );
    // safetensors has i64 in candle, and the seed may have all 64 bits: they are kept as they are.
    let random = [random.seed.cast_signed(), random.streams.cast_signed()];
    tensors.insert("training.random".to_owned(), Tensor::new(&random, device)?);

    // Written beside the old file and moved over it once it is on the disk: the move is atomic.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part: PathBuf = path.with_file_name(name);
    let written = candle_core::safetensors::save(&tensors, &part)
        .and_then(|()| Ok(fs::File::open(&part)?.sync_all()?))
        .and_then(|()| Ok(fs::rename(&part, path)?));
    if written.is_err() {
        // The error of the write is what matters; the part may not be there at all.
        let _ = fs::remove_file(&part);
    }
    written.map_err(|error| {
        error.context(format!("the checkpoint {} was not written", path.display()))
    })
}

fn load(
    path: &Path,
    model: &VarMap,
    optimizer: Option<&mut dyn OptimizerState>,
) -> Result<Checkpoint> {
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).map_err(|error| {
        error.context(format!("the checkpoint {} cannot be read", path.display()))
    })?;
    let names = ParameterNames::of(model);
    let variables = lock(model);
    let mut problems: Vec<String> = Vec::new();
    for (name, var) in variables.iter() {
        match tensors.get(&format!("model.{name}")) {
            None => problems.push(format!("{name} is not in the file")),
            Some(tensor) if tensor.dims() != var.dims() => problems.push(format!(
                "{name} is {:?} in the file and {:?} in the model",
                tensor.dims(),
                var.dims()
            )),
            Some(_) => {}
        }
    }
    for name in tensors.keys().filter_map(|key| key.strip_prefix("model.")) {
        if !variables.contains_key(name) {
            problems.push(format!("{name} is in the file and not in the model"));
        }
    }
    if !problems.is_empty() {
        problems.sort();
        candle_core::bail!(
            "the checkpoint {} is that of another model, and nothing was loaded:\n{}",
            path.display(),
            problems.join("\n")
        )
    }
    let missing = |what: &str| {
        candle_core::Error::Msg(format!(
            "the checkpoint {} has no {what}: was it saved here?",
            path.display()
        ))
        .bt()
    };
    let step = tensors
        .get("training.step")
        .ok_or_else(|| missing("training.step"))?
        .to_scalar::<i64>()?;
    let random = tensors
        .get("training.random")
        .ok_or_else(|| missing("training.random"))?
        .to_vec1::<i64>()?;
    let [seed, streams] = random[..] else {
        return Err(missing("pair of numbers in training.random"));
    };
    if let Some(optimizer) = optimizer {
        let state: BTreeMap<String, Tensor> = tensors
            .iter()
            .filter_map(|(key, tensor)| {
                Some((key.strip_prefix("optimizer.")?.to_owned(), tensor.clone()))
            })
            .collect();
        if state.is_empty() {
            return Err(missing("state of an optimizer"));
        }
        if !state.contains_key("optimizer") {
            candle_core::bail!(
                "the checkpoint {} is of an older version, which kept the optimizer's moments by the parameters' places in an \
                 order that was another in each process: whose they are cannot be told, and nothing was loaded. Load the model \
                 alone, `Checkpoint::load(path, &variables, None)?`, and let the optimizer begin anew",
                path.display()
            )
        }
        optimizer
            .load_named_state(&state, &names)
            .map_err(|error| error.context(format!("the checkpoint {}", path.display())))?;
    }
    for (name, var) in variables.iter() {
        let tensor = &tensors[&format!("model.{name}")];
        var.set(&tensor.to_dtype(var.dtype())?.to_device(var.device())?)?;
    }
    set_random_state(RandomState {
        seed: seed.cast_unsigned(),
        streams: streams.cast_unsigned(),
    });
    Ok(Checkpoint {
        step: step as usize,
    })
}

fn lock(model: &VarMap) -> std::sync::MutexGuard<'_, HashMap<String, candle_core::Var>> {
    model
        .data()
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
