//! Another user of the machine. Needs the administrator, who can be anybody; else the tests say that they were skipped.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use patchbay_tests::{Client, program};
use serde_json::Value;

/// The user that owns nothing.
const NOBODY: u32 = 65534;

fn is_administrator() -> bool {
    let is = fs::metadata("/proc/self").unwrap().uid() == 0
        && as_nobody("true", &[]).is_ok_and(|output| output.status.success());
    if !is {
        patchbay_tests::skipped("only the administrator can be another user, by setpriv");
    }
    is
}

fn as_nobody(program: &str, arguments: &[&str]) -> std::io::Result<Output> {
    Command::new("setpriv")
        .args([
            &format!("--reuid={NOBODY}"),
            &format!("--regid={NOBODY}"),
            "--clear-groups",
            program,
        ])
        .args(arguments)
        .current_dir("/")
        .output()
}

/// A folder that everybody can enter.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .prefix("open-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

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

#[tokio::test]
async fn another_user_sees_nothing_of_a_kernel_and_changes_nothing() {
    if !is_administrator() {
        return;
    }
    let home = open_folder();
    let at = |name: &str| home.path().join(name).display().to_string();
    for name in ["tmp", "cache", "data"] {
        fs::create_dir(at(name)).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o1777)).unwrap();
    }
    // They cannot keep the user from working either: the names are guessable.
    let root = format!("{}/patchbay-0", at("tmp"));
    fs::create_dir(&root).unwrap();
    chown(&root, Some(NOBODY), Some(NOBODY)).unwrap();
    let history = at("history.sqlite");
    let (tmp, cache, data) = (at("tmp"), at("cache"), at("data"));
    let mut client = Client::start_with(&[
        ("TMPDIR", tmp.as_str()),
        ("PATCHBAY_CACHE_DIR", cache.as_str()),
        ("XDG_DATA_HOME", data.as_str()),
        ("PATCHBAY_HISTORY", history.as_str()),
    ])
    .await;
    client
        .execute("let secret = 40; secret + 2")
        .await
        .result("42")
        .ok();
    let mut private = 0;
    for path in walk(home.path()) {
        // A file that is renamed to its place is not there any more.
        let is_own = fs::symlink_metadata(&path).is_ok_and(|found| found.uid() == 0);
        let is_one_of_these = ["tmp", "cache", "data"]
            .iter()
            .any(|name| path == home.path().join(name));
        if !is_own || is_one_of_these {
            continue;
        }
        private += 1;
        let path = path.to_str().unwrap();
        for test in ["-r", "-w", "-x"] {
            let output = as_nobody("test", &[test, path]).unwrap();
            assert!(!output.status.success(), "{test} {path}");
        }
    }
    assert!(private > 100, "{private}");
    assert!(fs::read_dir(&root).unwrap().next().is_none());
}

#[test]
fn what_belongs_to_another_user_is_not_used() {
    if !is_administrator() {
        return;
    }
    let home = open_folder();
    let at = |name: &str| home.path().join(name);
    let root = serde_json::json!({ "cells": [{ "cell_type": "code", "id": "a", "execution_count": null,
        "metadata": {}, "outputs": [], "source": "1 + 1" }], "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
    fs::write(at("n.ipynb"), root.to_string()).unwrap();
    fs::create_dir_all(at("cache/cells")).unwrap();
    chown(at("cache/cells"), Some(NOBODY), Some(NOBODY)).unwrap();
    let output = Command::new(program())
        .args(["run", "n.ipynb", "-o", "out.ipynb"])
        .env("PATCHBAY_CACHE_DIR", at("cache"))
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    let said = fs::read_to_string(at("out.ipynb")).unwrap();
    assert!(said.contains("belongs to another user"), "{said}");
    assert!(walk(&at("cache/cells")).is_empty());
}

#[test]
fn what_the_administrator_installs_serves_everybody() {
    if !is_administrator() {
        return;
    }
    for umask in ["077", "000"] {
        let place = open_folder();
        let output = Command::new("sh")
            .args([
                "-c",
                "umask $0; exec \"$@\"",
                umask,
                program().to_str().unwrap(),
            ])
            .args(["install", "--prefix"])
            .arg(place.path().join("lab"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let spec = place.path().join("lab/share/jupyter/kernels/patchbay");
        for path in walk(&place.path().join("lab")) {
            let mode = fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & 0o022, 0, "{mode:o} {}", path.display());
            assert_eq!(mode & 0o044, 0o044, "{mode:o} {}", path.display());
        }
        for name in ["kernel.json", "logo-svg.svg", "logo-32x32.png"] {
            let path = spec.join(name);
            let read = as_nobody("cat", &[path.to_str().unwrap()]).unwrap();
            assert!(read.status.success(), "{read:?}");
        }
        let text = fs::read(spec.join("kernel.json")).unwrap();
        let kernel: Value = serde_json::from_slice(&text).unwrap();
        let program = kernel["argv"][0].as_str().unwrap();
        let version = as_nobody(program, &["--version"]).unwrap();
        assert!(version.status.success(), "{version:?}");
        // Their caches are their own. Where the compiler is hidden from them, the administrator was told.
        let own = open_folder();
        chown(own.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        let home = format!("HOME={}", own.path().display());
        let doctor = as_nobody(
            "env",
            &[
                "-u",
                "XDG_CACHE_HOME",
                "-u",
                "TMPDIR",
                &home,
                program,
                "doctor",
            ],
        )
        .unwrap();
        let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
        if said.contains("other users cannot run the compiler") {
            assert!(doctor.contains("rustc"), "{doctor}");
        } else {
            assert!(doctor.contains("SDK snapshot"), "{doctor}");
        }
        let removed = Command::new(crate::users::program())
            .args(["uninstall", "--prefix"])
            .arg(place.path().join("lab"))
            .output()
            .unwrap();
        assert!(removed.status.success(), "{removed:?}");
        assert!(
            walk(&place.path().join("lab"))
                .iter()
                .all(|path| path.is_dir())
        );
    }
}
