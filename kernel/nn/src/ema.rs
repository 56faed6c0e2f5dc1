//! An exponential moving average of a model's parameters.

use candle_core::{Result, Tensor, Var};

use super::each_once;
use patchbay_ops::ema_update;

/// Averages of variables, to evaluate with or to teach a student (Polyak and Juditsky, 1992; He et al., 2020).
#[derive(Clone, Debug)]
pub struct Ema {
    vars: Vec<Var>,
    averages: Vec<Tensor>,
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
            .map(|var| var.as_detached_tensor().copy())
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
        ema_update(&self.averages, &vars, self.decay)
    }

    /// Exchanges the averages and the variables' values. Call it before and after an evaluation.
    ///
    /// # Errors
    ///
    /// Fails where copies cannot be made.
    pub fn swap(&mut self) -> Result<()> {
        for (var, average) in self.vars.iter().zip(&mut self.averages) {
            let value = var.as_detached_tensor().copy()?;
            var.set(average)?;
            *average = value;
        }
        Ok(())
    }

    /// The averages, in the order of the variables.
    pub fn averages(&self) -> &[Tensor] {
        &self.averages
    }
}
