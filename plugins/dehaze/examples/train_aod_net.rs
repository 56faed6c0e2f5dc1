//! Trains AOD-Net on synthetic haze and writes `core/weights/aod_net.safetensors`.
//!
//! `cargo run --release -p patchbay-dehaze --example train_aod_net -- FILE [STEPS] [SEED]`. Scenes are
//! generated (`patchbay_dehaze_core::synthesis`), so no photograph is needed, and every run with one
//! seed sees the same pictures. Loss: mean squared error, as in the paper; AdamW, a cosine schedule
//! from 2e-3. Every 500 steps it prints PSNR on scenes that it does not train on.

use std::error::Error;

use patchbay::plugin::prelude::*;
use patchbay_dehaze::core::{
    quality::psnr,
    synthesis::{Haze, Random, Scene},
};

/// Pictures in a step, and the side of each.
const BATCH: usize = 6;
const SIDE: usize = 48;

/// Scenes to train on and to measure on; crops are cut out of them.
const TRAINING_SCENES: u64 = 400;
const TEST_SCENES: u64 = 20;
const SCENE: (usize, usize) = (160, 120);

const LEARNING_RATE: f64 = 2e-3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let file = arguments
        .first()
        .ok_or("train_aod_net FILE [STEPS] [SEED]")?;
    let number = |index: usize, default: u64| {
        arguments
            .get(index)
            .map_or(Ok(default), |text| text.parse())
    };
    let (steps, seed) = (number(1, 3000)?, number(2, 1)?);

    patchbay_dehaze::register()?;
    let net = create::<dyn ImageTransform>("image/aod_net", json!({"weights": "random"}))?;
    let parameters = net.variables();
    let mut random = Random::new(seed);
    for named in &parameters {
        // candle's own generator cannot be seeded on the CPU. Weights as PyTorch's convolutions begin;
        // the last bias is 1, so that K is about 1 and the network begins near the identity: where K
        // is 0 everywhere its ReLU has no gradient, and it stays there.
        let shape = named.var.dims();
        let values: Vec<f32> = if let [_, inputs, height, width] = *shape {
            let bound = 1.0 / ((inputs * height * width) as f32).sqrt();
            (0..named.var.elem_count())
                .map(|_| random.between(-bound, bound))
                .collect()
        } else {
            let bias = if named.name == "e_conv5.bias" {
                1.0
            } else {
                0.0
            };
            vec![bias; named.var.elem_count()]
        };
        named
            .var
            .set(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
    }
    let scenes = |first: u64, count: u64| -> Vec<Scene> {
        let seeds = first..first + count;
        seeds
            .map(|seed| Scene::generate(SCENE.0, SCENE.1, seed))
            .collect()
    };
    let (training, test) = (scenes(1000, TRAINING_SCENES), scenes(1, TEST_SCENES));
    let settings = nn::ParamsAdamW {
        lr: LEARNING_RATE,
        weight_decay: 0.0,
        ..nn::ParamsAdamW::default()
    };
    let vars = parameters.iter().map(|named| named.var.clone()).collect();
    let mut optimizer = nn::AdamW::new(vars, settings)?;
    for step in 0..steps {
        let (hazy, clear) = batch(&training, &mut random)?;
        let loss = (net.forward(&hazy)? - clear)?.sqr()?.mean_all()?;
        let part = step as f64 / steps as f64;
        optimizer
            .set_learning_rate(LEARNING_RATE * 0.5 * (1.0 + (std::f64::consts::PI * part).cos()));
        optimizer.backward_step(&loss)?;
        if step % 500 == 0 || step + 1 == steps {
            let (before, after) = measure(&net, &test)?;
            println!(
                "step {step:5}  loss {:.5}  test scenes {before:.2} dB hazy, {after:.2} dB dehazed",
                loss.to_scalar::<f32>()?
            );
        }
    }
    let tensors = parameters
        .iter()
        .map(|named| (named.name.clone(), named.var.as_tensor().clone()));
    let tensors: std::collections::HashMap<String, Tensor> = tensors.collect();
    patchbay::candle::safetensors::save(&tensors, file)?;
    Ok(())
}

/// Crops with haze and without, `[batch, 3, side, side]`.
fn batch(scenes: &[Scene], random: &mut Random) -> Result<(Tensor, Tensor)> {
    let (mut hazy, mut clear) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
        let scene = &scenes[random.bits() as usize % scenes.len()];
        let haze = Haze::random(random).applied_to(scene);
        let x = random.bits() as usize % (scene.width - SIDE + 1);
        let y = random.bits() as usize % (scene.height - SIDE + 1);
        for (planes, to) in [(&haze, &mut hazy), (&scene.clear, &mut clear)] {
            for plane in planes.chunks_exact(scene.depth.len()) {
                for row in plane.chunks_exact(scene.width).skip(y).take(SIDE) {
                    to.extend_from_slice(&row[x..x + SIDE]);
                }
            }
        }
    }
    let shape = (BATCH, 3, SIDE, SIDE);
    Ok((
        Tensor::from_vec(hazy, shape, &Device::Cpu)?,
        Tensor::from_vec(clear, shape, &Device::Cpu)?,
    ))
}

/// Mean PSNR before and after.
fn measure(net: &Slot<dyn ImageTransform>, scenes: &[Scene]) -> Result<(f64, f64)> {
    let mut random = Random::new(7);
    let (mut before, mut after) = (0.0, 0.0);
    for scene in scenes {
        let hazy = Haze::random(&mut random).applied_to(scene);
        let image = Tensor::from_slice(&hazy, (1, 3, scene.height, scene.width), &Device::Cpu)?;
        let result = net
            .forward(&image)?
            .clamp(0f32, 1f32)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        before += psnr(&hazy, &scene.clear);
        after += psnr(&result, &scene.clear);
    }
    let count = scenes.len() as f64;
    Ok((before / count, after / count))
}
