//! Fuzzing of what reads bytes that others have made: [`TARGETS`] has each reader, the README how to run them.

mod containers;
mod memory;
mod mutation;
mod targets;

pub use mutation::Mutator;
pub use targets::{TARGETS, Target};

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How much processor time one input may take, in seconds.
const MOST_SECONDS: u64 = 20;

/// After so many seconds an input that takes no processor time counts as a hang, on a machine that is busy, too.
pub const PATIENCE: u64 = 300;

/// How much memory an input may take beside four times its length.
const MOST_BYTES: usize = 256 << 20;

impl Target {
    /// The target of a name.
    ///
    /// # Errors
    ///
    /// Names the targets that there are.
    pub fn named(name: &str) -> Result<&'static Target, String> {
        TARGETS
            .iter()
            .find(|target| target.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
                format!(
                    "expected one of the targets {}, got `{name}`",
                    names.join(", ")
                )
            })
    }

    /// Has the target read an input. `folder` is where it may write.
    ///
    /// # Panics
    ///
    /// Panics where the target does, or takes too much memory or too long.
    pub fn read(&self, input: &[u8], folder: &Path) {
        let before = processor_ticks();
        memory::within(4 * input.len() + MOST_BYTES, || {
            (self.reader)(input, folder)
        });
        let ticks = processor_ticks() - before;
        assert!(
            ticks <= MOST_SECONDS * TICKS_A_SECOND,
            "{ticks} hundredths of a second of processor time were taken"
        );
    }

    /// Where its seeds are, and what was found.
    pub fn seed_folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(self.name)
    }

    /// The seeds by name, in order.
    ///
    /// # Errors
    ///
    /// Fails where they cannot be read.
    pub fn seeds(&self) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut seeds: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(self.seed_folder())?
            .map(|entry| {
                let path = entry?.path();
                let bytes = fs::read(&path)?;
                Ok((path, bytes))
            })
            .collect::<io::Result<_>>()?;
        seeds.sort();
        Ok(seeds)
    }
}

/// What Linux counts processor time in, everywhere.
const TICKS_A_SECOND: u64 = 100;

/// The processor time of this process (proc_pid_stat(5)).
fn processor_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    times.filter_map(|field| field.parse::<u64>().ok()).sum()
}
