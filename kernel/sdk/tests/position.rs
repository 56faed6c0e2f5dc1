//! Position embeddings on other grids, and images of another size, against timm, DINOv2, transformers and PyTorch.
//! `reference/position_torch.py` has written `position.safetensors`; `posembed_small.safetensors` is from another program.

use std::collections::HashMap;

use patchbay::{
    Result,
    candle::{DType, Device, Tensor, Var, safetensors},
    device,
    nn::{PositionResampling, resample_position_embedding, resample_position_embedding_with},
    ops::{self, Interpolate, Interpolation},
};

type File = HashMap<String, Tensor>;

fn read(name: &str) -> File {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    safetensors::load(folder.join(name), &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    let x = x.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64);
    x.unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference; NaN is infinitely far.
fn difference(ours: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(ours.dims(), expected.dims());
    let largest = |most: f64, difference: f64| match difference.is_nan() {
        true => f64::INFINITY,
        false => most.max(difference),
    };
    values(ours)
        .iter()
        .zip(values(expected))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, largest)
}

/// Value and gradient for an input in this dtype.
fn check(
    name: &str,
    [input, out, cotangent, grad]: [&Tensor; 4],
    (dtype, limit): (DType, f64),
    run: &dyn Fn(&Tensor) -> Result<Tensor>,
) {
    let input = Var::from_tensor(&input.to_dtype(dtype).unwrap().to_device(&device()).unwrap());
    let input = input.unwrap();
    let ours = run(input.as_tensor()).unwrap();
    let far = difference(&ours, out);
    assert!(far < limit, "{name} {dtype:?}: the value is off by {far:e}");
    let cotangent = cotangent.to_dtype(dtype).unwrap();
    let cotangent = cotangent.to_device(&device()).unwrap();
    let grads = (ours * cotangent)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    let far = difference(grads.get(&input).unwrap(), grad);
    assert!(
        far < 10.0 * limit,
        "{name} {dtype:?}: the gradient is off by {far:e}"
    );
}

const BOTH: [(DType, f64); 2] = [(DType::F64, 1e-12), (DType::F32, 1e-5)];

fn grid(text: &str) -> (usize, usize) {
    let (rows, columns) = text.split_once('x').unwrap();
    (rows.parse().unwrap(), columns.parse().unwrap())
}

fn way(name: &str) -> PositionResampling {
    match name {
        "timm" => PositionResampling::Timm,
        "dinov2" => PositionResampling::DinoV2,
        "plain" | "hf_dinov2" => PositionResampling::Plain,
        other => panic!("{other}"),
    }
}

#[test]
fn each_program_s_way_in_value_and_gradient() {
    let file = read("position.safetensors");
    let mut cases = 0;
    for name in file.keys().filter(|name| name.ends_with("/out")) {
        let case = name.strip_suffix("/out").unwrap();
        let ["position", prefix, old, new, how] = case.split('/').collect::<Vec<_>>()[..] else {
            continue;
        };
        let tensor = |part: &str| &file[&format!("{case}/{part}")];
        for precision in BOTH {
            let prefix = prefix.parse().unwrap();
            check(
                case,
                ["input", "out", "cotangent", "grad"].map(tensor),
                precision,
                &|x| resample_position_embedding_with(x, prefix, grid(old), grid(new), way(how)),
            );
        }
        cases += 1;
    }
    assert_eq!(cases, 24);
}

/// White noise, on which the ways are far apart, on growing grids, too.
#[test]
fn white_noise_tells_the_ways_apart() {
    let file = read("posembed_small.safetensors");
    let mut cases = 0;
    for name in file.keys().filter(|name| name.ends_with("/out")) {
        let [old, new, how, _] = name.split('/').collect::<Vec<_>>()[..] else {
            panic!("{name}");
        };
        let input = &file[&format!("{old}/input")];
        let expected = [
            input,
            &file[name],
            &file[&format!("{old}/{new}/g")],
            &file[&format!("{old}/{new}/{how}/grad")],
        ];
        // The file is in f32.
        for precision in [(DType::F64, 2e-6), (DType::F32, 1e-5)] {
            check(name, expected, precision, &|x| {
                resample_position_embedding_with(x, 1, grid(old), grid(new), way(how))
            });
        }
        for other in ["timm", "hf_dinov2", "dinov2"] {
            let ours = resample_position_embedding_with(input, 1, grid(old), grid(new), way(other));
            let far = difference(&ours.unwrap(), &file[name]);
            assert!(
                other == how || old == new || far > 0.2,
                "{other} for {name}: {far}"
            );
        }
        cases += 1;
    }
    assert_eq!(cases, 19);
}

#[test]
fn timm_s_way_is_the_usual_one_and_an_equal_grid_is_untouched() {
    let table = Tensor::randn(0f32, 1.0, (1, 1 + 12, 2), &Device::Cpu).unwrap();
    let ours = resample_position_embedding(&table, 1, (3, 4), (5, 7)).unwrap();
    let timm = PositionResampling::default();
    assert_eq!(timm, PositionResampling::Timm);
    let with = resample_position_embedding_with(&table, 1, (3, 4), (5, 7), timm).unwrap();
    assert_eq!(values(&ours), values(&with));
    for how in ["timm", "plain", "dinov2"] {
        let same = resample_position_embedding_with(&table, 1, (3, 4), (3, 4), way(how)).unwrap();
        assert_eq!(values(&same), values(&table), "{how}");
        // As many patches in another form are another grid.
        let other = resample_position_embedding_with(&table, 1, (3, 4), (4, 3), way(how)).unwrap();
        assert!(difference(&other, &table) > 1e-2, "{how}");
        let wrong = resample_position_embedding_with(&table, 0, (3, 4), (4, 3), way(how));
        assert!(wrong.unwrap_err().to_string().contains("[1, 12, channels]"));
    }
}

#[test]
fn antialiasing_and_scale_factors_are_pytorch_s() {
    let file = read("position.safetensors");
    let factor = values(&file["image/factor"]);
    let mut cases = 0;
    for name in file.keys().filter(|name| name.ends_with("/out")) {
        let case = name.strip_suffix("/out").unwrap();
        let (antialias, how) = match case.split('/').collect::<Vec<_>>()[..] {
            ["image", "antialias", how, _] => (true, how),
            ["image", "factor", how] => (false, how),
            _ => continue,
        };
        let settings = Interpolate {
            how: match how {
                "nearest" => Interpolation::Nearest,
                "bilinear" => Interpolation::Bilinear,
                _ => Interpolation::Bicubic,
            },
            antialias,
            scale_factor: (!antialias).then(|| (factor[0], factor[1])),
        };
        let tensor = |part: &str| &file[&format!("{case}/{part}")];
        let expected = ["input", "out", "cotangent", "grad"].map(tensor);
        let (_, _, height, width) = expected[1].dims4().unwrap();
        for precision in BOTH {
            check(case, expected, precision, &|x| {
                ops::interpolate_with(x, (height, width), &settings)
            });
            check(case, expected, precision, &|x| {
                ops::composed(|| ops::interpolate_with(x, (height, width), &settings))
            });
        }
        cases += 1;
    }
    assert_eq!(cases, 13);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let image = Tensor::zeros((1, 1, 4, 4), DType::F32, &Device::Cpu).unwrap();
    let error = |settings: Interpolate| {
        ops::interpolate_with(&image, (2, 2), &settings)
            .unwrap_err()
            .to_string()
    };
    let nearest = Interpolate {
        antialias: true,
        ..Interpolation::Nearest.into()
    };
    assert!(error(nearest).contains("Interpolation::Bilinear"));
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let settings = Interpolate {
            scale_factor: Some((1.0, factor)),
            ..Interpolation::Bicubic.into()
        };
        assert!(error(settings).contains("scale factors"), "{factor}");
    }
}
