//! The components as a cell uses them: tensors, bytes, settings, maps.

use std::path::PathBuf;

use patchbay::plugin::{self, prelude::*};
use patchbay::serde_json::Value;

fn transform(id: &str, config: Value) -> Slot<dyn ImageTransform> {
    patchbay_dehaze::register().unwrap();
    plugin::create::<dyn ImageTransform>(id, config).unwrap()
}

/// All image transforms of the plugin: they dehaze.
fn dehazers() -> Vec<&'static str> {
    let mut ids = patchbay_dehaze::component_ids();
    ids.retain(|id| id.starts_with("image/"));
    assert!(ids.len() >= 3, "{ids:?}");
    ids
}

fn tool(id: &str, config: Value, inputs: &[(&str, &Tensor)]) -> Result<Batch> {
    patchbay_dehaze::register().unwrap();
    plugin::tool(id, config, inputs)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn scalar(batch: &Batch, name: &str) -> f64 {
    batch[name].to_scalar().unwrap()
}

fn reference() -> std::collections::HashMap<String, Tensor> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("core/tests/reference/dehaze_synthetic.safetensors");
    candle::safetensors::load(path, &Device::Cpu).unwrap()
}

/// The fixture's input `[1, 3, height, width]` in 0..=1.
fn input(reference: &std::collections::HashMap<String, Tensor>) -> Tensor {
    let bytes = reference["synthetic/input"].to_dtype(DType::F32).unwrap();
    (bytes.permute((2, 0, 1)).unwrap().unsqueeze(0).unwrap() / 255.0)
        .unwrap()
        .contiguous()
        .unwrap()
}

fn farthest(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    patchbay_compare::largest_difference(&values(a), &values(b))
}

#[test]
fn tensors_give_the_reference() {
    let reference = reference();
    let images = input(&reference);
    for (id, config, map, recovered, bounds) in [
        (
            "image/dark_channel_prior",
            json!({}),
            "dcp/transmission_gray",
            "dcp/recovered_gray",
            (0.1, 9.0),
        ),
        (
            "image/dark_channel_prior",
            json!({"guide": "color"}),
            "dcp/transmission_colour",
            "dcp/recovered_colour",
            (0.1, 9.0),
        ),
        (
            "image/color_attenuation_prior",
            json!({}),
            "cap/transmission",
            "cap/recovered",
            (0.1, 0.9),
        ),
    ] {
        let dehazer = transform(id, config);
        let result = dehazer.forward(&images).unwrap();
        let find = |name: &str| reference[&format!("synthetic/{name}")].clone();
        let expected = find(recovered)
            .permute((2, 0, 1))
            .unwrap()
            .unsqueeze(0)
            .unwrap();
        assert!(
            farthest(&result, &expected.clamp(0f32, 1f32).unwrap()) < 1e-4,
            "{id}"
        );
        let maps = dehazer.maps(&images).unwrap();
        assert_eq!(maps[0].0, "transmission");
        let expected = find(map).unsqueeze(0).unwrap().unsqueeze(0).unwrap();
        let expected = expected.clamp(bounds.0 as f32, bounds.1 as f32).unwrap();
        assert!(farthest(&maps[0].1, &expected) < 1e-5, "{id}");
    }
}

#[test]
fn bytes_and_tensors_agree_and_bytes_say_what_was_found() {
    let reference = reference();
    let bytes = reference["synthetic/input"]
        .flatten_all()
        .unwrap()
        .to_vec1::<u8>()
        .unwrap();
    let images = input(&reference);
    let &[height, width, _] = reference["synthetic/input"].dims() else {
        panic!()
    };
    for id in dehazers() {
        let dehazer = transform(id, json!({}));
        let mut output = vec![0; bytes.len()];
        let found = dehazer
            .apply_bytes(&bytes, &mut output, (height, width, 3))
            .unwrap();
        let result = dehazer.forward(&images).unwrap().clamp(0f32, 1f32).unwrap();
        let result = result.squeeze(0).unwrap().permute((1, 2, 0)).unwrap();
        for (byte, value) in output.iter().zip(values(&result)) {
            assert!(
                (f32::from(*byte) - 255.0 * value).abs() <= 0.51,
                "{id}: {byte} {value}"
            );
        }
        if id == "image/dark_channel_prior" {
            let light: Vec<f64> = found.iter().take(3).map(|(_, value)| *value).collect();
            let expected = values(&reference["synthetic/dcp/airlight"]);
            assert!(
                light
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - f64::from(b)).abs() < 1e-6),
                "{found:?}"
            );
        }
    }
}

#[test]
fn aod_net_is_pytorchs_and_its_gradient_is_that_of_differences() {
    let reference = reference();
    let images = input(&reference);
    let path = std::env::temp_dir().join(format!("aod-{}.safetensors", std::process::id()));
    let weights: std::collections::HashMap<String, Tensor> = reference
        .iter()
        .filter_map(|(name, tensor)| {
            Some((name.strip_prefix("aod_net/")?.to_owned(), tensor.clone()))
        })
        .collect();
    candle::safetensors::save(&weights, &path).unwrap();
    let dehazer = transform("image/aod_net", json!({"weights": path}));
    std::fs::remove_file(&path).unwrap();
    let result = dehazer.forward(&images).unwrap();
    let expected = reference["synthetic/aod_net/recovered"]
        .permute((2, 0, 1))
        .unwrap()
        .unsqueeze(0)
        .unwrap();
    assert!(farthest(&result, &expected) < 1e-5);

    let parameters = dehazer.variables();
    assert_eq!(
        parameters
            .iter()
            .map(|named| named.var.elem_count())
            .sum::<usize>(),
        1761
    );
    let loss = || {
        dehazer
            .forward(&images)
            .unwrap()
            .sqr()
            .unwrap()
            .mean_all()
            .unwrap()
    };
    let gradients = loss().backward().unwrap();
    let bias = &parameters
        .iter()
        .find(|named| named.name == "e_conv5.bias")
        .unwrap()
        .var;
    let gradient = values(gradients.get(bias).unwrap());
    let start = values(bias.as_tensor());
    for channel in 0..3 {
        let shifted = |step: f32| {
            let mut values = start.clone();
            values[channel] += step;
            bias.set(&Tensor::from_vec(values, 3, &Device::Cpu).unwrap())
                .unwrap();
            loss().to_scalar::<f32>().unwrap()
        };
        let slope = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
        assert!(
            (slope - gradient[channel]).abs() < 0.02 * (0.05 + slope.abs()),
            "{slope} {gradient:?}"
        );
        shifted(0.0);
    }
}

#[test]
fn weights_are_carried_over_a_swap() {
    let dehazer = transform("image/aod_net", json!({"weights": "random"}));
    let before = values(dehazer.variables()[0].var.as_tensor());
    dehazer
        .swap("image/aod_net", json!({"weights": "built_in"}))
        .unwrap();
    assert_eq!(values(dehazer.variables()[0].var.as_tensor()), before);
}

#[test]
fn the_built_in_network_and_both_priors_take_haze_away() {
    let ids = dehazers();
    let mut gains = vec![0.0; ids.len()];
    for seed in 0..4 {
        let scene = tool(
            "tool/haze",
            json!({"seed": 9000 + seed, "width": 120, "height": 90}),
            &[],
        )
        .unwrap();
        let measure = |image: &Tensor| {
            let inputs = [("image", image), ("truth", &scene["clear"])];
            scalar(
                &tool("tool/image_quality", json!({}), &inputs).unwrap(),
                "psnr",
            )
        };
        let before = measure(&scene["hazy"]);
        for (gain, id) in gains.iter_mut().zip(&ids) {
            let result = transform(id, json!({}))
                .forward(&scene["hazy"].unsqueeze(0).unwrap())
                .unwrap();
            *gain += (measure(&result.squeeze(0).unwrap()) - before) / 4.0;
        }
    }
    println!("dB gained: {gains:?}");
    assert!(gains.iter().all(|&gain| gain > 0.5), "{gains:?}");
}

#[test]
fn wrong_settings_and_shapes_are_refused_with_what_was_expected() {
    patchbay_dehaze::register().unwrap();
    let error = |id: &str, config: Value| {
        plugin::create::<dyn ImageTransform>(id, config)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let even = error("image/dark_channel_prior", json!({"patch": 14}));
    assert!(even.contains("patch is odd"), "{even}");
    let unknown = error("image/dark_channel_prior", json!({"omga": 0.9}));
    assert!(unknown.contains("omega"), "{unknown}");
    let missing = error("image/aod_net", json!({"weights": "/no/such/file.pth"}));
    assert!(missing.contains("/no/such/file.pth"), "{missing}");
    let images = Tensor::zeros((1, 5, 8, 8), DType::F32, &Device::Cpu).unwrap();
    for id in dehazers() {
        let error = transform(id, json!({}))
            .forward(&images)
            .unwrap_err()
            .to_string();
        assert!(error.contains("[1, 5, 8, 8]"), "{error}");
    }
    let image = Tensor::zeros((3, 20, 20), DType::F32, &Device::Cpu).unwrap();
    let error = tool("tool/image_quality", json!({}), &[("image", &image)])
        .unwrap_err()
        .to_string();
    assert!(error.contains("truth"), "{error}");
}

#[test]
fn a_batch_is_its_images_one_by_one_in_any_type() {
    let images = Tensor::rand(0.2f32, 0.9, (3, 4, 30, 40), &Device::Cpu).unwrap();
    let dehazer = transform("image/dark_channel_prior", json!({"radius": 9}));
    let all = dehazer.forward(&images).unwrap();
    for index in 0..3 {
        let one = dehazer
            .forward(&images.narrow(0, index, 1).unwrap())
            .unwrap();
        assert_eq!(values(&all.narrow(0, index, 1).unwrap()), values(&one));
    }
    // Alpha is not touched.
    assert_eq!(
        values(&all.narrow(1, 3, 1).unwrap()),
        values(&images.narrow(1, 3, 1).unwrap())
    );
    let doubles = dehazer
        .forward(&images.to_dtype(DType::F64).unwrap())
        .unwrap();
    assert_eq!(doubles.dtype(), DType::F64);
}

#[test]
fn a_folder_is_dehazed_from_a_cell() {
    let root = std::env::temp_dir().join(format!("dehaze-cell-{}", std::process::id()));
    std::fs::create_dir_all(root.join("in")).unwrap();
    for seed in 0..3 {
        let scene = tool(
            "tool/haze",
            json!({"seed": seed, "width": 60, "height": 50}),
            &[],
        )
        .unwrap();
        let file = patchbay::image(&scene["hazy"]).unwrap().to_png().unwrap();
        std::fs::write(root.join(format!("in/{seed}.png")), file).unwrap();
    }
    let config = json!({"input": root.join("in"), "output": root.join("out")});
    let found = tool("tool/dehaze_folder", config, &[]).unwrap();
    let read = tool(
        "tool/read_image",
        json!({"path": root.join("out/0.png")}),
        &[],
    )
    .unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(found["airlight"].dims(), [3, 3]);
    assert_eq!(found["transmission_mean"].dims(), [3]);
    assert_eq!(read["image"].dim(0).unwrap(), 3);
}

#[test]
fn all_bands_of_a_picture_are_read() {
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("core/tests/reference/files");
    for (name, bands) in [
        ("uint8_1.tif", 1),
        ("uint8_2.tif", 2),
        ("uint8_4.tif", 4),
        ("uint8_5.tif", 5),
        ("uint16_5.tif", 5),
        ("uint16_planar_4.tif", 4),
        ("uint8_tiled_planar.tif", 3),
        ("plain.jpg", 3),
    ] {
        let read = |all_bands: bool| {
            let config = json!({"path": files.join(name), "all_bands": all_bands});
            tool("tool/read_image", config, &[])
        };
        let all = read(true).unwrap()["image"].clone();
        assert_eq!(all.dim(0).unwrap(), bands, "{name}");
        match read(false) {
            Ok(found) if bands >= 3 => {
                let first = all.narrow(0, 0, 3).unwrap();
                let apart = (first - &found["image"]).unwrap().abs().unwrap();
                let apart = apart.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert!(apart.iter().all(|&apart| apart < 1e-6), "{name}");
            }
            Ok(found) => assert_eq!(found["image"].dim(0).unwrap(), 3),
            Err(error) => {
                assert!(
                    bands != 3 && error.to_string().contains("\"all_bands\": true"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn names_of_the_release_before_still_work() {
    for id in [
        "image/color_attenuation_prior",
        "image/colour_attenuation_prior",
        "colour_attenuation_prior",
    ] {
        let dehazer = transform(id, json!({"guide": "colour"}));
        let made = dehazer.provenance();
        assert_eq!(made.id, "image/color_attenuation_prior");
        assert_eq!(made.config["guide"], "color");
    }
}
