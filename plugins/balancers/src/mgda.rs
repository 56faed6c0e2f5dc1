//! The multiple-gradient descent algorithm: the shortest convex combination of the gradients, along which no loss rises.

use crate::{
    gradients::{Gradients, balance, balance_above_zero},
    linear_algebra::Matrix,
    simplex::shortest,
};
use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`Mgda`].
    pub struct MgdaConfig {
        /// Number that gradients are divided by before: `none`, `l2` their length, `loss` their loss, `loss+` both.
        #[schemars(extend("formerly" = "normalise"))]
        normalize: Normalize = Normalize::None,
    }
}

/// Number that gradients are divided by before they are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Normalize {
    /// Nothing.
    None,
    /// Their Euclidean length.
    L2,
    /// Their loss.
    Loss,
    /// Their length times their loss.
    #[serde(rename = "loss+")]
    LossAndL2,
}

/// The shortest convex combination of the gradients: no loss rises along it.
pub struct Mgda {
    config: MgdaConfig,
}

impl Component for Mgda {}

impl Define for Mgda {
    type Kind = dyn Balancer;
    type Config = MgdaConfig;
    const ID: &'static str = "balancer/mgda";
    const SUMMARY: &'static str =
        "The shortest convex combination of the gradients: no loss rises along it";
    const DETAILS: Details = Details {
        formula: "min over the simplex of |sum_k w_k g_k|^2",
        reference: "Sener and Koltun 2018, Multi-Task Learning as Multi-Objective Optimization, arXiv 1810.04650, eq. 3; Désidéri 2012",
        shapes: "losses: K scalars []; shared: the variables that all losses use; weights: K numbers",
        trainable: false,
        example: r#"let balancer = create::<dyn Balancer>("balancer/mgda", json!({}))?;
let x = Var::new(&[1f32, 2.0], &device())?;
let losses = [x.sqr()?.sum_all()?, (x.as_tensor() - 3.0)?.sqr()?.sum_all()?];
balancer.backward(&losses, &[x.clone()])?.weights"#,
    };

    fn build(config: MgdaConfig, _context: &Context) -> Result<Self> {
        Ok(Mgda { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::losses::sample(json!({}))
    }
}

impl Balancer for Mgda {
    fn backward(&self, losses: &[Tensor], shared: &[Var]) -> Result<Balanced> {
        let combine = |gradients: Gradients<'_>| {
            let weights = self.weights(&gradients.gram, &gradients.losses)?;
            gradients.combine(weights)
        };
        match self.config.normalize {
            Normalize::None | Normalize::L2 => balance(losses, shared, combine),
            Normalize::Loss | Normalize::LossAndL2 => {
                balance_above_zero(losses, shared, "balancer/mgda", combine)
            }
        }
    }
}

impl Mgda {
    pub(crate) fn weights(&self, gram: &Matrix, losses: &[f64]) -> Result<Vec<f64>> {
        let divisors: Vec<f64> = losses
            .iter()
            .enumerate()
            .map(|(index, &loss)| {
                let length = gram[index][index].sqrt();
                let divisor = match self.config.normalize {
                    Normalize::None => 1.0,
                    Normalize::L2 => length,
                    Normalize::Loss => loss,
                    Normalize::LossAndL2 => loss * length,
                };
                if divisor.is_nan() || divisor <= 0.0 {
                    bail!(
                        "loss {index} of {} is {loss} and its gradient's length {length}: neither may be zero or less \
                         where gradients are normalized by them",
                        losses.len()
                    );
                }
                Ok(divisor)
            })
            .collect::<Result<_>>()?;
        let scaled: Matrix = gram
            .iter()
            .zip(&divisors)
            .map(|(row, a)| {
                row.iter()
                    .zip(&divisors)
                    .map(|(g, b)| g / (a * b))
                    .collect()
            })
            .collect();
        let weights = shortest(&scaled)?;
        Ok(weights
            .iter()
            .zip(&divisors)
            .map(|(w, divisor)| w / divisor)
            .collect())
    }
}
