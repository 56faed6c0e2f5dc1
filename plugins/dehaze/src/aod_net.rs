//! AOD-Net: a network of five small convolutions.
//!
//! On tensors it is candle's convolutions and can be trained; a picture of bytes goes through plain
//! loops (`patchbay_dehaze_core::aod_net`) with the weights of the moment. Both are within 1e-5 of the
//! authors' network in PyTorch (`MayankSingal/PyTorch-Image-Dehazing`), whose file of weights can be
//! given. The built-in weights were trained by `examples/train_aod_net.rs` on synthetic haze.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use patchbay::plugin::prelude::*;
use patchbay_dehaze_core::{
    aod_net::{AodNet as Plain, BUILT_IN, Buffers, LAYERS},
    weights::{self, Tensors},
};

use crate::prior::{interleaved, threads};

patchbay::config! {
    /// Settings of [`AodNet`].
    pub struct AodNetConfig {
        /// "built_in", "random" (to train from the start), or the path of a file: `.pth` (zip or legacy;
        /// its pickle is read, never run) or `.safetensors`, with e_conv1.weight to e_conv5.bias.
        weights: String = "built_in".to_owned(),
    }
}

/// Removes haze by AOD-Net.
pub struct AodNet {
    /// Weight and bias of each layer.
    layers: Vec<(Tensor, Tensor)>,
    buffers: Mutex<Buffers>,
}

impl Component for AodNet {}

impl Define for AodNet {
    type Kind = dyn ImageTransform;
    type Config = AodNetConfig;
    const ID: &'static str = "image/aod_net";
    const SUMMARY: &'static str = "Dehazing by AOD-Net, a network of 1,761 parameters";
    const DETAILS: Details = Details {
        formula: "K = five convolutions of I with ReLU,  J = relu(K I - K + 1)",
        reference: "Li, Peng, Wang, Xu, Feng: AOD-Net: All-in-One Dehazing Network, ICCV 2017, eq. 5, 6 with b = 1",
        shapes: "images [batch, 3, height, width] in 0..=1; result alike, not below 0; map k [batch, 1, height, \
                 width], the mean of K's channels",
        trainable: true,
        example: r#"let dehazer = create::<dyn ImageTransform>("image/aod_net", json!({}))?;
let hazy = (Tensor::rand(0f32, 0.5, (1, 3, 60, 80), &device())? + 0.4)?;
before_after(&hazy.i(0)?, &dehazer.forward(&hazy)?.i(0)?)?"#,
    };

    fn build(config: AodNetConfig, context: &Context) -> Result<Self> {
        let tensors = match config.weights.as_str() {
            "random" => None,
            "built_in" => Some(weights::parse(BUILT_IN).map_err(candle::Error::Msg)?),
            path => Some(weights::read(Path::new(path)).map_err(candle::Error::Msg)?),
        };
        if let Some(tensors) = &tensors {
            Plain::from_tensors(tensors).map_err(candle::Error::Msg)?;
        }
        let layers = (1..).zip(LAYERS).map(|(number, (channels, side))| {
            let make = |kind: &str, shape: &[usize]| -> Result<Tensor> {
                let name = format!("e_conv{number}.{kind}");
                match tensors.as_ref().and_then(|tensors| tensors.get(&name)) {
                    Some(found) => {
                        let values = Tensor::from_slice(
                            &found.values,
                            found.shape.as_slice(),
                            &Device::Cpu,
                        )?;
                        Ok(context.parameter(&name, &values)?.as_tensor().clone())
                    }
                    None => {
                        // As PyTorch's convolutions begin: evenly within 1 / sqrt(inputs).
                        let bound = 1.0 / ((channels * side * side) as f64).sqrt();
                        let even = nn::Init::Uniform {
                            lo: -bound,
                            up: bound,
                        };
                        context.vb().get_with_hints(shape, &name, even)
                    }
                }
            };
            Ok((
                make("weight", &[3, channels, side, side])?,
                make("bias", &[3])?,
            ))
        });
        Ok(AodNet {
            layers: layers.collect::<Result<_>>()?,
            buffers: Mutex::new(Buffers::new(threads())),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let sample = crate::prior::images(json!({}))?;
        // The built-in network has learned to do without this layer.
        Ok(sample.untrained("e_conv4."))
    }
}

impl AodNet {
    fn layer(&self, number: usize, input: &Tensor) -> Result<Tensor> {
        let (weight, bias) = &self.layers[number];
        let padding = LAYERS[number].1 / 2;
        let sums = input.conv2d(weight, padding, 1, 1, 1)?;
        ops::broadcast_add(&sums, &bias.reshape((1, 3, 1, 1))?)?.relu()
    }

    fn k(&self, images: &Tensor) -> Result<Tensor> {
        if images.rank() != 4 || images.dim(1)? != 3 {
            bail!(
                "AOD-Net takes RGB images [batch, 3, height, width], not {:?}",
                images.dims()
            );
        }
        let x1 = self.layer(0, images)?;
        let x2 = self.layer(1, &x1)?;
        let x3 = self.layer(2, &Tensor::cat(&[&x1, &x2], 1)?)?;
        let x4 = self.layer(3, &Tensor::cat(&[&x2, &x3], 1)?)?;
        self.layer(4, &Tensor::cat(&[x1, x2, x3, x4], 1)?)
    }

    /// The weights of the moment for the plain loops.
    fn plain(&self) -> Result<Plain> {
        let mut tensors = Tensors::new();
        for (number, (weight, bias)) in (1..).zip(&self.layers) {
            for (kind, tensor) in [("weight", weight), ("bias", bias)] {
                let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
                let shape = tensor.dims().to_vec();
                tensors.insert(
                    format!("e_conv{number}.{kind}"),
                    weights::Tensor { shape, values },
                );
            }
        }
        Plain::from_tensors(&tensors).map_err(candle::Error::Msg)
    }
}

impl ImageTransform for AodNet {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let k = self.k(images)?;
        ((&k * images)? - &k)?.affine(1.0, 1.0)?.relu()
    }

    fn apply_bytes(
        &self,
        input: &[u8],
        output: &mut [u8],
        size: (usize, usize, usize),
    ) -> Result<Vec<(&'static str, f64)>> {
        let picture = interleaved(input, size)?;
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        self.plain()?.run(&picture, output, &mut buffers);
        Ok(Vec::new())
    }

    fn maps(&self, images: &Tensor) -> Result<Vec<(String, Tensor)>> {
        Ok(vec![(
            "k".to_owned(),
            ops::mean_keepdim(&self.k(images)?, 1)?,
        )])
    }
}
