//! The pictures below a folder, one after the other, without a list of them.

use std::{
    fs::{self, ReadDir},
    path::{Path, PathBuf},
};

use super::settings::CLAIM;

/// Ends of names of files that are looked into. What they hold, their first bytes say.
pub(super) const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "tif", "tiff", "bmp"];

/// Files whose names end like a picture's, in the order of the file system. Links to folders are not
/// followed; the output folder is left out, and what is the output folder of another run.
pub struct Walk {
    open: Vec<ReadDir>,
    start: Option<PathBuf>,
    output: PathBuf,
}

impl Walk {
    pub fn new(input: &Path, output: &Path) -> Walk {
        Walk {
            open: Vec::new(),
            start: Some(input.to_owned()),
            output: output.to_owned(),
        }
    }

    fn open(&mut self, folder: &Path) -> Result<(), String> {
        let listing = fs::read_dir(folder).map_err(|error| unlistable(folder, &error))?;
        self.open.push(listing);
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Result<PathBuf, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(start) = self.start.take()
            && let Err(error) = self.open(&start)
        {
            return Some(Err(error));
        }
        loop {
            let entry = match self.open.last_mut()?.next() {
                Some(Ok(entry)) => entry,
                Some(Err(error)) => {
                    return Some(Err(format!("cannot list the input folder: {error}")));
                }
                None => {
                    self.open.pop();
                    continue;
                }
            };
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    if path != self.output
                        && !is_output(&path)
                        && let Err(error) = self.open(&path)
                    {
                        return Some(Err(error));
                    }
                }
                // A link counts as what it leads to, unless that is a folder: it may lead round.
                Ok(kind) if kind.is_file() || path.is_file() => {
                    if is_picture(&path) {
                        return Some(Ok(path));
                    }
                }
                Ok(_) => {}
                Err(error) => return Some(Err(unlistable(&path, &error))),
            }
        }
    }
}

/// Whether results of a run are in a folder.
fn is_output(folder: &Path) -> bool {
    fs::symlink_metadata(folder.join(CLAIM)).is_ok_and(|found| found.is_file())
}

fn unlistable(path: &Path, error: &std::io::Error) -> String {
    format!("cannot list {}: {error}", path.display())
}

fn is_picture(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden
        && extension.is_some_and(|found| {
            EXTENSIONS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(found))
        })
}
