//! What is on the disk: nothing of the user's is removed or overwritten, nothing that was planted hangs or leads astray, and
//! what somebody removes while a kernel runs comes back.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt, symlink},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use patchbay_tests::{Client, program};
use serde_json::{Value, json};

/// The longest that a command may take on a machine under load.
const PATIENCE: Duration = Duration::from_secs(120);

fn notebook(path: &Path, cells: &[&str]) {
    let cells: Vec<Value> = cells
        .iter()
        .enumerate()
        .map(|(index, source)| {
            json!({ "cell_type": "code", "id": format!("c{index}"), "execution_count": null, "metadata": {},
                "outputs": [], "source": source })
        })
        .collect();
    let root = json!({ "cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
    fs::write(path, root.to_string()).unwrap();
}

/// Runs a command; one that hangs is ended and fails the test.
fn finish(command: &mut Command) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it hangs: {command:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// All that is below a folder, links not followed.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            found.extend(walk(&entry.path()));
        }
    }
    found
}

/// What is below a folder, for comparison: names with contents.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    walk(folder)
        .into_iter()
        .map(|path| {
            let is_file = fs::symlink_metadata(&path).unwrap().is_file();
            let bytes = is_file.then(|| fs::read(&path).unwrap());
            (path, bytes)
        })
        .collect()
}

/// A home of its own, in which everything that a kernel keeps is.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        for name in ["tmp", "data", "cache"] {
            fs::create_dir(home.at(name)).unwrap();
        }
        home
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        [
            ("TMPDIR", "tmp"),
            ("XDG_DATA_HOME", "data"),
            ("PATCHBAY_CACHE_DIR", "cache"),
            ("JUPYTER_DATA_DIR", "data/jupyter"),
        ]
        .map(|(name, place)| (name, self.at(place).display().to_string()))
        .into()
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment()).current_dir(self.0.path());
        command
    }

    fn patchbay(&self, arguments: &[&str]) -> Output {
        finish(self.command(program()).args(arguments))
    }

    async fn client(&self) -> Client {
        let environment = self.environment();
        let environment: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Client::start_with(&environment).await
    }

    /// The only snapshot.
    fn snapshot(&self) -> PathBuf {
        let snapshots: Vec<PathBuf> = fs::read_dir(self.at("data/patchbay/sdk"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(snapshots.len(), 1, "{snapshots:?}");
        snapshots[0].clone()
    }
}

#[test]
fn what_only_looks_like_a_folder_of_a_session_stays() {
    let home = Home::new();
    let own = home.at("tmp");
    fs::create_dir_all(own.join("patchbay-thesis/chapters")).unwrap();
    fs::write(own.join("patchbay-thesis/lock"), "").unwrap();
    fs::write(own.join("patchbay-thesis/chapters/1.tex"), "text").unwrap();
    fs::create_dir(own.join("patchbay-pipe")).unwrap();
    fifo(&own.join("patchbay-pipe/lock"));
    symlink("patchbay-thesis", own.join("patchbay-link")).unwrap();
    // A plugin's copies lay in such folders.
    fs::create_dir(own.join("patchbay-plugins-999999")).unwrap();
    fs::write(own.join("patchbay-plugins-999999/notes"), "text").unwrap();
    let before = contents(&own);
    notebook(
        &home.at("n.ipynb"),
        &[
            "plugin::load(\"/nowhere.so\").is_err()",
            "plugin::create::<dyn Loss>(\"loss/mse\", json!({}))?;",
        ],
    );
    for _ in 0..2 {
        let output = home.patchbay(&["run", "n.ipynb"]);
        assert!(output.status.success(), "{}", text(&output));
    }
    let mut after = contents(&own);
    let sessions = own.join(format!("patchbay-{}", user()));
    assert_eq!(after.remove(&sessions), Some(None));
    assert_eq!(after, before);
}

/// The user of this process.
fn user() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid()
}

#[tokio::test]
async fn what_a_killed_kernel_leaves_is_removed_by_the_next() {
    let home = Home::new();
    let sessions = home.at("tmp").join(format!("patchbay-{}", user()));
    let mut client = home.client().await;
    client.execute("1 + 1").await.result("2").ok();
    let left: Vec<PathBuf> = walk(&sessions);
    assert!(!left.is_empty());
    let pid = client.pid().to_string();
    assert!(
        Command::new("kill")
            .args(["-9", &pid])
            .status()
            .unwrap()
            .success()
    );
    client.wait_for_end().await;
    drop(client);
    let start = Instant::now();
    while left.iter().any(|path| path.exists()) {
        assert!(start.elapsed() < PATIENCE, "{:?}", walk(&sessions));
        // The next kernel's.
        notebook(&home.at("n.ipynb"), &["1 + 1"]);
        home.patchbay(&["run", "n.ipynb"]);
    }
}

#[tokio::test]
async fn what_is_in_the_place_of_a_cached_cell_makes_way() {
    let home = Home::new();
    let mut client = home.client().await;
    let code = "let planted = 40; planted + 2";
    client.execute(code).await.result("42").ok();
    let files = || -> Vec<PathBuf> {
        let all = walk(&home.at("cache/cells"));
        all.into_iter()
            .filter(|path| path.ends_with("cell.so") || path.ends_with("cell.json"))
            // What made way.
            .filter(|path| !path.display().to_string().contains("/.kept-"))
            .collect()
    };
    let plants: [&dyn Fn(&Path); 4] = [
        &|path| fifo(path),
        &|path| fs::create_dir(path).unwrap(),
        &|path| {
            fs::create_dir(path).unwrap();
            fs::write(path.join("notes"), "text").unwrap();
        },
        &|path| symlink("/dev/zero", path).unwrap(),
    ];
    for plant in plants {
        for name in ["cell.so", "cell.json"] {
            let planted = files();
            assert!(planted.iter().any(|path| path.ends_with(name)));
            for path in planted.iter().filter(|path| path.ends_with(name)) {
                fs::remove_file(path).unwrap();
                plant(path);
            }
            client.execute(code).await.result("42").ok();
        }
    }
    let kept = walk(&home.at("cache"));
    assert_eq!(
        kept.iter().filter(|path| path.ends_with("notes")).count(),
        2
    );
    // `cache clear` removes compiled cells and nothing else.
    fs::create_dir(home.at("cache/cells/thesis")).unwrap();
    fs::write(home.at("cache/cells/thesis/1.tex"), "text").unwrap();
    assert!(home.patchbay(&["cache", "clear"]).status.success());
    assert!(home.at("cache/cells/thesis/1.tex").exists());
    assert!(files().iter().all(|path| !path.is_file()));
}

#[test]
fn nobody_else_can_read_what_is_made_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let home = Home::new();
        let modes = "for entry in walk(std::path::Path::new(&std::env::var(\"TMPDIR\")?)) { println!(\"{entry}\") }";
        notebook(
            &home.at("n.ipynb"),
            &[
                "use std::os::unix::fs::PermissionsExt;\n\
                 fn walk(folder: &std::path::Path) -> Vec<String> {\n\
                     let mut found = Vec::new();\n\
                     for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {\n\
                         let mode = entry.metadata().map_or(0, |found| found.permissions().mode() & 0o777);\n\
                         found.push(format!(\"mode {mode:o} {}\", entry.path().display()));\n\
                         found.extend(walk(&entry.path()));\n\
                     }\n\
                     found\n}",
                "%%plugin loss/private\nfn forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor> { prediction - target }",
                modes,
            ],
        );
        let output = finish(home.command("sh").args([
            "-c",
            "umask $0; exec \"$@\"",
            umask,
            program().to_str().unwrap(),
            "run",
            "n.ipynb",
            "-o",
            "out.ipynb",
        ]));
        assert!(output.status.success(), "{}", text(&output));
        let seen = fs::read_to_string(home.at("out.ipynb")).unwrap();
        let lines: Vec<&str> = seen.split("mode ").skip(1).collect();
        assert!(
            lines.iter().any(|line| line.contains("/runtime-0")),
            "{seen}"
        );
        for line in lines {
            // The text of the cell has the word, too.
            let Ok(mode) = u32::from_str_radix(line.split(' ').next().unwrap(), 8) else {
                continue;
            };
            assert_eq!(mode & 0o077, 0, "umask {umask}: {line}");
        }
        for place in ["data", "cache"] {
            for path in walk(&home.at(place)) {
                let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
                assert_eq!(
                    mode & 0o077,
                    0,
                    "umask {umask}: {mode:o} {}",
                    path.display()
                );
            }
        }
    }
}

#[tokio::test]
async fn the_history_is_its_users_alone() {
    let home = Home::new();
    let history = home.at("data/deep/history.sqlite");
    fs::create_dir(home.at("data/deep")).unwrap();
    fs::write(&history, "").unwrap();
    fs::set_permissions(&history, fs::Permissions::from_mode(0o666)).unwrap();
    let path = history.display().to_string();
    let mut client = Client::start_with(&[("PATCHBAY_HISTORY", &path)]).await;
    client.execute("1 + 1").await.result("2").ok();
    let start = Instant::now();
    let mode = || fs::metadata(&history).unwrap().permissions().mode() & 0o777;
    while mode() != 0o600 || fs::metadata(&history).unwrap().len() == 0 {
        assert!(start.elapsed() < PATIENCE, "{:o}", mode());
        thread::sleep(Duration::from_millis(20));
    }
    // A FIFO in its place hangs nothing.
    fifo(&home.at("data/pipe"));
    let path = home.at("data/pipe").display().to_string();
    let mut client = Client::start_with(&[("PATCHBAY_HISTORY", &path)]).await;
    client.execute("1 + 1").await.result("2").ok();
}

#[test]
fn a_cache_or_a_snapshot_that_others_can_write_to_is_refused() {
    let home = Home::new();
    notebook(&home.at("n.ipynb"), &["1 + 1"]);
    assert!(home.patchbay(&["run", "n.ipynb"]).status.success());
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let cells = home.at("cache/cells");
    let before = contents(&cells);
    for (path, word) in [
        (cells.clone(), "chmod -R go-w"),
        (home.at("cache"), "chmod go-w"),
    ] {
        set(&path, 0o777);
        let output = home.patchbay(&["run", "n.ipynb", "-o", "out.ipynb"]);
        assert!(output.status.success(), "{}", text(&output));
        let said = fs::read_to_string(home.at("out.ipynb")).unwrap();
        assert!(
            said.contains("neither read nor kept") && said.contains(word),
            "{said}"
        );
        let doctor = text(&home.patchbay(&["doctor"]));
        assert!(doctor.contains(word), "{doctor}");
        set(&path, 0o700);
    }
    assert_eq!(contents(&cells), before);
    // An entry alone.
    let entry = walk(&cells)
        .into_iter()
        .find(|path| path.ends_with("cell.so"))
        .unwrap();
    set(&entry, 0o666);
    assert!(home.patchbay(&["run", "n.ipynb"]).status.success());
    assert_eq!(
        fs::metadata(&entry).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let snapshot = home.snapshot();
    let cases = [
        snapshot.clone(),
        snapshot.join("lib"),
        snapshot.join("lib/libpatchbay.so"),
    ];
    for path in cases {
        let before = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        set(&path, before | 0o022);
        let output = finish(
            home.command(program())
                .args(["run", "n.ipynb"])
                .env("PATCHBAY_PREFIX", &snapshot),
        );
        let said = text(&output);
        assert!(!output.status.success(), "{}: {said}", path.display());
        assert!(
            said.contains("others can write to") && said.contains("type: rm -r"),
            "{said}"
        );
        set(&path, before);
    }
    assert!(home.patchbay(&["run", "n.ipynb"]).status.success());
}

#[tokio::test]
async fn what_is_removed_while_a_session_runs_is_made_again() {
    let home = Home::new();
    let mut client = home.client().await;
    client.execute("let kept = 20;").await.ok();
    let snapshot = home.snapshot();
    let sessions = home.at("tmp").join(format!("patchbay-{}", user()));
    for (number, place) in [
        sessions,
        snapshot.clone(),
        snapshot.join("deps"),
        home.at("cache/cells"),
    ]
    .iter()
    .enumerate()
    {
        fs::remove_dir_all(place).unwrap();
        let execution = client.execute(&format!("kept + 22 + {number}")).await;
        let said = execution.text("stderr");
        let execution = execution.result(&(42 + number).to_string());
        if place.ends_with("cells") {
            execution.ok();
        } else {
            assert!(
                said.contains("note: ") && said.contains("removed while it"),
                "{said}"
            );
            execution.stream_with("stderr", &["note: "]).ok();
        }
        assert!(place.exists());
    }
    // All at once, and the process of the cells with them.
    for place in ["tmp", "data", "cache"] {
        for entry in fs::read_dir(home.at(place)).unwrap().flatten() {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    let mut execution = client.execute("std::process::exit(1)").await;
    execution.rest();
    drop(execution);
    let mut execution = client.execute("%%plugin loss/again\nfn forward(prediction: &Tensor, target: &Tensor) -> Result<Tensor> { prediction - target }").await;
    assert_eq!(execution.reply["status"], "ok", "{}", execution.reply);
    execution.rest();
    drop(execution);
    client.execute("7 * 6").await.result("42").ok();
    // What was put back serves others, too.
    drop(client);
    notebook(&home.at("n.ipynb"), &["1 + 1"]);
    let output = finish(
        home.command(snapshot.join("bin/patchbay"))
            .args(["run", "n.ipynb"]),
    );
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_full_folder_for_temporary_files_is_told_as_what_it_is() {
    let home = Home::new();
    let tmp = home.at("tmp").display().to_string();
    notebook(
        &home.at("n.ipynb"),
        &[
            &format!(
                "let _ = std::fs::write({:?}, vec![7u8; 8 << 20]);",
                format!("{tmp}/filler")
            ),
            "let unheard_of = vec![1, 2, 3]; unheard_of.len() + 17",
        ],
    );
    // Mounts need the administrator, or a namespace of one's own.
    let script = "mount -t tmpfs -o size=2m tmpfs \"$0\" || exit 77; exec \"$@\"";
    let run = |script: &str| {
        finish(home.command("unshare").args([
            "--mount",
            "sh",
            "-c",
            script,
            &tmp,
            program().to_str().unwrap(),
            "run",
            "n.ipynb",
        ]))
    };
    let output = run(script);
    let said = text(&output);
    if output.status.code() == Some(77) || said.contains("unshare") {
        patchbay_tests::skipped(format!("no file system can be mounted here: {said}"));
        return;
    }
    assert!(!output.status.success());
    assert!(
        said.contains("there is no room left in") && said.contains("TMPDIR"),
        "{said}"
    );
    assert!(!said.contains("does not start"), "{said}");
}

#[tokio::test]
async fn a_newer_build_leaves_the_snapshot_of_a_running_kernel() {
    let home = Home::new();
    notebook(&home.at("n.ipynb"), &["1 + 1"]);
    assert!(home.patchbay(&["run", "n.ipynb"]).status.success());
    let current = home.snapshot();
    let old = current.with_file_name("0123456789abcdef-01234567");
    assert!(
        Command::new("cp")
            .arg("-a")
            .arg(&current)
            .arg(&old)
            .status()
            .unwrap()
            .success()
    );
    let path = old.join("sdk.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["made"] = json!(1_000_000);
    fs::write(&path, manifest.to_string()).unwrap();
    let prefix = old.display().to_string();
    let environment = home.environment();
    let mut environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    environment.push(("PATCHBAY_PREFIX", &prefix));
    let mut client = Client::start_with(&environment).await;
    client.execute("let x = 1;").await.ok();
    // Whoever makes a snapshot removes old ones.
    let make = || {
        fs::remove_dir_all(&current).unwrap();
        assert!(home.patchbay(&["run", "n.ipynb"]).status.success());
    };
    make();
    assert!(old.join("lib/libpatchbay.so").exists());
    let pruned = text(&home.patchbay(&["doctor", "--prune"]));
    assert!(pruned.contains("a kernel that runs uses it"), "{pruned}");
    client.execute("x + 41").await.result("42").ok();
    drop(client);
    let start = Instant::now();
    while old.exists() {
        assert!(start.elapsed() < PATIENCE);
        make();
    }
}

#[test]
fn flipped_bits_in_a_snapshot_are_mended() {
    let home = Home::new();
    notebook(&home.at("n.ipynb"), &["1 + 1"]);
    assert!(home.patchbay(&["run", "n.ipynb"]).status.success());
    let snapshot = home.snapshot();
    let dependency = walk(&snapshot.join("deps")).into_iter().next().unwrap();
    for file in [
        snapshot.join("lib/libpatchbay.so"),
        dependency,
        snapshot.join("bin/patchbay-runtime"),
    ] {
        let sound = fs::read(&file).unwrap();
        let mut bytes = sound.clone();
        for at in [64, bytes.len() / 3, bytes.len() - 1] {
            bytes[at] ^= 0x10;
        }
        fs::write(&file, &bytes).unwrap();
        // As a kernel that Jupyter starts: the program is in the snapshot.
        let output = finish(
            home.command(snapshot.join("bin/patchbay"))
                .args(["run", "n.ipynb"]),
        );
        assert!(
            output.status.success(),
            "{}: {}",
            file.display(),
            text(&output)
        );
        assert!(fs::read(&file).unwrap() == sound, "{}", file.display());
    }
    // What nothing at a start can notice, `doctor` does.
    let library = snapshot.join("lib/libpatchbay.so");
    let modified = fs::metadata(&library).unwrap().modified().unwrap();
    let mut bytes = fs::read(&library).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&library, &bytes).unwrap();
    fs::File::options()
        .append(true)
        .open(&library)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    let said = text(&home.patchbay(&["doctor"]));
    assert!(said.contains("it was made again"), "{said}");
    bytes[middle] ^= 1;
    assert!(fs::read(&library).unwrap() == bytes);
}

#[test]
fn a_compiled_notebook_takes_no_place_but_its_own() {
    let home = Home::new();
    notebook(&home.at("n.ipynb"), &["println!(\"one\")"]);
    for place in ["p", "q/deep"] {
        let folder = home.at(place);
        fs::create_dir_all(folder.join("cells")).unwrap();
        fs::write(folder.join("thesis.tex"), "text").unwrap();
        fs::write(folder.join("program.json"), "{}").unwrap();
        fs::copy(home.at("n.ipynb"), folder.join("notebook.ipynb")).unwrap();
        let before = contents(&folder);
        for source in ["n.ipynb", &format!("{place}/notebook.ipynb")] {
            let output = home.patchbay(&["build", source, "-o", place]);
            assert!(!output.status.success());
            assert!(
                text(&output).contains("choose another folder"),
                "{}",
                text(&output)
            );
            assert_eq!(contents(&folder), before);
        }
    }
    let job = || {
        let output = finish(&mut Command::new(home.at("job/run")));
        (output.status.success(), printed(&output))
    };
    assert!(
        home.patchbay(&["build", "n.ipynb", "-o", "job"])
            .status
            .success()
    );
    assert_eq!(job(), (true, "one\n".to_owned()));
    // A failed compile leaves the earlier result, and nothing beside it.
    let names = || fs::read_dir(home.0.path()).unwrap().count();
    let before = (names(), contents(&home.at("job")));
    notebook(
        &home.at("n.ipynb"),
        &["println!(\"two\")", "let x: i32 = \"text\";"],
    );
    assert!(
        !home
            .patchbay(&["build", "n.ipynb", "-o", "job"])
            .status
            .success()
    );
    assert_eq!((names(), contents(&home.at("job"))), before);
    assert_eq!(job(), (true, "one\n".to_owned()));
    notebook(&home.at("n.ipynb"), &["println!(\"two\")"]);
    assert!(
        home.patchbay(&["build", "n.ipynb", "-o", "job"])
            .status
            .success()
    );
    assert_eq!(job(), (true, "two\n".to_owned()));
    // What the user has put into a result, or changed there.
    fs::write(home.at("job/results.csv"), "1,2").unwrap();
    assert!(
        !home
            .patchbay(&["build", "n.ipynb", "-o", "job"])
            .status
            .success()
    );
    fs::remove_file(home.at("job/results.csv")).unwrap();
    fs::write(home.at("job/notebook.ipynb"), "edited").unwrap();
    assert!(
        !home
            .patchbay(&["build", "n.ipynb", "-o", "job"])
            .status
            .success()
    );
    assert_eq!(
        fs::read_to_string(home.at("job/notebook.ipynb")).unwrap(),
        "edited"
    );
}

#[test]
fn a_compiled_notebook_runs_by_a_link() {
    let home = Home::new();
    notebook(&home.at("n.ipynb"), &["println!(\"by a link\")"]);
    assert!(
        home.patchbay(&["build", "n.ipynb", "-o", "a b/job"])
            .status
            .success()
    );
    fs::create_dir_all(home.at("bin/deep")).unwrap();
    symlink(home.at("a b/job/run"), home.at("bin/absolute")).unwrap();
    symlink("../a b/job/run", home.at("bin/relative")).unwrap();
    symlink("../relative", home.at("bin/deep/chain")).unwrap();
    symlink(home.at("a b"), home.at("folder")).unwrap();
    for link in [
        "bin/absolute",
        "bin/relative",
        "bin/deep/chain",
        "folder/job/run",
    ] {
        let output = finish(Command::new(home.at(link)).current_dir("/"));
        assert_eq!(printed(&output), "by a link\n", "{link}");
    }
    let path = format!("{}:/usr/bin:/bin", home.at("bin").display());
    let output = finish(
        Command::new("sh")
            .args(["-c", "relative"])
            .env("PATH", path),
    );
    assert_eq!(printed(&output), "by a link\n");
    // So does the program itself, and a notebook.
    symlink(program(), home.at("bin/patchbay")).unwrap();
    symlink("n.ipynb", home.at("link.ipynb")).unwrap();
    let output =
        finish(
            home.command(home.at("bin/patchbay"))
                .args(["run", "link.ipynb", "-o", "o.ipynb"]),
        );
    assert!(output.status.success(), "{}", text(&output));
}

/// Of a plugin with flipped bits in its headers one in twenty crashed the process.
#[tokio::test]
async fn a_damaged_plugin_is_refused_and_crashes_nothing() {
    let home = Home::new();
    fs::write(
        home.at("mine.rs"),
        "use patchbay::plugin::prelude::*;\n\
         struct Mine;\nimpl Component for Mine {}\n\
         impl Define for Mine { type Kind = dyn Loss; type Config = (); const ID: &'static str = \"loss/mine\";\n\
         const SUMMARY: &'static str = \"mine\"; const DETAILS: Details = Details::NONE;\n\
         fn build(_: (), _: &Context) -> Result<Self> { Ok(Mine) } }\n\
         impl Loss for Mine { fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> { prediction - target } }\n\
         patchbay::export_plugin!(Mine);\n",
    )
    .unwrap();
    let output = home.patchbay(&["plugin", "build", "mine.rs"]);
    assert!(output.status.success(), "{}", text(&output));
    let library = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let mut client = home.client().await;
    client
        .execute(&format!(
            "let sound = std::fs::read({library:?})?; let place = {:?}; let mut seed = 7u64; let mut accepted = 0;\n\
             for case in 0..600 {{\n\
                 let mut bytes = sound.clone();\n\
                 // Three quarters in the headers and the dynamic section's neighborhood, the rest anywhere.\n\
                 let range = if case % 4 < 3 {{ 1024 }} else {{ bytes.len() as u64 }};\n\
                 for _ in 0..1 + case % 3 {{\n\
                     seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);\n\
                     bytes[((seed >> 33) % range as u64) as usize] ^= 1 << (seed >> 61);\n\
                 }}\n\
                 if bytes == sound {{ continue; }}\n\
                 std::fs::write(place, &bytes)?;\n\
                 accepted += i32::from(plugin::load(place).is_ok());\n\
             }}\naccepted",
            home.at("flipped.so").display().to_string()
        ))
        .await
        .result("0")
        .ok();
    // One without a digest is refused with what builds it again.
    let text = std::fs::read(&library).unwrap();
    let field = b"\"digest\":\"";
    let at = text
        .windows(field.len())
        .position(|window| window == field)
        .unwrap()
        + field.len();
    let mut unsealed = text.clone();
    unsealed[at..at + 64].fill(b'0');
    fs::write(home.at("unsealed.so"), unsealed).unwrap();
    client
        .execute(&format!(
            "plugin::load({:?})?;",
            home.at("unsealed.so").display().to_string()
        ))
        .await
        .error("Error", &["has no digest yet", "patchbay plugin build"]);
    let mut execution = client.execute(&format!("plugin::load({library:?})?")).await;
    assert_eq!(execution.reply["status"], "ok", "{}", execution.reply);
    execution.rest();
}

/// Whoever finds the runtime's socket before the runtime does is not listened to.
#[tokio::test]
async fn the_runtimes_socket_takes_its_own_process_only() {
    let home = Home::new();
    let sessions = home.at("tmp").join(format!("patchbay-{}", user()));
    let ends = Arc::new(AtomicBool::new(false));
    let intruder = thread::spawn({
        let ends = ends.clone();
        move || {
            let mut connections = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                for path in walk(&sessions) {
                    let is_socket = fs::symlink_metadata(&path)
                        .is_ok_and(|found| found.file_type().is_socket());
                    if is_socket && connections.len() < 100 {
                        connections.extend(UnixStream::connect(&path));
                    }
                }
            }
            connections.len()
        }
    });
    for _ in 0..3 {
        let mut client = home.client().await;
        client.execute("6 * 7").await.result("42").ok();
    }
    ends.store(true, Ordering::Relaxed);
    assert!(intruder.join().unwrap() > 0, "nothing was tried");
}

#[test]
fn a_kernelspec_of_somebody_else_stays() {
    let home = Home::new();
    let folder = home.at("data/jupyter/kernels/patchbay");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("kernel.json"), "{\"argv\": [\"python3\"]}").unwrap();
    let before = contents(&home.at("data/jupyter"));
    for command in ["install", "uninstall"] {
        let output = home.patchbay(&[command]);
        assert!(!output.status.success(), "{command}");
        assert!(
            text(&output).contains("stays as it is"),
            "{}",
            text(&output)
        );
        assert_eq!(contents(&home.at("data/jupyter")), before);
    }
    fs::remove_file(folder.join("kernel.json")).unwrap();
    assert!(home.patchbay(&["install"]).status.success());
    fs::write(folder.join("notes"), "text").unwrap();
    assert!(home.patchbay(&["install"]).status.success());
    assert!(home.patchbay(&["uninstall"]).status.success());
    assert_eq!(walk(&home.at("data/jupyter/kernels")).len(), 2);
}

/// A picture of noise, of which the dehazing takes a while.
fn slow_picture(path: &Path, side: usize) {
    use patchbay_dehaze_core::{
        Shape,
        codec::{self, Extras, Format, Header, Samples},
    };
    let bytes = (0..3 * side * side)
        .map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let samples = Samples {
        bytes,
        words: Vec::new(),
    };
    let header = Header {
        format: Format::Png,
        shape: Shape {
            width: side,
            height: side,
            channels: 3,
        },
        bits: 8,
    };
    let mut file = Vec::new();
    codec::encode(&header, &samples, &Extras::default(), 95, &mut file).unwrap();
    fs::write(path, file).unwrap();
}

#[test]
fn the_exit_code_of_dehaze_tells_what_could_not_be_read() {
    let home = Home::new();
    fs::create_dir(home.at("in")).unwrap();
    fs::write(home.at("in/broken.png"), "no picture").unwrap();
    let code = || home.patchbay(&["dehaze", "in", "out"]).status.code();
    assert_eq!([code(), code()], [Some(1); 2], "nothing could be read");
    slow_picture(&home.at("in/good.png"), 32);
    assert_eq!(
        [code(), code()],
        [Some(3); 2],
        "one of two could not be read"
    );
    fs::remove_file(home.at("in/broken.png")).unwrap();
    assert_eq!([code(), code()], [Some(0); 2]);
    let output = home.patchbay(&["dehaze", "in", "."]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("holds the input folder"),
        "{}",
        text(&output)
    );
}

/// The processes that a process has started.
fn children(pid: u32) -> Vec<String> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut found: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let listed = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(listed.split_whitespace().map(str::to_owned));
    }
    found
}

#[test]
fn a_picture_that_kills_twice_is_set_aside_and_the_others_are_done() {
    let home = Home::new();
    fs::create_dir(home.at("in")).unwrap();
    slow_picture(&home.at("in/slow.png"), 1500);
    let in_work = home.at("out/.dehaze-in-work");
    let start = || {
        home.command(program())
            .args(["dehaze", "in", "out", "--threads", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let wait = |is_there: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !is_there() {
            assert!(start.elapsed() < PATIENCE);
            thread::sleep(Duration::from_millis(1));
        }
    };
    // The first death is the run's.
    let mut child = start();
    wait(&|| fs::read_dir(&in_work).is_ok_and(|mut files| files.next().is_some()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        !home.at("out/slow.png").exists(),
        "it was over before it was killed"
    );
    for name in ["a.png", "b.png"] {
        slow_picture(&home.at("in").join(name), 32);
    }
    // The second is of a process of its own, so that the run goes on.
    let child = start();
    wait(&|| !children(child.id()).is_empty());
    assert!(
        home.at("out/a.png").exists() && home.at("out/b.png").exists(),
        "the others come first"
    );
    for pid in children(child.id()) {
        Command::new("kill").args(["-9", &pid]).status().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let report = fs::read_to_string(home.at("out/dehaze-report.csv")).unwrap();
    assert!(
        report.contains("set aside") && report.contains("signal: 9"),
        "{report}"
    );
    // It is not tried again until the file is another.
    assert_eq!(
        home.patchbay(&["dehaze", "in", "out"]).status.code(),
        Some(3)
    );
    assert!(!home.at("out/slow.png").exists());
    slow_picture(&home.at("in/slow.png"), 200);
    let output = home.patchbay(&["dehaze", "in", "out"]);
    assert!(home.at("out/slow.png").exists(), "{}", text(&output));
    assert!(!in_work.exists());
}

#[test]
fn a_picture_in_work_when_a_run_is_killed_is_done_by_the_next() {
    let home = Home::new();
    fs::create_dir(home.at("in")).unwrap();
    slow_picture(&home.at("in/slow.png"), 1200);
    let whole = home.patchbay(&["dehaze", "in", "whole"]);
    assert!(whole.status.success());
    for _ in 0..3 {
        let mut child = home
            .command(program())
            .args(["dehaze", "in", "out"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let files = || {
            fs::read_dir(home.at("out/.dehaze-in-work"))
                .into_iter()
                .flatten()
                .count()
        };
        while files() == 0 && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // A process that a run has started ends with it.
        thread::sleep(Duration::from_millis(50));
    }
    let output = home.patchbay(&["dehaze", "in", "out"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        fs::read(home.at("out/slow.png")).unwrap() == fs::read(home.at("whole/slow.png")).unwrap()
    );
}
