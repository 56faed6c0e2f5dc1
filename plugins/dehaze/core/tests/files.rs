//! Files as GDAL, cameras and other programs write them: what is read is what is in them, and what a result would lose is
//! refused with what to do. `reference/files_gdal.py` has written them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use patchbay_dehaze_core::{
    Dehazer, Order, Picture, Shape, Workspace,
    aod_net::AodNet,
    codec::{self, Extras, Format, Header, Samples},
    runner::{Method, ReportRow, Settings, Shard, Status, read_report, run},
    skip::SkipRule,
};
use safetensors::SafeTensors;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("dehaze-files-{}-{number}", std::process::id()));
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

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference")
}

fn file(name: &str) -> Vec<u8> {
    fs::read(reference().join("files").join(name)).unwrap()
}

/// The samples that are in the files, as integers.
struct Expected(Vec<u8>);

impl Expected {
    fn read() -> Expected {
        Expected(fs::read(reference().join("files.safetensors")).unwrap())
    }

    fn samples(&self, name: &str) -> (Vec<usize>, Vec<u32>) {
        let all = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = all.tensor(name).unwrap();
        let data = tensor.data();
        let values = match tensor.dtype() {
            safetensors::Dtype::U8 => data.iter().map(|&byte| u32::from(byte)).collect(),
            safetensors::Dtype::U16 => data
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&word| u32::from(u16::from_le_bytes(word)))
                .collect(),
            other => panic!("{name}: {other:?}"),
        };
        (tensor.shape().to_vec(), values)
    }
}

fn integers(header: &Header, samples: &Samples) -> Vec<u32> {
    match header.bits {
        8 => samples.bytes.iter().map(|&byte| byte.into()).collect(),
        _ => samples.words.iter().map(|&word| word.into()).collect(),
    }
}

fn decoded(file: &[u8]) -> Result<(Header, Samples, Extras), String> {
    let header = codec::header(file)?;
    let mut samples = Samples::default();
    let extras = codec::decode(file, &header, &mut samples)?;
    Ok((header, samples, extras))
}

fn refusal(name: &str) -> String {
    match decoded(&file(name)) {
        Err(reason) => reason,
        Ok((header, ..)) => panic!("{name} was read as {header:?}"),
    }
}

#[test]
fn what_is_read_is_what_is_in_the_file() {
    let expected = Expected::read();
    for name in [
        "uint8_1.tif",
        "uint8_3.tif",
        "uint16_1.tif",
        "uint16_3.tif",
        "uint8_alpha.tif",
        "uint16_alpha.tif",
        "uint8_gray_alpha.tif",
        "uint16_gray_alpha.tif",
        "uint8_planar.tif",
        "uint16_planar.tif",
        "uint8_planar_alpha.tif",
        "uint16_planar_alpha.tif",
        "uint8_tiled.tif",
        "uint16_tiled.tif",
        "uint8_tiled_planar.tif",
        "uint16_tiled_planar.tif",
        "nodata_0.tif",
        "nodata_65535.tif",
        "bits12_max.tif",
        "associated.tif",
        "plain.jpg",
        "rgb.bmp",
        "named.png",
        "gray.bmp",
        "palette.bmp",
        "odd.bmp",
        "bits12.png",
    ] {
        let (header, samples, _) =
            decoded(&file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (shape, mut values) = expected.samples(name);
        let mut found = integers(&header, &samples);
        assert_eq!(
            (header.shape.height, header.shape.width),
            (shape[0], shape[1]),
            "{name}"
        );
        // Gray BMPs are read as one channel or as three equal ones.
        if header.format == Format::Bmp && header.shape.channels == 1 {
            values = values.chunks(3).map(|pixel| pixel[0]).collect();
        }
        if header.format == Format::Jpeg {
            // Another decoder makes the colors of half the resolution whole in another way.
            let far: Vec<u32> = found
                .iter()
                .zip(&values)
                .map(|(a, b)| a.abs_diff(*b))
                .collect();
            let mean = far.iter().sum::<u32>() as f64 / far.len() as f64;
            let most = far.iter().max().unwrap();
            assert!(*most <= 10 && mean < 1.5, "{name}: {most}, {mean}");
            found.clone_from(&values);
        }
        assert_eq!(found, values, "{name}");
    }
    // Inks: (1 - ink) (1 - black).
    let (header, samples, extras) = decoded(&file("cmyk.tif")).unwrap();
    let (_, inks) = expected.samples("cmyk.tif");
    assert_eq!(header.shape.channels, 3);
    for (rgb, inks) in samples.bytes.chunks(3).zip(inks.chunks(4)) {
        for (light, ink) in rgb.iter().zip(inks) {
            let expected = (255 - ink) * (255 - inks[3]);
            assert_eq!(u32::from(*light), (expected + 127) / 255);
        }
    }
    assert!(extras.left_out().contains("four inks"));
}

#[test]
fn what_a_result_would_lose_is_refused_with_what_to_do() {
    for (name, parts) in [
        ("uint8_2.tif", &["2 bands", "gdal_translate -b 1)"][..]),
        ("uint16_2.tif", &["2 bands", "gdal_translate -b 1)"]),
        (
            "uint8_4.tif",
            &["4 bands", "-b 1 -b 2 -b 3", "-colorinterp_4 alpha"],
        ),
        ("uint16_4.tif", &["4 bands", "-b 1 -b 2 -b 3"]),
        ("uint8_planar_4.tif", &["4 bands", "-b 1 -b 2 -b 3"]),
        ("uint16_planar_4.tif", &["4 bands"]),
        ("uint8_5.tif", &["5 bands", "-b 1 -b 2 -b 3"]),
        ("uint16_5.tif", &["5 bands"]),
        ("float32_3.tif", &["floats of 32 bits", "-scale"]),
        ("nan.tif", &["floats of 32 bits", "-scale"]),
        ("int16_3.tif", &["signed integers of 16 bits", "-scale"]),
        ("nbits12.tif", &["12 bits a sample", "NBITS=16"]),
        ("overviews.tif", &["several pictures", "GTIFF_DIR"]),
        ("mask.tif", &["several pictures"]),
        ("pages.tif", &["several pictures"]),
        ("palette.tif", &["a palette", "-expand rgb"]),
        ("webp.png", &["WebP", "convert it"]),
        ("gif.jpg", &["GIF", "convert it"]),
        ("one_bit.bmp", &["1 bits a pixel", "convert it"]),
    ] {
        let reason = refusal(name);
        for part in parts {
            assert!(reason.contains(part), "{name}: {part:?} in {reason}");
        }
    }
}

#[test]
fn what_is_behind_a_jpeg_is_told_and_a_truncated_one_refused() {
    let (_, plain, extras) = decoded(&file("plain.jpg")).unwrap();
    assert_eq!(extras.left_out(), "");
    for (name, told) in [
        ("mpf.jpg", "a further picture"),
        ("samsung.jpg", "Samsung's notes"),
        ("motion.jpg", "a video"),
        ("progressive.jpg", "6 bytes behind the picture"),
    ] {
        let whole = file(name);
        let (_, samples, extras) =
            decoded(&whole).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            extras.left_out().contains(told),
            "{name}: {}",
            extras.left_out()
        );
        if matches!(name, "samsung.jpg" | "motion.jpg") {
            assert_eq!(samples.bytes, plain.bytes, "{name}");
        }
    }
    // Cut inside of the picture, with and without something behind the cut.
    let whole = file("plain.jpg");
    for cut in (whole.len() / 2..whole.len()).step_by(7) {
        for behind in [&b""[..], b"SEFT", &[0; 40]] {
            let broken = [&whole[..cut], behind].concat();
            assert!(decoded(&broken).is_err(), "{cut} of {}", whole.len());
        }
    }
    // Zeros, with which some programs pad, are nothing.
    let padded = [&whole[..], &[0; 100]].concat();
    assert_eq!(decoded(&padded).unwrap().2.left_out(), "");
}

#[test]
fn a_truncated_bmp_is_an_error() {
    for name in ["rgb.bmp", "gray.bmp", "odd.bmp", "one_bit.bmp"] {
        let whole = file(name);
        for cut in (0..whole.len()).step_by(11) {
            assert!(
                decoded(&whole[..cut]).is_err(),
                "{name}: {cut} of {}",
                whole.len()
            );
        }
    }
}

#[test]
fn a_bmp_is_written_as_it_is_read() {
    for (channels, width) in [(1, 5), (3, 6), (3, 7), (4, 5)] {
        let shape = Shape {
            width,
            height: 4,
            channels,
        };
        let header = Header {
            format: Format::Bmp,
            shape,
            bits: 8,
        };
        let samples = Samples {
            bytes: (0..shape.samples())
                .map(|at| (at * 7 % 251) as u8)
                .collect(),
            words: Vec::new(),
        };
        let mut file = Vec::new();
        codec::encode(&header, &samples, &Extras::default(), 95, &mut file).unwrap();
        let (found, read, _) = decoded(&file).unwrap();
        // A palette of grays may come back as colors.
        let expected: Vec<u8> = match found.shape.channels == channels {
            true => samples.bytes,
            false => samples.bytes.iter().flat_map(|&gray| [gray; 3]).collect(),
        };
        assert_eq!(read.bytes, expected, "{channels}");
    }
}

fn settings(method: Method) -> Settings {
    Settings {
        method,
        skip: Some(SkipRule::default()),
        quality: 95,
        threads: 1,
        memory: 1 << 30,
        shard: Shard::ALL,
        white: None,
    }
}

fn methods() -> [(&'static str, Method); 5] {
    let dcp = Dehazer::dark_channel_prior();
    let coarse = Dehazer {
        subsampling: 3,
        ..dcp
    };
    [
        ("dcp", Method::Prior(dcp)),
        (
            "dcp, color",
            Method::Prior(Dehazer {
                guide: patchbay_dehaze_core::Guide::Color,
                ..dcp
            }),
        ),
        ("dcp, subsampled", Method::Prior(coarse)),
        ("cap", Method::Prior(Dehazer::color_attenuation_prior())),
        ("aod", Method::AodNet(AodNet::built_in())),
    ]
}

/// Dehazes reference files of these names.
fn dehaze(names: &[&str], settings: &Settings) -> (Folder, BTreeMap<String, ReportRow>) {
    let (input, output) = (Folder::new(), Folder::new());
    for name in names {
        fs::write(input.at(name), file(name)).unwrap();
    }
    run(&input.0, &output.0, settings, |_| true).unwrap();
    let rows = read_report(&output.0).unwrap();
    let rows = rows.into_iter().map(|row| (row.path.clone(), row));
    (output, rows.collect())
}

#[test]
fn no_data_stays_and_takes_no_part() {
    let expected = Expected::read();
    let outside: Vec<bool> = expected
        .samples("outside")
        .1
        .iter()
        .map(|&outside| outside == 1)
        .collect();
    let names = [
        "nodata_0.tif",
        "nodata_255.tif",
        "nodata_65535.tif",
        "nodata_gray.tif",
        "bits12_nodata.tif",
    ];
    for (method_name, method) in methods() {
        let (output, rows) = dehaze(&names, &settings(method));
        for name in names {
            let what = format!("{name}, {method_name}");
            assert_eq!(
                rows[name].status,
                Status::Dehazed,
                "{what}: {:?}",
                rows[name]
            );
            let (header, before, extras) = decoded(&file(name)).unwrap();
            let written = fs::read(output.at(name)).unwrap();
            let (_, after, still) = decoded(&written).unwrap();
            let channels = header.shape.channels;
            let (before, after) = (integers(&header, &before), integers(&header, &after));
            // Nothing more became no data and nothing less.
            assert_eq!(extras.data(), still.data(), "{what}");
            let mut changed = 0;
            for (pixel, &outside) in outside.iter().enumerate() {
                let here = pixel * channels..(pixel + 1) * channels;
                assert_eq!(extras.data().unwrap()[pixel], !outside, "{what} {pixel}");
                if outside {
                    assert_eq!(before[here.clone()], after[here], "{what} {pixel}");
                } else {
                    changed += usize::from(before[here.clone()] != after[here]);
                }
            }
            assert!(changed > 300, "{what}: {changed}");
        }
        // What stands where there is no data does not matter. (A network of convolutions sees it.)
        if method_name != "aod" {
            let color = |name: &str| {
                let written = fs::read(output.at(name)).unwrap();
                let (header, samples, _) = decoded(&written).unwrap();
                integers(&header, &samples)
            };
            let (zero, white) = (color("nodata_0.tif"), color("nodata_255.tif"));
            let mut differing = 0;
            for (pixel, &outside) in outside.iter().enumerate() {
                // One pixel has the value in one band only, and differs in the files.
                let beside = pixel.abs_diff(20 * 40 + 5) == 0;
                let here = pixel * 3..(pixel + 1) * 3;
                if !outside && !beside {
                    differing += usize::from(
                        zero[here.clone()]
                            .iter()
                            .zip(&white[here])
                            .any(|(a, b)| a.abs_diff(*b) > 24),
                    );
                }
            }
            // It is in the dark channel of its own window, and no further away.
            assert!(differing <= 15 * 15, "{method_name}: {differing}");
            let light = |name: &str| rows[name].airlight.unwrap();
            assert_eq!(
                light("nodata_0.tif"),
                light("nodata_255.tif"),
                "{method_name}"
            );
        }
    }
    let (_, rows) = dehaze(
        &["nodata_all.tif", "nodata_never.tif"],
        &settings(methods()[0].1.clone()),
    );
    assert_eq!(rows["nodata_all.tif"].status, Status::Copied);
    assert_eq!(rows["nodata_all.tif"].reason, "no data");
    assert_eq!(rows["nodata_never.tif"].status, Status::Dehazed);
}

/// A margin without data is as if the picture ended there.
#[test]
fn a_margin_without_data_changes_nothing_inside() {
    let (header, samples, extras) = decoded(&file("nodata_margin.tif")).unwrap();
    let (left, top, right) = (0, 6, 33);
    let shape = Shape {
        width: right - left,
        height: header.shape.height - top,
        ..header.shape
    };
    let inside: Vec<u8> = samples
        .bytes
        .chunks_exact(3 * header.shape.width)
        .skip(top)
        .flat_map(|row| row[..3 * right].to_vec())
        .collect();
    for (name, method) in methods() {
        let Method::Prior(dehazer) = method else {
            continue;
        };
        for radius in [3, 60] {
            let mut dehazer = dehazer;
            dehazer.filter.radius = radius;
            if dehazer.subsampling > 1 {
                // Its squares begin elsewhere.
                continue;
            }
            let cut = Picture::new(&inside, shape, Order::Interleaved).unwrap();
            let (mut alone, mut map) = (vec![0; inside.len()], vec![0.0; shape.pixels()]);
            let found = dehazer.run(&cut, &mut alone, Some(&mut map), &mut Workspace::new(1));
            let whole = Picture::new(&samples.bytes, header.shape, Order::Interleaved)
                .unwrap()
                .with_data(extras.data().unwrap())
                .unwrap();
            for (threads, strip) in [(1, 1 << 24), (3, 400)] {
                let mut within = vec![0; samples.bytes.len()];
                let mut all = vec![0.0; header.shape.pixels()];
                let mut workspace = Workspace::new(threads).strip_pixels(strip);
                let masked = dehazer.run(&whole, &mut within, Some(&mut all), &mut workspace);
                assert_eq!(masked.airlight, found.airlight, "{name} {radius}");
                assert!((masked.transmission.mean() - found.transmission.mean()).abs() < 1e-5);
                for y in 0..shape.height {
                    for x in 0..shape.width {
                        let (here, there) =
                            (y * shape.width + x, (y + top) * header.shape.width + x);
                        let far = (map[here] - all[there]).abs();
                        assert!(far < 1e-5, "{name} {radius}: {far} at {x}, {y}");
                        for channel in 0..3 {
                            let (a, b) = (alone[3 * here + channel], within[3 * there + channel]);
                            assert!(a.abs_diff(b) <= 1, "{name} {radius}: {a} {b}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn transparent_pixels_of_a_picture_with_a_place_are_no_data() {
    for name in [
        "uint8_alpha.tif",
        "uint16_planar_alpha.tif",
        "uint8_gray_alpha.tif",
    ] {
        let (header, samples, extras) = decoded(&file(name)).unwrap();
        let channels = header.shape.channels;
        let values = integers(&header, &samples);
        let data = extras.data().unwrap();
        for (pixel, &is_data) in values.chunks(channels).zip(data) {
            assert_eq!(is_data, pixel[channels - 1] > 0, "{name}");
        }
        let (output, rows) = dehaze(&[name], &settings(methods()[0].1.clone()));
        assert_eq!(rows[name].status, Status::Dehazed, "{name}");
        let (_, after, _) = decoded(&fs::read(output.at(name)).unwrap()).unwrap();
        let after = integers(&header, &after);
        for (before, after) in values.chunks(channels).zip(after.chunks(channels)) {
            assert_eq!(before[channels - 1], after[channels - 1], "{name}");
            assert!(before[channels - 1] > 0 || before == after, "{name}");
        }
    }
    // Colors that were multiplied with alpha are told as such again.
    let (output, _) = dehaze(&["associated.tif"], &settings(methods()[0].1.clone()));
    let written = fs::read(output.at("associated.tif")).unwrap();
    let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(&written)).unwrap();
    let extra = decoder.get_tag_u16_vec(tiff::tags::Tag::ExtraSamples);
    assert_eq!(extra.unwrap(), [1]);
}

#[test]
fn twelve_bits_are_not_called_clear() {
    let mut with = settings(methods()[0].1.clone());
    let (output, rows) = dehaze(&["bits12.tif", "bits12_max.tif", "bits12.png"], &with);
    assert_eq!(rows["bits12_max.tif"].status, Status::Dehazed, "{rows:?}");
    for name in ["bits12.tif", "bits12.png"] {
        assert_eq!(rows[name].status, Status::Unreadable, "{rows:?}");
        assert!(
            rows[name].reason.contains("--white 4095"),
            "{}",
            rows[name].reason
        );
        assert!(!output.at(name).exists());
    }
    // With its white it is the picture of 16 bits, but for the rounding; nothing is above white.
    with.white = Some(4095);
    let (told, rows) = dehaze(&["bits12.tif"], &with);
    assert_eq!(rows["bits12.tif"].status, Status::Dehazed);
    with.white = None;
    let (full, _) = dehaze(&["uint16_3.tif"], &with);
    let words = |folder: &Folder, name: &str| {
        decoded(&fs::read(folder.at(name)).unwrap())
            .unwrap()
            .1
            .words
    };
    let (twelve, sixteen) = (words(&told, "bits12.tif"), words(&full, "uint16_3.tif"));
    assert_eq!(twelve, words(&output, "bits12_max.tif"));
    for (a, b) in twelve.iter().zip(&sixteen) {
        let (a, b) = (f64::from(*a) / 4095.0, f64::from(*b) / 65535.0);
        assert!(a <= 1.0 && (a - b).abs() < 0.01, "{a} {b}");
    }
    // A white that is too low is told.
    with.white = Some(1023);
    let (_, rows) = dehaze(&["bits12.tif"], &with);
    assert!(
        rows["bits12.tif"].reason.contains("--white 4095"),
        "{rows:?}"
    );
}

#[test]
fn a_folder_without_pictures_is_an_error() {
    let (input, output) = (Folder::new(), Folder::new());
    fs::write(input.at("a.webp"), file("webp.png")).unwrap();
    let error = run(
        &input.0,
        &output.0,
        &settings(methods()[0].1.clone()),
        |_| true,
    )
    .unwrap_err();
    assert!(
        error.contains("there is no picture") && error.contains("bmp"),
        "{error}"
    );
}
