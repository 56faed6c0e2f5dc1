//! Encoders for Patchbay.
//!
//! Build: `patchbay plugin build .`   Test: `cargo test`   Use: `plugin::load("...")?` in a notebook.

use patchbay::{nn, plugin::prelude::*};

patchbay::config! {
    /// Settings of [`Mlp`].
    pub struct MlpConfig {
        /// Features of each element of the sequence.
        features: usize,
        /// Width of the hidden layer and of the tokens.
        width: usize = 64,
    }
}

/// Two linear layers on each element of a sequence; pooled by the mean.
pub struct Mlp {
    first: nn::Linear,
    second: nn::Linear,
    width: usize,
}

impl Component for Mlp {}

impl Define for Mlp {
    type Kind = dyn Encoder;
    type Config = MlpConfig;
    const ID: &'static str = "encoder/my_name_mlp";
    const SUMMARY: &'static str = "Two linear layers on each element of a sequence";
    const DETAILS: Details = Details {
        formula: "tokens = W2 gelu(W1 x + b1) + b2, pooled = mean over the sequence",
        shapes: "values [batch, length, features]; tokens [batch, length, width]",
        trainable: true,
        ..Details::NONE
    };

    // Parameters are made through `context.vb()`. On a swap, those with equal names and shapes keep
    // their values.
    fn build(config: MlpConfig, context: &Context) -> Result<Self> {
        let vb = context.vb();
        Ok(Mlp {
            first: nn::linear(config.features, config.width, vb.pp("first"))?,
            second: nn::linear(config.width, config.width, vb.pp("second"))?,
            width: config.width,
        })
    }

    // What the tests of its kind try it on.
    fn sample(_scratch: &Path) -> Result<Sample> {
        let values = Tensor::arange(0f32, 24f32, &Device::Cpu)?.reshape((2, 4, 3))?;
        Ok(Sample::new(json!({"features": 3, "width": 8})).input("values", values.sin()?))
    }
}

impl Encoder for Mlp {
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        if input.values.elem_count() == 0 {
            bail!(
                "values must have at least one element to be pooled; they are {:?}",
                input.values.dims()
            );
        }
        let hidden = self.first.forward(input.values)?.gelu()?;
        let tokens = self.second.forward(&hidden)?;
        let pooled = ops::mean(&tokens, 1)?;
        Ok(Encoding {
            tokens,
            pooled,
            attention: Vec::new(),
        })
    }

    fn width(&self) -> usize {
        self.width
    }
}

patchbay::export_plugin!(Mlp);

// Shapes, gradients, types, settings, seeds and swaps of each component, on its sample.
#[cfg(test)]
patchbay::test_components!(crate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_parameters() -> Result<()> {
        register()?;
        let encoder =
            create::<dyn Encoder>("encoder/my_name_mlp", json!({"features": 3, "width": 8}))?;
        let values = Tensor::zeros((2, 5, 3), DType::F32, &Device::Cpu)?;
        let encoding = encoder.forward(&EncoderInput::new(&values))?;
        assert_eq!(encoding.tokens.dims(), [2, 5, 8]);
        assert_eq!(encoding.pooled.dims(), [2, 8]);
        assert_eq!(encoder.trainable().len(), 4);
        Ok(())
    }

    #[test]
    fn a_swap_keeps_the_weights() -> Result<()> {
        register()?;
        let config = json!({"features": 3, "width": 8});
        let encoder = create::<dyn Encoder>("encoder/my_name_mlp", config.clone())?;
        let report = encoder.swap("encoder/my_name_mlp", config)?;
        assert_eq!(report.kept.len(), 4);
        Ok(())
    }
}
