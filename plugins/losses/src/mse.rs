//! Mean squared error.

use patchbay::plugin::prelude::*;

use crate::{
    pairs::{Pairs, of_standard_normal},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`Mse`].
    pub struct MseConfig {
        /// Whether targets that are NaN do not count.
        skip_missing: bool = false,
        /// Mean, sum, or one value for each element.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Squared error.
pub struct Mse {
    config: MseConfig,
}

impl Component for Mse {}

impl Define for Mse {
    type Kind = dyn Loss;
    type Config = MseConfig;
    const ID: &'static str = "loss/mse";
    const SUMMARY: &'static str = "Mean squared error";
    const DETAILS: Details = Details {
        formula: "(prediction - target)^2",
        reference: "Bishop 2006, Pattern Recognition and Machine Learning, eq. 1.2, without its factor 1/2; as torch.nn.MSELoss",
        shapes: "prediction and target of one shape; result [] or, not reduced, that shape",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/mse", json!({}))?;
let prediction = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &device())?;
let target = Tensor::new(&[[1.5f32, 2.0], [2.0, 6.0]], &device())?;
loss.forward(&prediction, &target)?"#,
    };

    fn build(config: MseConfig, _context: &Context) -> Result<Self> {
        Ok(Mse { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::pairs::sample(json!({}))
    }
}

impl Loss for Mse {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let pairs = Pairs::new(prediction, target, self.config.skip_missing)?;
        let values = (pairs.prediction.clone() - &pairs.target)?.sqr()?;
        pairs.reduce(values, self.config.reduction)
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        of_standard_normal(|prediction, target| self.forward(prediction, target), &[])
    }
}
