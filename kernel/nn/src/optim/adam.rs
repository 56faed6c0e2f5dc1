//! Adam and AdamW, as in `torch.optim`.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Result, Tensor, Var, backprop::GradStore};
use candle_nn::{Optimizer, ParamsAdamW};

use crate::kept::Commit;
use patchbay_ops::{self as ops, OptimizerRule, optimizer_step};

use super::{
    IntoGroups, OptimizerSettings,
    parameters::{OptimizerState, ParameterGroup, ParameterNames, Parameters},
};

/// Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
///
/// Parameters without a gradient stay as they are, and their steps are not counted.
#[derive(Clone, Debug)]
pub struct AdamW {
    parameters: Parameters,
    settings: ParamsAdamW,
}

impl OptimizerSettings<ParamsAdamW> for f64 {
    fn settings(self) -> ParamsAdamW {
        ParamsAdamW {
            lr: self,
            ..ParamsAdamW::default()
        }
    }
}

impl AdamW {
    /// Makes an optimizer with a learning rate and PyTorch's other defaults, or with [`ParamsAdamW`].
    ///
    /// # Errors
    ///
    /// Fails where a parameter is given twice.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let w = Var::from_tensor(&torch::ones(3)?)?;
    /// let mut optimizer = nn::AdamW::new(vec![w.clone()], 1e-3)?;
    /// optimizer.backward_step(&sum_all(&w.sqr()?)?)?;
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn new(vars: Vec<Var>, settings: impl OptimizerSettings<ParamsAdamW>) -> Result<AdamW> {
        <AdamW as Optimizer>::new(vars, settings.settings())
    }

    /// With the defaults of candle's settings: betas 0.9 and 0.999, eps 1e-8, weight decay 0.01.
    ///
    /// # Errors
    ///
    /// Fails where a parameter is given twice.
    pub fn new_lr(vars: Vec<Var>, learning_rate: f64) -> Result<AdamW> {
        AdamW::new(vars, learning_rate)
    }

    /// Groups with a learning rate and weight decay of their own, and a learning rate or all settings. A parameter that is given
    /// twice, and a mistake in [`ParameterGroups`](super::ParameterGroups), is an error of the first step.
    pub fn with_groups(
        groups: impl IntoGroups,
        settings: impl OptimizerSettings<ParamsAdamW>,
    ) -> AdamW {
        let settings = settings.settings();
        AdamW {
            parameters: Parameters::new("AdamW", groups, settings.lr, 2),
            settings,
        }
    }

    /// The settings, with the present learning rate.
    pub fn params(&self) -> ParamsAdamW {
        ParamsAdamW {
            lr: self.parameters.learning_rate(),
            ..self.settings.clone()
        }
    }

    /// Changes the settings.
    pub fn set_params(&mut self, settings: ParamsAdamW) {
        self.parameters.set_learning_rate(settings.lr);
        self.settings = settings;
    }
}

/// The settings of [`Adam`].
#[derive(Clone, Copy, Debug)]
pub struct ParamsAdam {
    /// The learning rate.
    pub lr: f64,
    /// The decay of the mean of the gradients.
    pub beta1: f64,
    /// The decay of the mean of their squares.
    pub beta2: f64,
    /// The number that is added to the root of the second moment.
    pub eps: f64,
    /// Added to the gradient, times the parameter.
    pub weight_decay: f64,
}

impl Default for ParamsAdam {
    fn default() -> ParamsAdam {
        ParamsAdam {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        }
    }
}

/// Adam (Kingma and Ba, 2015), whose weight decay is a part of the gradient.
#[derive(Clone, Debug)]
pub struct Adam {
    parameters: Parameters,
    settings: ParamsAdam,
}

impl OptimizerSettings<ParamsAdam> for f64 {
    fn settings(self) -> ParamsAdam {
        ParamsAdam {
            lr: self,
            ..ParamsAdam::default()
        }
    }
}

impl Adam {
    /// Makes an optimizer with a learning rate and PyTorch's other defaults, or with [`ParamsAdam`].
    ///
    /// # Errors
    ///
    /// Fails where a parameter is given twice.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let w = Var::from_tensor(&torch::ones(3)?)?;
    /// let mut optimizer = nn::Adam::new(vec![w.clone()], 1e-3)?;
    /// optimizer.backward_step(&sum_all(&w.sqr()?)?)?;
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn new(vars: Vec<Var>, settings: impl OptimizerSettings<ParamsAdam>) -> Result<Adam> {
        <Adam as Optimizer>::new(vars, settings.settings())
    }

    /// Groups with a learning rate and weight decay of their own, and a learning rate or all settings. A parameter that is given
    /// twice, and a mistake in [`ParameterGroups`](super::ParameterGroups), is an error of the first step.
    pub fn with_groups(
        groups: impl IntoGroups,
        settings: impl OptimizerSettings<ParamsAdam>,
    ) -> Adam {
        let settings = settings.settings();
        Adam {
            parameters: Parameters::new("Adam", groups, settings.lr, 2),
            settings,
        }
    }
}

fn step(
    parameters: &mut Parameters,
    grads: &GradStore,
    settings: &ParamsAdam,
    decoupled: bool,
) -> Result<()> {
    let (parameters, learning_rate) = parameters.for_step()?;
    for parameter in parameters {
        let Some(grad) = grads.get(&parameter.var) else {
            continue;
        };
        let moments = Parameters::moments_of(parameter, 2)?;
        let rule = OptimizerRule::Adam(ops::AdamRule {
            learning_rate: learning_rate * parameter.learning_rate_scale,
            beta1: settings.beta1,
            beta2: settings.beta2,
            eps: settings.eps,
            weight_decay: parameter.weight_decay.unwrap_or(settings.weight_decay),
            decoupled,
            step: parameter.steps + 1,
        });
        parameter.moments = Some(optimizer_step(&parameter.var, grad, moments, rule)?);
        parameter.steps += 1;
    }
    Ok(())
}

impl Optimizer for AdamW {
    type Config = ParamsAdamW;

    fn new(vars: Vec<Var>, settings: ParamsAdamW) -> Result<AdamW> {
        let adam = AdamW::with_groups(vec![ParameterGroup::new(vars)], settings);
        adam.parameters.check()?;
        Ok(adam)
    }

    fn step(&mut self, grads: &GradStore) -> Result<()> {
        let ParamsAdamW {
            lr,
            beta1,
            beta2,
            eps,
            weight_decay,
        } = self.settings;
        step(
            &mut self.parameters,
            grads,
            &ParamsAdam {
                lr,
                beta1,
                beta2,
                eps,
                weight_decay,
            },
            true,
        )
    }

    fn learning_rate(&self) -> f64 {
        self.parameters.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.parameters.set_learning_rate(learning_rate);
    }
}

impl Optimizer for Adam {
    type Config = ParamsAdam;

    fn new(vars: Vec<Var>, settings: ParamsAdam) -> Result<Adam> {
        let adam = Adam::with_groups(vec![ParameterGroup::new(vars)], settings);
        adam.parameters.check()?;
        Ok(adam)
    }

    fn step(&mut self, grads: &GradStore) -> Result<()> {
        step(&mut self.parameters, grads, &self.settings, false)
    }

    fn learning_rate(&self) -> f64 {
        self.parameters.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.parameters.set_learning_rate(learning_rate);
    }
}

impl OptimizerState for AdamW {
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

impl OptimizerState for Adam {
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
