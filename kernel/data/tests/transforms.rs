//! Transforms beside torchvision (`reference/transforms_torchvision.py`), and what they do to masks.

use std::{collections::BTreeMap, path::Path};

use candle_core::{DType, Tensor};
use patchbay_data::{
    Image, Mask, Rng, Sample, Value, read_safetensors,
    transforms::{
        self, CenterCrop, ColorJitter, Compose, Interpolation, Normalize, RandomCrop,
        RandomErasing, RandomHorizontalFlip, RandomResizedCrop, RandomRotation, RandomVerticalFlip,
        Resize, Transform,
    },
};

fn reference() -> BTreeMap<String, Tensor> {
    read_safetensors(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/transforms.safetensors"),
    )
    .unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor
        .to_dtype(DType::F32)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

/// The largest distance, and how many values are apart at all.
fn apart(ours: &Tensor, theirs: &Tensor) -> (f32, usize) {
    assert_eq!(ours.dims(), theirs.dims());
    let pairs = values(ours).into_iter().zip(values(theirs));
    let distances: Vec<f32> = pairs.map(|(a, b)| (a - b).abs()).collect();
    (
        distances
            .iter()
            .copied()
            .max_by(f32::total_cmp)
            .unwrap_or_default(),
        distances.iter().filter(|&&distance| distance > 0.0).count(),
    )
}

#[test]
fn sizes_are_changed_as_torchvision_does() {
    let reference = reference();
    let (image, floats) = (&reference["image"], &reference["floats"]);
    let modes = [
        ("bilinear", Interpolation::Bilinear),
        ("bicubic", Interpolation::Bicubic),
    ];
    for (name, interpolation) in modes {
        for (height, width) in [(11, 16), (46, 40), (7, 50), (23, 9)] {
            let key = format!("resize/{name}/{height}x{width}");
            let resize = Resize::to(height, width).interpolation(interpolation);
            let ours = transforms::apply(&resize, image, 0).unwrap();
            assert_eq!(
                apart(&ours, &reference[&format!("{key}/bytes")]),
                (0.0, 0),
                "{key}"
            );
            let ours = transforms::apply(&resize, floats, 0).unwrap();
            let (distance, _) = apart(&ours, &reference[&format!("{key}/floats")]);
            assert!(distance < 2e-6, "{key}: {distance}");
        }
    }
    let ours = transforms::apply(&Resize::new(12), image, 0).unwrap();
    assert_eq!(apart(&ours, &reference["resize/shorter_12"]), (0.0, 0));
}

#[test]
fn pixels_are_moved_as_torchvision_does() {
    let reference = reference();
    let (image, floats) = (&reference["image"], &reference["floats"]);
    for (height, width) in [(10, 10), (9, 30), (40, 20), (23, 31), (30, 44)] {
        let ours = transforms::apply(&CenterCrop::to(height, width), image, 0).unwrap();
        let theirs = &reference[&format!("center_crop/{height}x{width}")];
        assert_eq!(apart(&ours, theirs), (0.0, 0), "{height} x {width}");
    }
    let ours = transforms::apply(&RandomHorizontalFlip::new(1.0), image, 0).unwrap();
    assert_eq!(apart(&ours, &reference["hflip"]), (0.0, 0));
    let ours = transforms::apply(&RandomVerticalFlip::new(1.0), image, 0).unwrap();
    assert_eq!(apart(&ours, &reference["vflip"]), (0.0, 0));
    for degrees in ["0.0", "30.0", "-77.5", "90.0", "180.0"] {
        let angle: f64 = degrees.parse().unwrap();
        let ours = transforms::rotate(image, angle, Interpolation::Nearest, 0.2).unwrap();
        let (_, count) = apart(&ours, &reference[&format!("rotate/nearest/{degrees}")]);
        // A pixel that lies between two is either's, as rounding has it.
        assert!(count <= 3 * 8, "{degrees}: {count}");
        let ours = transforms::rotate(floats, angle, Interpolation::Bilinear, 0.25).unwrap();
        let (distance, _) = apart(&ours, &reference[&format!("rotate/bilinear/{degrees}")]);
        assert!(distance < 2e-5, "{degrees}: {distance}");
    }
}

#[test]
fn colors_are_changed_as_torchvision_does() {
    let reference = reference();
    let kinds = [
        ("bytes", &reference["image"]),
        ("floats", &reference["floats"]),
    ];
    type Adjust = fn(&Tensor, f64) -> patchbay_show::Result<Tensor>;
    let adjustments: [(&str, Adjust); 3] = [
        ("brightness", transforms::adjust_brightness),
        ("contrast", transforms::adjust_contrast),
        ("saturation", transforms::adjust_saturation),
    ];
    for (kind, source) in kinds {
        // A value that rounding puts on the other side of an integer is cut off there.
        let (most, some) = if kind == "bytes" {
            (1.0, 40)
        } else {
            (2e-6, usize::MAX)
        };
        for (name, adjust) in adjustments {
            for factor in ["0.0", "0.4", "1.0", "1.7"] {
                let ours = adjust(source, factor.parse().unwrap()).unwrap();
                let (distance, count) =
                    apart(&ours, &reference[&format!("{name}/{factor}/{kind}")]);
                assert!(
                    distance <= most && count <= some,
                    "{name} {factor} {kind}: {distance}, {count}"
                );
            }
        }
        for shift in ["-0.5", "-0.13", "0.0", "0.31"] {
            let ours = transforms::adjust_hue(source, shift.parse().unwrap()).unwrap();
            let (distance, count) = apart(&ours, &reference[&format!("hue/{shift}/{kind}")]);
            assert!(
                distance <= most && count <= some,
                "hue {shift} {kind}: {distance}, {count}"
            );
        }
    }
    let image = Image::from_tensor(&reference["image"]).unwrap();
    let mut sample = Sample::new().with("image", Value::Image(image));
    Normalize::imagenet()
        .apply(&mut sample, &mut Rng::new(0))
        .unwrap();
    let Some(Value::Image(image)) = sample.get("image") else {
        panic!()
    };
    assert!(apart(&image.to_tensor().unwrap(), &reference["normalize"]).0 < 1e-6);
}

/// An image whose first band is the mask: wherever pixels go, they go together.
fn pair(height: usize, width: usize) -> Sample {
    let classes: Vec<i32> = (0..height * width).map(|at| (at * 7 % 5) as i32).collect();
    let bytes = classes
        .iter()
        .flat_map(|&class| [class as u8, 0, 0])
        .collect();
    let image = Image::new(height, width, 3, patchbay_data::Pixels::U8(bytes)).unwrap();
    Sample::new().with("image", Value::Image(image)).with(
        "mask",
        Value::Mask(Mask::new(height, width, classes).unwrap()),
    )
}

#[test]
fn masks_move_with_their_images() {
    let moving: Vec<(&str, Compose)> = vec![
        (
            "flips",
            Compose::new()
                .add(RandomHorizontalFlip::new(0.5))
                .add(RandomVerticalFlip::new(0.5)),
        ),
        (
            "crop",
            Compose::new().add(RandomCrop::new(11).padding(3).fill(250.0 / 255.0)),
        ),
        (
            "needed",
            Compose::new().add(RandomCrop::to(30, 40).pad_if_needed().fill(250.0 / 255.0)),
        ),
        (
            "rotation",
            Compose::new().add(RandomRotation::new(60.0).fill(250.0 / 255.0)),
        ),
        (
            "resized",
            Compose::new().add(RandomResizedCrop::to(9, 14).interpolation(Interpolation::Nearest)),
        ),
        ("center", Compose::new().add(CenterCrop::to(8, 9))),
    ];
    for (name, transform) in moving {
        for seed in 0..20 {
            let mut sample = pair(17, 23);
            transform.apply(&mut sample, &mut Rng::new(seed)).unwrap();
            sample.size().unwrap();
            let (Some(Value::Image(image)), Some(Value::Mask(mask))) =
                (sample.get("image"), sample.get("mask"))
            else {
                panic!()
            };
            let patchbay_data::Pixels::U8(bytes) = image.pixels() else {
                panic!()
            };
            for (pixel, &class) in bytes.chunks(3).zip(mask.classes()) {
                let expected = if class == -100 { 250 } else { class as u8 };
                assert_eq!(pixel[0], expected, "{name}, seed {seed}");
            }
        }
    }
}

#[test]
fn what_is_random_follows_its_seed_and_stays_in_its_range() {
    let mut rng = Rng::new(1);
    for (height, width) in [(1, 1), (5, 300), (300, 5), (64, 64)] {
        for _ in 0..200 {
            let region = RandomResizedCrop::new(8).region(height, width, &mut rng);
            assert!(region.height >= 1 && region.top + region.height <= height);
            assert!(region.width >= 1 && region.left + region.width <= width);
        }
    }
    let image = Tensor::rand(0f32, 1f32, (3, 20, 30), &candle_core::Device::Cpu).unwrap();
    let all = Compose::new()
        .add(ColorJitter::new(0.4, 0.4, 0.4, 0.1))
        .add(RandomRotation::new(20.0).interpolation(Interpolation::Bilinear))
        .add(RandomResizedCrop::new(12))
        .add(Normalize::imagenet())
        .add(RandomErasing::new(1.0).noise());
    let make = |seed: u64| values(&transforms::apply(&all, &image, seed).unwrap());
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
    assert!(make(3).iter().all(|value| value.is_finite()));
    let erased = transforms::apply(
        &RandomErasing::new(1.0).value(0.5),
        &(image * 0.0).unwrap(),
        1,
    )
    .unwrap();
    let share = values(&erased)
        .iter()
        .filter(|&&value| value == 0.5)
        .count() as f64
        / 1800.0;
    assert!((0.01..0.4).contains(&share), "{share}");
}

#[test]
fn bad_input_is_told() {
    let image = Tensor::zeros((4, 5, 6), DType::U8, &candle_core::Device::Cpu).unwrap();
    let told = |transform: &dyn Transform, expected: &str| {
        let error = transforms::apply(transform, &image, 0)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    told(
        &Normalize::imagenet(),
        "3 means and 3 deviations; the image has 4 bands",
    );
    told(&ColorJitter::new(0.1, 0.1, 0.1, 0.1), "4 bands");
    told(&RandomCrop::new(7), "pad_if_needed");
    told(&Resize::new(0), "at least 1 x 1");
    told(&RandomHorizontalFlip::new(1.5), "from 0 to 1");
    told(&RandomRotation::between(3.0, 1.0), "must ascend");
    let flat = Tensor::zeros((5, 6), DType::U8, &candle_core::Device::Cpu).unwrap();
    let error = transforms::apply(&Resize::new(3), &flat, 0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("[bands, height, width]"), "{error}");
    let sample = pair(5, 6).with("mask", Value::Mask(Mask::new(2, 2, vec![0; 4]).unwrap()));
    let error = Resize::new(3)
        .apply(&mut sample.clone(), &mut Rng::new(0))
        .unwrap_err()
        .to_string();
    assert!(error.contains("mask has 2 x 2"), "{error}");
}
