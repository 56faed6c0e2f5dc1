//! Pictures that claim more than they are, and folders in which results could hit inputs.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use patchbay_dehaze_core::{
    Dehazer, Shape,
    codec::{self, Extras, Format, Header, Samples},
    runner::{Method, Settings, Shard, Summary, read_report, run},
    synthesis::{Haze, Scene},
};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("dehaze-hostile-{}-{number}", std::process::id()));
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

const MEMORY: u64 = 128 << 20;

fn settings() -> Settings {
    Settings {
        method: Method::Prior(Dehazer::dark_channel_prior()),
        skip: None,
        quality: 95,
        threads: 2,
        memory: MEMORY,
        shard: Shard::ALL,
        white: None,
    }
}

fn dehaze(input: &Path, output: &Path) -> Result<Summary, String> {
    run(input, output, &settings(), |_| true)
}

fn encoded(format: Format, seed: u64) -> Vec<u8> {
    let scene = Scene::generate(40, 30, seed);
    let haze = Haze {
        beta: 1.0,
        airlight: [0.9; 3],
    };
    let planes = haze.applied_to(&scene);
    let samples = Samples {
        bytes: (0..3 * 40 * 30)
            .map(|at| (255.0 * planes[at % 3 * 1200 + at / 3]).round() as u8)
            .collect(),
        words: Vec::new(),
    };
    let header = Header {
        format,
        shape: Shape {
            width: 40,
            height: 30,
            channels: 3,
        },
        bits: 8,
    };
    let mut file = Vec::new();
    codec::encode(&header, &samples, &Extras::default(), 90, &mut file).unwrap();
    file
}

fn picture(path: &Path, seed: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, encoded(Format::Png, seed)).unwrap();
}

/// One test at a time measures, or makes what would be measured.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By how many bytes the memory of this process grew at the most while something was done.
fn peak_growth(work: impl FnOnce()) -> u64 {
    let status = |name: &str| -> u64 {
        let text = fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.unwrap().trim().trim_end_matches(" kB");
        number.parse::<u64>().unwrap() << 10
    };
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    work();
    status("VmHWM:").saturating_sub(before)
}

/// A TIFF of 8 x 8 gray pixels with more entries: tag, type, count, value or offset.
fn tiff(more: &[(u16, u16, u32, u32)]) -> Vec<u8> {
    let mut entries = vec![
        (256, 3, 1, 8),
        (257, 3, 1, 8),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 3, 1, 8),
        (279, 4, 1, 64),
    ];
    entries.retain(|entry| more.iter().all(|other| other.0 != entry.0));
    // A picture is in strips or in tiles.
    if more.iter().any(|entry| entry.0 == 324) {
        entries.retain(|entry| ![273, 278, 279].contains(&entry.0));
    }
    entries.extend(more);
    entries.sort_unstable();
    let mut file = b"II\x2a\0\x48\0\0\0".to_vec();
    file.extend((0..64u8).map(|value| value * 3));
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(name);
    file.extend(data);
    let checksum = checksum(&file[start..]);
    file.extend(checksum.to_be_bytes());
}

/// CRC-32, as a PNG's chunks have it.
fn checksum(bytes: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (index, entry) in table.iter_mut().enumerate() {
        *entry = (0..8).fold(index as u32, |value, _| {
            (value >> 1) ^ (0xedb8_8320 & (value & 1).wrapping_neg())
        });
    }
    !bytes.iter().fold(!0, |sum, &byte| {
        (sum >> 8) ^ table[((sum ^ u32::from(byte)) & 255) as usize]
    })
}

/// A zlib stream that holds bytes as they are.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut parts = bytes.chunks(65_535).peekable();
    while let Some(part) = parts.next() {
        stream.push(u8::from(parts.peek().is_none()));
        stream.extend((part.len() as u16).to_le_bytes());
        stream.extend((!(part.len() as u16)).to_le_bytes());
        stream.extend(part);
    }
    let (mut one, mut two) = (1u32, 0u32);
    for &byte in bytes {
        one = (one + u32::from(byte)) % 65_521;
        two = (two + one) % 65_521;
    }
    stream.extend((two << 16 | one).to_be_bytes());
    stream
}

/// A PNG of so many pixels whose data are cut short, with a chunk in front of them.
fn png(width: u32, height: u32, name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut file, b"IHDR", &header);
    if !data.is_empty() {
        chunk(&mut file, name, data);
    }
    let mut row = vec![100; 3 * width.min(64) as usize + 1];
    row[0] = 0;
    let pixels = row.repeat(height.min(64) as usize);
    chunk(&mut file, b"IDAT", &stored(&pixels));
    chunk(&mut file, b"IEND", &[]);
    file
}

/// What a chunk holds that inflates to so many megabytes: zeros, 258 for every 13 bits.
fn bomb(start: &[u8], megabytes: usize) -> Vec<u8> {
    let repeats = (megabytes << 20) / 258;
    let mut packed = [start, &[0x78, 0x01]].concat();
    let (mut bits, mut count) = (0u64, 0);
    let mut put = |value: u64, width: u32, packed: &mut Vec<u8>| {
        bits |= value << count;
        count += width;
        while count >= 8 {
            packed.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    // The last block, with the codes that the format fixes; a zero; then the longest match at distance 1.
    put(0b011, 3, &mut packed);
    put(u64::from(0b0011_0000u8.reverse_bits()), 8, &mut packed);
    for _ in 0..repeats {
        put(u64::from(0b1100_0101u8.reverse_bits()), 8, &mut packed);
        put(0, 5, &mut packed);
    }
    put(0, 7, &mut packed);
    put(0, 7, &mut packed);
    let total = 1 + 258 * repeats as u64;
    packed.extend((((total % 65_521) as u32) << 16 | 1).to_be_bytes());
    packed
}

#[test]
fn what_a_file_claims_takes_no_memory_before_it_is_believed() {
    let _alone = alone();
    let takes_long = std::env::var_os("PATCHBAY_LONG_TESTS").is_some();
    let mut jpeg = encoded(Format::Jpeg, 1);
    let frame = jpeg
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    let mut wide = tiff(&[]);
    let width = wide
        .windows(4)
        .position(|entry| entry == [0, 1, 3, 0])
        .unwrap();
    wide[width + 8..width + 12].copy_from_slice(&[0xff, 0xff, 0, 0]);
    let big = u32::MAX - 7;
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("profile.tif", tiff(&[(34_675, 7, big, 8)])),
        (
            "profile-of-bytes.tif",
            tiff(&[(34_675, 1, 4_000_000_000, 8)]),
        ),
        ("geo.tif", tiff(&[(33_550, 12, 1_000_000_000 / 8, 8)])),
        ("keys.tif", tiff(&[(34_735, 3, 500_000_000, 8)])),
        ("text.tif", tiff(&[(270, 2, 1_000_000_000, 8)])),
        ("metadata.tif", tiff(&[(42_112, 2, big, 8)])),
        (
            "tile.tif",
            tiff(&[
                (322, 4, 1, 0x7fff_fff0),
                (323, 4, 1, 0x7fff_fff0),
                (324, 4, 1, 8),
                (325, 4, 1, 64),
            ]),
        ),
        ("strips.tif", tiff(&[(273, 4, big, 8)])),
        ("counts.tif", tiff(&[(279, 4, big, 8)])),
        ("wide.tif", wide),
        (
            "huge.png",
            png(100_000, 100_000, b"gAMA", &[0, 0, 177, 143]),
        ),
        (
            "long.png",
            png(1, 2_000_000_000, b"gAMA", &[0, 0, 177, 143]),
        ),
        ("row.png", png(2_000_000_000, 1, b"gAMA", &[0, 0, 177, 143])),
        ("huge.jpg", jpeg),
    ];
    let (input, output) = (Folder::new(), Folder::new());
    let count = files.len() as u64 + u64::from(takes_long);
    for (name, file) in &files {
        fs::write(input.at(name), file).unwrap();
    }
    picture(&input.at("good.png"), 3);
    // Of this one the pixels are sound, and only the profile is not.
    let profile = png(8, 8, b"iCCP", &bomb(b"p\0\0", 500));
    fs::write(input.at("profile.png"), profile).unwrap();
    if takes_long {
        // 6 GB are 40 MB even when they are packed, which is more than a picture's metadata may take.
        let profile = png(8, 8, b"iCCP", &bomb(b"p\0\0", 6000));
        fs::write(input.at("vast-profile.png"), profile).unwrap();
    }
    // A text that inflates is not kept, so it does no harm.
    fs::write(
        input.at("text.png"),
        png(8, 8, b"zTXt", &bomb(b"t\0\0", 500)),
    )
    .unwrap();
    drop(files);
    let mut summary = None;
    let growth = peak_growth(|| summary = Some(dehaze(&input.0, &output.0).unwrap()));
    let progress = summary.unwrap().progress;
    let rows = read_report(&output.0).unwrap();
    assert_eq!(
        (progress.dehazed, progress.unreadable),
        (3, count),
        "{rows:#?}"
    );
    assert!(growth < MEMORY + (64 << 20), "{} MB", growth >> 20);
    for row in rows {
        let is_sound = ["good.png", "text.png"].contains(&row.path.as_str());
        assert!(row.reason.is_empty() == is_sound, "{row:?}");
        assert!(row.path != "profile.png" || row.reason.contains("color profile is left out"));
    }
    // Nothing is tried again.
    assert_eq!(
        dehaze(&input.0, &output.0).unwrap().progress.before,
        count + 3
    );
}

#[test]
fn a_profile_of_a_usual_size_stays() {
    let (input, output) = (Folder::new(), Folder::new());
    let noise: Vec<u8> = (0..600_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let packed = [&b"p\0\0"[..], &stored(&noise)].concat();
    fs::write(input.at("a.png"), png(8, 8, b"iCCP", &packed)).unwrap();
    let mut file = tiff(&[(34_675, 7, 500_000, 0)]);
    let at = file.len() as u32;
    let entry = file
        .windows(4)
        .position(|entry| entry == [0x73, 0x87, 7, 0])
        .unwrap();
    file[entry + 8..entry + 12].copy_from_slice(&at.to_le_bytes());
    file.extend(&noise[..500_000]);
    fs::write(input.at("b.tif"), file).unwrap();
    assert_eq!(
        dehaze(&input.0, &output.0).unwrap().progress.dehazed,
        2,
        "{:?}",
        read_report(&output.0)
    );
    for name in ["a.png", "b.tif"] {
        let file = fs::read(output.at(name)).unwrap();
        let found = if name == "a.png" {
            let mut decoder = png::Decoder::new(std::io::Cursor::new(&file[..]));
            decoder.set_limits(png::Limits { bytes: 64 << 20 });
            decoder
                .read_info()
                .unwrap()
                .info()
                .icc_profile
                .as_ref()
                .unwrap()
                .to_vec()
        } else {
            let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(&file)).unwrap();
            decoder.get_tag_u8_vec(tiff::tags::Tag::IccProfile).unwrap()
        };
        assert!(
            noise.starts_with(&found) && found.len() >= 500_000,
            "{name}"
        );
    }
}

#[test]
fn flipped_bytes_cost_their_picture_only() {
    let _alone = alone();
    let (input, output) = (Folder::new(), Folder::new());
    let mut seed = 9u64;
    let mut next = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for (format, extension) in [
        (Format::Png, "png"),
        (Format::Tiff, "tif"),
        (Format::Jpeg, "jpg"),
    ] {
        let sound = encoded(format, 4);
        for case in 0..150 {
            let mut file = sound.clone();
            for _ in 0..1 + case % 4 {
                let range = if case % 2 == 0 { 200 } else { file.len() };
                let at = next() % range;
                // The directory of a TIFF is at its end.
                let at = if extension == "tif" && case % 2 == 0 {
                    file.len() - 1 - at
                } else {
                    at
                };
                file[at] = next() as u8;
            }
            fs::write(input.at(&format!("{case}.{extension}")), file).unwrap();
        }
    }
    let mut summary = None;
    let growth = peak_growth(|| summary = Some(dehaze(&input.0, &output.0).unwrap()));
    assert_eq!(summary.unwrap().progress.finished(), 450);
    assert!(growth < MEMORY + (64 << 20), "{} MB", growth >> 20);
}

/// What is below a folder: names with contents.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else {
                found.insert(entry.path(), fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    found
}

#[test]
fn no_result_stands_on_an_input() {
    let root = Folder::new();
    let data = root.at("data");
    // As data sets are: the inner folder has the name of the outer.
    for name in [
        "hazy/a.png",
        "hazy/hazy/a.png",
        "hazy/hazy/b.png",
        "hazy/deep/c.png",
    ] {
        picture(&data.join(name), 1);
    }
    let before = contents(&data);
    symlink(&data, root.at("link")).unwrap();
    symlink(data.join("hazy"), root.at("hazy-link")).unwrap();
    let hazy = data.join("hazy");
    for (input, output) in [
        (hazy.clone(), data.clone()),
        (hazy.clone(), hazy.clone()),
        (hazy.clone(), root.0.clone()),
        (hazy.clone(), root.at("link")),
        (root.at("hazy-link"), data.clone()),
        (root.at("hazy-link"), hazy.clone()),
        (hazy.join("hazy"), hazy.clone()),
        (hazy.join("hazy/../hazy"), hazy.join("deep/..")),
    ] {
        let error = dehaze(&input, &output).unwrap_err();
        assert!(
            error.contains("same folder") || error.contains("holds the input folder"),
            "{} {}: {error}",
            input.display(),
            output.display()
        );
        assert!(contents(&data) == before);
    }
    // A folder in the output that is a link into the input.
    let output = root.at("output");
    fs::create_dir(&output).unwrap();
    symlink(hazy.join("deep"), output.join("deep")).unwrap();
    let error = dehaze(&hazy, &output).unwrap_err();
    assert!(contents(&data) == before, "{error}");
    // Files that were there before the first run.
    let output = root.at("other");
    picture(&output.join("deep/c.png"), 2);
    let own = fs::read(output.join("deep/c.png")).unwrap();
    let error = dehaze(&hazy, &output).unwrap_err();
    assert!(error.contains("is there already"), "{error}");
    assert!(fs::read(output.join("deep/c.png")).unwrap() == own);
    // A hard link, and an input that is a link to where its result goes.
    let output = root.at("hard");
    fs::create_dir(&output).unwrap();
    fs::hard_link(hazy.join("a.png"), output.join("a.png")).unwrap();
    dehaze(&hazy, &output).unwrap_err();
    assert!(contents(&data) == before);
    let (input, output) = (root.at("links"), root.at("results"));
    fs::create_dir(&input).unwrap();
    picture(&output.join("x.png"), 5);
    symlink(output.join("x.png"), input.join("x.png")).unwrap();
    let own = fs::read(output.join("x.png")).unwrap();
    dehaze(&input, &output).unwrap_err();
    assert!(fs::read(output.join("x.png")).unwrap() == own);
}

#[test]
fn results_inside_of_the_input_are_no_inputs() {
    let root = Folder::new();
    picture(&root.at("a.png"), 1);
    picture(&root.at("deep/b.png"), 2);
    for output in ["out", "deep/second", "third"] {
        let summary = dehaze(&root.0, &root.at(output)).unwrap();
        assert_eq!(summary.progress.dehazed, 2, "{output}");
        assert_eq!(
            dehaze(&root.0, &root.at(output)).unwrap().progress.before,
            2,
            "{output}"
        );
    }
    // What a run has made may be the input of another.
    let again = Folder::new();
    assert_eq!(
        dehaze(&root.at("out"), &again.0).unwrap().progress.dehazed,
        2
    );
}

#[test]
fn what_was_planted_is_not_written_to() {
    let (input, output, elsewhere) = (Folder::new(), Folder::new(), Folder::new());
    picture(&input.at("a.png"), 1);
    dehaze(&input.0, &output.0).unwrap();
    let target = elsewhere.at("thesis.tex");
    fs::write(&target, "text").unwrap();
    // FNV-1a of the name, under which a result is written before it is renamed.
    let hash = b"a.png"
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    for name in [format!(".{hash:016x}.partial"), "a.png".to_owned()] {
        let _ = fs::remove_file(output.at("a.png"));
        let _ = fs::remove_file(output.at("dehaze-report.csv"));
        symlink(&target, output.at(&name)).unwrap();
        assert_eq!(dehaze(&input.0, &output.0).unwrap().progress.dehazed, 1);
        assert_eq!(fs::read_to_string(&target).unwrap(), "text", "{name}");
    }
    assert!(fs::symlink_metadata(output.at("a.png")).unwrap().is_file());
    for name in ["dehaze-report.csv", ".dehaze-settings", ".dehaze-in-work"] {
        let output = Folder::new();
        symlink(&target, output.at(name)).unwrap();
        dehaze(&input.0, &output.0).unwrap_err();
        assert_eq!(fs::read_to_string(&target).unwrap(), "text", "{name}");
    }
    let output = Folder::new();
    symlink(elsewhere.at("new"), output.at("dehaze-report.csv")).unwrap();
    dehaze(&input.0, &output.0).unwrap_err();
    assert!(!elsewhere.at("new").exists());
}
