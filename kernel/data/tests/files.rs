//! Folders of pictures, masks and tar files, and what is wrong with some.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::{DType, Device, Tensor};
use patchbay_codec::{Extras, Format, Header, Samples, Shape, encode};
use patchbay_data::{
    DataLoader, Dataset, ImageFolder, OnError, SegmentationFolder, TarShards, decode_image,
    read_image, read_mask, read_npy, read_npz, read_safetensors,
    transforms::{Compose, Normalize, RandomCrop, RandomHorizontalFlip},
    write_npy, write_npz, write_safetensors,
};

/// A folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path =
            std::env::temp_dir().join(format!("patchbay-data-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn picture(
    format: Format,
    height: usize,
    width: usize,
    channels: usize,
    bits: u8,
    first: u16,
) -> Vec<u8> {
    let shape = Shape {
        width,
        height,
        channels,
    };
    let count = shape.samples();
    let mut samples = Samples::default();
    match bits {
        8 => {
            samples.bytes = (0..count)
                .map(|at| (at + usize::from(first)) as u8)
                .collect()
        }
        _ => samples.words = (0..count).map(|at| at as u16 * 31 + first).collect(),
    }
    let mut file = Vec::new();
    encode(
        &Header {
            format,
            shape,
            bits,
        },
        &samples,
        &Extras::default(),
        95,
        &mut file,
    )
    .unwrap();
    file
}

/// A TIFF without compression, of any bands and photometric interpretation.
fn tiff(
    height: u16,
    width: u16,
    bands: u16,
    photometric: u16,
    big_endian: bool,
    samples: &[u8],
) -> Vec<u8> {
    let short = |value: u16| {
        if big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let long = |value: u32| {
        if big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let mut file = Vec::from(if big_endian { *b"MM" } else { *b"II" });
    file.extend(short(42));
    file.extend(long(8));
    let entries: Vec<(u16, u16, u32, Vec<u8>)> = vec![
        (256, 3, 1, short(width).to_vec()),
        (257, 3, 1, short(height).to_vec()),
        (
            258,
            3,
            u32::from(bands),
            if bands <= 2 {
                [short(8), short(8)].concat()[..2 * usize::from(bands)].to_vec()
            } else {
                vec![]
            },
        ),
        (259, 3, 1, short(1).to_vec()),
        (262, 3, 1, short(photometric).to_vec()),
        (273, 4, 1, vec![]),
        (277, 3, 1, short(bands).to_vec()),
        (278, 3, 1, short(height).to_vec()),
        (279, 4, 1, long(samples.len() as u32).to_vec()),
    ];
    let after = 8 + 2 + 12 * entries.len() as u32 + 4;
    file.extend(short(entries.len() as u16));
    for (tag, kind, count, mut value) in entries {
        if tag == 273 {
            value = long(after + 2 * u32::from(bands)).to_vec();
        }
        if tag == 258 && bands > 2 {
            value = long(after).to_vec();
        }
        value.resize(4, 0);
        file.extend(short(tag));
        file.extend(short(kind));
        file.extend(long(count));
        file.extend(value);
    }
    file.extend(long(0));
    (0..bands).for_each(|_| file.extend(short(8)));
    file.extend(samples);
    file
}

#[test]
fn every_band_of_every_format_is_read() {
    for (format, channels, bits) in [
        (Format::Png, 1, 8),
        (Format::Png, 2, 8),
        (Format::Png, 3, 16),
        (Format::Png, 4, 16),
        (Format::Tiff, 1, 16),
        (Format::Tiff, 3, 8),
        (Format::Tiff, 4, 16),
    ] {
        let file = picture(format, 5, 7, channels, bits, 3);
        let image = decode_image(&file, "it").unwrap();
        assert_eq!(
            (image.height(), image.width(), image.bands()),
            (5, 7, channels),
            "{format:?} {channels} {bits}"
        );
        let values: Vec<f32> = image
            .to_tensor()
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        let white = if bits == 8 { 255.0 } else { 65_535.0 };
        let step = if bits == 8 { 1.0 } else { 31.0 };
        for (place, value) in values.iter().enumerate() {
            let (band, pixel) = (place / 35, place % 35);
            let expected = ((pixel * channels + band) as f32 * step + 3.0) / white;
            assert!((value - expected).abs() < 1e-6);
        }
    }
    for bands in [1u16, 2, 3, 4, 5, 13] {
        for photometric in [0, 1, 2] {
            for big_endian in [false, true] {
                if photometric == 2 && bands < 3 {
                    continue;
                }
                let samples: Vec<u8> = (0..6 * usize::from(bands)).map(|at| at as u8).collect();
                let image =
                    decode_image(&tiff(2, 3, bands, photometric, big_endian, &samples), "it")
                        .unwrap();
                assert_eq!(image.bands(), usize::from(bands));
                assert_eq!(*image.pixels(), patchbay_data::Pixels::U8(samples));
            }
        }
    }
    let scratch = Scratch::new("broken");
    for (name, bytes) in [
        ("empty.png", vec![]),
        ("text.jpg", b"no picture".to_vec()),
        (
            "cut.png",
            picture(Format::Png, 50, 50, 3, 8, 0)[..200].to_vec(),
        ),
    ] {
        let path = scratch.path(name);
        fs::write(&path, bytes).unwrap();
        let error = read_image(&path).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    assert!(
        read_image(scratch.path("absent.png"))
            .unwrap_err()
            .to_string()
            .contains("absent.png")
    );
}

#[test]
fn masks_are_indices() {
    let scratch = Scratch::new("masks");
    for (depth, name) in [
        (png::BitDepth::One, "1"),
        (png::BitDepth::Two, "2"),
        (png::BitDepth::Four, "4"),
        (png::BitDepth::Eight, "8"),
    ] {
        for color in [png::ColorType::Indexed, png::ColorType::Grayscale] {
            let bits = depth as usize;
            let classes: Vec<u8> = (0..5 * 3)
                .map(|at| (at % (1usize << bits.min(3))) as u8)
                .collect();
            let mut rows = Vec::new();
            for row in classes.chunks(5) {
                let mut packed = vec![0u8; (5 * bits).div_ceil(8)];
                for (at, class) in row.iter().enumerate() {
                    packed[at * bits / 8] |= class << (8 - bits - at * bits % 8);
                }
                rows.extend(packed);
            }
            let path = scratch.path(&format!("{name}.png"));
            let mut encoder = png::Encoder::new(fs::File::create(&path).unwrap(), 5, 3);
            encoder.set_color(color);
            encoder.set_depth(depth);
            encoder.set_palette((0..3u8 << bits.min(6)).collect::<Vec<u8>>());
            encoder
                .write_header()
                .unwrap()
                .write_image_data(&rows)
                .unwrap();
            let mask = read_mask(&path, Some(1)).unwrap();
            let expected: Vec<i32> = classes
                .iter()
                .map(|&class| if class == 1 { -100 } else { class.into() })
                .collect();
            assert_eq!(mask.classes(), expected, "{color:?} {name}");
        }
    }
    let path = scratch.path("palette.tif");
    fs::write(&path, tiff(2, 2, 1, 3, false, &[0, 5, 255, 2])).unwrap();
    assert_eq!(
        read_mask(&path, Some(255)).unwrap().classes(),
        [0, 5, -100, 2]
    );
    fs::write(&path, picture(Format::Png, 2, 2, 1, 16, 300)).unwrap();
    assert_eq!(
        read_mask(&path, None).unwrap().classes(),
        [300, 331, 362, 393]
    );
    fs::write(&path, picture(Format::Png, 2, 2, 3, 8, 0)).unwrap();
    assert!(
        read_mask(&path, None)
            .unwrap_err()
            .to_string()
            .contains("3 bands; a mask has one")
    );
}

#[test]
fn a_folder_of_classes_is_a_data_set() {
    let scratch = Scratch::new("folder");
    let error = ImageFolder::new(&scratch.0).unwrap_err().to_string();
    assert!(error.contains("has no folders"), "{error}");
    for (class, count) in [("cat", 3), ("ant", 5)] {
        for number in 0..count {
            fs::write(
                scratch.path(&format!("{class}/{number}.png")),
                picture(Format::Png, 8, 9, 3, 8, number),
            )
            .unwrap();
        }
    }
    fs::write(scratch.path("cat/notes.txt"), "no picture").unwrap();
    let folder = ImageFolder::new(&scratch.0).unwrap();
    assert_eq!(
        (folder.classes(), folder.class_counts()),
        (&["ant".to_owned(), "cat".to_owned()][..], vec![5, 3])
    );
    let loader = DataLoader::new(folder)
        .batch_size(8)
        .transform(Normalize::imagenet());
    let (images, labels) = loader.iter().next().unwrap().unwrap().pair().unwrap();
    assert_eq!(
        (images.dims(), images.dtype()),
        (&[8, 3, 8, 9][..], DType::F32)
    );
    assert_eq!(labels.to_vec1::<i64>().unwrap(), [0, 0, 0, 0, 0, 1, 1, 1]);

    // Another number of bands, another size, a broken file.
    fs::write(
        scratch.path("cat/gray.png"),
        picture(Format::Png, 8, 9, 1, 8, 0),
    )
    .unwrap();
    let error = |folder: ImageFolder| {
        DataLoader::new(folder)
            .batch_size(20)
            .iter()
            .next()
            .unwrap()
            .unwrap_err()
            .to_string()
    };
    let told = error(ImageFolder::new(&scratch.0).unwrap());
    assert!(
        told.contains("gray.png") && told.contains("1 bands") && told.contains("rgb()"),
        "{told}"
    );
    let rgb = ImageFolder::new(&scratch.0).unwrap().rgb();
    assert_eq!(
        DataLoader::new(rgb)
            .batch_size(20)
            .iter()
            .next()
            .unwrap()
            .unwrap()
            .len(),
        9
    );
    fs::write(
        scratch.path("cat/large.png"),
        picture(Format::Png, 10, 9, 3, 8, 0),
    )
    .unwrap();
    let told = error(ImageFolder::new(&scratch.0).unwrap().rgb());
    assert!(
        told.contains("10 x 9 pixels") && told.contains("large.png"),
        "{told}"
    );
    fs::write(
        scratch.path("cat/large.png"),
        &picture(Format::Jpeg, 64, 64, 3, 8, 0)[..300],
    )
    .unwrap();
    let folder = Arc::new(ImageFolder::new(&scratch.0).unwrap().rgb());
    let told = DataLoader::new(Arc::clone(&folder))
        .batch_size(20)
        .iter()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(told.contains("large.png"), "{told}");
    let loader = DataLoader::new(folder)
        .batch_size(20)
        .on_error(OnError::Skip);
    assert_eq!(loader.iter().next().unwrap().unwrap().len(), 9);
    assert!(loader.skipped().1[0].0.ends_with("large.png"));

    fs::write(
        scratch.path("list.csv"),
        "path,label\ncat/0.png,cat\nant/1.png,ant\n",
    )
    .unwrap();
    let folder = ImageFolder::from_csv(scratch.path("list.csv"), "path", "label").unwrap();
    assert_eq!((folder.len(), folder.labels()), (2, vec![1, 0]));
    let told = ImageFolder::from_csv(scratch.path("list.csv"), "file", "label")
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("no column file; the columns are path, label"),
        "{told}"
    );
    fs::create_dir(scratch.path("dog")).unwrap();
    assert!(
        ImageFolder::new(&scratch.0)
            .unwrap_err()
            .to_string()
            .contains("the class dog has no pictures")
    );
}

#[test]
fn pictures_and_masks_are_pairs() {
    let scratch = Scratch::new("segmentation");
    for number in 0..4 {
        fs::write(
            scratch.path(&format!("images/{number}.jpg")),
            picture(Format::Jpeg, 16, 20, 3, 8, number),
        )
        .unwrap();
        fs::write(
            scratch.path(&format!("masks/{number}.png")),
            picture(Format::Png, 16, 20, 1, 8, 0),
        )
        .unwrap();
    }
    let open = || SegmentationFolder::new(scratch.path("images"), scratch.path("masks"));
    let transform = Compose::new()
        .add(RandomCrop::new(24).pad_if_needed())
        .add(RandomHorizontalFlip::new(0.5));
    let loader = DataLoader::new(open().unwrap().ignore(255))
        .batch_size(4)
        .shuffle(1)
        .transform(transform);
    let (images, masks) = loader.iter().next().unwrap().unwrap().pair().unwrap();
    assert_eq!(
        (images.dims(), masks.dims(), masks.dtype()),
        (&[4, 3, 24, 24][..], &[4, 24, 24][..], DType::I64)
    );
    let told = DataLoader::new(open().unwrap().classes(7))
        .iter()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(
        told.contains(
            "masks/0.png: the pixel in row 0, column 7 is of class 7; there are 7 classes"
        ),
        "{told}"
    );
    fs::write(
        scratch.path("masks/2.png"),
        picture(Format::Png, 16, 19, 1, 8, 0),
    )
    .unwrap();
    let told = DataLoader::new(open().unwrap())
        .batch_size(4)
        .iter()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("16 x 20") && told.contains("masks/2.png has 16 x 19"),
        "{told}"
    );
    fs::remove_file(scratch.path("masks/3.png")).unwrap();
    assert!(
        open()
            .unwrap_err()
            .to_string()
            .contains("1 of 4 pictures have no mask")
    );
    fs::remove_file(scratch.path("images/3.jpg")).unwrap();
    fs::write(scratch.path("masks/9.png"), b"").unwrap();
    assert!(
        open()
            .unwrap_err()
            .to_string()
            .contains("1 masks have no picture")
    );
}

fn add(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append_data(&mut header, name, bytes).unwrap();
}

#[test]
fn shards_are_read_at_their_places() {
    let scratch = Scratch::new("shards");
    let mut paths = Vec::new();
    for shard in 0..2 {
        let mut archive = tar::Builder::new(Vec::new());
        for number in 0..3u16 {
            let key = format!("train/{shard}{number:03}");
            add(
                &mut archive,
                &format!("{key}.cls"),
                number.to_string().as_bytes(),
            );
            add(
                &mut archive,
                &format!("{key}.png"),
                &picture(Format::Png, 6, 5, 3, 8, number),
            );
            add(
                &mut archive,
                &format!("{key}.seg.png"),
                &picture(Format::Png, 6, 5, 1, 8, 0),
            );
            add(&mut archive, &format!("{key}.txt"), b"a picture");
        }
        let path = scratch.path(&format!("{shard}.tar"));
        fs::write(&path, archive.into_inner().unwrap()).unwrap();
        paths.push(path);
    }
    let shards = TarShards::open(&paths).unwrap();
    assert_eq!((shards.len(), shards.keys()[4]), (6, "train/1001"));
    let batch = DataLoader::new(shards.clone())
        .batch_size(6)
        .iter()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        batch.get("label").unwrap().to_vec1::<i64>().unwrap(),
        [0, 1, 2, 0, 1, 2]
    );
    assert_eq!(batch.get("mask").unwrap().dims(), [6, 6, 5]);
    assert_eq!(
        (batch.names()[0], batch.texts("txt").unwrap()[5].as_str()),
        ("image", "a picture")
    );
    let told = DataLoader::new(shards.classes(2))
        .batch_size(6)
        .iter()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(told.contains("0.tar:train/0000.seg.png"), "{told}");
    let whole = fs::read(&paths[0]).unwrap();
    fs::write(&paths[0], &whole[..whole.len() / 2]).unwrap();
    let told = TarShards::open(&paths).unwrap_err().to_string();
    assert!(told.contains("0.tar"), "{told}");
    fs::write(&paths[0], [0x1f, 0x8b, 8, 0]).unwrap();
    assert!(
        TarShards::open(&paths)
            .unwrap_err()
            .to_string()
            .contains("compressed")
    );
    assert!(
        TarShards::open::<&Path>(&[])
            .unwrap_err()
            .to_string()
            .contains("no samples")
    );
}

#[test]
fn arrays_come_back_as_they_were_written() {
    let scratch = Scratch::new("arrays");
    for dtype in [
        DType::U8,
        DType::U32,
        DType::I64,
        DType::F16,
        DType::F32,
        DType::F64,
    ] {
        for shape in [vec![], vec![0], vec![5], vec![2, 3, 4]] {
            let count: usize = shape.iter().product();
            let values: Vec<f32> = (0..count).map(|at| at as f32).collect();
            let tensor = Tensor::from_vec(values, shape.clone(), &Device::Cpu)
                .unwrap()
                .to_dtype(dtype)
                .unwrap();
            let path = scratch.path("it.npy");
            write_npy(&path, &tensor).unwrap();
            let back = read_npy(&path).unwrap();
            assert_eq!((back.dtype(), back.dims()), (dtype, &shape[..]));
            let flat = |tensor: &Tensor| {
                tensor
                    .to_dtype(DType::F64)
                    .unwrap()
                    .flatten_all()
                    .unwrap()
                    .to_vec1::<f64>()
                    .unwrap()
            };
            assert_eq!(flat(&back), flat(&tensor));
            let path = scratch.path("it.npz");
            write_npz(&path, &[("a", &tensor), ("b", &tensor)]).unwrap();
            assert_eq!(flat(&read_npz(&path).unwrap()["b"]), flat(&tensor));
            let path = scratch.path("it.safetensors");
            write_safetensors(&path, &[("a", &tensor)]).unwrap();
            assert_eq!(read_safetensors(&path).unwrap()["a"].dims(), &shape[..]);
        }
    }
    // What NumPy has written: other types, Fortran's order, compressed.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let arrays = read_npz(folder.join("numpy.npz")).unwrap();
    let expected: Vec<i64> = vec![0, 3, 1, 4, 2, 5];
    assert_eq!(arrays.len(), 12);
    for (name, tensor) in &arrays {
        assert_eq!(tensor.dims(), [3, 2], "{name}");
        let values = tensor
            .to_dtype(DType::F64)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        let expected: Vec<f64> = expected
            .iter()
            .map(|&value| {
                if name == "bool" {
                    f64::from(u8::from(value > 0))
                } else {
                    value as f64
                }
            })
            .collect();
        assert_eq!(values, expected, "{name}");
    }
    let path = scratch.path("bad.npy");
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 9999999), }\n").unwrap();
    assert!(read_npy(&path).unwrap_err().to_string().contains("bad.npy"));
}
