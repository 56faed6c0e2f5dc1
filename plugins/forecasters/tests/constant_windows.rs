//! Windows that are constant, nearly constant, or small noise on a large offset, through every forecaster that takes a
//! window's mean or deviation.

use std::{collections::HashMap, path::Path};

use patchbay::{
    forecast::Moments,
    plugin::{Options, Slot, Window, create_with, prelude::*},
    serde_json::{self, Value},
};
use patchbay_forecasters::window_scale::WindowScale;

const CPU: Device = Device::Cpu;

type Rows = Vec<Vec<f64>>;

/// Numbers between -0.5 and 0.5 that are the same in each run.
fn noise(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        })
        .collect()
}

/// Two hundred constants from 2^-20 to 2^20, of both signs, that `f32` holds exactly.
fn constants() -> Vec<f64> {
    let numbers = noise(200, 7).into_iter().enumerate();
    numbers
        .map(|(i, x)| f64::from((x * 2f64.powi(i as i32 % 41 - 20)) as f32))
        .collect()
}

fn tide(dtype: DType, lookback: usize, config: Value) -> Slot<dyn Forecaster> {
    patchbay_forecasters::register().unwrap();
    let mut settings = json!({
        "lookback": lookback, "horizon": 5, "hidden": 6, "decoder_output": 2, "temporal_decoder_hidden": 4,
    });
    settings
        .as_object_mut()
        .unwrap()
        .extend(config.as_object().unwrap().clone());
    let options = Options {
        dtype,
        device: CPU,
        frozen: false,
    };
    let slot = create_with::<dyn Forecaster>("forecaster/tide", settings, options).unwrap();
    // The same weights in both types, biases among them, so that a normalized window of zeros gives something.
    for (index, named) in slot.variables().into_iter().enumerate() {
        let count = named.var.elem_count();
        let values: Vec<f64> = noise(count, 11 + index as u64)
            .into_iter()
            .map(|x| f64::from(x as f32))
            .collect();
        let tensor = Tensor::from_vec(values, named.var.shape(), &CPU).unwrap();
        named.var.set(&tensor.to_dtype(dtype).unwrap()).unwrap();
    }
    slot
}

fn window(rows: &[Vec<f64>], dtype: DType) -> Window {
    Window::new(
        Tensor::new(rows.to_vec(), &CPU)
            .unwrap()
            .to_dtype(dtype)
            .unwrap(),
    )
}

fn forecast(slot: &Slot<dyn Forecaster>, rows: &[Vec<f64>], dtype: DType) -> Vec<Vec<f64>> {
    let forecast = slot.forward(&window(rows, dtype), false).unwrap();
    let forecast = forecast.squeeze(2).unwrap().to_dtype(DType::F64).unwrap();
    forecast.to_vec2().unwrap()
}

fn rounding(dtype: DType) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::EPSILON),
        _ => f64::EPSILON,
    }
}

#[test]
fn a_constant_window_gives_the_constant_plus_one_and_the_same_network() {
    for lookback in [1, 2, 7, 30, 96, 336, 720] {
        // A constant less its mean is 0 and its divisor is 1, whatever it is: only the level differs.
        let expected = forecast(
            &tide(DType::F64, lookback, json!({})),
            &[vec![0.0; lookback]],
            DType::F64,
        );
        assert!(expected[0].iter().any(|x| x.abs() > 1e-2), "{expected:?}");
        for dtype in [DType::F32, DType::F64] {
            let slot = tide(dtype, lookback, json!({}));
            let rows: Vec<Vec<f64>> = constants().iter().map(|&c| vec![c; lookback]).collect();
            for (constant, got) in constants().iter().zip(forecast(&slot, &rows, dtype)) {
                for (got, expected) in got.iter().zip(&expected[0]) {
                    let bound = 8.0 * rounding(dtype) * (constant.abs() + 1.0);
                    assert!(
                        (got - constant - expected).abs() < bound,
                        "{constant} x {lookback} {dtype:?}: {got} for {}",
                        constant + expected
                    );
                }
            }
        }
    }
}

/// The case: the weights of the fixture, all past values 1.25.
#[test]
fn the_fixture_with_a_constant_past_is_the_same_in_both_types() {
    patchbay_forecasters::register().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let text = std::fs::read_to_string(folder.join("tide_small.json")).unwrap();
    let description: Value = serde_json::from_str(&text).unwrap();
    let numbers: HashMap<String, Tensor> =
        candle::safetensors::load(folder.join("tide_small.safetensors"), &CPU).unwrap();
    for name in ["reversible", "reversible_affine"] {
        let config = &description["cases"][name]["config"];
        let lookback = config["lookback"].as_u64().unwrap() as usize;
        let results: Vec<(Rows, Rows)> = [DType::F32, DType::F64]
            .into_iter()
            .map(|dtype| {
                let mut settings = json!({"known": config["covariates"], "observed": config["past_covariates"],
                    "attributes": config["static"], "layer_norm": config["layer_norm"]});
                for key in [
                    "lookback", "horizon", "series", "hidden", "encoder_layers", "decoder_layers", "decoder_output",
                    "temporal_decoder_hidden", "temporal_width", "projection_hidden", "layer_norm_eps", "reversible",
                ] {
                    settings[key] = config[key].clone();
                }
                let options = Options {
                    dtype,
                    device: CPU,
                    frozen: false,
                };
                let slot = create_with::<dyn Forecaster>("forecaster/tide", settings, options).unwrap();
                for named in slot.variables() {
                    let weight = &numbers[&format!("{name}/weight/{}", named.name)];
                    named.var.set(&weight.to_dtype(dtype).unwrap()).unwrap();
                }
                let input = |key: &str| {
                    let tensor = numbers.get(&format!("{name}/input/{key}"))?;
                    Some(tensor.to_dtype(dtype).unwrap())
                };
                let batch = input("lookback").unwrap().dim(0).unwrap();
                let series = numbers.get(&format!("{name}/input/series"));
                let window = Window {
                    past: Tensor::full(1.25f64, (batch, lookback), &CPU).unwrap().to_dtype(dtype).unwrap(),
                    known: input("covariates"),
                    observed: input("past_covariates"),
                    attributes: input("static"),
                    series: series.map(|series| series.to_dtype(DType::U32).unwrap()),
                };
                let forecast = slot.forward(&window, true).unwrap().squeeze(2).unwrap();
                let grads = forecast.sqr().unwrap().sum_all().unwrap().backward().unwrap();
                let plain = |x: &Tensor| -> Vec<f64> {
                    x.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
                };
                let gradients = slot.variables().iter().map(|named| plain(grads.get(&named.var).unwrap())).collect();
                (forecast.to_dtype(DType::F64).unwrap().to_vec2().unwrap(), gradients)
            })
            .collect();
        let close = |a: &[f64], b: &[f64]| {
            let size = b.iter().fold(1e-3f64, |size, x| size.max(x.abs()));
            a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-5 * size)
        };
        let [(narrow, narrow_grads), (wide, wide_grads)] = &results[..] else {
            panic!("two types");
        };
        for (a, b) in narrow
            .iter()
            .zip(wide)
            .chain(narrow_grads.iter().zip(wide_grads))
        {
            assert!(close(a, b), "{name}: {a:?} {b:?}");
        }
        // The network's part is not lost.
        assert!(wide[0].iter().any(|x| (x - 1.25).abs() > 0.1), "{wide:?}");
    }
}

#[test]
fn a_forecast_follows_scale_and_offset_of_its_window() {
    for lookback in [2, 30, 96, 720] {
        let shape = noise(lookback, 3);
        for dtype in [DType::F32, DType::F64] {
            let slot = tide(dtype, lookback, json!({}));
            for (offset, scale) in [
                (0.0, 1.0),
                (1e6, 1.0),
                (-1e6, 0.5),
                (1e6, 8.0),
                (3.0, 1e-4),
                (1e4, 1e-1),
            ] {
                // What the type holds is the window; the expectation is of just those values.
                let row: Vec<f64> = shape
                    .iter()
                    .map(|x| {
                        let value = offset + scale * x;
                        match dtype {
                            DType::F32 => f64::from(value as f32),
                            _ => value,
                        }
                    })
                    .collect();
                let moments = Moments::of(&row);
                assert!(moments.deviation > 0.0, "{offset} {scale} {lookback}");
                let standard: Vec<f64> = row
                    .iter()
                    .map(|x| (x - moments.mean) / moments.deviation)
                    .collect();
                let plain = forecast(
                    &tide(DType::F64, lookback, json!({"reversible": false})),
                    &[standard],
                    DType::F64,
                );
                let got = forecast(&slot, &[row], dtype);
                for (got, plain) in got[0].iter().zip(&plain[0]) {
                    let expected = moments.mean + moments.deviation * plain;
                    let bound = rounding(dtype) * (4.0 * offset.abs() + 400.0 * moments.deviation);
                    assert!(
                        (got - expected).abs() < bound,
                        "{offset} {scale} {lookback} {dtype:?}: {got} for {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn gradients_at_constant_windows_are_those_of_f64() {
    let rows: Vec<Vec<f64>> = [1.25, -3.1, 0.1, 1e5]
        .iter()
        .map(|&c| vec![f64::from(c as f32); 30])
        .collect();
    let gradients = |dtype: DType| -> Vec<Vec<f64>> {
        let slot = tide(dtype, 30, json!({}));
        let forecast = slot.forward(&window(&rows, dtype), true).unwrap();
        // The loss of the differences from the windows' levels, so that their size does not hide the network's part.
        let level =
            Tensor::new(vec![rows[0][0], rows[1][0], rows[2][0], rows[3][0]], &CPU).unwrap();
        let level = level.to_dtype(dtype).unwrap().reshape((4, 1, 1)).unwrap();
        let loss = forecast
            .broadcast_sub(&level)
            .unwrap()
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap();
        let grads = loss.backward().unwrap();
        slot.variables()
            .iter()
            .map(|named| {
                let gradient = grads.get(&named.var).unwrap().flatten_all().unwrap();
                gradient.to_dtype(DType::F64).unwrap().to_vec1().unwrap()
            })
            .collect()
    };
    let (narrow, wide) = (gradients(DType::F32), gradients(DType::F64));
    for (narrow, wide) in narrow.iter().zip(&wide) {
        let size = wide.iter().fold(1e-3f64, |size, x| size.max(x.abs()));
        for (a, b) in narrow.iter().zip(wide) {
            // 1e5 is in `f32` to 0.008, of which the differences are made.
            assert!((a - b).abs() < 2e-2 * size, "{a} {b}");
        }
    }
}

#[test]
fn a_window_that_wants_a_gradient_has_the_same_scale() {
    let mut rows: Vec<Vec<f64>> = vec![vec![1.25; 30], vec![1e6; 30], noise(30, 5)];
    rows.push(noise(30, 6).iter().map(|x| 1e6 + 0.5 * x).collect());
    for dtype in [DType::F32, DType::F64] {
        let past = window(&rows, dtype).past;
        let plain = WindowScale::of(&past).unwrap();
        let var = Var::from_tensor(&past).unwrap();
        let tracked = WindowScale::of(var.as_tensor()).unwrap();
        let values = |x: &Tensor| -> Vec<f64> {
            x.flatten_all()
                .unwrap()
                .to_dtype(DType::F64)
                .unwrap()
                .to_vec1()
                .unwrap()
        };
        for (a, b) in [
            (&plain.mean, &tracked.mean),
            (&plain.deviation, &tracked.deviation),
            (
                &plain.standardize(&past).unwrap(),
                &tracked.standardize(var.as_tensor()).unwrap(),
            ),
        ] {
            for (a, b) in values(a).iter().zip(values(b)) {
                assert!(
                    (a - b).abs() <= 4.0 * rounding(dtype) * a.abs().max(1e-3),
                    "{dtype:?}: {a} {b}"
                );
            }
        }
        // The derivative of a standardized value is 1 / deviation; statistics are constants.
        let sum = tracked
            .standardize(var.as_tensor())
            .unwrap()
            .sum_all()
            .unwrap();
        let gradient = sum.backward().unwrap();
        let gradient: Vec<f64> = values(gradient.get(&var).unwrap());
        for (row, gradient) in gradient.chunks(30).enumerate() {
            let expected = 1.0 / values(&plain.deviation)[row];
            assert!(
                gradient.iter().all(|x| (x / expected - 1.0).abs() < 1e-6),
                "{gradient:?}"
            );
        }
    }
}

#[test]
fn ridge_follows_the_offset_of_its_window() {
    patchbay_forecasters::register().unwrap();
    for dtype in [DType::F32, DType::F64] {
        let options = Options {
            dtype,
            device: CPU,
            frozen: false,
        };
        let settings = json!({"lookback": 720, "horizon": 3});
        let slot = create_with::<dyn Forecaster>("forecaster/ridge", settings, options).unwrap();
        for named in slot.variables() {
            let values: Vec<f64> = noise(named.var.elem_count(), 9);
            let tensor = Tensor::from_vec(values, named.var.shape(), &CPU).unwrap();
            named.var.set(&tensor.to_dtype(dtype).unwrap()).unwrap();
        }
        // In steps that `f32` holds at a million.
        let shape: Vec<f64> = noise(720, 4).iter().map(|x| (x * 16.0).round()).collect();
        let rows: Vec<Vec<f64>> = [0.0, 1e6, -4e6]
            .iter()
            .map(|offset| shape.iter().map(|x| x + offset).collect())
            .collect();
        let got = forecast(&slot, &rows, dtype);
        for (step, plain) in got[0].iter().enumerate() {
            let bound = 4.0 * rounding(dtype);
            assert!((got[1][step] - 1e6 - plain).abs() <= bound * 1e6, "{got:?}");
            assert!((got[2][step] + 4e6 - plain).abs() <= bound * 4e6, "{got:?}");
        }
    }
}
