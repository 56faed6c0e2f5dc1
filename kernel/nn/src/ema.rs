//! An exponential moving average of a model's parameters.

use candle_core::{Result, Tensor, Var, bail};

use super::{
    ParameterNames,
    checkpoint::{State, Stateful, prepare_variables, state_of_variables},
    each_once,
    kept::Commit,
};
use patchbay_ops::ema_update;

/// Averages of variables, to evaluate with or to teach a student (Polyak and Juditsky, 1992; He et al., 2020).
#[derive(Clone, Debug)]
pub struct Ema {
    vars: Vec<Var>,
    averages: Vec<Var>,
    decay: f64,
}

impl Ema {
    /// Begins with copies of the variables as they are.
    ///
    /// # Errors
    ///
    /// Fails where copies cannot be made, and where a variable is given twice.
    pub fn new(vars: Vec<Var>, decay: f64) -> Result<Ema> {
        each_once("the variables that are averaged", &vars)?;
        let averages = vars
            .iter()
            .map(|var| Var::from_tensor(&var.as_detached_tensor().copy()?))
            .collect::<Result<_>>()?;
        Ok(Ema {
            vars,
            averages,
            decay,
        })
    }

    /// average = decay · average + (1 - decay) · variable, for all of them.
    ///
    /// # Errors
    ///
    /// Fails for dtypes other than f32 and f64.
    pub fn update(&self) -> Result<()> {
        let vars: Vec<Tensor> = self.vars.iter().map(Var::as_detached_tensor).collect();
        ema_update(&self.averages(), &vars, self.decay)
    }

    /// Exchanges the averages and the variables' values. Call it before and after an evaluation.
    ///
    /// # Errors
    ///
    /// Fails where copies cannot be made.
    pub fn swap(&mut self) -> Result<()> {
        for (var, average) in self.vars.iter().zip(&self.averages) {
            let value = var.as_detached_tensor().copy()?;
            var.set(&average.as_detached_tensor())?;
            average.set(&value)?;
        }
        Ok(())
    }

    /// The averages, in the order of the variables.
    pub fn averages(&self) -> Vec<Tensor> {
        self.averages.iter().map(Var::as_detached_tensor).collect()
    }

    /// The averages with the names of their variables.
    fn named(&self, names: &ParameterNames) -> Result<Vec<(String, Var)>> {
        let pairs = self.vars.iter().zip(&self.averages);
        pairs
            .map(|(var, average)| match names.get(var) {
                Some(name) => Ok((name.to_owned(), average.clone())),
                None => bail!(
                    "a variable of shape {:?} that is averaged is in no part of the checkpoint, so it has no name: make the \
                     network or the VarMap that has it a part, too",
                    var.dims()
                ),
            })
            .collect()
    }
}

impl Stateful for Ema {
    fn state(&self, names: &ParameterNames) -> Result<State> {
        state_of_variables(self.named(names)?)
    }

    fn prepare(&self, state: State, names: &ParameterNames) -> Result<Commit<'_>> {
        prepare_variables("the averages", self.named(names)?, state.tensors)
    }
}
