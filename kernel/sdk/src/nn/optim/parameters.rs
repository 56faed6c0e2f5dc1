//! Parameters in groups, and what optimisers keep for each.

use std::collections::HashMap;

use candle_core::{Result, Tensor, Var};

/// Parameters with settings of their own.
#[derive(Clone, Debug)]
pub struct ParameterGroup {
    pub vars: Vec<Var>,
    /// What the optimiser's learning rate is multiplied with for this group, so that a schedule moves all groups.
    pub learning_rate_scale: f64,
    /// The optimiser's own where nothing is said. Norms and biases usually have 0.
    pub weight_decay: Option<f64>,
}

impl ParameterGroup {
    /// Parameters with the optimiser's settings.
    pub fn new(vars: Vec<Var>) -> ParameterGroup {
        ParameterGroup {
            vars,
            learning_rate_scale: 1.0,
            weight_decay: None,
        }
    }

    pub fn learning_rate_scale(self, scale: f64) -> ParameterGroup {
        ParameterGroup {
            learning_rate_scale: scale,
            ..self
        }
    }

    pub fn weight_decay(self, decay: f64) -> ParameterGroup {
        ParameterGroup {
            weight_decay: Some(decay),
            ..self
        }
    }
}

/// What checkpoints keep of an optimiser.
pub trait OptimizerState {
    /// The learning rate, and per parameter, in the order of the groups: the number of steps and the moments.
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
    fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<()>;

    /// What is kept besides the parameters: [moments, elements] for each parameter that has had a gradient.
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

/// The parameters of an optimiser in the order of its groups.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub all: Vec<Parameter>,
    pub learning_rate: f64,
    /// How many moments each has.
    moments: usize,
}

impl Parameters {
    pub(super) fn new(
        groups: Vec<ParameterGroup>,
        learning_rate: f64,
        moments: usize,
    ) -> Parameters {
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
            all,
            learning_rate,
            moments,
        }
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

    /// The moments that there are.
    pub(super) fn kept(&self) -> Vec<Tensor> {
        let moments = |parameter: &Parameter| parameter.moments.clone();
        self.all.iter().filter_map(moments).collect()
    }

    pub(super) fn state(&self) -> Result<HashMap<String, Tensor>> {
        let device = &candle_core::Device::Cpu;
        let mut state = HashMap::from([(
            "learning_rate".to_owned(),
            Tensor::new(self.learning_rate, device)?,
        )]);
        for (index, parameter) in self.all.iter().enumerate() {
            if let Some(moments) = &parameter.moments {
                state.insert(
                    format!("{index}.steps"),
                    Tensor::new(parameter.steps as i64, device)?,
                );
                state.insert(format!("{index}.moments"), moments.copy()?);
            }
        }
        Ok(state)
    }

    pub(super) fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<()> {
        let Some(learning_rate) = state.get("learning_rate") else {
            candle_core::bail!(
                "the optimiser's state has no learning_rate: it is not that of an optimiser"
            )
        };
        let mut loaded = Vec::new();
        for (index, parameter) in self.all.iter().enumerate() {
            let (Some(steps), Some(moments)) = (
                state.get(&format!("{index}.steps")),
                state.get(&format!("{index}.moments")),
            ) else {
                loaded.push((0, None));
                continue;
            };
            let expected = [self.moments, parameter.var.elem_count()];
            if moments.dims() != expected {
                candle_core::bail!(
                    "the optimiser's state of parameter {index} is {:?} and the parameter needs {expected:?}: the state \
                     is that of another model or optimiser",
                    moments.dims()
                )
            }
            let moments = moments
                .to_dtype(parameter.var.dtype())?
                .to_device(parameter.var.device())?
                .copy()?;
            loaded.push((steps.to_scalar::<i64>()? as usize, Some(moments)));
        }
        self.learning_rate = learning_rate.to_scalar::<f64>()?;
        for (parameter, (steps, moments)) in self.all.iter_mut().zip(loaded) {
            parameter.steps = steps;
            parameter.moments = moments;
        }
        Ok(())
    }
}
