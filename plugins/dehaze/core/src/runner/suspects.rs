//! Pictures that were in work when a run was killed.
//!
//! While a picture is in work, a file of its name's hash is in a folder of the output. What is there when a run begins was in
//! work when the last one was killed. Those pictures come after all others, one at a time; one that kills the run again is
//! set aside and reported.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use patchbay_files::{create_new, read_text};

use super::{cannot_write, report::identity_of_file, settings::Shard};

/// The folder in the output.
const FOLDER: &str = ".dehaze-in-work";

/// How often a picture may kill a run.
pub const MOST_DEATHS: u32 = 2;

/// The pictures in work.
pub struct Suspects {
    folder: PathBuf,
    prefix: String,
    /// How often each has killed a run.
    deaths: HashMap<u64, u32>,
}

impl Suspects {
    /// Reads what the last run of this shard has left.
    ///
    /// # Errors
    ///
    /// Fails where the folder cannot be made.
    pub fn open(output: &Path, shard: Shard) -> Result<Suspects, String> {
        let folder = output.join(FOLDER);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(cannot_write(&folder, &error));
            }
            _ => {}
        }
        // A link would lead elsewhere.
        if !fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir()) {
            return Err(format!(
                "{} should be a folder and is none; remove it",
                folder.display()
            ));
        }
        let prefix = format!("{}-of-{}-", shard.number, shard.count);
        let mut deaths = HashMap::new();
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let identity = name
                .strip_prefix(&prefix)
                .and_then(|digits| u64::from_str_radix(digits, 16).ok());
            if let Some(identity) = identity {
                let before = read_text(&entry.path()).ok();
                let before = before.and_then(|text| text.trim().parse::<u32>().ok());
                deaths.insert(identity, before.unwrap_or(0).saturating_add(1));
            }
        }
        Ok(Suspects {
            folder,
            prefix,
            deaths,
        })
    }

    /// How often a file as it is has killed a run.
    pub fn deaths(&self, name: &str, bytes: u64, modified_ns: u128) -> u32 {
        let identity = identity_of_file(name, bytes, modified_ns);
        self.deaths.get(&identity).copied().unwrap_or(0)
    }

    /// Notes that a file is in work; dropping what is returned notes that it is not any more. Where another process works on
    /// it, the end of this one is not its doing and does not count.
    ///
    /// # Errors
    ///
    /// Fails where the disk refuses.
    pub fn begin(
        &self,
        name: &str,
        bytes: u64,
        modified_ns: u128,
        elsewhere: bool,
    ) -> Result<InWork, String> {
        let identity = identity_of_file(name, bytes, modified_ns);
        let path = self.folder.join(format!("{}{identity:016x}", self.prefix));
        let deaths = self.deaths.get(&identity).copied().unwrap_or(0);
        let deaths = deaths.saturating_sub(u32::from(elsewhere));
        let failed = |error: io::Error| cannot_write(&path, &error);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = match create_new(&path, 0o600) {
            // Another shard has ended and taken the empty folder away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.folder).map_err(failed)?;
                create_new(&path, 0o600).map_err(failed)?
            }
            other => other.map_err(failed)?,
        };
        if deaths > 0 {
            write!(file, "{deaths}").map_err(failed)?;
        }
        Ok(InWork(path))
    }
}

impl Drop for Suspects {
    fn drop(&mut self) {
        // It is not empty where another shard is at work.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// A picture in work.
pub struct InWork(PathBuf);

impl Drop for InWork {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_counted_by_the_file_as_it_is() {
        let output = std::env::temp_dir().join(format!("dehaze-suspects-{}", std::process::id()));
        fs::create_dir_all(&output).unwrap();
        let die = |deaths| {
            let suspects = Suspects::open(&output, Shard::ALL).unwrap();
            assert_eq!(suspects.deaths("a.png", 7, 1), deaths);
            std::mem::forget(suspects.begin("a.png", 7, 1, false).unwrap());
        };
        die(0);
        let suspects = Suspects::open(&output, Shard::ALL).unwrap();
        std::mem::forget(suspects.begin("a.png", 7, 1, true).unwrap());
        die(1);
        let suspects = Suspects::open(&output, Shard::ALL).unwrap();
        assert_eq!(suspects.deaths("a.png", 7, 1), MOST_DEATHS);
        assert_eq!(suspects.deaths("a.png", 7, 2), 0, "it was changed since");
        let other = Shard {
            number: 1,
            count: 2,
        };
        assert_eq!(
            Suspects::open(&output, other)
                .unwrap()
                .deaths("a.png", 7, 1),
            0
        );
        // One that is finished leaves nothing.
        drop(suspects.begin("a.png", 7, 1, false).unwrap());
        drop(suspects);
        assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
        fs::remove_dir(&output).unwrap();
    }
}
