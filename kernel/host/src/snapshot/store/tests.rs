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
        files: vec![
            (library, "lib", Placement::Copy),
            (dependency, "deps", Placement::Link),
        ],
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
    fixture.contents.files.push((
        fixture.store.root.join("missing.rmeta"),
        "deps",
        Placement::Link,
    ));
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
    assert!(is_whole(&fixture.prefix, "digest"));
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
    follow(&fixture.contents.programs, &bin).unwrap();
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
    fixture.store.remove(&fixture.prefix).unwrap();
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
fn prefixes_that_nobody_starts_go_after_a_week() {
    let mut fixture = fixture();
    let week = LIFETIME.as_secs();
    for (name, age) in [
        ("fresh", week - 60),
        ("old", week + 60),
        ("registered", 2 * week),
    ] {
        fixture.contents.manifest.made = now() - age;
        fixture
            .store
            .make(&fixture.contents, &fixture.store.root.join(name))
            .unwrap();
    }
    fixture
        .store
        .remove_old(&[fixture.store.root.join("registered")]);
    let mut left = names(&fixture.store);
    left.sort();
    assert_eq!(left, ["fresh", "registered"]);
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
