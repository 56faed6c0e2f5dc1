//! The tests that every component is put to, on the sample that it carries.
//!
//! [`test_components!`](crate::test_components) in a plugin's crate is all that it needs: each of its components is made,
//! called, swapped and refused as its kind asks, whatever it is. A kind says in one function how its components are called on a
//! sample ([`Tried::try_out`]).

mod case;
mod gradient;
mod resumed;
mod shapes;

use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use candle_core::{DType, Device};
use serde_json::{Value, json};

use super::{
    Error, Options, Outputs, Sample, Tried, create_with,
    define::NO_SAMPLE,
    describe,
    error::candle_text,
    kinds::{Visitor, each},
    list, panics,
    resolve::resolve,
};
use case::{ATTEMPTS, Trial, numbers, run};
use patchbay_cell::{keep, parts};

/// How far values in a type may be from those in `f32`, relative to the largest.
const ROUNDING: [(DType, f64); 3] = [(DType::F64, 2e-4), (DType::BF16, 0.1), (DType::F16, 0.02)];

/// Tests each component of a plugin's crate: that its outputs have the documented shapes, its gradients are those of
/// differences, that settings, types, empty inputs, seeds and swaps are as documented. `docs/writing-a-plugin.md` lists all.
///
/// ```ignore
/// #[cfg(test)]
/// patchbay::test_components!(crate);
/// ```
///
/// In a file of `tests/` the crate's name stands in the place of `crate`. Crates whose components these create stand behind it:
/// `test_components!(my_objectives, with my_losses, my_encoders)`.
#[macro_export]
macro_rules! test_components {
    ($tested:ident $(, with $($other:ident),+)? $(,)?) => {
        #[test]
        fn components_are_what_their_kinds_and_descriptions_promise() {
            $($($other::register().unwrap();)+)?
            $tested::register().unwrap();
            let broken = $crate::trial::components(&$tested::component_ids());
            assert!(broken.is_empty(), "{}", broken.join("\n\n"));
        }
    };
}

/// Tests these components, and returns what is wrong with them, a text each.
pub fn components(ids: &[&str]) -> Vec<String> {
    // What one draws would come out of another's seed.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut broken = Vec::new();
    for id in ids {
        let entry = match resolve(id) {
            Ok(entry) => entry,
            Err(error) => {
                broken.push(error.to_string());
                continue;
            }
        };
        let scratch = std::env::temp_dir().join(format!(
            "patchbay-sample-{}-{}",
            std::process::id(),
            id.replace('/', "-")
        ));
        let made = fs::create_dir_all(&scratch)
            .map_err(|error| Error::new(format!("{} cannot be made: {error}", scratch.display())));
        match made.and_then(|()| sample(id, &scratch)) {
            Ok(sample) => {
                let mut trial = Trial {
                    spec: &entry.spec,
                    sample: &sample,
                    broken: &mut broken,
                };
                each(&mut trial);
            }
            Err(error) => broken.push(error.to_string()),
        }
        // What is left over is the system's to clear.
        let _ = fs::remove_dir_all(&scratch);
    }
    broken
}

/// The sample of a component; loads its plugin if need be. Files that it needs are written into the folder `scratch`.
///
/// # Errors
///
/// Fails where there is no such component or it has no sample, saying what to add and where.
pub fn sample(id: &str, scratch: &Path) -> Result<Sample, Error> {
    let entry = resolve(id)?;
    (entry.sample)(scratch).map_err(|error| {
        let text = candle_text(&error);
        let spec = &entry.spec;
        if text != NO_SAMPLE {
            return Error::new(format!("the sample of {id} cannot be made: {text}"));
        }
        let (module, name) = spec.type_name.rsplit_once("::").unwrap_or(("", spec.type_name));
        Error::new(format!(
            "{id} has no sample, so no test tries it: add `fn sample(_scratch: &Path) -> Result<Sample>` to `impl Define for \
             {name}` in the module {module}, with settings and small inputs by the names in its `shapes`: \
             Ok(Sample::new(json!({{}})).input(\"prediction\", ...)); docs/writing-a-plugin.md has an example"
        ))
    })
}

/// One thing that is tried of a component; says what is wrong.
type Step = fn(&Trial<'_>) -> Result<(), String>;

impl Visitor for Trial<'_> {
    fn visit<K: ?Sized + Tried>(&mut self) {
        if self.spec.kind != K::NAME {
            return;
        }
        let steps: [(&str, Step); 9] = [
            ("registry", known::<K>),
            ("settings", settings::<K>),
            ("shapes", documented::<K>),
            ("types", types::<K>),
            ("gradients", gradient::check::<K>),
            ("small inputs", small::<K>),
            ("seeds", seeds::<K>),
            ("swaps", swaps::<K>),
            ("checkpoints", resumed::check::<K>),
        ];
        for (name, step) in steps {
            let found = panics::catch(|| step(self))
                .unwrap_or_else(|panic| Err(format!("the test panicked: {panic}")));
            if let Err(text) = found {
                self.broken
                    .push(format!("{}, {name}: {text}", self.spec.id));
            }
        }
    }
}

/// It is listed and described; its slot is known where tensors are counted and handles kept.
fn known<K: ?Sized + Tried>(trial: &Trial<'_>) -> Result<(), String> {
    let id = &trial.spec.id;
    if !list(id).rows.iter().any(|[listed, ..]| listed == id) {
        return Err("plugin::list does not show it".to_owned());
    }
    let description = describe(id).map_err(|error| error.to_string())?.to_string();
    if trial.spec.summary.is_empty() || !description.contains(trial.spec.summary) {
        return Err(format!("plugin::describe says no summary:\n{description}"));
    }
    let slot = trial.make::<K>(trial.dtype())?;
    let bytes: usize = slot
        .variables()
        .iter()
        .map(|named| named.var.elem_count() * named.var.dtype().size_in_bytes())
        .sum();
    let counted = parts::tensors_of(&slot).all;
    if counted != bytes {
        return Err(format!(
            "%who counts {counted} of the {bytes} bytes of its tensors"
        ));
    }
    if keep::handle(&slot).is_none() {
        return Err("a slot of its kind is lost with a cell that is given up".to_owned());
    }
    Ok(())
}

/// All settings are known, and the complete ones give the same component; others are refused.
fn settings<K: ?Sized + Tried>(trial: &Trial<'_>) -> Result<(), String> {
    let complete = trial.make::<K>(trial.dtype())?.provenance().config;
    let text = complete.to_string();
    let read: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let again = create_with::<K>(
        &trial.spec.id,
        read,
        Options {
            device: Device::Cpu,
            ..Options::default()
        },
    )
    .map_err(|error| format!("its complete settings {text} do not make it: {error}"))?;
    if again.provenance().config != complete {
        return Err(format!(
            "the settings {text} come back as {}",
            again.provenance().config
        ));
    }
    let unknown = "no_such_setting";
    let mut given = match complete {
        Value::Object(given) => given,
        _ => serde_json::Map::new(),
    };
    given.insert(unknown.to_owned(), json!(1));
    match create_with::<K>(&trial.spec.id, given.into(), Options::default()) {
        Ok(_) => Err(format!(
            "it takes a setting {unknown} without a word: declare its settings with patchbay::config!, which refuses others"
        )),
        Err(error) if error.to_string().contains(unknown) => Ok(()),
        Err(error) => Err(format!(
            "an unknown setting is refused without its name: {error}"
        )),
    }
}

/// Inputs and outputs have the shapes that the description says, and numbers in them.
fn documented<K: ?Sized + Tried>(trial: &Trial<'_>) -> Result<(), String> {
    let dtype = trial.dtype();
    let outputs = trial.run(&trial.make::<K>(dtype)?, dtype)?;
    finite(&outputs)?;
    let tensors = trial.sample.inputs.0.iter().chain(&outputs);
    shapes::check(trial.spec.details.shapes, tensors)
}

/// No float is NaN or infinite.
fn finite(outputs: &Outputs) -> Result<(), String> {
    for (name, tensor) in outputs {
        if numbers(tensor)?.iter().any(|number| !number.is_finite()) {
            return Err(format!("{name} {:?} is not finite", tensor.dims()));
        }
    }
    Ok(())
}

/// The same comes out in each type, but for rounding.
fn types<K: ?Sized + Tried>(trial: &Trial<'_>) -> Result<(), String> {
    let first = trial.dtype();
    let slot = trial.make::<K>(first)?;
    let values = slot.variables();
    let expected = trial.run(&slot, first)?;
    for &dtype in &trial.sample.dtypes {
        let other = trial.make::<K>(dtype)?;
        // As it was before its call: buffers may have moved.
        let fresh = trial.make::<K>(first)?;
        let all: Vec<_> = fresh
            .variables()
            .into_iter()
            .zip(other.variables())
            .collect();
        if all.len() != values.len() {
            return Err(format!(
                "in {dtype:?} it has {} tensors, in {first:?} {}",
                all.len(),
                values.len()
            ));
        }
        for (from, to) in all {
            let set = || {
                to.var
                    .set(&from.var.as_detached_tensor().to_dtype(to.var.dtype())?)
            };
            set().map_err(|error| format!("{}: {}", to.name, candle_text(&error)))?;
        }
        let found = trial
            .run(&other, dtype)
            .map_err(|error| format!("in {dtype:?}: {error}"))?;
        let rounding = ROUNDING.iter().find(|(known, _)| *known == dtype);
        let bound = rounding.map_or(1e-5, |(_, bound)| *bound);
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            let (found, expected) = (numbers(found)?, numbers(expected)?);
            let size = expected.iter().fold(1e-2, |size: f64, x| size.max(x.abs()));
            let far = found.iter().zip(&expected).find(|(a, b)| {
                let near = (*a - *b).abs() <= bound * size;
                !near
            });
            if let Some((a, b)) = far {
                return Err(format!(
                    "{name} has {a} in {dtype:?} and {b} in {first:?}; types that it does not compute in are left out of the \
                     sample: Sample::dtypes"
                ));
            }
        }
    }
    Ok(())
}

/// Inputs with axes of 0 and 1 elements give numbers or an error.
fn small<K: ?Sized + Tried>(trial: &Trial<'_>) -> Result<(), String> {
    let dtype = trial.dtype();
    let inputs = trial.inputs(dtype)?;
    // Each axis of each input by itself, and the first axes of all together.
    let mut cuts: Vec<Vec<(usize, usize)>> = Vec::new();
    for (index, (_, tensor)) in inputs.0.iter().enumerate() {
        cuts.extend((0..tensor.rank()).map(|axis| vec![(index, axis)]));
    }
    let with_axes = inputs
        .0
        .iter()
        .enumerate()
        .filter(|(_, (_, tensor))| tensor.rank() > 0);
    cuts.push(with_axes.map(|(index, _)| (index, 0)).collect());
    for cut in cuts {
        for size in [0, 1] {
            let mut small = inputs.clone();
            let mut said = Vec::new();
            for &(index, axis) in &cut {
                let (name, tensor) = &mut small.0[index];
                *tensor = tensor
                    .narrow(axis, 0, size.min(tensor.dims()[axis]))
                    .and_then(|tensor| tensor.contiguous())
                    .map_err(|error| candle_text(&error))?;
                said.push(format!("{name} {:?}", tensor.dims()));
            }
            let said = said.join(", ");
            let slot = trial.make::<K>(dtype)?;
            let outputs = panics::catch(|| run(&slot, &small))
                .map_err(|panic| format!("{said} panics: {panic}"))?;
            if let Some(panic) = slot.failure() {
                return Err(format!("{said} panics: {panic}"));
            }
            match outputs {
                Ok(outputs) => finite(&outputs).map_err(|text| format!("{said}: {text}"))?,
                Err(error) if error.contains(" panicked: ") => {
                    return Err(format!("{said}: a part panics: {error}"));
                }
                Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Equal seeds give equal bits.
fn seeds<K: ?Sized + Tried>(trial: &Trial<'_>) -> Result<(), String> {
    let dtype = trial.dtype();
    let all = || -> Result<Vec<Vec<f64>>, String> {
        let outputs = trial.run(&trial.make::<K>(dtype)?, dtype)?;
        outputs.iter().map(|(_, tensor)| numbers(tensor)).collect()
    };
    for _ in 0..ATTEMPTS {
        if all()? == all()? {
            return Ok(());
        }
    }
    Err("two runs after equal seeds differ: draw by candle, patchbay::ops or patchbay::nn, which nn::seed_all seeds".to_owned())
}

/// Taking the component's own place keeps all tensors, and their values.
fn swaps<K: ?Sized + Tried>(trial: &Trial<'_>) -> Result<(), String> {
    let dtype = trial.dtype();
    let slot = trial.make::<K>(dtype)?;
    trial.run(&slot, dtype)?;
    // As training would.
    for named in slot.variables().iter().filter(|named| named.trainable) {
        let moved = named.var.as_detached_tensor().affine(1.001, 0.0);
        moved
            .and_then(|moved| named.var.set(&moved))
            .map_err(|error| format!("{}: {}", named.name, candle_text(&error)))?;
    }
    let values = || -> Result<Vec<(String, Vec<f64>)>, String> {
        let variables = slot.variables().into_iter();
        variables
            .map(|named| Ok((named.name, numbers(named.var.as_tensor())?)))
            .collect()
    };
    let state = || slot.call(|component| Ok(component.as_component().state()));
    let (before, state_before) = (values()?, state().map_err(|error| candle_text(&error))?);
    let settings = trial.sample.settings.clone();
    for way in ["swap", "reload", "rollback"] {
        let report = match way {
            "swap" => slot.swap(&trial.spec.id, settings.clone()),
            "reload" => slot.reload(),
            _ => slot.rollback(0),
        };
        let report = report.map_err(|error| format!("{way}: {error}"))?;
        if report.kept.len() != before.len() || !report.fresh.is_empty() {
            return Err(format!(
                "a {way} to itself does not keep all tensors: {report:?}"
            ));
        }
        if values()? != before {
            return Err(format!("a {way} to itself changes the values of tensors"));
        }
        if way == "swap" {
            let after = state().map_err(|error| candle_text(&error))?;
            if let Some((key, value)) = state_before
                .iter()
                .find(|(key, value)| after.get(*key) != Some(value))
            {
                return Err(format!(
                    "after a swap to itself its state `{key}` is {:?} and was {value}: `restore` takes over what `state` hands out",
                    after.get(key)
                ));
            }
        }
        trial
            .run(&slot, dtype)
            .map_err(|error| format!("after a {way}: {error}"))?;
        // The call may have moved buffers; what is compared is one way at a time.
        if values()? != before {
            break;
        }
    }
    Ok(())
}
