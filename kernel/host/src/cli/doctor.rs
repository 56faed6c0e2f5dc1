//! `patchbay doctor`.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use crate::{
    engine::cache::Cache,
    kernelspec,
    snapshot::{self, Snapshot},
};

/// The result of one look.
struct Finding {
    what: &'static str,
    state: State,
    text: String,
}

#[derive(PartialEq)]
enum State {
    Good,
    /// Not there, and not needed for cells to run.
    Absent,
    Bad,
}

pub fn run() -> anyhow::Result<ExitCode> {
    let located = Snapshot::locate();
    let mut findings = Vec::new();
    match &located {
        Ok(snapshot) => {
            let rustc = &snapshot.record.rustc;
            findings.push(good(
                "compiler",
                format!(
                    "{} at {}",
                    snapshot.record.identity.compiler,
                    rustc.path.display()
                ),
            ));
            findings.push(good("SDK snapshot", snapshot.prefix.display().to_string()));
            findings.push(linker());
        }
        Err(error) => findings.push(bad("SDK snapshot", format!("{error:#}"))),
    }
    findings.push(kernel(located.as_ref().ok()));
    findings.push(jupyter());
    findings.push(cuda());
    findings.push(cache());
    findings.push(snapshots());

    let width = findings
        .iter()
        .map(|finding| finding.what.len())
        .max()
        .unwrap_or(0);
    for finding in &findings {
        let sign = match finding.state {
            State::Good => "ok     ",
            State::Absent => "absent ",
            State::Bad => "BAD    ",
        };
        println!("{sign}{:width$}  {}", finding.what, finding.text);
    }
    let healthy = findings.iter().all(|finding| finding.state != State::Bad);
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn good(what: &'static str, text: String) -> Finding {
    Finding {
        what,
        state: State::Good,
        text,
    }
}

fn absent(what: &'static str, text: String) -> Finding {
    Finding {
        what,
        state: State::Absent,
        text,
    }
}

fn bad(what: &'static str, text: String) -> Finding {
    Finding {
        what,
        state: State::Bad,
        text,
    }
}

fn first_line_of(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .map(str::to_owned)
}

fn linker() -> Finding {
    match first_line_of(Command::new("cc").arg("--version")) {
        Some(version) => good("linker", version),
        None => bad(
            "linker",
            "`cc` is missing; install a C compiler: apt-get install gcc".to_owned(),
        ),
    }
}

fn kernel(snapshot: Option<&Snapshot>) -> Finding {
    match (kernelspec::registered_program(), snapshot) {
        (None, _) => absent(
            "kernelspec",
            "not registered; register it: patchbay install".to_owned(),
        ),
        (Some(program), _) if !program.exists() => bad(
            "kernelspec",
            format!(
                "{} is gone; register the kernel anew: patchbay install",
                program.display()
            ),
        ),
        (Some(program), Some(snapshot)) if program != snapshot.program() => good(
            "kernelspec",
            format!(
                "{} (another build than this one; to change it: patchbay install)",
                program.display()
            ),
        ),
        (Some(program), _) => good("kernelspec", program.display().to_string()),
    }
}

fn jupyter() -> Finding {
    match first_line_of(Command::new("jupyter").args(["lab", "--version"])) {
        Some(version) => good("JupyterLab", version),
        None => absent(
            "JupyterLab",
            "not found; get it: pip install jupyterlab".to_owned(),
        ),
    }
}

fn cuda() -> Finding {
    match first_line_of(
        Command::new("nvidia-smi")
            .args(["--query-gpu=name,driver_version", "--format=csv,noheader"]),
    ) {
        Some(device) => good("CUDA device", device),
        None => absent("CUDA device", "none; tensors live on the CPU".to_owned()),
    }
}

fn cache() -> Finding {
    match Cache::of_user() {
        Some(cache) => {
            let (entries, bytes) = cache.size();
            let folder = cache.folder().display();
            good(
                "compiled cells",
                format!("{entries}, {:.1} MB in {folder}", bytes as f64 / 1e6),
            )
        }
        None => absent(
            "compiled cells",
            "no home folder; set PATCHBAY_CACHE_DIR".to_owned(),
        ),
    }
}

fn snapshots() -> Finding {
    let Ok(root) = snapshot::snapshots_folder() else {
        return absent("snapshots", "no home folder; set XDG_DATA_HOME".to_owned());
    };
    let count = fs::read_dir(&root).into_iter().flatten().count();
    let bytes = bytes_below(&root);
    good(
        "snapshots",
        format!(
            "{count}, {:.0} MB in {} (those unused for a week go by themselves; all of them: rm -r)",
            bytes as f64 / 1e6,
            root.display()
        ),
    )
}

fn bytes_below(folder: &Path) -> u64 {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
