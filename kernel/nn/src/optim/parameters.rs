//! Parameters in groups, and what optimizers keep for each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use candle_core::{Device, Result, Tensor, TensorId, Var, bail};
use candle_nn::VarMap;

use super::IntoGroups;
use crate::{
    each_once,
    kept::{Commit, Kept},
};

/// Parameters with settings of their own.
#[derive(Clone, Debug)]
pub struct ParameterGroup {
    /// The parameters.
    pub vars: Vec<Var>,
    /// Factor of the optimizer's learning rate for this group, so that a schedule moves all groups.
    pub learning_rate_scale: f64,
    /// The optimizer's own where nothing is said. Norms and biases usually have 0.
    pub weight_decay: Option<f64>,
}

impl ParameterGroup {
    /// Parameters with the optimizer's settings.
    pub fn new(vars: Vec<Var>) -> ParameterGroup {
        ParameterGroup {
            vars,
            learning_rate_scale: 1.0,
            weight_decay: None,
        }
    }

    /// Multiplies the learning rate of this group.
    pub fn learning_rate_scale(self, scale: f64) -> ParameterGroup {
        ParameterGroup {
            learning_rate_scale: scale,
            ..self
        }
    }

    /// Sets the weight decay of this group.
    pub fn weight_decay(self, decay: f64) -> ParameterGroup {
        ParameterGroup {
            weight_decay: Some(decay),
            ..self
        }
    }
}

/// Which variable has which name, so that what is kept of it can be found again in another process.
#[derive(Clone, Debug, Default)]
pub struct ParameterNames(HashMap<TensorId, String>);

impl ParameterNames {
    /// Those of a model. A variable with several names has the first in alphabetical order.
    pub fn of(model: &VarMap) -> ParameterNames {
        let variables = model
            .data()
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let named = variables.iter();
        ParameterNames::of_named(named.map(|(name, var)| (name.clone(), var)))
    }

    /// Those of variables by name. A variable with several names has the first in alphabetical order.
    pub(crate) fn of_named<'a>(named: impl Iterator<Item = (String, &'a Var)>) -> ParameterNames {
        let mut names = ParameterNames::default();
        for (name, var) in named {
            let known = names.0.entry(var.id()).or_insert_with(|| name.clone());
            if name < *known {
                *known = name;
            }
        }
        names
    }

    /// Gives a variable a name.
    pub fn insert(&mut self, var: &Var, name: impl Into<String>) {
        self.0.insert(var.id(), name.into());
    }

    /// The name of a variable.
    pub fn get(&self, var: &Var) -> Option<&str> {
        self.0.get(&var.id()).map(String::as_str)
    }
}

/// State of an optimizer that checkpoints keep.
pub trait OptimizerState {
    /// The learning rate, and of each parameter, under its name: `NAME.steps`, the number of its steps, and `NAME.moments`,
    /// [moments, elements], if it has had a gradient.
    ///
    /// # Errors
    ///
    /// Fails where a parameter has no name, and where tensors cannot be made.
    fn named_state(&self, names: &ParameterNames) -> Result<BTreeMap<String, Tensor>>;

    /// Checks what [`OptimizerState::named_state`] has given, whatever the order of the parameters, without changing anything,
    /// and returns what puts it back.
    ///
    /// # Errors
    ///
    /// Fails where the state is that of other parameters or of another optimizer, naming what differs.
    fn prepare_named_state(
        &self,
        state: &BTreeMap<String, Tensor>,
        names: &ParameterNames,
    ) -> Result<Commit<'_>>;

    /// Puts back what [`OptimizerState::named_state`] has given, whatever the order of the parameters.
    ///
    /// # Errors
    ///
    /// As [`OptimizerState::prepare_named_state`]; nothing is changed then.
    fn load_named_state(
        &self,
        state: &BTreeMap<String, Tensor>,
        names: &ParameterNames,
    ) -> Result<()> {
        self.prepare_named_state(state, names)?()
    }

    /// The state with the place of each parameter in the groups for its name, to give to a second optimizer of this process.
    /// In a file it is of no use: `VarMap::all_vars` has another order in each process.
    ///
    /// # Errors
    ///
    /// Fails where tensors cannot be made.
    fn state(&self) -> Result<HashMap<String, Tensor>>;

    /// Puts back what [`OptimizerState::state`] has given.
    ///
    /// # Errors
    ///
    /// Fails, without having changed anything, where the state is that of other parameters.
    fn load_state(&self, state: &HashMap<String, Tensor>) -> Result<()>;

    /// The parameters, in the order of the groups.
    fn vars(&self) -> Vec<Var>;

    /// Returns what is kept besides the parameters: [moments, elements] for each parameter that has had a gradient.
    fn moments(&self) -> Vec<Tensor>;
}

/// A parameter and its moments.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub var: Var,
    pub learning_rate_scale: f64,
    pub weight_decay: Option<f64>,
    /// How many gradients the parameter has had.
    pub steps: usize,
    /// One row of zeros for each moment before the first step: [moments, elements].
    pub moments: Option<Tensor>,
}

/// The parameters of an optimizer in the order of its groups.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    progress: Kept<Progress>,
    /// How many moments each has.
    moments: usize,
    /// `AdamW`, for messages and files.
    optimizer: &'static str,
    /// Why there can be no step.
    fault: Option<String>,
}

/// Values that change from step to step.
#[derive(Clone, Debug)]
struct Progress {
    all: Vec<Parameter>,
    learning_rate: f64,
}

impl Parameters {
    pub(super) fn learning_rate(&self) -> f64 {
        self.progress.get().learning_rate
    }

    pub(super) fn set_learning_rate(&mut self, learning_rate: f64) {
        self.progress.get_mut().learning_rate = learning_rate;
    }

    /// A parameter that is given twice is an error of the first step: groups are put together without one.
    pub(super) fn new(
        optimizer: &'static str,
        groups: impl IntoGroups,
        learning_rate: f64,
        moments: usize,
    ) -> Parameters {
        let (groups, wrong) = match groups.into_groups() {
            Ok(groups) => (groups, None),
            Err(wrong) => (Vec::new(), Some(wrong)),
        };
        let given: Vec<Var> = groups
            .iter()
            .flat_map(|group| group.vars.iter().cloned())
            .collect();
        let fault = each_once(&format!("the parameters of {optimizer}"), &given)
            .err()
            .map(|error| error.to_string());
        let fault = wrong.or(fault);
        let all = groups
            .into_iter()
            .flat_map(|group| {
                group
                    .vars
                    .into_iter()
                    .filter(|var| var.dtype().is_float())
                    .map(move |var| Parameter {
                        var,
                        learning_rate_scale: group.learning_rate_scale,
                        weight_decay: group.weight_decay,
                        steps: 0,
                        moments: None,
                    })
            })
            .collect();
        Parameters {
            progress: Kept::new(Progress { all, learning_rate }),
            moments,
            optimizer,
            fault,
        }
    }

    /// Checks what [`Parameters::new`] could not tell.
    pub(super) fn check(&self) -> Result<()> {
        match &self.fault {
            Some(fault) => Err(candle_core::Error::Msg(fault.clone()).bt()),
            None => Ok(()),
        }
    }

    /// The parameters and the learning rate, for a step.
    pub(super) fn for_step(&mut self) -> Result<(&mut [Parameter], f64)> {
        self.check()?;
        let progress = self.progress.get_mut();
        Ok((&mut progress.all, progress.learning_rate))
    }

    /// The moments of a parameter, zeros at first.
    pub(super) fn moments_of(parameter: &mut Parameter, count: usize) -> Result<Tensor> {
        if let Some(moments) = &parameter.moments {
            return Ok(moments.clone());
        }
        let var = &parameter.var;
        let moments = Tensor::zeros((count, var.elem_count()), var.dtype(), var.device())?;
        Ok(parameter.moments.insert(moments).clone())
    }

    pub(super) fn vars(&self) -> Vec<Var> {
        self.progress
            .get()
            .all
            .iter()
            .map(|parameter| parameter.var.clone())
            .collect()
    }

    /// The moments that there are.
    pub(super) fn kept(&self) -> Vec<Tensor> {
        let moments = |parameter: &Parameter| parameter.moments.clone();
        self.progress.get().all.iter().filter_map(moments).collect()
    }

    pub(super) fn named_state(&self, names: &ParameterNames) -> Result<BTreeMap<String, Tensor>> {
        self.state_under(&self.keys(names)?)
    }

    pub(super) fn prepare_named_state(
        &self,
        state: &BTreeMap<String, Tensor>,
        names: &ParameterNames,
    ) -> Result<Commit<'_>> {
        self.prepare_state_under(state, &self.keys(names)?)
    }

    pub(super) fn state(&self) -> Result<HashMap<String, Tensor>> {
        Ok(self.state_under(&self.places())?.into_iter().collect())
    }

    pub(super) fn load_state(&self, state: &HashMap<String, Tensor>) -> Result<()> {
        let state = state.iter().map(|(key, x)| (key.clone(), x.clone()));
        self.prepare_state_under(&state.collect(), &self.places())?()
    }

    fn places(&self) -> Vec<String> {
        (0..self.progress.get().all.len())
            .map(|index| index.to_string())
            .collect()
    }

    /// The names of the parameters, in their order.
    fn keys(&self, names: &ParameterNames) -> Result<Vec<String>> {
        self.check()?;
        self.progress.get()
            .all
            .iter()
            .enumerate()
            .map(|(index, parameter)| match names.get(&parameter.var) {
                Some(name) => Ok(name.to_owned()),
                None => bail!(
                    "parameter {index} of {}, of shape {:?}, is no variable of the model, so it has no name under which its \
                     state could be found again, and its value would not be in the file: make what has it a part of the \
                     checkpoint, or put it into the model, with `variables.data().lock().unwrap().insert(name, var)`",
                    self.optimizer,
                    parameter.var.dims()
                ),
            })
            .collect()
    }

    fn state_under(&self, keys: &[String]) -> Result<BTreeMap<String, Tensor>> {
        let device = &Device::Cpu;
        let progress = self.progress.get();
        let mut state = BTreeMap::from([
            (
                "learning_rate".to_owned(),
                Tensor::new(progress.learning_rate, device)?,
            ),
            (
                "optimizer".to_owned(),
                Tensor::new(self.optimizer.as_bytes(), device)?,
            ),
        ]);
        for (key, parameter) in keys.iter().zip(&progress.all) {
            state.insert(
                format!("{key}{STEPS}"),
                Tensor::new(parameter.steps as i64, device)?,
            );
            if let Some(moments) = &parameter.moments {
                state.insert(format!("{key}{MOMENTS}"), moments.copy()?);
            }
        }
        Ok(state)
    }

    fn prepare_state_under(
        &self,
        state: &BTreeMap<String, Tensor>,
        keys: &[String],
    ) -> Result<Commit<'_>> {
        let (Some(learning_rate), Some(optimizer)) =
            (state.get("learning_rate"), state.get("optimizer"))
        else {
            bail!(
                "the optimizer's state has no learning_rate and name of the optimizer: it is not that of an optimizer"
            )
        };
        let optimizer = String::from_utf8_lossy(&optimizer.to_vec1::<u8>()?).into_owned();
        if optimizer != self.optimizer {
            bail!(
                "the state is that of {optimizer}, and this is {}: the state is that of another model or optimizer",
                self.optimizer
            )
        }
        let known: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
        let given: BTreeSet<&str> = state
            .keys()
            .filter_map(|key| key.strip_suffix(STEPS))
            .collect();
        if known != given {
            let list = |names: Vec<&&str>| match names.len() {
                0 => "none".to_owned(),
                _ => names
                    .iter()
                    .map(|name| **name)
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            bail!(
                "the state is that of other parameters, and nothing was loaded. In the state and not in {optimizer}: {}. In \
                 {optimizer} and not in the state: {}. To go on with other parameters load the model alone, without the \
                 optimizer, whose moments begin anew then",
                list(given.difference(&known).collect()),
                list(known.difference(&given).collect())
            )
        }
        let mut loaded = Vec::with_capacity(keys.len());
        for (key, parameter) in keys.iter().zip(&self.progress.get().all) {
            let steps = state[&format!("{key}{STEPS}")].to_scalar::<i64>()? as usize;
            let Some(moments) = state.get(&format!("{key}{MOMENTS}")) else {
                loaded.push((steps, None));
                continue;
            };
            let expected = [self.moments, parameter.var.elem_count()];
            if moments.dims() != expected {
                bail!(
                    "the optimizer's state of parameter {key} is {:?} and the parameter needs {expected:?}: the state \
                     is that of another model or optimizer",
                    moments.dims()
                )
            }
            let moments = moments
                .to_dtype(parameter.var.dtype())?
                .to_device(parameter.var.device())?
                .copy()?;
            loaded.push((steps, Some(moments)));
        }
        let learning_rate = learning_rate.to_scalar::<f64>()?;
        Ok(Box::new(move || {
            let mut progress = self.progress.get();
            progress.learning_rate = learning_rate;
            for (parameter, (steps, moments)) in progress.all.iter_mut().zip(loaded) {
                parameter.steps = steps;
                parameter.moments = moments;
            }
            Ok(())
        }))
    }
}

const STEPS: &str = ".steps";
const MOMENTS: &str = ".moments";
