//! Stochastic gradient descent with momentum, as `torch.optim.SGD`.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Result, Tensor, Var, backprop::GradStore};
use candle_nn::Optimizer;

use crate::kept::Commit;
use patchbay_ops::{OptimizerRule, optimizer_step};

use super::{
    IntoGroups, OptimizerSettings,
    parameters::{OptimizerState, ParameterGroup, ParameterNames, Parameters},
};

/// The settings of [`SGD`]; a plain number is a learning rate without momentum.
#[derive(Clone, Copy, Debug)]
pub struct ParamsSgd {
    /// The learning rate.
    pub lr: f64,
    /// The share of the step before that is kept.
    pub momentum: f64,
    /// Share that is taken from the gradient as it enters the momentum.
    pub dampening: f64,
    /// Added to the gradient, times the parameter.
    pub weight_decay: f64,
    /// Nesterov's momentum (Sutskever et al., 2013).
    pub nesterov: bool,
}

impl From<f64> for ParamsSgd {
    fn from(lr: f64) -> ParamsSgd {
        ParamsSgd {
            lr,
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: false,
        }
    }
}

/// Gradient descent; candle's own has no momentum.
#[derive(Clone, Debug)]
pub struct SGD {
    parameters: Parameters,
    settings: ParamsSgd,
}

impl OptimizerSettings<ParamsSgd> for f64 {
    fn settings(self) -> ParamsSgd {
        self.into()
    }
}

impl SGD {
    /// Makes an optimizer with a learning rate and no momentum, or with [`ParamsSgd`].
    ///
    /// # Errors
    ///
    /// Fails where a parameter is given twice.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let w = Var::from_tensor(&torch::ones(3)?)?;
    /// let settings = nn::ParamsSgd { momentum: 0.9, ..0.1.into() };
    /// let mut optimizer = nn::SGD::new(vec![w.clone()], settings)?;
    /// optimizer.backward_step(&sum_all(&w.sqr()?)?)?;
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn new(vars: Vec<Var>, settings: impl OptimizerSettings<ParamsSgd>) -> Result<SGD> {
        let sgd = SGD::with_settings(vars, settings.settings());
        sgd.parameters.check()?;
        Ok(sgd)
    }

    /// Momentum and weight decay.
    pub fn with_settings(vars: Vec<Var>, settings: ParamsSgd) -> SGD {
        SGD::with_groups(vec![ParameterGroup::new(vars)], settings)
    }

    /// Groups with a learning rate and weight decay of their own, and a learning rate or all settings. A parameter that is given
    /// twice, and a mistake in [`ParameterGroups`](super::ParameterGroups), is an error of the first step.
    pub fn with_groups(
        groups: impl IntoGroups,
        settings: impl OptimizerSettings<ParamsSgd>,
    ) -> SGD {
        let settings = settings.settings();
        SGD {
            parameters: Parameters::new("SGD", groups, settings.lr, 1),
            settings,
        }
    }
}

impl Optimizer for SGD {
    /// The learning rate, as candle has it.
    type Config = f64;

    fn new(vars: Vec<Var>, learning_rate: f64) -> Result<SGD> {
        SGD::new(vars, learning_rate)
    }

    fn step(&mut self, grads: &GradStore) -> Result<()> {
        let has_momentum = self.settings.momentum != 0.0;
        // Nothing of it is read; on the CPU it takes no memory of a GPU, of which some give none of no bytes.
        let no_moments = |dtype| Tensor::zeros(0, dtype, &Device::Cpu);
        let (parameters, learning_rate) = self.parameters.for_step()?;
        for parameter in parameters {
            let Some(grad) = grads.get(&parameter.var) else {
                continue;
            };
            let moments = if has_momentum {
                Parameters::moments_of(parameter, 1)?
            } else {
                no_moments(parameter.var.dtype())?
            };
            let rule = OptimizerRule::Sgd {
                learning_rate: learning_rate * parameter.learning_rate_scale,
                momentum: self.settings.momentum,
                dampening: self.settings.dampening,
                weight_decay: parameter.weight_decay.unwrap_or(self.settings.weight_decay),
                nesterov: self.settings.nesterov,
                first: parameter.steps == 0,
            };
            let moments = optimizer_step(&parameter.var, grad, moments, rule)?;
            parameter.moments = has_momentum.then_some(moments);
            parameter.steps += 1;
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.parameters.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.parameters.set_learning_rate(learning_rate);
    }
}

impl OptimizerState for SGD {
    fn named_state(&self, names: &ParameterNames) -> Result<BTreeMap<String, Tensor>> {
        self.parameters.named_state(names)
    }

    fn prepare_named_state(
        &self,
        state: &BTreeMap<String, Tensor>,
        names: &ParameterNames,
    ) -> Result<Commit<'_>> {
        self.parameters.prepare_named_state(state, names)
    }

    fn state(&self) -> Result<HashMap<String, Tensor>> {
        self.parameters.state()
    }

    fn load_state(&self, state: &HashMap<String, Tensor>) -> Result<()> {
        self.parameters.load_state(state)
    }

    fn vars(&self) -> Vec<Var> {
        self.parameters.vars()
    }

    fn moments(&self) -> Vec<Tensor> {
        self.parameters.kept()
    }
}
