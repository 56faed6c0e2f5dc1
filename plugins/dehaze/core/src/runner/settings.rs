//! What a run is told.

use std::{fs, io::Write, path::Path};

use patchbay_files::{Access, create_new};

use super::{cannot_write, picture::Method};
use crate::skip::SkipRule;

/// One of several runs that share a data set: the pictures whose names hash to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// 1 to `count`.
    pub number: u64,
    /// Number of runs that share the data set, at least 1.
    pub count: u64,
}

impl Shard {
    /// All pictures.
    pub const ALL: Shard = Shard {
        number: 1,
        count: 1,
    };

    /// Whether a picture belongs to it; `name` is the path below the input folder.
    pub fn has(self, name: &str) -> bool {
        hash(name.as_bytes()) % self.count == self.number - 1
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parsed = text.split_once('/').and_then(|(number, count)| {
            Some(Shard {
                number: number.parse().ok()?,
                count: count.parse().ok()?,
            })
        });
        parsed
            .filter(|shard| (1..=shard.count).contains(&shard.number))
            .ok_or_else(|| format!("a shard is NUMBER/COUNT, 1/4 to 4/4 for instance, not {text}"))
    }
}

/// FNV-1a, 64 bit: short, and the same on every machine.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Prior or network that dehazes.
    pub method: Method,
    /// Rule for pictures that are copied as they are; `None`: all are dehazed.
    pub skip: Option<SkipRule>,
    /// JPEG's quality, 1 to 100.
    pub quality: u8,
    /// Number of threads, each with a picture of its own; 0 counts as 1.
    pub threads: usize,
    /// Bytes that the pictures in work may take together.
    pub memory: u64,
    /// Part of the data set that this run takes.
    pub shard: Shard,
    /// What of 16 bits is white, 4095 for 12 bits; none: as the file says, else all.
    pub white: Option<u16>,
}

/// The file in the output folder that says what the results were made with.
pub(super) const CLAIM: &str = ".dehaze-settings";

impl Settings {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=100).contains(&self.quality) {
            return Err(format!("JPEG's quality is 1 to 100, not {}", self.quality));
        }
        if self.white.is_some_and(|white| white < 255) {
            return Err("white is 255 to 65535, 4095 for 12 bits".to_owned());
        }
        self.method.check()
    }

    /// What changes the results: not the threads, the memory or the shard.
    fn fingerprint(&self) -> String {
        let white = self
            .white
            .map_or(String::new(), |white| format!("white {white}\n"));
        format!(
            "{}\n{:?}\nJPEG quality {}\n{white}",
            self.method.fingerprint(),
            self.skip,
            self.quality
        )
    }

    /// Marks the output folder as made with these settings.
    ///
    /// # Errors
    ///
    /// Fails where it was made with others.
    pub(super) fn claim(&self, output: &Path) -> Result<(), String> {
        let path = output.join(CLAIM);
        let wanted = self.fingerprint();
        match patchbay_files::read_text(&path) {
            Ok(found) if found == wanted => return Ok(()),
            Ok(found) => {
                return Err(format!(
                    "{} holds pictures that were made with other settings:\n{}\nthis run has:\n{}\ngive another \
                     output folder, or remove this one",
                    output.display(),
                    found.trim_end(),
                    wanted.trim_end()
                ));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot_write(&path, &error)),
        }
        // Several shards may begin at once: the first one's file stays, and the others compare.
        let name = patchbay_files::unique_name().map_err(|error| cannot_write(&path, &error))?;
        let aside = output.join(format!("{CLAIM}.{name}"));
        let written = create_new(&aside, Access::Umask.file(false))
            .and_then(|mut file| file.write_all(wanted.as_bytes()))
            .and_then(|()| match fs::hard_link(&aside, &path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
                // A file system without links has no shards that begin in the same instant.
                Err(_) => create_new(&path, Access::Umask.file(false))
                    .and_then(|mut file| file.write_all(wanted.as_bytes())),
                Ok(()) => Ok(()),
            });
        let removed = fs::remove_file(&aside);
        written
            .and(removed)
            .map_err(|error| cannot_write(&path, &error))?;
        match patchbay_files::read_text(&path) {
            Ok(found) if found == wanted => Ok(()),
            Ok(_) => self.claim(output),
            Err(error) => Err(cannot_write(&path, &error)),
        }
    }
}
