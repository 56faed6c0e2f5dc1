//! Losses for Patchbay.
//!
//! Build: `patchbay plugin build .`   Test: `cargo test`   Use: `plugin::load("...")?` in a notebook.

use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`PowerLoss`].
    pub struct PowerLossConfig {
        /// Exponent of the error; 2 is the mean squared error.
        #[schemars(range(min = 1.0))]
        exponent: f64 = 2.0,
    }
}

/// The mean of a power of the absolute error.
pub struct PowerLoss {
    config: PowerLossConfig,
}

impl Component for PowerLoss {}

impl Define for PowerLoss {
    type Kind = dyn Loss;
    type Config = PowerLossConfig;
    const ID: &'static str = "loss/my_name_power";
    const SUMMARY: &'static str = "Mean of a power of the absolute error";
    const DETAILS: Details = Details {
        formula: "mean |prediction - target|^exponent",
        shapes: "prediction and target of one shape; result []",
        ..Details::NONE
    };

    fn build(config: PowerLossConfig, _context: &Context) -> Result<Self> {
        Ok(PowerLoss { config })
    }

    // What the tests of its kind try it on.
    fn sample(_scratch: &Path) -> Result<Sample> {
        Ok(Sample::new(json!({"exponent": 3.0}))
            .input(
                "prediction",
                Tensor::new(&[[1f32, -2.0], [4.0, 0.5]], &Device::Cpu)?,
            )
            .input(
                "target",
                Tensor::new(&[[0.2f32, 0.1], [1.0, 0.0]], &Device::Cpu)?,
            ))
    }
}

impl Loss for PowerLoss {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        if prediction.dims() != target.dims() {
            bail!(
                "prediction {:?} and target {:?} must have one shape",
                prediction.dims(),
                target.dims()
            );
        }
        let error = (prediction - target)?.abs()?;
        ops::mean_all(&error.powf(self.config.exponent)?)
    }
}

patchbay::export_plugin!(PowerLoss);

// Shapes, gradients, types, settings, seeds and swaps of each component, on its sample.
#[cfg(test)]
patchbay::test_components!(crate);

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(config: serde_json::Value) -> Slot<dyn Loss> {
        register().unwrap();
        create("loss/my_name_power", config).unwrap()
    }

    #[test]
    fn value_and_gradient() -> Result<()> {
        let prediction = Var::new(&[1f32, -2.0, 4.0], &Device::Cpu)?;
        let target = Tensor::new(&[0f32, 0.0, 1.0], &Device::Cpu)?;
        let value = slot(json!({})).forward(prediction.as_tensor(), &target)?;
        assert!((value.to_scalar::<f32>()? - 14.0 / 3.0).abs() < 1e-6);
        let gradients = value.backward()?;
        let gradient = gradients.get(&prediction).unwrap().to_vec1::<f32>()?;
        for (got, expected) in gradient.iter().zip([2.0 / 3.0, -4.0 / 3.0, 2.0]) {
            assert!((got - expected).abs() < 1e-6, "{gradient:?}");
        }
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error() {
        let zeros = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
        let ones = Tensor::ones(4, DType::F32, &Device::Cpu).unwrap();
        let text = slot(json!({}))
            .forward(&zeros, &ones)
            .unwrap_err()
            .to_string();
        assert!(text.contains("prediction [3] and target [4]"), "{text}");
        let refused = create::<dyn Loss>("loss/my_name_power", json!({"exponent": 0.5}));
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("must be at least 1")
        );
    }
}
