//! The color attenuation prior with a guided filter.
//!
//! Depth is linear in HSV's value and saturation, with the coefficients that the authors trained;
//! equation 8's random term has mean 0 and is left out. The window, the radius 60 and eps 1e-3 of the
//! guided filter are those that the authors' program declares; it then runs a radius of 15, subsampled
//! by 4, and takes the airlight from at most 20 pixels. Here the airlight is found as for the dark channel
//! prior, with depth in its place.

use patchbay::plugin::prelude::*;
use patchbay_dehaze_core::{
    Dehazer, Prior as Kind, color_attenuation_prior::COEFFICIENTS, guided_filter::GuidedFilter,
};

use crate::prior::{Guide, Prior, patch_radius};

patchbay::config! {
    /// Settings of [`ColorAttenuationPrior`].
    pub struct ColorAttenuationPriorConfig {
        /// Side of the minimum's window in pixels, odd.
        #[schemars(range(min = 1, max = 8191))]
        patch: usize = 15,
        /// The scattering coefficient: how fast transmission falls with depth.
        #[schemars(range(min = 0.001))]
        beta: f64 = 1.0,
        /// The least transmission in the recovery.
        #[schemars(range(min = 0.001, max = 1.0))]
        t_min: f64 = 0.1,
        /// The greatest transmission in the recovery.
        #[schemars(range(min = 0.001))]
        t_max: f64 = 0.9,
        /// What guides the refinement.
        guide: Guide = Guide::Color,
        /// Radius of the guided filter in pixels.
        #[schemars(range(min = 1, max = 4096))]
        radius: usize = 60,
        /// Smoothness of the guided filter, in units of the guide (0 to 1) squared.
        #[schemars(range(min = 1e-9))]
        eps: f64 = 1e-3,
        /// The guided filter works at 1 / this of the size (He, Sun 2015); 1: at full size.
        #[schemars(range(min = 1, max = 64))]
        subsampling: usize = 1,
    }
}

/// Removes haze by the color attenuation prior.
pub struct ColorAttenuationPrior(Prior);

impl Component for ColorAttenuationPrior {}

impl Define for ColorAttenuationPrior {
    type Kind = dyn ImageTransform;
    type Config = ColorAttenuationPriorConfig;
    const ID: &'static str = "image/color_attenuation_prior";
    const FORMER_ID: &'static str = "image/colour_attenuation_prior";
    const SUMMARY: &'static str =
        "Dehazing by the color attenuation prior, refined by a guided filter";
    const DETAILS: Details = Details {
        formula: "d = guided(min_patch(0.121779 + 0.959710 v - 0.780245 s)),  t = exp(-beta d),  \
                  J = (I - A) / clip(t, t_min, t_max) + A",
        reference: "Zhu, Mai, Shao: A Fast Single Image Haze Removal Algorithm Using Color Attenuation Prior, \
                    IEEE TIP 2015, eq. 2, 8, 18",
        shapes: "images [batch, 1 to 4, height, width] in 0..=1 (gray, gray + alpha, RGB, RGB + alpha); \
                 result alike; map transmission [batch, 1, height, width]. Not differentiable",
        trainable: false,
        example: r#"let dehazer = create::<dyn ImageTransform>("image/color_attenuation_prior", json!({}))?;
let hazy = (Tensor::rand(0f32, 0.5, (1, 3, 60, 80), &device())? + 0.4)?;
before_after(&hazy.i(0)?, &dehazer.forward(&hazy)?.i(0)?)?"#,
    };

    fn build(config: ColorAttenuationPriorConfig, _context: &Context) -> Result<Self> {
        Ok(ColorAttenuationPrior(Prior::new(Dehazer {
            prior: Kind::ColorAttenuation {
                beta: config.beta as f32,
                coefficients: COEFFICIENTS,
            },
            patch_radius: patch_radius(config.patch)?,
            guide: config.guide.into(),
            filter: GuidedFilter {
                radius: config.radius,
                eps: config.eps as f32,
            },
            subsampling: config.subsampling,
            bounds: [config.t_min as f32, config.t_max as f32],
        })?))
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::prior::images(json!({"radius": 4}))
    }
}

impl ImageTransform for ColorAttenuationPrior {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.0.forward(images)?.0)
    }

    fn apply_bytes(
        &self,
        input: &[u8],
        output: &mut [u8],
        size: (usize, usize, usize),
    ) -> Result<Vec<(&'static str, f64)>> {
        self.0.apply_bytes(input, output, size)
    }

    fn maps(&self, images: &Tensor) -> Result<Vec<(String, Tensor)>> {
        Ok(vec![("transmission".to_owned(), self.0.forward(images)?.1)])
    }
}
