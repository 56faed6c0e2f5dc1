//! Mean absolute error. Its slope at 0 is 0.

use patchbay::plugin::prelude::*;

use crate::{
    pairs::{Pairs, of_standard_normal},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`Mae`].
    pub struct MaeConfig {
        /// Whether targets that are NaN do not count.
        skip_missing: bool = false,
        /// Mean, sum, or one value for each element.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Absolute error.
pub struct Mae {
    config: MaeConfig,
}

impl Component for Mae {}

impl Define for Mae {
    type Kind = dyn Loss;
    type Config = MaeConfig;
    const ID: &'static str = "loss/mae";
    const SUMMARY: &'static str = "Mean absolute error";
    const DETAILS: Details = Details {
        formula: "|prediction - target|",
        reference: "Hyndman and Koehler 2006, Another look at measures of forecast accuracy; as torch.nn.L1Loss",
        shapes: "prediction and target of one shape; result [] or, not reduced, that shape",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/mae", json!({}))?;
let prediction = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &device())?;
let target = Tensor::new(&[[1.5f32, 2.0], [2.0, 6.0]], &device())?;
loss.forward(&prediction, &target)?"#,
    };

    fn build(config: MaeConfig, _context: &Context) -> Result<Self> {
        Ok(Mae { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::pairs::sample(json!({}))
    }
}

impl Loss for Mae {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let pairs = Pairs::new(prediction, target, self.config.skip_missing)?;
        let values = absolute(&(pairs.prediction.clone() - &pairs.target)?)?;
        pairs.reduce(values, self.config.reduction)
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        of_standard_normal(|prediction, target| self.forward(prediction, target), &[])
    }
}

/// `|x|`, with a slope of 0 at 0.
pub(crate) fn absolute(x: &Tensor) -> Result<Tensor> {
    // The sign is a constant of the graph.
    x * x.detach().sign()?
}
