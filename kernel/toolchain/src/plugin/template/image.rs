//! Image transforms for Patchbay.
//!
//! Build: `patchbay plugin build .`   Test: `cargo test`   Use: `plugin::load("...")?` in a notebook.

use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`Gamma`].
    pub struct GammaConfig {
        /// Exponent; below 1 brightens.
        #[schemars(range(min = 0.01))]
        gamma: f64 = 0.8,
    }
}

/// Gamma correction.
pub struct Gamma {
    config: GammaConfig,
}

impl Component for Gamma {}

impl Define for Gamma {
    type Kind = dyn ImageTransform;
    type Config = GammaConfig;
    const ID: &'static str = "image/my_name_gamma";
    const SUMMARY: &'static str = "Gamma correction";
    const DETAILS: Details = Details {
        formula: "image^gamma",
        shapes: "images [batch, channels, height, width] in 0..=1; result alike",
        ..Details::NONE
    };

    fn build(config: GammaConfig, _context: &Context) -> Result<Self> {
        Ok(Gamma { config })
    }

    // What the tests of its kind try it on.
    fn sample(_scratch: &Path) -> Result<Sample> {
        let images = Tensor::arange(1f32, 25f32, &Device::Cpu)?.reshape((1, 3, 2, 4))?;
        Ok(Sample::new(json!({})).input("images", (images / 25.0)?))
    }
}

impl ImageTransform for Gamma {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        images.clamp(0.0, 1.0)?.powf(self.config.gamma)
    }
}

patchbay::export_plugin!(Gamma);

// Shapes, gradients, types, settings, seeds and swaps of each component, on its sample.
#[cfg(test)]
patchbay::test_components!(crate);

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(config: serde_json::Value) -> Slot<dyn ImageTransform> {
        register().unwrap();
        create("image/my_name_gamma", config).unwrap()
    }

    #[test]
    fn values() -> Result<()> {
        let images = Tensor::new(&[[[[0f32, 0.25, 1.0]]]], &Device::Cpu)?;
        let result = slot(json!({"gamma": 0.5})).forward(&images)?;
        assert_eq!(result.flatten_all()?.to_vec1::<f32>()?, [0.0, 0.5, 1.0]);
        Ok(())
    }

    #[test]
    fn bytes_go_the_same_way() -> Result<()> {
        let mut output = [0; 3];
        slot(json!({"gamma": 1.0})).apply_bytes(&[0, 100, 255], &mut output, (1, 1, 3))?;
        assert_eq!(output, [0, 100, 255]);
        Ok(())
    }
}
