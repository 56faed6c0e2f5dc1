//! How good a picture is.

use patchbay::plugin::prelude::*;
use patchbay_dehaze_core::quality::{psnr, ssim, visible_edges};

/// Measures a picture against the truth, against the hazy picture that it was made from, or both.
pub struct ImageQuality;

impl Component for ImageQuality {}

impl Define for ImageQuality {
    type Kind = dyn Tool;
    type Config = ();
    const ID: &'static str = "tool/image_quality";
    const SUMMARY: &'static str =
        "PSNR and SSIM against the truth; visible edges against the hazy picture";
    const DETAILS: Details = Details {
        formula: "psnr = -10 log10 mean (image - truth)^2 in dB; ssim with a Gaussian window of 11 x 11; \
                  edges_gained e, gradient_ratio r, saturated sigma of luma",
        reference: "Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004; Hautiere, Tarel, Aubert, Dumont, Image Analysis \
                    and Stereology 2008",
        shapes: "image [3, height, width] in 0..=1, and truth or hazy or both, alike; scalars []: psnr, ssim (at least \
                 11 x 11 pixels) with a truth; edges_gained, gradient_ratio, saturated with a hazy picture",
        example: r#"let scene = tool("tool/haze", json!({}), &[])?;
tool("tool/image_quality", json!({}), &[("image", &scene["hazy"]), ("truth", &scene["clear"])])?"#,
        ..Details::NONE
    };

    fn build(_config: (), _context: &Context) -> Result<Self> {
        Ok(ImageQuality)
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let image = |phase: f32| {
            let values: Vec<f32> = (0..3 * 12 * 13)
                .map(|i| 0.5 + 0.4 * (i as f32 * 0.7 + phase).sin())
                .collect();
            Tensor::from_vec(values, (3, 12, 13), &Device::Cpu)
        };
        Ok(Sample::new(json!({}))
            .input("image", image(0.1)?)
            .input("truth", image(0.0)?)
            .input("hazy", image(0.4)?))
    }
}

impl Tool for ImageQuality {
    fn run(&self, inputs: &Batch) -> Result<Batch> {
        let Some(image) = inputs.get("image") else {
            bail!("expected an input `image`, and `truth` or `hazy` or both");
        };
        let (_, height, width) = image.dims3()?;
        let planes = |name: &str| -> Result<Option<Vec<f32>>> {
            let Some(tensor) = inputs.get(name) else {
                return Ok(None);
            };
            if tensor.dims() != [3, height, width] {
                bail!(
                    "expected `{name}` and `image` of one shape [3, height, width], got {:?} and {:?}",
                    tensor.dims(),
                    image.dims()
                );
            }
            let tensor = tensor
                .detach()
                .to_device(&Device::Cpu)?
                .to_dtype(DType::F32)?;
            Ok(Some(tensor.clamp(0f32, 1f32)?.flatten_all()?.to_vec1()?))
        };
        let (truth, hazy) = (planes("truth")?, planes("hazy")?);
        if truth.is_none() && hazy.is_none() {
            bail!("expected an input `truth` (for PSNR and SSIM) or `hazy` (for visible edges)");
        }
        let image = planes("image")?.unwrap_or_default();
        let area = height * width;
        let mut found = Vec::new();
        if let Some(truth) = truth {
            found.push(("psnr", psnr(&image, &truth)));
            let channels = image.chunks_exact(area).zip(truth.chunks_exact(area));
            let values: Option<Vec<f64>> = channels.map(|(a, b)| ssim(a, b, width)).collect();
            if let Some(values) = values {
                found.push(("ssim", values.iter().sum::<f64>() / 3.0));
            }
        }
        if let Some(hazy) = hazy {
            let edges = visible_edges(&luma(&hazy, area), &luma(&image, area), width);
            found.push(("edges_gained", edges.gained));
            found.push(("gradient_ratio", edges.gradient_ratio));
            found.push(("saturated", edges.saturated));
        }
        found
            .into_iter()
            .map(|(name, value)| Ok((name.to_owned(), Tensor::new(value, &Device::Cpu)?)))
            .collect()
    }
}

fn luma(planes: &[f32], area: usize) -> Vec<f32> {
    (0..area)
        .map(|at| 0.299 * planes[at] + 0.587 * planes[area + at] + 0.114 * planes[2 * area + at])
        .collect()
}
