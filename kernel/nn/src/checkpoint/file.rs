//! The file of a checkpoint.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Error, Result, Tensor, bail};
use patchbay_ops::{RandomState, random_state, set_random_state};

use super::{Checkpoint, State, Stateful, check_names, names_of};

/// Name in the file for all that it has beside the parts.
pub(super) const TRAINING: &str = "training";
const STEP: &str = "training.step";
const RANDOM: &str = "training.random";
pub(super) const VALUES: &str = "training.values";
const FORMER_OPTIMIZER: &str = "optimizer.";

/// Which parts a file may have that are not asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// None.
    None,
    /// `optimizer`: the model is loaded alone.
    Optimizer,
    /// All.
    Any,
}

pub(super) fn save(parts: &[(&str, &dyn Stateful)], step: usize, path: &Path) -> Result<()> {
    let not_written =
        |error: Error| error.context(format!("the checkpoint {} was not written", path.display()));
    check_names(parts).map_err(not_written)?;
    let names = names_of(parts);
    let mut tensors = HashMap::new();
    let mut values = BTreeMap::new();
    for (part, stateful) in parts {
        let state = stateful
            .state(&names)
            .map_err(|error| not_written(error.context((*part).to_owned())))?;
        values.insert((*part).to_owned(), state.bytes().to_vec());
        for (name, tensor) in state.tensors {
            tensors.insert(format!("{part}.{name}"), tensor);
        }
    }
    let device = &Device::Cpu;
    let mut bytes = Vec::new();
    ciborium::into_writer(&values, &mut bytes).map_err(|error| not_written(Error::wrap(error)))?;
    let count = bytes.len();
    tensors.insert(VALUES.to_owned(), Tensor::from_vec(bytes, count, device)?);
    tensors.insert(STEP.to_owned(), Tensor::new(step as i64, device)?);
    let random = random_state();
    // safetensors has i64 in candle, and the seed may have all 64 bits: they are kept as they are.
    let random = [random.seed.cast_signed(), random.streams.cast_signed()];
    tensors.insert(RANDOM.to_owned(), Tensor::new(&random, device)?);

    // Written beside the old file and moved over it once it is on the disk: the move is atomic.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Nobody can guess it, and plant a link there.
    let unique = patchbay_files::unique_name().map_err(|error| not_written(error.into()))?;
    name.push(format!(".{unique}.part"));
    let part: PathBuf = path.with_file_name(name);
    let written = candle_core::safetensors::save(&tensors, &part)
        .and_then(|()| Ok(fs::File::open(&part)?.sync_all()?))
        .and_then(|()| Ok(fs::rename(&part, path)?));
    if written.is_err() {
        // The error of the write is what matters; the part may not be there at all.
        let _ = fs::remove_file(&part);
    }
    written.map_err(not_written)
}

pub(super) fn load(
    parts: &[(&str, &dyn Stateful)],
    path: &Path,
    others: Others,
) -> Result<Checkpoint> {
    let within = |error: Error| error.context(format!("the checkpoint {}", path.display()));
    check_names(parts).map_err(within)?;
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).map_err(|error| {
        error.context(format!("the checkpoint {} cannot be read", path.display()))
    })?;
    let file = File::of(tensors).map_err(within)?;
    file.check_parts(parts, others).map_err(within)?;
    let names = names_of(parts);
    let mut commits = Vec::with_capacity(parts.len());
    let mut problems = Vec::new();
    let mut states = file.states;
    for (part, stateful) in parts {
        let state = states.remove(*part).unwrap_or_default();
        match stateful.prepare(state, &names) {
            Ok(commit) => commits.push(commit),
            Err(error) => problems.push(format!("{part}: {error}")),
        }
    }
    if !problems.is_empty() {
        bail!(
            "the checkpoint {} is that of another run, and nothing was loaded:\n{}",
            path.display(),
            problems.join("\n")
        )
    }
    for commit in commits {
        commit().map_err(within)?;
    }
    if others != Others::Any {
        set_random_state(file.random);
    }
    Ok(Checkpoint { step: file.step })
}

/// Contents of a file.
struct File {
    step: usize,
    random: RandomState,
    states: BTreeMap<String, State>,
    /// Whether the file was written before there were parts.
    is_former: bool,
}

impl File {
    fn of(mut tensors: HashMap<String, Tensor>) -> Result<File> {
        // Before there were parts: a model and perhaps an optimizer, whose moments had no names that could be trusted.
        let is_former = !tensors.contains_key(VALUES) && tensors.contains_key(STEP);
        if is_former {
            tensors.retain(|name, _| !name.starts_with(FORMER_OPTIMIZER));
            let mut values = Vec::new();
            ciborium::into_writer(&BTreeMap::from([("model", Vec::<u8>::new())]), &mut values)
                .map_err(Error::wrap)?;
            let count = values.len();
            tensors.insert(
                VALUES.to_owned(),
                Tensor::from_vec(values, count, &Device::Cpu)?,
            );
        }
        let mut take = |name: &str, dtype: DType, count: Option<usize>| {
            let found = tensors.remove(name).filter(|tensor| {
                tensor.dtype() == dtype && count.is_none_or(|count| tensor.elem_count() == count)
            });
            found.ok_or_else(|| {
                Error::Msg(format!("it has no {name}: was it saved by nn::Checkpoint?")).bt()
            })
        };
        let values = take(VALUES, DType::U8, None)?
            .flatten_all()?
            .to_vec1::<u8>()?;
        let step = take(STEP, DType::I64, Some(1))?
            .flatten_all()?
            .to_vec1::<i64>()?[0];
        let random = take(RANDOM, DType::I64, Some(2))?
            .flatten_all()?
            .to_vec1::<i64>()?;
        let values: BTreeMap<String, Vec<u8>> = ciborium::from_reader(values.as_slice())
            .map_err(|error| Error::Msg(format!("its {VALUES} is damaged: {error}")).bt())?;
        let mut by_part: BTreeMap<&str, BTreeMap<String, Tensor>> = BTreeMap::new();
        for (name, tensor) in &tensors {
            match name.split_once('.') {
                Some((part, own)) if values.contains_key(part) => {
                    by_part
                        .entry(part)
                        .or_default()
                        .insert(own.to_owned(), tensor.clone());
                }
                _ => bail!("its tensor {name} belongs to no part: was it saved by nn::Checkpoint?"),
            }
        }
        let mut states = BTreeMap::new();
        for (part, values) in &values {
            let tensors = by_part.remove(part.as_str()).unwrap_or_default();
            states.insert(part.clone(), State::from_parts(tensors, values.clone()));
        }
        Ok(File {
            step: usize::try_from(step)
                .map_err(|_| Error::Msg(format!("its {STEP} is {step}")).bt())?,
            random: RandomState {
                seed: random[0].cast_unsigned(),
                streams: random[1].cast_unsigned(),
            },
            states,
            is_former,
        })
    }

    fn check_parts(&self, parts: &[(&str, &dyn Stateful)], others: Others) -> Result<()> {
        let asked: BTreeSet<&str> = parts.iter().map(|(name, _)| *name).collect();
        let there: BTreeSet<&str> = self.states.keys().map(String::as_str).collect();
        let missing: Vec<&str> = asked.difference(&there).copied().collect();
        let mut more: Vec<&str> = there.difference(&asked).copied().collect();
        match others {
            Others::None => {}
            Others::Optimizer => more.retain(|name| *name != "optimizer"),
            Others::Any => more.clear(),
        }
        if missing.is_empty() && more.is_empty() {
            return Ok(());
        }
        if self.is_former {
            bail!(
                "it is of an older version, which kept the optimizer's moments by the parameters' places in an order that was \
                 another in each process: whose they are cannot be told, and nothing was loaded. Load the model alone, \
                 `Checkpoint::load(path, &variables, None)?`, and let the optimizer begin anew"
            )
        }
        let mut text = "it has other parts, and nothing was loaded.".to_owned();
        if !missing.is_empty() {
            text += &format!(
                " Not in the file: {}; the file has {}.",
                missing.join(", "),
                list(&there)
            );
        }
        if !more.is_empty() {
            text += &format!(
                " In the file and not asked for: {}; `.load_parts(path)?` leaves them.",
                more.join(", ")
            );
        }
        bail!("{text}")
    }
}

fn list(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = names.iter().copied().collect();
    names.join(", ")
}
