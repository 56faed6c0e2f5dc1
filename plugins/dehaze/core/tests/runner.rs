//! The data-set runner: every kind of file, every kind of fault.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use patchbay_dehaze_core::{
    Dehazer, Order, Picture, Shape, Workspace,
    codec::{self, Extras, Format, Header, Samples},
    runner::{Method, Settings, Shard, Status, Summary, read_report, run},
    skip::SkipRule,
    synthesis::{Haze, Scene},
};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("dehaze-runner-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn settings() -> Settings {
    Settings {
        method: Method::Prior(Dehazer::dark_channel_prior()),
        skip: Some(SkipRule::default()),
        quality: 95,
        threads: 2,
        memory: 1 << 30,
        shard: Shard::ALL,
        white: None,
    }
}

fn dehaze(input: &Path, output: &Path) -> Summary {
    run(input, output, &settings(), |_| true).unwrap()
}

/// A hazy scene as samples of so many channels.
fn samples(width: usize, height: usize, channels: usize, bits: u8, seed: u64) -> (Header, Samples) {
    let scene = Scene::generate(width, height, seed);
    let haze = Haze {
        beta: 1.0,
        airlight: [0.85, 0.88, 0.92],
    };
    let planes = haze.applied_to(&scene);
    let area = width * height;
    let colors = if channels < 3 { 1 } else { 3 };
    let value = |at: usize| {
        let (pixel, channel) = (at / channels, at % channels);
        if channel < colors {
            planes[channel * area + pixel]
        } else {
            (pixel % 256) as f32 / 255.0
        }
    };
    let count = area * channels;
    let samples = Samples {
        bytes: (0..count)
            .map(|at| (value(at) * 255.0).round() as u8)
            .collect(),
        words: (0..count)
            .map(|at| (value(at) * 65535.0).round() as u16)
            .collect(),
    };
    let header = Header {
        format: Format::Png,
        shape: Shape {
            width,
            height,
            channels,
        },
        bits,
    };
    (header, samples)
}

fn write(path: &Path, header: &Header, samples: &Samples) {
    let mut file = Vec::new();
    codec::encode(header, samples, &Extras::default(), 95, &mut file).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, file).unwrap();
}

fn picture(path: &Path, format: Format, channels: usize, bits: u8, seed: u64) {
    let (header, samples) = samples(50, 40, channels, bits, seed);
    write(path, &Header { format, ..header }, &samples);
}

fn decoded(path: &Path) -> (Header, Samples) {
    let file = fs::read(path).unwrap();
    let header = codec::header(&file).unwrap();
    let mut samples = Samples::default();
    codec::decode(&file, &header, &mut samples).unwrap();
    (header, samples)
}

/// Names below a folder, without the runner's own.
fn names(folder: &Path) -> Vec<String> {
    fn visit(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                visit(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    visit(folder, folder, &mut found);
    found.retain(|name| name != ".dehaze-settings" && !name.starts_with("dehaze-report"));
    found.sort();
    found
}

#[test]
fn every_format_channel_count_and_depth_comes_back_as_it_went_in() {
    let (input, output) = (Folder::new(), Folder::new());
    let mut expected = Vec::new();
    for (format, extension, bits) in [
        (Format::Png, "png", 8),
        (Format::Png, "png", 16),
        (Format::Tiff, "tif", 8),
        (Format::Tiff, "TIFF", 16),
    ] {
        for channels in 1..=4 {
            let name = format!("{bits}/{channels}.{extension}");
            picture(&input.at(&name), format, channels, bits, 5);
            expected.push((name, format, channels, bits));
        }
    }
    for channels in [1, 3] {
        let name = format!("deep/er/{channels}.jpg");
        picture(&input.at(&name), Format::Jpeg, channels, 8, 5);
        expected.push((name, Format::Jpeg, channels, 8));
    }
    let summary = dehaze(&input.0, &output.0);
    let rows = read_report(&output.0).unwrap();
    assert_eq!(summary.progress.dehazed, expected.len() as u64, "{rows:#?}");
    for (name, format, channels, bits) in &expected {
        let (header, before) = decoded(&input.at(name));
        let (found, after) = decoded(&output.at(name));
        assert_eq!((found, header.format), (header, *format), "{name}");
        assert_eq!(
            (header.shape.channels, header.bits),
            (*channels, *bits),
            "{name}"
        );
        // The lossless formats hold exactly what the dehazer gives; alpha is as it was.
        if *format == Format::Jpeg {
            continue;
        }
        let dehazer = Dehazer::dark_channel_prior();
        if *bits == 8 {
            let picture = Picture::new(&before.bytes, header.shape, Order::Interleaved).unwrap();
            let mut direct = vec![0; before.bytes.len()];
            dehazer.run(&picture, &mut direct, None, &mut Workspace::new(1));
            assert!(
                direct == after.bytes && after.bytes != before.bytes,
                "{name}"
            );
        } else {
            let picture = Picture::new(&before.words, header.shape, Order::Interleaved).unwrap();
            let mut direct = vec![0; before.words.len()];
            dehazer.run(&picture, &mut direct, None, &mut Workspace::new(1));
            assert!(
                direct == after.words && after.words != before.words,
                "{name}"
            );
        }
        if channels % 2 == 0 && *bits == 8 {
            let alpha = |samples: &Samples| -> Vec<u8> {
                samples
                    .bytes
                    .chunks_exact(*channels)
                    .map(|pixel| pixel[channels - 1])
                    .collect()
            };
            assert_eq!(alpha(&before), alpha(&after), "{name}");
        }
    }
    let rows = read_report(&output.0).unwrap();
    assert_eq!(rows.len(), expected.len());
    assert!(
        rows.iter()
            .all(|row| row.airlight.is_some() && row.transmission.unwrap()[0] >= 0.1)
    );
}

#[test]
fn broken_files_are_told_and_the_rest_is_done() {
    let (input, output) = (Folder::new(), Folder::new());
    picture(&input.at("good.jpg"), Format::Jpeg, 3, 8, 1);
    let jpeg = fs::read(input.at("good.jpg")).unwrap();
    picture(&input.at("good.png"), Format::Png, 3, 8, 1);
    let png = fs::read(input.at("good.png")).unwrap();
    picture(&input.at("good.tif"), Format::Tiff, 3, 8, 1);
    let tiff = fs::read(input.at("good.tif")).unwrap();
    for (name, bytes) in [
        ("half.jpg", &jpeg[..jpeg.len() / 2]),
        ("nearly.jpg", &jpeg[..jpeg.len() - 2]),
        ("half.png", &png[..png.len() / 2]),
        ("nearly.png", &png[..png.len() - 5]),
        ("half.tif", &tiff[..tiff.len() / 2]),
        ("empty.jpg", &[][..]),
        ("text.png", &b"no picture"[..]),
    ] {
        fs::write(input.at(name), bytes).unwrap();
    }
    // What is in a file counts, not its name.
    fs::write(input.at("png-named.jpg"), &png).unwrap();
    fs::write(input.at("notes.txt"), "not looked at").unwrap();
    let summary = dehaze(&input.0, &output.0);
    assert_eq!(
        (summary.progress.dehazed, summary.progress.unreadable),
        (4, 7)
    );
    assert_eq!(
        names(&output.0),
        ["good.jpg", "good.png", "good.tif", "png-named.jpg"]
    );
    assert_eq!(decoded(&output.at("png-named.jpg")).0.format, Format::Png);
    for row in read_report(&output.0).unwrap() {
        assert_eq!(
            row.status == Status::Unreadable,
            !row.reason.is_empty(),
            "{row:?}"
        );
    }
    // They are not tried again, unless they have changed.
    let again = dehaze(&input.0, &output.0);
    assert_eq!((again.progress.before, again.progress.finished()), (11, 0));
    fs::write(input.at("half.jpg"), &jpeg).unwrap();
    let again = dehaze(&input.0, &output.0);
    assert_eq!((again.progress.before, again.progress.dehazed), (10, 1));
}

#[test]
fn black_white_and_clear_pictures_are_copied_byte_for_byte() {
    let (input, output) = (Folder::new(), Folder::new());
    for (name, value) in [("black.png", 0), ("white.png", 255)] {
        let (header, mut samples) = samples(30, 30, 3, 8, 1);
        samples.bytes.fill(value);
        write(&input.at(name), &header, &samples);
    }
    let (header, mut clear) = samples(30, 30, 3, 8, 1);
    clear
        .bytes
        .chunks_exact_mut(3)
        .for_each(|pixel| pixel[1] = 3);
    write(&input.at("clear.png"), &header, &clear);
    picture(&input.at("hazy.png"), Format::Png, 3, 8, 2);
    let summary = dehaze(&input.0, &output.0);
    assert_eq!((summary.progress.dehazed, summary.progress.skipped), (1, 3));
    for (name, reason) in [
        ("black.png", "black"),
        ("white.png", "white"),
        ("clear.png", "clear"),
    ] {
        assert_eq!(
            fs::read(input.at(name)).unwrap(),
            fs::read(output.at(name)).unwrap()
        );
        let rows = read_report(&output.0).unwrap();
        let row = rows.iter().find(|row| row.path == name).unwrap();
        assert_eq!((row.status, row.reason.as_str()), (Status::Copied, reason));
    }
}

#[test]
fn one_pixel_and_one_row_are_pictures() {
    let (input, output) = (Folder::new(), Folder::new());
    for (name, width, height) in [
        ("1x1.png", 1, 1),
        ("1x300.png", 1, 300),
        ("300x1.png", 300, 1),
    ] {
        let (header, mut samples) = samples(width.max(8), height.max(8), 3, 8, 1);
        samples.bytes.truncate(width * height * 3);
        samples
            .bytes
            .iter_mut()
            .for_each(|byte| *byte = (*byte).clamp(90, 200));
        let shape = Shape {
            width,
            height,
            channels: 3,
        };
        write(&input.at(name), &Header { shape, ..header }, &samples);
    }
    for (folder, method) in [
        ("dcp", Method::Prior(Dehazer::dark_channel_prior())),
        ("cap", Method::Prior(Dehazer::color_attenuation_prior())),
        (
            "fast",
            Method::Prior(Dehazer {
                subsampling: 8,
                ..Dehazer::dark_channel_prior()
            }),
        ),
    ] {
        let settings = Settings {
            method,
            ..settings()
        };
        let summary = run(&input.0, &output.at(folder), &settings, |_| true).unwrap();
        assert_eq!(summary.progress.dehazed, 3, "{folder}");
    }
}

#[test]
fn shards_make_the_whole_and_share_nothing() {
    let (input, output, whole) = (Folder::new(), Folder::new(), Folder::new());
    for seed in 0..30 {
        picture(
            &input.at(&format!("{}/{seed}.png", seed % 3)),
            Format::Png,
            3,
            8,
            seed,
        );
    }
    let total: u64 = (1..=4)
        .map(|number| {
            let settings = Settings {
                shard: format!("{number}/4").parse().unwrap(),
                ..settings()
            };
            let summary = run(&input.0, &output.0, &settings, |_| true).unwrap();
            assert_eq!(summary.progress.total, Some(summary.progress.dehazed));
            summary.progress.dehazed
        })
        .sum();
    assert_eq!(total, 30);
    dehaze(&input.0, &whole.0);
    assert_eq!(names(&output.0), names(&whole.0));
    for name in names(&whole.0) {
        assert_eq!(
            fs::read(output.at(&name)).unwrap(),
            fs::read(whole.at(&name)).unwrap(),
            "{name}"
        );
    }
    assert_eq!(read_report(&output.0).unwrap().len(), 30);
    assert!(
        "0/4".parse::<Shard>().is_err()
            && "5/4".parse::<Shard>().is_err()
            && "4".parse::<Shard>().is_err()
    );
}

#[test]
fn a_stopped_run_goes_on_behind_the_last_whole_line() {
    let (input, output, whole) = (Folder::new(), Folder::new(), Folder::new());
    for seed in 0..20 {
        picture(&input.at(&format!("{seed}.png")), Format::Png, 3, 8, seed);
    }
    dehaze(&input.0, &whole.0);
    // What a kill in the middle leaves: half of the lines, the last of them torn, a result without a
    // line, a line without its result, and a half-written file under its other name.
    dehaze(&input.0, &output.0);
    let report = output.at("dehaze-report.csv");
    let text = fs::read_to_string(&report).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    fs::write(
        &report,
        format!("{}\n{}", lines[..11].join("\n"), &lines[11][..20]),
    )
    .unwrap();
    let first = lines[1].split(',').next().unwrap();
    fs::remove_file(output.at(first)).unwrap();
    fs::write(output.at(".0123456789abcdef.partial"), b"half").unwrap();
    let summary = dehaze(&input.0, &output.0);
    assert_eq!((summary.progress.before, summary.progress.dehazed), (9, 11));
    fs::remove_file(output.at(".0123456789abcdef.partial")).unwrap();
    assert_eq!(names(&output.0), names(&whole.0));
    for name in names(&whole.0) {
        assert_eq!(
            fs::read(output.at(&name)).unwrap(),
            fs::read(whole.at(&name)).unwrap(),
            "{name}"
        );
    }
    assert_eq!(read_report(&output.0).unwrap().len(), 20);
}

#[test]
fn other_settings_do_not_mix_into_a_folder() {
    let (input, output) = (Folder::new(), Folder::new());
    picture(&input.at("a.png"), Format::Png, 3, 8, 1);
    dehaze(&input.0, &output.0);
    let other = Settings {
        quality: 80,
        ..settings()
    };
    let error = run(&input.0, &output.0, &other, |_| true).unwrap_err();
    assert!(
        error.contains("JPEG quality 95") && error.contains("JPEG quality 80"),
        "{error}"
    );
    let threads = Settings {
        threads: 1,
        ..settings()
    };
    assert_eq!(
        run(&input.0, &output.0, &threads, |_| true)
            .unwrap()
            .progress
            .before,
        1
    );
}

#[test]
fn folders_that_cannot_be_used_are_refused_with_the_way_out() {
    let input = Folder::new();
    picture(&input.at("a.png"), Format::Png, 3, 8, 1);
    let error = run(&input.at("nothing"), &input.at("out"), &settings(), |_| {
        true
    })
    .unwrap_err();
    assert!(error.contains("no input folder"), "{error}");
    let error = run(&input.0, &input.0, &settings(), |_| true).unwrap_err();
    assert!(error.contains("same folder"), "{error}");
    let error = run(&input.at("a.png"), &input.at("out"), &settings(), |_| true).unwrap_err();
    assert!(error.contains("is a file"), "{error}");
    // An output folder inside the input is not an input.
    dehaze(&input.0, &input.at("out"));
    assert_eq!(dehaze(&input.0, &input.at("out")).progress.before, 1);
}

#[test]
fn a_result_that_cannot_be_written_ends_the_run_and_the_next_one_finishes_it() {
    let (input, output) = (Folder::new(), Folder::new());
    for seed in 0..6 {
        picture(&input.at(&format!("{seed}.png")), Format::Png, 3, 8, seed);
    }
    // A folder in a result's place cannot be replaced by a file, whoever runs the test.
    fs::create_dir_all(output.at("3.png/x")).unwrap();
    let error = run(&input.0, &output.0, &settings(), |_| true).unwrap_err();
    assert!(
        error.contains("cannot write") && error.contains("same command again"),
        "{error}"
    );
    fs::remove_dir_all(output.at("3.png")).unwrap();
    let summary = dehaze(&input.0, &output.0);
    assert_eq!(summary.progress.before + summary.progress.dehazed, 6);
    assert_eq!(names(&output.0).len(), 6);
}

#[test]
fn a_picture_beyond_the_memory_is_told_and_the_others_are_done() {
    let (input, output) = (Folder::new(), Folder::new());
    picture(&input.at("small.png"), Format::Png, 3, 8, 1);
    let (header, samples) = samples(900, 700, 3, 8, 1);
    write(&input.at("large.png"), &header, &samples);
    let settings = Settings {
        memory: 8 << 20,
        ..settings()
    };
    let summary = run(&input.0, &output.0, &settings, |_| true).unwrap();
    assert_eq!(
        (summary.progress.dehazed, summary.progress.unreadable),
        (1, 1)
    );
    let rows = read_report(&output.0).unwrap();
    assert!(
        rows[0].reason.contains("of memory and may use 8"),
        "{:?}",
        rows[0]
    );
}

#[test]
fn the_caller_can_stop_and_go_on() {
    let (input, output) = (Folder::new(), Folder::new());
    for seed in 0..200 {
        picture(&input.at(&format!("{seed}.png")), Format::Png, 3, 8, seed);
    }
    let slow = Settings {
        method: Method::Prior(Dehazer {
            patch_radius: 4000,
            ..Dehazer::dark_channel_prior()
        }),
        ..settings()
    };
    let first = run(&input.0, &output.0, &slow, |_| false).unwrap();
    let second = run(&input.0, &output.0, &slow, |_| true).unwrap();
    assert_eq!(second.progress.before, first.progress.finished());
    assert_eq!(second.progress.before + second.progress.finished(), 200);
}

#[test]
fn cmyk_becomes_rgb() {
    // A CMYK TIFF: cyan 255, no other ink, is (0, 255, 255).
    let pixels: Vec<u8> = (0..64).flat_map(|n| [255, 0, 0, n as u8]).collect();
    let mut file = Vec::new();
    let mut encoder = tiff::encoder::TiffEncoder::new(std::io::Cursor::new(&mut file)).unwrap();
    encoder
        .write_image::<tiff::encoder::colortype::CMYK8>(8, 8, &pixels)
        .unwrap();
    let header = codec::header(&file).unwrap();
    assert_eq!((header.shape.channels, header.bits), (3, 8));
    let mut samples = Samples::default();
    codec::decode(&file, &header, &mut samples).unwrap();
    assert_eq!(&samples.bytes[..3], [0, 255, 255]);
    assert_eq!(&samples.bytes[63 * 3..], [0, 192, 192]);

    // A CMYK JPEG, as jpeg-encoder writes it: Adobe's marker, inverted inks.
    let mut file = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut file, 100);
    encoder
        .encode(&pixels, 8, 8, jpeg_encoder::ColorType::Cmyk)
        .unwrap();
    let header = codec::header(&file).unwrap();
    assert_eq!(header.shape.channels, 3);
    codec::decode(&file, &header, &mut samples).unwrap();
    for (got, expected) in samples.bytes[..3].iter().zip([0u8, 255, 255]) {
        assert!(got.abs_diff(expected) < 8, "{:?}", &samples.bytes[..3]);
    }
}

#[test]
fn a_tiffs_georeference_stays() {
    use tiff::tags::Tag;
    let (input, output) = (Folder::new(), Folder::new());
    let (header, samples) = samples(40, 30, 3, 8, 9);
    let mut file = Vec::new();
    let mut encoder = tiff::encoder::TiffEncoder::new(std::io::Cursor::new(&mut file)).unwrap();
    let mut image = encoder
        .new_image::<tiff::encoder::colortype::RGB8>(40, 30)
        .unwrap();
    let scale = [10.0f64, 10.0, 0.0];
    let keys = [1u16, 1, 0, 1, 1024, 0, 1, 1];
    image
        .encoder()
        .write_tag(Tag::from_u16_exhaustive(33_550), &scale[..])
        .unwrap();
    image
        .encoder()
        .write_tag(Tag::from_u16_exhaustive(34_735), &keys[..])
        .unwrap();
    image.write_data(&samples.bytes).unwrap();
    fs::write(input.at("a.tif"), file).unwrap();
    assert_eq!(
        dehaze(&input.0, &output.0).progress.dehazed,
        1,
        "{header:?}"
    );
    let file = fs::read(output.at("a.tif")).unwrap();
    let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(&file)).unwrap();
    assert_eq!(
        decoder
            .get_tag_f64_vec(Tag::from_u16_exhaustive(33_550))
            .unwrap(),
        scale
    );
    assert_eq!(
        decoder
            .get_tag_u16_vec(Tag::from_u16_exhaustive(34_735))
            .unwrap(),
        keys
    );
}
