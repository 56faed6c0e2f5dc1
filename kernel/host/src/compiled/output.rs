//! The folder of a compiled notebook: made beside its place and put there once it is whole.
//!
//! A marker in it lists the files that were written. An earlier result makes way only where the folder has that marker and
//! holds nothing else, nor a listed file that was changed since; whatever else is there is the user's.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use patchbay_files::{Access, digest_of_file, replace, unique_name};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

/// The file that says what `patchbay build` has written.
pub const MARKER: &str = ".patchbay-build";

/// Larger files are libraries, whose size tells.
const DIGESTED_BYTES: u64 = 4 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    written_by: String,
    files: BTreeMap<PathBuf, Written>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    bytes: u64,
    /// SHA-256; of a large file nothing.
    digest: Option<String>,
}

impl Written {
    fn of(path: &Path) -> io::Result<Written> {
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let bytes = metadata.len();
        let digest = (bytes <= DIGESTED_BYTES)
            .then(|| digest_of_file(path))
            .transpose()?;
        Ok(Written { bytes, digest })
    }
}

/// A folder that is to be at a place. Dropping it removes what has been written.
#[derive(Debug)]
pub struct Output {
    place: PathBuf,
    aside: PathBuf,
}

impl Output {
    /// Makes a folder beside the place.
    ///
    /// # Errors
    ///
    /// Fails where something is at the place that `patchbay build` has not made, or the disk refuses.
    pub fn new(place: &Path) -> Result<Output> {
        // The result takes the place of what a link leads to, not of the link.
        let place = match place.canonicalize() {
            Ok(place) => place,
            Err(_) if fs::symlink_metadata(place).is_ok() => bail!(
                "{} is a link that leads nowhere; choose another folder",
                place.display()
            ),
            Err(_) => std::path::absolute(place)?,
        };
        earlier(&place)?;
        let parent = place
            .parent()
            .context("a result cannot be the root folder")?;
        fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
        let parent = parent.canonicalize()?;
        let aside = parent.join(format!(".patchbay-build-{}", unique_name()?));
        fs::create_dir(&aside).with_context(|| {
            format!(
                "{} cannot be written: a result is made beside its place",
                parent.display()
            )
        })?;
        let place = parent.join(place.file_name().unwrap_or_default());
        Ok(Output { place, aside })
    }

    /// Where the files go until the folder is whole.
    pub fn folder(&self) -> &Path {
        &self.aside
    }

    /// Puts the folder in its place, and removes the earlier result.
    ///
    /// # Errors
    ///
    /// Fails where something has come to the place in the meantime, or the disk refuses; the earlier result stays then.
    pub fn publish(self) -> Result<()> {
        let mut files = BTreeMap::new();
        for name in list(&self.aside)? {
            let path = self.aside.join(&name);
            let written = Written::of(&path).with_context(|| format!("{}", path.display()))?;
            files.insert(name, written);
        }
        let marker = Marker {
            written_by: "patchbay build".to_owned(),
            files,
        };
        replace(
            &self.aside.join(MARKER),
            &serde_json::to_vec_pretty(&marker)?,
            Access::Umask.file(false),
        )?;
        let failed = || format!("{} cannot take its place", self.place.display());
        let Some(earlier) = earlier(&self.place)? else {
            // An empty folder makes way.
            return fs::rename(&self.aside, &self.place).with_context(failed);
        };
        match renameat_with(CWD, &self.aside, CWD, &self.place, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            // A file system that cannot exchange two names.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                let between = self.aside.with_extension("old");
                fs::rename(&self.place, &between).with_context(failed)?;
                if let Err(error) = fs::rename(&self.aside, &self.place) {
                    // Back as it was.
                    let _ = fs::rename(&between, &self.place);
                    return Err(error).with_context(failed);
                }
                fs::rename(&between, &self.aside).with_context(failed)?;
            }
            Err(error) => return Err(io::Error::from(error)).with_context(failed),
        }
        remove(&self.aside, &earlier);
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // After the publishing there is nothing of this name, or an earlier result with a file that somebody has put there
        // in the meantime.
        if !self.aside.join(MARKER).exists() {
            let _ = fs::remove_dir_all(&self.aside);
        } else if let Ok(Some(marker)) = earlier(&self.aside) {
            remove(&self.aside, &marker);
        }
    }
}

/// The earlier result at a place; `None` where nothing is there, or an empty folder.
fn earlier(place: &Path) -> Result<Option<Marker>> {
    let found = match fs::symlink_metadata(place) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{}", place.display())),
    };
    let foreign = |what: String| {
        anyhow::anyhow!(
            "{} holds something that `patchbay build` has not made; choose another folder (what stays as it is: {what})",
            place.display()
        )
    };
    if !found.is_dir() {
        return Err(foreign("it is no folder".to_owned()));
    }
    let mut entries = fs::read_dir(place).with_context(|| format!("{}", place.display()))?;
    let Some(first) = entries.next() else {
        return Ok(None);
    };
    let marker: Option<Marker> = patchbay_files::read(&place.join(MARKER))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let Some(marker) = marker.filter(|marker| marker.written_by == "patchbay build") else {
        let first = first.map_or_else(|_| "?".into(), |first| first.file_name());
        return Err(foreign(first.display().to_string()));
    };
    for name in list(place)? {
        let path = place.join(&name);
        match marker.files.get(&name) {
            None if name == Path::new(MARKER) => {}
            None => return Err(foreign(name.display().to_string())),
            Some(written) if Written::of(&path).is_ok_and(|found| found == *written) => {}
            Some(_) => {
                return Err(foreign(format!("{} has changed since", name.display())));
            }
        }
    }
    Ok(Some(marker))
}

/// Everything below a folder that is no folder, and every empty folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(name) = waiting.pop() {
        let path = folder.join(&name);
        let mut is_empty = true;
        for entry in fs::read_dir(&path).with_context(|| format!("{}", path.display()))? {
            let entry = entry?;
            is_empty = false;
            let name = name.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                waiting.push(name);
            } else {
                found.push(name);
            }
        }
        if is_empty && !name.as_os_str().is_empty() && !is_own_folder(&name) {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// Folders that are made empty where there is nothing to put into them.
fn is_own_folder(name: &Path) -> bool {
    name.starts_with("cells") || name.starts_with("plugins")
}

/// Removes the files of an earlier result and the folders that are empty then. Only space is at stake.
fn remove(folder: &Path, marker: &Marker) {
    let mut folders = std::collections::BTreeSet::new();
    for name in marker.files.keys() {
        let _ = fs::remove_file(folder.join(name));
        folders.extend(name.ancestors().skip(1).map(Path::to_owned));
    }
    let _ = fs::remove_file(folder.join(MARKER));
    for name in folders.iter().rev() {
        let _ = fs::remove_dir(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(place: &Path, text: &str) -> Result<()> {
        let output = Output::new(place)?;
        fs::create_dir(output.folder().join("bin")).unwrap();
        fs::write(output.folder().join("bin/program"), text).unwrap();
        fs::write(output.folder().join("run"), text).unwrap();
        output.publish()
    }

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn an_earlier_result_makes_way_and_nothing_else_does() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("job");
        build(&place, "one").unwrap();
        build(&place, "two").unwrap();
        assert_eq!(
            fs::read_to_string(place.join("bin/program")).unwrap(),
            "two"
        );
        assert_eq!(entries(root.path()), 1);
        for (name, is_new) in [
            ("thesis.tex", true),
            ("bin/notes", true),
            ("run", false),
            (MARKER, false),
        ] {
            let before = fs::read(place.join(name)).ok();
            fs::write(place.join(name), "mine").unwrap();
            let error = build(&place, "three").unwrap_err().to_string();
            assert!(error.contains("choose another folder"), "{error}");
            assert_eq!(fs::read_to_string(place.join(name)).unwrap(), "mine");
            match before {
                Some(before) => fs::write(place.join(name), before).unwrap(),
                None => fs::remove_file(place.join(name)).unwrap(),
            }
            assert_eq!(is_new, !place.join(name).exists());
        }
        build(&place, "four").unwrap();
        assert_eq!(entries(root.path()), 1);
    }

    #[test]
    fn what_only_looks_like_a_result_stays() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("p");
        for name in ["cells", "lib", "bin"] {
            fs::create_dir_all(place.join(name)).unwrap();
        }
        fs::write(place.join("program.json"), "{}").unwrap();
        assert!(build(&place, "x").is_err());
        assert_eq!(entries(&place), 4);
        let file = root.path().join("file");
        fs::write(&file, "text").unwrap();
        assert!(build(&file, "x").is_err());
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(build(&link, "x").is_err());
        let empty = root.path().join("empty");
        fs::create_dir(&empty).unwrap();
        build(&empty, "x").unwrap();
        assert_eq!(entries(root.path()), 4);
    }

    #[test]
    fn a_build_that_is_given_up_leaves_the_earlier_result() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("job");
        build(&place, "one").unwrap();
        let output = Output::new(&place).unwrap();
        fs::write(output.folder().join("run"), "two").unwrap();
        drop(output);
        assert_eq!(fs::read_to_string(place.join("run")).unwrap(), "one");
        assert_eq!(entries(root.path()), 1);
        // Something that came while it was built.
        let output = Output::new(&place).unwrap();
        fs::write(output.folder().join("run"), "two").unwrap();
        fs::write(place.join("thesis.tex"), "mine").unwrap();
        assert!(output.publish().is_err());
        assert_eq!(fs::read_to_string(place.join("run")).unwrap(), "one");
        assert_eq!(entries(root.path()), 1);
    }
}
