//! Quantile (pinball) loss: its minimum is a quantile of the target.
//!
//! With one level the prediction has the target's shape; with several it has one axis more, the last, with a
//! prediction for each level. Levels that cross are not punished.

use patchbay::plugin::prelude::*;

use crate::{
    classes::floats,
    mae::absolute,
    pairs::{Pairs, of_standard_normal},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`Quantile`].
    pub struct QuantileConfig {
        /// The levels, each between 0 and 1.
        levels: Vec<f64> = vec![0.1, 0.5, 0.9],
        /// Whether targets that are NaN do not count.
        skip_missing: bool = false,
        /// Mean, sum, or one value for each element.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Pinball loss of one or several quantiles.
pub struct Quantile {
    config: QuantileConfig,
}

impl Component for Quantile {}

impl Define for Quantile {
    type Kind = dyn Loss;
    type Config = QuantileConfig;
    const ID: &'static str = "loss/quantile";
    const SUMMARY: &'static str = "Pinball loss: predictions of quantiles";
    const DETAILS: Details = Details {
        formula: "max(level e, (level - 1) e),  e = target - prediction",
        reference: "Koenker and Bassett 1978, Regression Quantiles, eq. 3.1; as the MQLoss of common forecasters",
        shapes: "prediction [..., levels], or with one level the target's shape; target [...]; result [] or, not reduced, the prediction's shape",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/quantile", json!({"levels": [0.1, 0.5, 0.9]}))?;
let prediction = Tensor::new(&[[0.5f32, 1.0, 2.0], [0.0, 2.5, 3.0]], &device())?;
let target = Tensor::new(&[1.2f32, 2.0], &device())?;
loss.forward(&prediction, &target)?"#,
    };

    fn build(config: QuantileConfig, _context: &Context) -> Result<Self> {
        if config.levels.is_empty() {
            bail!("levels is empty; give at least one, such as [0.5]");
        }
        if let Some(level) = config
            .levels
            .iter()
            .find(|level| !(**level > 0.0 && **level < 1.0))
        {
            bail!("levels contains {level}; a level is above 0 and below 1");
        }
        Ok(Quantile { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let prediction = [
            [[-1.0f32, 0.2, 1.1], [0.3, 0.6, 2.0]],
            [[1.0, 1.4, 1.9], [-0.5, 0.0, 0.2]],
        ];
        let target = [[0.5f32, 0.4], [2.3, -0.3]];
        Ok(Sample::new(json!({}))
            .input("prediction", Tensor::new(&prediction, &Device::Cpu)?)
            .input("target", Tensor::new(&target, &Device::Cpu)?))
    }
}

impl Loss for Quantile {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let levels = &self.config.levels;
        let single = levels.len() == 1 && prediction.dims() == target.dims();
        if !single && prediction.dims() != [target.dims(), &[levels.len()]].concat() {
            bail!(
                "a target {:?} with the {} levels {levels:?} needs a prediction {:?}; got {:?}",
                target.dims(),
                levels.len(),
                [target.dims(), &[levels.len()]].concat(),
                prediction.dims()
            );
        }
        let prediction = floats("a prediction", prediction)?;
        let target = if single {
            target.clone()
        } else {
            target
                .unsqueeze(target.rank())?
                .broadcast_as(prediction.shape())?
        };
        let pairs = Pairs::new(&prediction, &target, self.config.skip_missing)?;
        let levels = Tensor::from_slice(levels, levels.len(), prediction.device())?
            .to_dtype(prediction.dtype())?;
        let error = (&pairs.target - &pairs.prediction)?;
        // max(q e, (q - 1) e) is (q - 1/2) e + |e| / 2.
        let tilted = error.broadcast_mul(&(levels - 0.5)?)?;
        let values = (tilted + (absolute(&error)? * 0.5)?)?;
        pairs.reduce(values, self.config.reduction)
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        of_standard_normal(
            |prediction, target| self.forward(prediction, target),
            &[self.config.levels.len()],
        )
    }
}
