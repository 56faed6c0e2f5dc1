//! Every map of both priors against `reference/dcp_reference.py` in float64.

mod fixture;

use fixture::{Fixture, assert_near};
use patchbay_dehaze_core::{Dehazer, Guide, Order, Picture, Shape, Workspace, sample::Sample};

/// Runs one prior in every way that is to give the same: bytes, 16 bit and float samples, interleaved
/// and planar, one band and three, one strip and many.
fn check(
    fixture: &Fixture,
    dehazer: &Dehazer,
    airlight: &str,
    transmission: &[f32],
    recovered: &[f32],
) {
    let (bytes, shape) = fixture.input();
    let words: Vec<u16> = bytes.iter().map(|&byte| u16::from(byte) * 257).collect();
    let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let planar: Vec<f32> = (0..shape.samples())
        .map(|at| {
            let (channel, pixel) = (at / shape.pixels(), at % shape.pixels());
            floats[pixel * shape.channels + channel]
        })
        .collect();
    for (bands, strip) in [
        (1, usize::MAX),
        (3, usize::MAX),
        (1, 7 * shape.width),
        (2, 31 * shape.width),
    ] {
        let what = format!(
            "{} {airlight} {bands} bands, strips of {strip}",
            fixture.image
        );
        let interleaved = Order::Interleaved;
        run(
            fixture,
            dehazer,
            airlight,
            transmission,
            recovered,
            (&bytes, shape, interleaved),
            bands,
            strip,
            &what,
        );
        run(
            fixture,
            dehazer,
            airlight,
            transmission,
            recovered,
            (&words, shape, interleaved),
            bands,
            strip,
            &what,
        );
        run(
            fixture,
            dehazer,
            airlight,
            transmission,
            recovered,
            (&floats, shape, interleaved),
            bands,
            strip,
            &what,
        );
        run(
            fixture,
            dehazer,
            airlight,
            transmission,
            recovered,
            (&planar, shape, Order::Planar),
            bands,
            strip,
            &what,
        );
    }
}

#[allow(clippy::too_many_arguments)]
fn run<T: Sample>(
    fixture: &Fixture,
    dehazer: &Dehazer,
    airlight: &str,
    transmission: &[f32],
    recovered: &[f32],
    (samples, shape, order): (&[T], Shape, Order),
    bands: usize,
    strip: usize,
    what: &str,
) {
    let what = format!("{what}, {order:?} of white {}", T::WHITE);
    let picture = Picture::new(samples, shape, order).unwrap();
    let mut workspace = Workspace::new(bands).strip_pixels(strip);
    let mut output = vec![T::default(); samples.len()];
    let mut map = vec![0.0; shape.pixels()];
    let found = dehazer.run(&picture, &mut output, Some(&mut map), &mut workspace);
    assert_eq!(
        found.airlight_at,
        fixture.airlight_at(&format!("{airlight}_at")),
        "{what}"
    );
    assert_near(&what, &found.airlight, &fixture.floats(airlight), 1e-7);
    let [low, high] = dehazer.bounds;
    let transmission: Vec<f32> = transmission.iter().map(|t| t.clamp(low, high)).collect();
    // What docs/design/components.md says of the guided filter.
    assert_near(&format!("{what}: transmission"), &map, &transmission, 2e-6);
    let sum: f64 = transmission.iter().map(|&t| f64::from(t)).sum();
    let mean = sum / transmission.len() as f64;
    assert!(
        (f64::from(found.transmission.mean()) - mean).abs() < 1e-6,
        "{what}"
    );
    let recovered: Vec<f32> = (0..samples.len())
        .map(|at| match order {
            Order::Interleaved => recovered[at],
            Order::Planar => recovered[at % shape.pixels() * shape.channels + at / shape.pixels()],
        })
        .map(|value| value.clamp(0.0, 1.0))
        .collect();
    let output: Vec<f32> = output
        .iter()
        .map(|sample| sample.float() / T::WHITE)
        .collect();
    assert_near(
        &format!("{what}: recovered"),
        &output,
        &recovered,
        // Half a step of integers, and what the map is off by.
        if T::WHITE > 1.0 { 0.5 / T::WHITE } else { 0.0 } + 2e-6,
    );
}

#[test]
fn the_dark_channel_prior_is_the_papers() {
    for fixture in Fixture::all() {
        for (guide, kind) in [(Guide::Gray, "gray"), (Guide::Color, "colour")] {
            let dehazer = Dehazer {
                guide,
                ..Dehazer::dark_channel_prior()
            };
            let transmission = fixture.floats(&format!("dcp/transmission_{kind}"));
            let recovered = fixture.floats(&format!("dcp/recovered_{kind}"));
            check(
                &fixture,
                &dehazer,
                "dcp/airlight",
                &transmission,
                &recovered,
            );
        }
    }
}

#[test]
fn the_color_attenuation_prior_is_the_papers() {
    for fixture in Fixture::all() {
        let transmission = fixture.floats("cap/transmission");
        let recovered = fixture.floats("cap/recovered");
        let dehazer = Dehazer::color_attenuation_prior();
        check(
            &fixture,
            &dehazer,
            "cap/airlight",
            &transmission,
            &recovered,
        );
    }
}

#[test]
fn the_unrefined_maps_are_the_papers() {
    for fixture in Fixture::all() {
        let (bytes, shape) = fixture.input();
        let picture = Picture::new(&bytes, shape, Order::Interleaved).unwrap();
        let mut workspace = Workspace::new(2);
        let dehazer = Dehazer::dark_channel_prior();
        dehazer.dark_channel(&picture, &mut workspace);
        let dark: Vec<f32> = workspace
            .dark()
            .iter()
            .map(|&byte| f32::from(byte) / 255.0)
            .collect();
        assert_near(
            "dark channel",
            &dark,
            &fixture.floats("dcp/dark_channel"),
            1e-7,
        );
        let raw = dehazer.unrefined(&picture, &mut workspace);
        assert_near(
            "raw transmission",
            raw,
            &fixture.floats("dcp/transmission_raw"),
            1e-7,
        );
        let depth = Dehazer::color_attenuation_prior()
            .unrefined(&picture, &mut workspace)
            .to_vec();
        assert_near("depth", &depth, &fixture.floats("cap/depth_filtered"), 2e-7);
    }
}

#[test]
fn the_subsampled_filter_is_near_the_full_one() {
    for fixture in Fixture::all() {
        let (bytes, shape) = fixture.input();
        let picture = Picture::new(&bytes, shape, Order::Interleaved).unwrap();
        for guide in [Guide::Gray, Guide::Color] {
            let full = Dehazer {
                guide,
                ..Dehazer::dark_channel_prior()
            };
            let fast = Dehazer {
                subsampling: 4,
                ..full
            };
            let map = |dehazer: &Dehazer, bands, strip| {
                let mut map = vec![0.0; shape.pixels()];
                let mut workspace = Workspace::new(bands).strip_pixels(strip);
                dehazer.run(
                    &picture,
                    &mut vec![0; bytes.len()],
                    Some(&mut map),
                    &mut workspace,
                );
                map
            };
            let fast_map = map(&fast, 1, usize::MAX);
            let full_map = map(&full, 1, usize::MAX);
            let pairs = fast_map.iter().zip(&full_map);
            let mean = pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / fast_map.len() as f32;
            println!("{} {guide:?}: {mean} apart on average", fixture.image);
            assert!(
                mean < 0.02,
                "{} {guide:?}: {mean} apart on average",
                fixture.image
            );
            assert_near(
                "strips of the subsampled",
                &map(&fast, 3, 9 * shape.width),
                &fast_map,
                1e-6,
            );
        }
    }
}
