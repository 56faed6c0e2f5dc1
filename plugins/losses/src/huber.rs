//! Huber loss: squared for small errors, absolute for large ones.
//!
//! As `torch.nn.HuberLoss`; `torch.nn.SmoothL1Loss` is this over delta.

use patchbay::plugin::prelude::*;

use crate::{
    mae::absolute,
    pairs::{Pairs, of_standard_normal},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`Huber`].
    pub struct HuberConfig {
        /// Where the loss goes from squared to absolute.
        #[schemars(range(min = 1e-12))]
        delta: f64 = 1.0,
        /// Whether targets that are NaN do not count.
        skip_missing: bool = false,
        /// Mean, sum, or one value for each element.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Huber loss.
pub struct Huber {
    config: HuberConfig,
}

impl Component for Huber {}

impl Define for Huber {
    type Kind = dyn Loss;
    type Config = HuberConfig;
    const ID: &'static str = "loss/huber";
    const SUMMARY: &'static str = "Squared for small errors, absolute for large ones";
    const DETAILS: Details = Details {
        formula: "e^2 / 2 if |e| < delta, else delta (|e| - delta / 2),  e = prediction - target",
        reference: "Huber 1964, Robust Estimation of a Location Parameter; as torch.nn.HuberLoss",
        shapes: "prediction and target of one shape; result [] or, not reduced, that shape",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/huber", json!({"delta": 1.0}))?;
let prediction = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &device())?;
let target = Tensor::new(&[[1.5f32, 2.0], [2.0, 6.0]], &device())?;
loss.forward(&prediction, &target)?"#,
    };

    fn build(config: HuberConfig, _context: &Context) -> Result<Self> {
        Ok(Huber { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::pairs::sample(json!({}))
    }
}

impl Loss for Huber {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let delta = self.config.delta;
        let pairs = Pairs::new(prediction, target, self.config.skip_missing)?;
        let error = (pairs.prediction.clone() - &pairs.target)?;
        let near = (error.sqr()? * 0.5)?;
        let far = ((absolute(&error)? - delta / 2.0)? * delta)?;
        let values = error.abs()?.lt(delta)?.where_cond(&near, &far)?;
        pairs.reduce(values, self.config.reduction)
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        of_standard_normal(|prediction, target| self.forward(prediction, target), &[])
    }
}
