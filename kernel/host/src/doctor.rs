//! Checks of all that the kernel needs, each with the command that mends it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::kernelspec;
use patchbay_engine::cache::Cache;
use patchbay_side as side;
use patchbay_toolchain::snapshot::{Manifest, REBUILD, Snapshot, Store};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Something that the kernel works without.
    Absent,
    /// Something that the kernel needs.
    Broken,
}

/// One line of the report.
#[derive(Clone, Debug)]
pub struct Check {
    pub name: &'static str,
    pub verdict: Verdict,
    pub found: String,
    /// What to type.
    pub remedy: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: String) -> Check {
        Check {
            name,
            verdict: Verdict::Good,
            found,
            remedy: None,
        }
    }

    fn absent(name: &'static str, found: String, remedy: impl Into<String>) -> Check {
        Check {
            name,
            verdict: Verdict::Absent,
            found,
            remedy: Some(remedy.into()),
        }
    }

    fn broken(name: &'static str, found: String, remedy: impl Into<String>) -> Check {
        Check {
            name,
            verdict: Verdict::Broken,
            found,
            remedy: Some(remedy.into()),
        }
    }
}

/// Examines everything.
pub fn examine() -> Vec<Check> {
    let snapshot = Snapshot::locate(&kernelspec::registered_prefixes);
    let mut checks = sdk(&snapshot);
    checks.push(kernelspec_check(snapshot.as_ref().ok()));
    checks.extend(snapshot.as_ref().ok().map(completion));
    checks.push(jupyter());
    checks.push(cuda(snapshot.as_ref().ok()));
    checks.push(cache());
    checks.push(snapshots(snapshot.as_ref().ok()));
    checks
}

fn sdk(snapshot: &Result<Snapshot>) -> Vec<Check> {
    let snapshot = match snapshot {
        Ok(snapshot) => snapshot,
        Err(error) => {
            // The errors of the snapshot end with the command that mends it.
            let text = format!("{error:#}");
            let (found, remedy) = text.split_once('\n').unwrap_or((&text, REBUILD));
            return vec![Check::broken(
                "SDK snapshot",
                found.to_owned(),
                remedy.replace("type: ", ""),
            )];
        }
    };
    let manifest = &snapshot.manifest;
    if let Err(error) = manifest.verify_files(&snapshot.prefix, true) {
        let text = format!("{error:#}");
        let found = text.lines().next().unwrap_or_default().to_owned();
        return vec![match snapshot.make_again() {
            Ok(source) => Check::good(
                "SDK snapshot",
                format!("{found}; it was made again from {}", source.display()),
            ),
            Err(_) => Check::broken("SDK snapshot", found, REBUILD),
        }];
    }
    let mut checks = vec![Check::good(
        "SDK snapshot",
        format!(
            "build {}, candle {}, {}",
            manifest.sdk.build_id,
            manifest.sdk.candle,
            snapshot.prefix.display()
        ),
    )];
    let compiler = &manifest.rustc;
    checks.push(Check::good(
        "compiler",
        format!("{}, {}", compiler.short_version(), compiler.path.display()),
    ));
    // The compiler calls a C compiler to link.
    checks.push(match first_line(Command::new("cc").arg("--version")) {
        Some(version) => Check::good("linker", version),
        None => Check::broken(
            "linker",
            "cc does not start".to_owned(),
            "sudo apt-get install gcc",
        ),
    });
    let plugins = fs::read_dir(snapshot.plugins()).map_or(0, |listing| listing.flatten().count());
    checks.push(Check::good(
        "plugins",
        format!("{plugins} libraries in {}", snapshot.plugins().display()),
    ));
    checks
}

fn kernelspec_check(snapshot: Option<&Snapshot>) -> Check {
    let name = "kernelspec";
    let Some((folder, program)) = kernelspec::registered().into_iter().next() else {
        return Check::absent(
            name,
            "not registered, so Jupyter does not list the kernel".to_owned(),
            "patchbay install",
        );
    };
    if !program.is_file() {
        let found = format!(
            "{} starts {}, which is not there",
            folder.display(),
            program.display()
        );
        return Check::broken(name, found, "patchbay install");
    }
    match snapshot {
        Some(snapshot) if !is_same_build(&program, snapshot) => Check::absent(
            name,
            format!(
                "{} starts another build, {}",
                folder.display(),
                program.display()
            ),
            "patchbay install",
        ),
        _ => Check::good(name, folder.display().to_string()),
    }
}

/// Whether a program is that of this snapshot, or of a copy of it.
fn is_same_build(program: &Path, snapshot: &Snapshot) -> bool {
    let prefix = program.ancestors().nth(2).unwrap_or(program);
    program == snapshot.program()
        || Manifest::read(prefix).is_ok_and(|manifest| manifest.digest == snapshot.manifest.digest)
}

fn completion(snapshot: &Snapshot) -> Check {
    let name = "completion";
    if !side::config::is_built(snapshot) {
        return Check::absent(
            name,
            "by the kernel's own knowledge; rust-analyzer has not been built".to_owned(),
            side::config::INSTALL,
        );
    }
    match side::config::repository(snapshot) {
        _ if !side::config::has_sources_of_std(&snapshot.manifest.rustc.sysroot) => Check::broken(
            name,
            "the sources of the standard library are missing".to_owned(),
            side::config::INSTALL,
        ),
        Ok(repository) => Check::good(
            name,
            format!("by rust-analyzer, which reads {}", repository.display()),
        ),
        Err(error) => Check::broken(name, format!("{error:#}"), REBUILD),
    }
}

fn jupyter() -> Check {
    match first_line(Command::new("jupyter").args(["lab", "--version"])) {
        Some(version) => Check::good("JupyterLab", version),
        None => Check::absent(
            "JupyterLab",
            "not found; notebooks run without it: patchbay run NOTEBOOK".to_owned(),
            "pip install jupyterlab",
        ),
    }
}

fn cuda(snapshot: Option<&Snapshot>) -> Check {
    let query = [
        "--query-gpu=name,memory.total,driver_version",
        "--format=csv,noheader",
    ];
    let device = first_line(Command::new("nvidia-smi").args(query));
    let built = snapshot.is_some_and(|snapshot| snapshot.manifest.sdk.cuda);
    match (device, built) {
        (Some(device), true) => Check::good("CUDA", device),
        (Some(device), false) => Check::absent(
            "CUDA",
            format!("{device}; the SDK is built for the CPU only"),
            "cargo build --release --features patchbay/cuda && target/release/patchbay install",
        ),
        (None, true) => Check::absent(
            "CUDA",
            "the SDK is built for CUDA, but nvidia-smi finds no GPU; cells use the CPU, if the loader finds a libcuda.so.1 \
             (the driver's, or the one that stands for it in the toolkit's environment); else no kernel starts"
                .to_owned(),
            "source target/cuda-toolkit/environment",
        ),
        (None, false) => Check::good("CUDA", "no GPU here; cells use the CPU".to_owned()),
    }
}

fn cache() -> Check {
    let name = "compiled cells";
    let Some(cache) = Cache::of_user() else {
        let found = "no home folder, so every cell is compiled each time".to_owned();
        return Check::absent(name, found, "export PATCHBAY_CACHE_DIR=…");
    };
    if let Err(text) = cache.check() {
        let (found, remedy) = text.split_once('\n').unwrap_or((&text, ""));
        return Check::broken(name, found.to_owned(), remedy.replace("type: ", ""));
    }
    let (entries, bytes) = cache.size();
    Check::good(
        name,
        format!(
            "{entries}, {:.1} MB in {}",
            bytes as f64 / 1e6,
            cache.folder().display()
        ),
    )
}

fn snapshots(current: Option<&Snapshot>) -> Check {
    let name = "snapshots";
    let entries = match Store::of_user().and_then(|store| store.entries()) {
        Ok(entries) => entries,
        Err(error) => return Check::absent(name, format!("{error:#}"), "patchbay doctor"),
    };
    let old: Vec<_> = entries
        .iter()
        .filter(|entry| current.is_none_or(|current| current.prefix != entry.path))
        .collect();
    let all: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let found = format!(
        "{} in use of {}, {} MB in all",
        entries.len() - old.len(),
        entries.len(),
        all / 1_000_000
    );
    if old.is_empty() {
        return Check::good(name, found);
    }
    let reclaimable: u64 = old.iter().map(|entry| entry.bytes).sum();
    let mut check = Check::good(
        name,
        format!(
            "{found}; {} older: {} MB",
            old.len(),
            reclaimable / 1_000_000
        ),
    );
    check.remedy = Some("patchbay doctor --prune".to_owned());
    check
}

/// The first line that a command prints, `None` where it does not start or fails.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let line = String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()?
        .trim()
        .to_owned();
    (!line.is_empty()).then_some(line)
}

/// Removes every prefix but the running program's, the ones that kernelspecs start, and those in use, which are reported
/// without bytes.
///
/// # Errors
///
/// Fails where the disk refuses.
pub fn prune(report: &mut dyn FnMut(&Path, Option<u64>)) -> Result<()> {
    let mut kept: Vec<PathBuf> = Snapshot::locate(&kernelspec::registered_prefixes)
        .into_iter()
        .map(|snapshot| snapshot.prefix)
        .collect();
    kept.extend(kernelspec::registered_prefixes());
    let store = Store::of_user()?;
    for entry in store
        .entries()?
        .iter()
        .filter(|entry| !kept.contains(&entry.path))
    {
        let removed = store.remove(&entry.path)?;
        report(&entry.path, removed.then_some(entry.bytes));
    }
    Ok(())
}
