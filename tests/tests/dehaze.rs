//! `patchbay dehaze`, killed in the middle, and the notebook.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use patchbay_dehaze_core::{
    Shape,
    codec::{self, Extras, Format, Header, Samples},
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
        "dark channel, colour guide",
        "colour attenuation",
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
