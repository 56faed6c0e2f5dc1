//! AOD-Net in plain loops: what the data-set runner and a single picture of bytes use.
//!
//! Li, Peng, Wang, Xu, Feng: AOD-Net: All-in-One Dehazing Network, ICCV 2017. Five convolutions of 3
//! channels with stride 1 and zeros around, a ReLU after each; the last gives K of equation 5, and the
//! scene is relu(K I - K + 1) (equation 6 with b = 1). Layer names, and so the files of weights, are those
//! of the authors' network in PyTorch (`MayankSingal/PyTorch-Image-Dehazing`).

use std::ops::Range;

use crate::{
    bands::{Rows, in_bands},
    picture::{Order, Picture, Shape},
    sample::Sample,
    simd::{Level, level, multiversion},
    weights::{self, Tensor, Tensors},
};

/// Channels in, and the side of the kernel, of each layer.
pub const LAYERS: [(usize, usize); 5] = [(3, 1), (3, 3), (6, 5), (6, 7), (12, 3)];

/// What each layer sees: planes of the input (0) and of earlier layers (1 to 4).
const SEEN: [&[usize]; 5] = [&[0], &[1], &[1, 2], &[2, 3], &[1, 2, 3, 4]];

/// The rows that a row of the result depends on, above and below.
const REACH: usize = 7;

/// Zeros around every plane: half the largest kernel.
const MARGIN: usize = 3;

/// The pixels of a strip, without its overlap.
const STRIP_PIXELS: usize = 1 << 20;

/// The weights.
#[derive(Clone, Debug, PartialEq)]
pub struct AodNet {
    layers: [Layer; 5],
}

#[derive(Clone, Debug, PartialEq)]
struct Layer {
    /// `[channels in, side, side][channel out]`.
    weights: Vec<[f32; 3]>,
    bias: [f32; 3],
}

/// The weights that `train_aod_net` made, a file of safetensors.
pub const BUILT_IN: &[u8] = include_bytes!("../weights/aod_net.safetensors");

impl AodNet {
    /// The network with the weights that are built in.
    pub fn built_in() -> AodNet {
        // The file is part of the program; a test reads it.
        weights::parse(BUILT_IN)
            .and_then(|tensors| AodNet::from_tensors(&tensors))
            .expect("the built-in weights are AOD-Net's")
    }

    /// From tensors `e_conv1.weight` `[3, channels, side, side]`, `e_conv1.bias` `[3]` to `e_conv5`.
    ///
    /// # Errors
    ///
    /// Names the first tensor that is missing or has another shape.
    pub fn from_tensors(tensors: &Tensors) -> Result<AodNet, String> {
        let mut layers = Vec::new();
        for (number, (channels, side)) in (1..).zip(LAYERS) {
            let find = |kind: &str, shape: &[usize]| -> Result<&Tensor, String> {
                let name = format!("e_conv{number}.{kind}");
                let found = tensors.get(&name).ok_or_else(|| {
                    let names: Vec<&str> = tensors.keys().map(String::as_str).take(12).collect();
                    format!("no tensor {name}; there are {}", names.join(", "))
                })?;
                if found.shape != shape {
                    return Err(format!(
                        "{name} has shape {:?}, expected {shape:?}",
                        found.shape
                    ));
                }
                Ok(found)
            };
            let weights = &find("weight", &[3, channels, side, side])?.values;
            let bias = &find("bias", &[3])?.values;
            let kernel = channels * side * side;
            layers.push(Layer {
                weights: (0..kernel)
                    .map(|at| [0, 1, 2].map(|channel| weights[channel * kernel + at]))
                    .collect(),
                bias: [bias[0], bias[1], bias[2]],
            });
        }
        let layers = layers.try_into().map_err(|_| "AOD-Net has five layers")?;
        Ok(AodNet { layers })
    }

    /// Removes the haze of `picture`; `output` has its shape and order. Gray is taken as three equal
    /// channels and becomes the luma of the result; alpha is copied.
    ///
    /// # Panics
    ///
    /// Where `output` has another length than the picture.
    pub fn run<T: Sample>(
        &self,
        picture: &Picture<'_, T>,
        output: &mut [T],
        buffers: &mut Buffers,
    ) {
        assert_eq!(
            output.len(),
            picture.samples.len(),
            "output has the picture's length"
        );
        let shape = picture.shape;
        let height = (STRIP_PIXELS / shape.width).max(4 * REACH);
        for first in (0..shape.height).step_by(height) {
            let kept = first..(first + height).min(shape.height);
            let seen = first.saturating_sub(REACH)..(kept.end + REACH).min(shape.height);
            buffers.load(picture, seen.clone());
            for layer in 0..5 {
                self.layer(layer, seen.len(), buffers);
            }
            buffers.store(picture, seen, kept, output);
        }
    }

    fn layer(&self, number: usize, height: usize, buffers: &mut Buffers) {
        let (_, side) = LAYERS[number];
        let Layer { weights, bias } = &self.layers[number];
        let stride = buffers.stride;
        let width = buffers.width;
        let (earlier, later) = buffers.planes.split_at_mut(3 * (number + 1));
        let inputs: Vec<&[f32]> = SEEN[number]
            .iter()
            .flat_map(|&layer| earlier[3 * layer..3 * layer + 3].iter().map(Vec::as_slice))
            .collect();
        let [red, green, blue, ..] = later else {
            return;
        };
        // Margins above and below stay zero: only the rows between are handed out.
        let rows = [red, green, blue].map(|plane| {
            Rows::new(
                &mut plane[MARGIN * stride..(MARGIN + height) * stride],
                stride,
            )
        });
        in_bands(
            height,
            rows,
            &mut buffers.bands,
            &|first, count, mut output, ()| {
                for row in 0..count {
                    let here = row * stride..(row + 1) * stride;
                    let [red, green, blue] = output
                        .each_mut()
                        .map(|plane| &mut plane.slice()[here.clone()]);
                    let task = Convolution {
                        inputs: &inputs,
                        stride,
                        width,
                        side,
                        row: first + row,
                        weights,
                        bias: *bias,
                    };
                    task.run([red, green, blue]);
                }
            },
        );
    }
}

/// Planes of one strip, used again for the next picture.
#[derive(Debug)]
pub struct Buffers {
    /// The input's three channels, then three of each layer; with margins.
    planes: Vec<Vec<f32>>,
    width: usize,
    stride: usize,
    bands: Vec<()>,
}

/// How many pixels are computed side by side; rows are padded to a multiple.
const BLOCK: usize = 64;

impl Buffers {
    /// Buffers for as many threads as are to share one picture.
    pub fn new(threads: usize) -> Buffers {
        Buffers {
            planes: vec![Vec::new(); 18],
            width: 0,
            stride: 0,
            bands: vec![(); threads.max(1)],
        }
    }

    fn load<T: Sample>(&mut self, picture: &Picture<'_, T>, rows: Range<usize>) {
        self.width = picture.shape.width;
        self.stride = self.width.next_multiple_of(BLOCK) + 2 * MARGIN;
        for plane in &mut self.planes {
            plane.clear();
            plane.resize((rows.len() + 2 * MARGIN) * self.stride, 0.0);
        }
        let mut planes = [Vec::new(), Vec::new(), Vec::new()];
        picture.load(rows, &mut planes);
        let last = picture.shape.colors() - 1;
        for (color, to) in self.planes.iter_mut().take(3).enumerate() {
            let from = planes[color.min(last)].chunks_exact(self.width);
            let rows = to.chunks_exact_mut(self.stride).skip(MARGIN);
            for (to, from) in rows.zip(from) {
                for (to, &sample) in to[MARGIN..].iter_mut().zip(from) {
                    *to = sample.float() / T::WHITE;
                }
            }
        }
    }

    fn store<T: Sample>(
        &self,
        picture: &Picture<'_, T>,
        seen: Range<usize>,
        kept: Range<usize>,
        output: &mut [T],
    ) {
        let Shape {
            width, channels, ..
        } = picture.shape;
        let colors = picture.shape.colors();
        let mut scenes = [const { Vec::new() }; 3];
        for scene in &mut scenes {
            scene.resize(width, 0.0);
        }
        for row in kept {
            let at = (row - seen.start + MARGIN) * self.stride + MARGIN;
            for (color, scene) in scenes.iter_mut().enumerate() {
                let [haze, k] =
                    [color, 15 + color].map(|plane| &self.planes[plane][at..at + width]);
                recover(haze, k, T::WHITE, scene);
            }
            if colors == 1 {
                let [red, green, blue] = &mut scenes;
                for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
                    *red = 0.299 * *red + 0.587 * *green + 0.114 * *blue;
                }
            }
            for (x, pixel) in (row * width..(row + 1) * width).enumerate() {
                let at = |channel: usize| match picture.order {
                    Order::Interleaved => pixel * channels + channel,
                    Order::Planar => channel * picture.shape.pixels() + pixel,
                };
                for (channel, scene) in scenes.iter().take(colors).enumerate() {
                    output[at(channel)] = T::nearest(scene[x]);
                }
                for channel in colors..channels {
                    output[at(channel)] = picture.samples[at(channel)];
                }
            }
        }
    }
}

multiversion! {
    /// relu(K I - K + 1), in samples.
    fn recover(haze: &[f32], k: &[f32], white: f32, output: &mut [f32]) {
        for ((to, &haze), &k) in output.iter_mut().zip(haze).zip(k) {
            *to = (k * haze - k + 1.0).max(0.0) * white;
        }
    }
}

/// One row of one layer.
struct Convolution<'a> {
    inputs: &'a [&'a [f32]],
    stride: usize,
    width: usize,
    side: usize,
    row: usize,
    weights: &'a [[f32; 3]],
    bias: [f32; 3],
}

impl Convolution<'_> {
    /// Writes three rows with their margins.
    fn run(&self, output: [&mut [f32]; 3]) {
        match level() {
            // SAFETY: the processor was found to have these instructions.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { self.avx512(output) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { self.avx2(output) },
            _ => self.blocks::<16, false>(output),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    fn avx512(&self, output: [&mut [f32]; 3]) {
        self.blocks::<64, true>(output);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(&self, output: [&mut [f32]; 3]) {
        self.blocks::<32, true>(output);
    }

    /// Blocks of `N` pixels in registers; `FUSED` multiplies and adds in one rounding.
    #[inline(always)]
    fn blocks<const N: usize, const FUSED: bool>(&self, mut output: [&mut [f32]; 3]) {
        let half = self.side / 2;
        for block in (0..self.width).step_by(N) {
            let mut sums = self.bias.map(|bias| [bias; N]);
            let mut weights = self.weights.iter();
            for input in self.inputs {
                for down in 0..self.side {
                    let row = &input[(self.row + MARGIN + down - half) * self.stride..];
                    let row = &row[block + MARGIN - half..][..N + self.side - 1];
                    for (window, weights) in row.windows(N).zip(&mut weights) {
                        for (sums, &weight) in sums.iter_mut().zip(weights) {
                            for (sum, &value) in sums.iter_mut().zip(window) {
                                *sum = if FUSED {
                                    value.mul_add(weight, *sum)
                                } else {
                                    *sum + value * weight
                                };
                            }
                        }
                    }
                }
            }
            for (output, sums) in output.iter_mut().zip(sums) {
                for (to, sum) in output[block + MARGIN..][..N].iter_mut().zip(sums) {
                    *to = sum.max(0.0);
                }
            }
        }
        for output in output {
            // What was computed past the end is a margin, which is zero.
            output[self.width + MARGIN..].fill(0.0);
        }
    }
}
