//! `patchbay dehaze`: its exit codes, a run that is killed in the middle, and the notebook.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use patchbay_dehaze_core::{
    Shape,
    codec::{self, Extras, Format, Header, Samples},
    runner::read_report,
    synthesis::{Haze, Scene},
};
use patchbay_tests::program;

fn picture(path: &Path, seed: u64) {
    let scene = Scene::generate(160, 120, seed);
    let haze = Haze {
        beta: 1.0,
        airlight: [0.9; 3],
    };
    let planes = haze.applied_to(&scene);
    let area = scene.depth.len();
    let samples = Samples {
        bytes: (0..3 * area)
            .map(|at| (255.0 * planes[at % 3 * area + at / 3]).round() as u8)
            .collect(),
        words: Vec::new(),
    };
    let header = Header {
        format: Format::Png,
        shape: Shape {
            width: scene.width,
            height: scene.height,
            channels: 3,
        },
        bits: 8,
    };
    let mut file = Vec::new();
    codec::encode(&header, &samples, &Extras::default(), 95, &mut file).unwrap();
    fs::write(path, file).unwrap();
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            )
        })
        .filter(|(name, _)| name.ends_with(".png"))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_run_that_is_killed_twice_loses_nothing() {
    // A machine that is over before it is killed gets more to do.
    let killed = [600, 2400, 9600].into_iter().any(killed_twice);
    assert!(killed, "each run was over before it was killed");
}

/// Kills a run of this many pictures twice and checks what is left; false where the run was over before.
fn killed_twice(pictures: u64) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let (input, output, whole) = (
        folder.path().join("in"),
        folder.path().join("out"),
        folder.path().join("whole"),
    );
    fs::create_dir(&input).unwrap();
    for seed in 0..pictures {
        picture(&input.join(format!("{seed}.png")), seed);
    }
    let command = |output: &Path| {
        let mut command = Command::new(program());
        command
            .arg("dehaze")
            .arg(&input)
            .arg(output)
            .args(["--all", "--threads", "2"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let finished = || {
        fs::read_to_string(output.join("dehaze-report.csv")).map_or(0, |text| text.lines().count())
    };
    for part in [pictures / 10, pictures / 3] {
        let mut child = command(&output).spawn().unwrap();
        let start = Instant::now();
        while finished() < part as usize && start.elapsed() < Duration::from_secs(600) {
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(finished() >= part as usize);
        // What is there under its own name is whole.
        for (name, file) in contents(&output) {
            assert!(file.ends_with(b"IEND\xaeB`\x82"), "{name}");
        }
    }
    if finished() >= pictures as usize {
        return false;
    }
    assert!(command(&output).status().unwrap().success());
    assert!(command(&whole).status().unwrap().success());
    assert_eq!(contents(&output).len(), pictures as usize);
    assert!(contents(&output) == contents(&whole));
    true
}

/// Runs `patchbay dehaze` with these arguments: the exit code, what it prints, and its errors.
fn dehaze(input: &Path, output: &Path, more: &[&str]) -> (i32, String, String) {
    let done = Command::new(program())
        .arg("dehaze")
        .arg(input)
        .arg(output)
        .args(more)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        done.status.code().unwrap(),
        text(done.stdout),
        text(done.stderr),
    )
}

/// A folder with as many pictures, and a place for what comes out.
fn with_pictures(pictures: u64) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir(&input).unwrap();
    for seed in 0..pictures {
        picture(&input.join(format!("{seed}.png")), seed);
    }
    (folder, input, output)
}

/// The status of each picture in the report.
fn statuses(output: &Path) -> BTreeMap<String, String> {
    let rows = read_report(output).unwrap();
    rows.into_iter()
        .map(|row| (row.path, format!("{:?}", row.status).to_lowercase()))
        .collect()
}

#[test]
fn pictures_that_are_all_dehazed_end_in_0_and_again_where_all_is_done() {
    let (_folder, input, output) = with_pictures(3);
    for _ in 0..2 {
        let (code, printed, error) = dehaze(&input, &output, &["--all"]);
        assert_eq!(code, 0, "{printed}{error}");
        assert_eq!(contents(&output).len(), 3);
    }
    assert_eq!(statuses(&output).len(), 3);
}

#[test]
fn a_file_that_cannot_be_read_ends_in_3_and_the_others_are_written() {
    let kinds: [(&str, &[u8]); 3] = [
        ("text.png", b"this is no picture"),
        ("empty.jpg", b""),
        ("cut.tif", b"II*\0\x08\0\0\0"),
    ];
    for (name, bytes) in kinds {
        let (_folder, input, output) = with_pictures(2);
        fs::write(input.join(name), bytes).unwrap();
        // Again, where the others are done and the file is as it was.
        for _ in 0..2 {
            let (code, printed, error) = dehaze(&input, &output, &["--all"]);
            assert_eq!(code, 3, "{name}: {printed}{error}");
            assert_eq!(contents(&output).len(), 2, "{name}");
            assert!(!output.join(name).exists(), "{name}");
            assert_eq!(statuses(&output)[name], "unreadable");
        }
    }
}

#[test]
fn what_a_result_would_lose_ends_in_3_and_its_line_says_what_to_do() {
    let files =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/dehaze/core/tests/reference/files");
    let (_folder, input, output) = with_pictures(1);
    let refused = ["uint16_4.tif", "pages.tif", "float32_3.tif", "gif.jpg"];
    for name in refused {
        fs::copy(files.join(name), input.join(name)).unwrap();
    }
    let (code, printed, error) = dehaze(&input, &output, &["--all"]);
    assert_eq!(code, 3, "{printed}{error}");
    assert_eq!(contents(&output).len(), 1);
    for name in refused {
        assert!(!output.join(name).exists(), "{name}");
    }
    let report = fs::read_to_string(output.join("dehaze-report.csv")).unwrap();
    for words in ["-b 1 -b 2 -b 3", "several pictures", "-scale", "GIF"] {
        assert!(report.contains(words), "{words}: {report}");
    }
}

#[test]
fn a_run_that_could_read_nothing_ends_in_1() {
    let (folder, input, output) = with_pictures(0);
    // Nothing that could be a picture, nothing at all, and no such folder.
    fs::write(input.join("notes.txt"), "text").unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for (input, words) in [
        (&input, "there is no picture"),
        (&empty, "there is no picture"),
        (&folder.path().join("nowhere"), "nowhere"),
    ] {
        let (code, printed, error) = dehaze(input, &output, &[]);
        assert_eq!(code, 1, "{printed}{error}");
        assert!(error.contains(words), "{words}: {error}");
    }
    // Files of the right names, none of which can be read.
    for name in ["a.png", "b.jpg"] {
        fs::write(input.join(name), "text").unwrap();
    }
    for _ in 0..2 {
        let (code, printed, error) = dehaze(&input, &output, &[]);
        assert_eq!(code, 1, "{printed}{error}");
    }
    assert_eq!(statuses(&output).len(), 2);
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_written() {
    let (_folder, input, output) = with_pictures(1);
    for (arguments, code, words) in [
        (&["--patch", "14"][..], 1, "odd"),
        (
            &["--method", "aod-net", "--weights", "nowhere.pth"],
            1,
            "nowhere.pth",
        ),
        (&["--quality", "0"], 2, "1..=100"),
        (&["--shard", "4/3"], 2, "4/3"),
        (&["--memory", "much"], 2, "K, M or G"),
        (&["--method", "magic"], 2, "magic"),
    ] {
        let (found, printed, error) = dehaze(&input, &output, arguments);
        assert_eq!(found, code, "{arguments:?}: {printed}{error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
        assert!(!output.exists(), "{arguments:?}");
    }
}

#[test]
fn the_notebook_executes_from_top_to_bottom() {
    let folder = tempfile::tempdir().unwrap();
    let notebook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notebooks/dehaze.ipynb");
    let executed = folder.path().join("out.ipynb");
    let output = Command::new(program())
        .arg("run")
        .arg(&notebook)
        .arg("-o")
        .arg(&executed)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = fs::read_to_string(&executed).unwrap();
    // The table of measures, the two maps of transmission, the sliders.
    let row = |name: &str| {
        let (_, rest) = text
            .split_once(&format!("\"{name}  "))
            .unwrap_or_else(|| panic!("no row {name}"));
        let number = rest.trim_start().split(' ').next().unwrap_or_default();
        number
            .parse::<f64>()
            .unwrap_or_else(|_| panic!("{name}: no number in {number}"))
    };
    let hazy = row("hazy input");
    for method in [
        "dark channel, gray guide",
        "dark channel, color guide",
        "color attenuation",
        "AOD-Net",
    ] {
        assert!(
            row(method) > hazy + 1.0,
            "{method}: {} dB, hazy {hazy} dB",
            row(method)
        );
    }
    assert!(text.matches("image/svg+xml").count() >= 4 && text.contains("clip-path"));
}
