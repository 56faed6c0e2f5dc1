use std::thread;

use super::*;
use crate::snapshot::{Description, Rustc};

/// A build tree's worth of small files.
fn contents(folder: &Path) -> Contents {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let library = file("libpatchbay.so", "library");
    let dependency = file("libcandle-1.rmeta", "metadata");
    let program = file("patchbay", "program");
    let rustc = file("rustc", "compiler");
    let metadata = fs::metadata(&rustc).unwrap();
    let modified = metadata
        .modified()
        .unwrap()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let compiler = Rustc {
        path: rustc,
        sysroot: folder.to_owned(),
        version: "rustc 1.95.0".to_owned(),
        bytes: metadata.len(),
        modified_nanoseconds: u64::try_from(modified.as_nanos()).unwrap(),
    };
    let sdk = Description {
        build_id: "b1".to_owned(),
        compiler: "rustc 1.95.0".to_owned(),
        target: "t".to_owned(),
        flags: "f".to_owned(),
        features: "g".to_owned(),
        sources: "s".to_owned(),
        candle: "0.11.1".to_owned(),
        cuda: false,
    };
    Contents {
        manifest: Manifest::new(sdk, compiler, "digest".to_owned(), folder.to_owned()),
        files: vec![(library, "lib"), (dependency, "deps")],
        programs: vec![program],
        plugins: Vec::new(),
    }
}

struct Fixture {
    _root: tempfile::TempDir,
    contents: Contents,
    store: Store,
    prefix: PathBuf,
}

fn fixture() -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let store = Store::at(root.path().join("store"));
    let prefix = store.root.join("b1-digest");
    Fixture {
        contents: contents(&tree),
        _root: root,
        store,
        prefix,
    }
}

/// The names in the store.
fn names(store: &Store) -> Vec<String> {
    fs::read_dir(&store.root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_prefix_holds_everything_and_opens() {
    let fixture = fixture();
    fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap();
    let snapshot = Snapshot::open(&fixture.prefix).unwrap();
    assert_eq!(snapshot.manifest.sdk.build_id, "b1");
    assert_eq!(fs::read_to_string(snapshot.library()).unwrap(), "library");
    assert_eq!(
        fs::read_to_string(snapshot.dependencies().join("libcandle-1.rmeta")).unwrap(),
        "metadata"
    );
    assert_eq!(fs::read_to_string(snapshot.program()).unwrap(), "program");
    assert_eq!(names(&fixture.store), ["b1-digest"]);
}

#[test]
fn a_failure_half_way_leaves_nothing() {
    let mut fixture = fixture();
    let missing = fixture.store.root.join("missing.rmeta");
    fixture.contents.files.push((missing, "deps"));
    let error = fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap_err();
    assert!(error.to_string().contains("missing.rmeta"), "{error}");
    assert!(names(&fixture.store).is_empty());
}

#[test]
fn many_makers_at_once_leave_one_whole_prefix() {
    let fixture = fixture();
    thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| fixture.store.make(&fixture.contents, &fixture.prefix)))
            .collect();
        for maker in makers {
            maker.join().unwrap().unwrap();
        }
    });
    assert!(is_whole(&fixture.prefix, "digest", true));
    assert_eq!(names(&fixture.store), ["b1-digest"]);
}

#[test]
fn a_damaged_prefix_is_named_and_replaced() {
    let fixture = fixture();
    fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap();
    let library = fixture.prefix.join("lib/libpatchbay.so");
    fs::write(&library, "cut").unwrap();
    let error = Snapshot::open(&fixture.prefix).unwrap_err().to_string();
    assert!(
        error.contains("libpatchbay.so should have 7 bytes and has 3"),
        "{error}"
    );
    assert!(error.contains(REBUILD), "{error}");
    fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap();
    assert_eq!(fs::read_to_string(&library).unwrap(), "library");
    assert_eq!(names(&fixture.store), ["b1-digest"]);
}

#[test]
fn another_program_replaces_the_old_one_without_touching_its_bytes() {
    let fixture = fixture();
    fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap();
    let bin = fixture.prefix.join("bin");
    // A second name for the file stands for a process that runs it.
    let running = fixture.store.root.join("running");
    fs::hard_link(bin.join("patchbay"), &running).unwrap();
    fs::write(&fixture.contents.programs[0], "a longer program").unwrap();
    fs::write(bin.join("stale"), "").unwrap();
    follow(&fixture.contents.programs, &bin, Access::Owner).unwrap();
    assert_eq!(
        fs::read_to_string(bin.join("patchbay")).unwrap(),
        "a longer program"
    );
    assert_eq!(fs::read_to_string(&running).unwrap(), "program");
    assert!(!bin.join("stale").exists());
}

#[test]
fn the_store_lists_and_removes_prefixes() {
    let fixture = fixture();
    assert!(fixture.store.entries().unwrap().is_empty());
    fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap();
    let entries = fixture.store.entries().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].manifest.as_ref().unwrap().digest, "digest");
    assert!(entries[0].bytes > 20);
    assert!(fixture.store.remove(&fixture.prefix).unwrap());
    assert!(names(&fixture.store).is_empty());
}

#[test]
fn a_folder_that_is_no_prefix_says_what_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let error = Snapshot::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("sdk.json is missing"), "{error}");
    assert!(error.contains("patchbay install"), "{error}");
}

#[test]
fn flipped_bits_are_noticed_and_mended() {
    let fixture = fixture();
    let make = || {
        fixture
            .store
            .make(&fixture.contents, &fixture.prefix)
            .unwrap()
    };
    make();
    for file in [
        "lib/libpatchbay.so",
        "deps/libcandle-1.rmeta",
        "bin/patchbay",
    ] {
        let path = fixture.prefix.join(file);
        let sound = fs::read(&path).unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let mut flipped = sound.clone();
        flipped[3] ^= 4;
        fs::write(&path, &flipped).unwrap();
        let error = Snapshot::open(&fixture.prefix).unwrap_err().to_string();
        assert!(
            error.contains("has other bytes than it was made with"),
            "{error}"
        );
        // What leaves the time as it was is found by who looks thoroughly.
        let handle = fs::File::options().write(true).open(&path).unwrap();
        handle.set_modified(modified).unwrap();
        let snapshot = Snapshot::open(&fixture.prefix).unwrap();
        assert!(
            snapshot
                .manifest
                .verify_files(&fixture.prefix, true)
                .is_err()
        );
        assert!(
            snapshot.manifest.verify_runtime(&fixture.prefix).is_err() != file.starts_with("deps")
        );
        drop(snapshot);
        fs::write(&path, &sound).unwrap();
        Snapshot::open(&fixture.prefix).unwrap();
    }
    fs::write(fixture.prefix.join("lib/libpatchbay.so"), "LIBRARY").unwrap();
    make();
    Snapshot::open(&fixture.prefix).unwrap();
}

#[test]
fn what_is_removed_under_a_session_is_put_back() {
    let fixture = fixture();
    fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap();
    let snapshot = Snapshot::open(&fixture.prefix).unwrap();
    let held = super::super::Held::of(&snapshot);
    assert!(!held.restore().unwrap());
    for part in ["", "lib", "deps/libcandle-1.rmeta", "sdk.json", "lock"] {
        let path = fixture.prefix.join(part);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        assert!(held.restore().unwrap(), "{part}");
        assert!(!held.restore().unwrap(), "{part}");
        Snapshot::open(&fixture.prefix).unwrap();
        assert!(!fixture.store.remove(&fixture.prefix).unwrap(), "{part}");
    }
}

#[test]
fn what_others_can_write_to_is_refused() {
    let fixture = fixture();
    fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap();
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    for (part, expected) in [
        ("", 0o700),
        ("lib", 0o700),
        ("sdk.json", 0o600),
        ("lib/libpatchbay.so", 0o600),
    ] {
        let path = fixture.prefix.join(part);
        assert_eq!(mode(&path), expected, "{part}");
        fs::set_permissions(&path, fs::Permissions::from_mode(expected | 0o022)).unwrap();
        let error = Snapshot::open(&fixture.prefix);
        if part != "sdk.json" {
            let error = error.unwrap_err().to_string();
            assert!(
                error.contains("others can write to") && error.contains("type: rm -r"),
                "{error}"
            );
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(expected)).unwrap();
        Snapshot::open(&fixture.prefix).unwrap();
    }
}

#[test]
fn what_is_no_prefix_is_not_removed() {
    let fixture = fixture();
    fs::create_dir_all(fixture.prefix.join("lib")).unwrap();
    fs::write(fixture.prefix.join("thesis.tex"), "text").unwrap();
    fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap();
    Snapshot::open(&fixture.prefix).unwrap();
    let kept = names(&fixture.store)
        .into_iter()
        .find(|name| name.contains(".kept-"))
        .unwrap();
    assert!(fixture.store.root.join(kept).join("thesis.tex").exists());
}

#[test]
fn a_copy_serves_everybody() {
    let fixture = fixture();
    fixture
        .store
        .make(&fixture.contents, &fixture.prefix)
        .unwrap();
    let snapshot = Snapshot::open(&fixture.prefix).unwrap();
    let place = fixture._root.path().join("opt");
    for _ in 0..2 {
        let copy = Store::of_everyone(&place).copy_of(&snapshot).unwrap();
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&copy.prefix), 0o755);
        assert_eq!(mode(&copy.library()), 0o644);
        assert_eq!(mode(&copy.program()), 0o755);
        assert_eq!(mode(&copy.prefix.join("sdk.json")), 0o644);
    }
}

#[test]
fn programs_of_an_earlier_copy_are_replaced() {
    let fixture = fixture();
    let Fixture {
        store,
        contents,
        prefix,
        ..
    } = &fixture;
    store.make(contents, prefix).unwrap();
    let everyone = Store::of_everyone(&fixture._root.path().join("opt"));
    let copy_of_now = || everyone.copy_of(&Snapshot::open(prefix).unwrap()).unwrap();
    let program = |copy: &Snapshot| fs::read_to_string(copy.program()).unwrap();
    assert_eq!(program(&copy_of_now()), "program");
    // The library is the same.
    fs::write(&contents.programs[0], "a newer program").unwrap();
    store
        .renew_programs(prefix, &contents.programs, &[])
        .unwrap();
    let copy = copy_of_now();
    assert_eq!(program(&copy), "a newer program");
    assert!(copy.manifest.verify_files(&copy.prefix, true).is_ok());
}

#[test]
fn prefixes_that_nobody_starts_go_after_a_week() {
    let mut fixture = fixture();
    let week = LIFETIME.as_secs();
    for (name, age) in [
        ("fresh", week - 60),
        ("old", week + 60),
        ("registered", 2 * week),
        ("used", 3 * week),
    ] {
        fixture.contents.manifest.made = now() - age;
        fixture
            .store
            .make(&fixture.contents, &fixture.store.root.join(name))
            .unwrap();
    }
    let used = lock::share(&fixture.store.root.join("used")).unwrap();
    fixture
        .store
        .remove_old(&[fixture.store.root.join("registered")]);
    let mut left = names(&fixture.store);
    left.sort();
    assert_eq!(left, ["fresh", "registered", "used"]);
    drop(used);
    fixture.store.remove_old(&[]);
    assert_eq!(names(&fixture.store), ["fresh"]);
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
