//! `patchbay doctor`

use std::process::ExitCode;

use anyhow::Result;

use crate::doctor::{self, Verdict};
use patchbay_toolchain::snapshot::Store;

/// Check compiler, SDK, kernelspec, Jupyter and CUDA; say how to mend what is broken
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Remove the SDK snapshots that no registered kernel uses
    #[arg(long)]
    prune: bool,
    /// List the SDK snapshots
    #[arg(long)]
    snapshots: bool,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.prune {
        let mut removed = 0;
        doctor::prune(&mut |path, bytes| {
            let path = path.display();
            match bytes {
                Some(bytes) => {
                    removed += 1;
                    println!("removed {path} ({} MB)", bytes / 1_000_000);
                }
                None => println!("kept {path}: a kernel that runs uses it"),
            }
        })?;
        if removed == 0 {
            println!("nothing to remove");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.snapshots {
        return list_snapshots();
    }
    let checks = doctor::examine();
    let width = checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or(0);
    for check in &checks {
        let sign = match check.verdict {
            Verdict::Good => "\x1b[32m ok \x1b[0m",
            Verdict::Absent => "\x1b[33mnote\x1b[0m",
            Verdict::Broken => "\x1b[31mFAIL\x1b[0m",
        };
        styled_println!("{sign}  {:width$}  {}", check.name, check.found);
        for line in check.remedy.iter().flat_map(|remedy| remedy.lines()) {
            styled_println!("      {:width$}  -> \x1b[1m{line}\x1b[0m", "");
        }
    }
    let broken = checks.iter().any(|check| check.verdict == Verdict::Broken);
    Ok(if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn list_snapshots() -> Result<ExitCode> {
    let entries = Store::of_user()?.entries()?;
    if entries.is_empty() {
        println!("no SDK snapshots; the next command that needs one makes it");
    }
    for entry in entries {
        let about = entry.manifest.map_or_else(
            || "damaged or unfinished".to_owned(),
            |manifest| {
                let days = manifest.age().as_secs() / 86_400;
                format!(
                    "candle {}, {}, {days} days old",
                    manifest.sdk.candle, manifest.sdk.compiler
                )
            },
        );
        println!(
            "{:>5} MB  {}  {about}",
            entry.bytes / 1_000_000,
            entry.path.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}
