//! The dark channel prior with a guided filter.
//!
//! The parity target is the paper: windows of (2 radius + 1) squared that are cut at the border and
//! divided by the pixels inside, the airlight one pixel's color. The much used Python program
//! (`He-Zhang/image_dehaze`) averages the airlight and has a 60 x 60 window with a mirrored border;
//! OpenCV's `ximgproc.guidedFilter` mirrors the border. `tests/reference/dcp_reference.py` of the core crate says
//! what else the paper leaves open.

use patchbay::plugin::prelude::*;
use patchbay_dehaze_core::{Dehazer, Prior as Kind, guided_filter::GuidedFilter};

use crate::prior::{Guide, Prior, patch_radius};

patchbay::config! {
    /// Settings of [`DarkChannelPrior`].
    pub struct DarkChannelPriorConfig {
        /// Side of the minimum's window in pixels, odd.
        #[schemars(range(min = 1, max = 8191))]
        patch: usize = 15,
        /// How much of the haze goes (equation 12).
        #[schemars(range(min = 0.0, max = 1.0))]
        omega: f64 = 0.95,
        /// The least transmission in the recovery (equation 16).
        #[schemars(range(min = 0.001, max = 1.0))]
        t0: f64 = 0.1,
        /// What guides the refinement: gray is faster, color keeps edges between equally bright
        /// colors.
        guide: Guide = Guide::Gray,
        /// Radius of the guided filter in pixels.
        #[schemars(range(min = 1, max = 4096))]
        radius: usize = 60,
        /// Smoothness of the guided filter, in units of the guide (0 to 1) squared.
        #[schemars(range(min = 1e-9))]
        eps: f64 = 1e-4,
        /// The guided filter works at 1 / this of the size (He, Sun 2015); 1: at full size.
        #[schemars(range(min = 1, max = 64))]
        subsampling: usize = 1,
    }
}

/// Removes haze by the dark channel prior.
pub struct DarkChannelPrior(Prior);

impl Component for DarkChannelPrior {}

impl Define for DarkChannelPrior {
    type Kind = dyn ImageTransform;
    type Config = DarkChannelPriorConfig;
    const ID: &'static str = "image/dark_channel_prior";
    const SUMMARY: &'static str = "Dehazing by the dark channel prior, refined by a guided filter";
    const DETAILS: Details = Details {
        formula: "t = guided(1 - omega min_patch min_c I_c / A_c),  J = (I - A) / max(t, t0) + A",
        reference: "He, Sun, Tang: Single Image Haze Removal Using Dark Channel Prior, CVPR 2009, PAMI 2011, \
                    eq. 5, 12, 16; Guided Image Filtering, ECCV 2010, PAMI 2013, eq. 5, 6, 8, 14-16",
        shapes: "images [batch, 1 to 4, height, width] in 0..=1 (gray, gray + alpha, RGB, RGB + alpha); \
                 result alike; map transmission [batch, 1, height, width]. Not differentiable",
        trainable: false,
        example: r#"let dehazer = create::<dyn ImageTransform>("image/dark_channel_prior", json!({"guide": "color"}))?;
let hazy = (Tensor::rand(0f32, 0.5, (1, 3, 60, 80), &device())? + 0.4)?;
before_after(&hazy.i(0)?, &dehazer.forward(&hazy)?.i(0)?)?"#,
    };

    fn build(config: DarkChannelPriorConfig, _context: &Context) -> Result<Self> {
        Ok(DarkChannelPrior(Prior::new(Dehazer {
            prior: Kind::DarkChannel {
                omega: config.omega as f32,
            },
            patch_radius: patch_radius(config.patch)?,
            guide: config.guide.into(),
            filter: GuidedFilter {
                radius: config.radius,
                eps: config.eps as f32,
            },
            subsampling: config.subsampling,
            bounds: [config.t0 as f32, f32::INFINITY],
        })?))
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        crate::prior::images(json!({"patch": 3, "radius": 4}))
    }
}

impl ImageTransform for DarkChannelPrior {
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
