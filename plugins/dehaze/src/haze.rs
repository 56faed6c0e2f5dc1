//! Puts haze into a picture, or makes a picture with haze.

use patchbay::plugin::prelude::*;
use patchbay_dehaze_core::synthesis::Scene;

patchbay::config! {
    /// Settings of [`Haze`].
    pub struct HazeConfig {
        /// The scattering coefficient: transmission is e^(-beta depth).
        #[schemars(range(min = 0.0))]
        beta: f64 = 1.2,
        /// The airlight, RGB in 0..=1.
        airlight: [f64; 3] = [0.85, 0.87, 0.9],
        /// Width of the scene that is made where no image is given.
        #[schemars(range(min = 8, max = 8192))]
        width: usize = 320,
        /// Its height.
        #[schemars(range(min = 8, max = 8192))]
        height: usize = 240,
        /// The same seed gives the same scene.
        seed: u64 = 0,
    }
}

/// Adds haze by the atmospheric scattering model.
pub struct Haze {
    config: HazeConfig,
    device: Device,
}

impl Component for Haze {}

impl Define for Haze {
    type Kind = dyn Tool;
    type Config = HazeConfig;
    const ID: &'static str = "tool/haze";
    const SUMMARY: &'static str =
        "Adds haze of known transmission to an image, or to a scene that it makes";
    const DETAILS: Details = Details {
        formula: "I = J t + A (1 - t),  t = e^(-beta depth)",
        reference: "the atmospheric scattering model: Narasimhan, Nayar: Vision and the Atmosphere, IJCV 2002",
        shapes: "image [3, height, width] and depth [height, width] (or neither: a scene is made); hazy, clear \
                 [3, height, width], transmission, depth [height, width]. Differentiable",
        example: r#"let scene = tool("tool/haze", json!({"seed": 3}), &[])?;
before_after(&scene["clear"], &scene["hazy"])?"#,
        ..Details::NONE
    };

    fn build(config: HazeConfig, context: &Context) -> Result<Self> {
        Ok(Haze {
            config,
            device: context.device().clone(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let image: Vec<f32> = (0..60)
            .map(|i| 0.5 + 0.4 * (i as f32 * 0.7).sin())
            .collect();
        let depth: Vec<f32> = (0..20).map(|i| 0.1 + 0.04 * i as f32).collect();
        Ok(Sample::new(json!({}))
            .input("image", Tensor::from_vec(image, (3, 4, 5), &Device::Cpu)?)
            .input("depth", Tensor::from_vec(depth, (4, 5), &Device::Cpu)?))
    }
}

impl Tool for Haze {
    fn run(&self, inputs: &Batch) -> Result<Batch> {
        let (clear, depth) = match (inputs.get("image"), inputs.get("depth")) {
            (Some(image), Some(depth)) => (image.clone(), depth.clone()),
            (None, None) => self.scene()?,
            _ => bail!("give image [3, height, width] and depth [height, width], or neither"),
        };
        let (channels, height, width) = clear.dims3()?;
        if channels != 3 || depth.dims() != [height, width] {
            bail!(
                "expected image [3, height, width] and depth [height, width], got {:?} and {:?}",
                clear.dims(),
                depth.dims()
            );
        }
        let transmission = depth.affine(-self.config.beta, 0.0)?.exp()?;
        let airlight = Tensor::new(&self.config.airlight, clear.device())?
            .to_dtype(clear.dtype())?
            .reshape((3, 1, 1))?;
        let rest = transmission.affine(-1.0, 1.0)?.unsqueeze(0)?;
        let hazy = (clear.broadcast_mul(&transmission)? + airlight.broadcast_mul(&rest)?)?;
        let named = [
            ("hazy", hazy),
            ("clear", clear),
            ("transmission", transmission),
            ("depth", depth),
        ];
        Ok(named.map(|(name, tensor)| (name.to_owned(), tensor)).into())
    }
}

impl Haze {
    fn scene(&self) -> Result<(Tensor, Tensor)> {
        let HazeConfig {
            width,
            height,
            seed,
            ..
        } = self.config;
        let scene = Scene::generate(width, height, seed);
        Ok((
            Tensor::from_vec(scene.clear, (3, height, width), &self.device)?,
            Tensor::from_vec(scene.depth, (height, width), &self.device)?,
        ))
    }
}
