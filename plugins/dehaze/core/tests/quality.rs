//! PSNR and SSIM against scikit-image, and the haze model against the synthetic scene.

mod fixture;

use fixture::Fixture;
use patchbay_dehaze_core::quality::{psnr, ssim};

/// The scene's planes: hazy input, clear scene, transmission; and the airlight.
fn scene() -> (Vec<f32>, Vec<f32>, Vec<f32>, Vec<f32>, usize) {
    let fixture = &Fixture::all()[0];
    let (bytes, shape) = fixture.input();
    let hazy: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let planar = |values: &[f32]| -> Vec<f32> {
        (0..3)
            .flat_map(|channel| values.iter().skip(channel).step_by(3).copied())
            .collect()
    };
    (
        planar(&hazy),
        planar(&fixture.floats("true_clear")),
        fixture.floats("true_transmission"),
        fixture.floats("true_airlight"),
        shape.width,
    )
}

/// `"name": {"psnr": x, "ssim": y}` of the reference, a file of that one form.
fn reference(name: &str) -> [f64; 2] {
    let text = include_str!("reference/quality_reference.json");
    let (_, entry) = text.split_once(&format!("\"{name}\"")).unwrap();
    ["psnr", "ssim"].map(|measure| {
        let (_, value) = entry.split_once(&format!("\"{measure}\": ")).unwrap();
        let end = value.find([',', '\n', '}']).unwrap();
        value[..end].trim().parse().unwrap()
    })
}

#[test]
fn psnr_and_ssim_are_scikit_images() {
    let (hazy, clear, _, _, width) = scene();
    let lowered: Vec<f32> = clear.iter().map(|value| value - 0.05).collect();
    for (name, image) in [("hazy", &hazy), ("lowered", &lowered)] {
        let [expected_psnr, expected_ssim] = reference(name);
        assert!((psnr(image, &clear) - expected_psnr).abs() < 1e-4, "{name}");
        let area = clear.len() / 3;
        let planes = image.chunks_exact(area).zip(clear.chunks_exact(area));
        let mean = planes.map(|(a, b)| ssim(a, b, width).unwrap()).sum::<f64>() / 3.0;
        assert!(
            (mean - expected_ssim).abs() < 1e-6,
            "{name}: {mean}, expected {expected_ssim}"
        );
    }
}

#[test]
fn the_haze_of_the_synthetic_scene_is_the_model_up_to_its_noise() {
    let (hazy, clear, transmission, airlight, _) = scene();
    let area = transmission.len();
    let squares: f64 = (0..3 * area)
        .map(|at| {
            let (t, light) = (transmission[at % area], airlight[at / area]);
            f64::from(clear[at] * t + light * (1.0 - t) - hazy[at]).powi(2)
        })
        .sum();
    let deviation = 255.0 * (squares / (3 * area) as f64).sqrt();
    // Sensor noise of 2 / 255, and rounding.
    assert!((1.8..2.3).contains(&deviation), "{deviation} / 255");
}
