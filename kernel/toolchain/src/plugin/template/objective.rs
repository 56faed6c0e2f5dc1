//! Training objectives for Patchbay.
//!
//! Build: `patchbay plugin build .`   Test: `cargo test`   Use: `plugin::load("...")?` in a notebook.

use patchbay::{nn, plugin::prelude::*};

patchbay::config! {
    /// Settings of [`Autoencoder`].
    pub struct AutoencoderConfig {
        /// Features of an input.
        #[schemars(range(min = 1))]
        features: usize,
        /// Width of the code.
        #[schemars(range(min = 1))]
        code: usize = 8,
    }
}

/// Reconstruction by an autoencoder, and a second loss that keeps the code small.
pub struct Autoencoder {
    encoder: nn::Linear,
    decoder: nn::Linear,
    features: usize,
}

impl Component for Autoencoder {}

impl Define for Autoencoder {
    type Kind = dyn Objective;
    type Config = AutoencoderConfig;
    const ID: &'static str = "objective/my_name_autoencoder";
    const SUMMARY: &'static str = "Reconstruction error and the size of the code";
    const DETAILS: Details = Details {
        formula: "c = tanh(E x), reconstruction = mean (D c - x)^2, code = mean c^2",
        shapes: "batch: input [batch, features]; features: input [batch, code]",
        trainable: true,
        ..Details::NONE
    };

    // Parameters are made through `context.vb()`. On a swap, those with equal names and shapes keep
    // their values.
    fn build(config: AutoencoderConfig, context: &Context) -> Result<Self> {
        let vb = context.vb();
        Ok(Autoencoder {
            encoder: nn::linear(config.features, config.code, vb.pp("encoder"))?,
            decoder: nn::linear(config.code, config.features, vb.pp("decoder"))?,
            features: config.features,
        })
    }

    // What the tests of its kind try it on.
    fn sample(_scratch: &Path) -> Result<Sample> {
        Ok(Sample::new(json!({"features": 4, "code": 3})).input(
            "input",
            Tensor::new(
                &[[1f32, 2.0, 3.0, 4.0], [0.5, -0.5, 0.2, 1.0]],
                &Device::Cpu,
            )?,
        ))
    }
}

impl Autoencoder {
    fn input<'a>(&self, batch: &'a Batch) -> Result<&'a Tensor> {
        match batch.get("input") {
            Some(input)
                if input.rank() == 2 && input.dim(0)? > 0 && input.dim(1)? == self.features =>
            {
                Ok(input)
            }
            Some(input) => bail!(
                "input must be [batch, {}], with at least one row; it is {:?}",
                self.features,
                input.dims()
            ),
            None => bail!("the batch must hold `input` [batch, {}]", self.features),
        }
    }
}

impl Objective for Autoencoder {
    fn losses(&self, batch: &Batch, _progress: f64) -> Result<Vec<(String, Tensor)>> {
        let input = self.input(batch)?;
        let code = self.encoder.forward(input)?.tanh()?;
        let reconstruction = ops::mean_all(&(self.decoder.forward(&code)? - input)?.sqr()?)?;
        Ok(vec![
            ("reconstruction".to_owned(), reconstruction),
            ("code".to_owned(), ops::mean_all(&code.sqr()?)?),
        ])
    }

    fn features(&self, batch: &Batch) -> Result<Batch> {
        let code = self.encoder.forward(self.input(batch)?)?.tanh()?;
        Ok(Batch::from([("input".to_owned(), code)]))
    }
}

patchbay::export_plugin!(Autoencoder);

// Shapes, gradients, types, settings, seeds and swaps of each component, on its sample.
#[cfg(test)]
patchbay::test_components!(crate);

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot<dyn Objective> {
        register().unwrap();
        create("objective/my_name_autoencoder", json!({"features": 4})).unwrap()
    }

    #[test]
    fn losses_reach_all_parameters() -> Result<()> {
        let objective = slot();
        let input = Tensor::new(&[[1f32, 2.0, 3.0, 4.0]], &Device::Cpu)?;
        let batch = Batch::from([("input".to_owned(), input)]);
        let losses = objective.losses(&batch, 0.0)?;
        let total = (&losses[0].1 + &losses[1].1)?;
        let gradients = total.backward()?;
        let parameters = objective.trainable();
        assert_eq!(parameters.len(), 4);
        for var in &parameters {
            assert!(gradients.get(var).is_some(), "{var:?}");
        }
        assert_eq!(objective.features(&batch)?["input"].dims(), [1, 8]);
        Ok(())
    }

    #[test]
    fn a_batch_without_the_input_is_an_error() {
        let text = slot().losses(&Batch::new(), 0.0).unwrap_err().to_string();
        assert!(
            text.contains("the batch must hold `input` [batch, 4]"),
            "{text}"
        );
    }
}
