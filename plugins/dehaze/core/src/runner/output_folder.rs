//! Where results go: never onto an input, and never out of the output folder.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Settings, cannot_write, settings::CLAIM, walk::Walk};

/// Checks that no result can stand on an input by the folders' places alone.
///
/// # Errors
///
/// Says how the folders lie and what to do.
pub fn check_folders(input: &Path, output: &Path) -> Result<(), String> {
    let is_same = |one: &Path, other: &Path| {
        one == other
            || matches!((fs::metadata(one), fs::metadata(other)), (Ok(one), Ok(other)) if is_same_file(&one, &other))
    };
    if is_same(input, output) {
        return Err(
            "input and output are the same folder; give another one for the results".to_owned(),
        );
    }
    if input
        .ancestors()
        .skip(1)
        .any(|ancestor| is_same(ancestor, output))
    {
        return Err(format!(
            "the output folder {} holds the input folder {}, so results could stand on inputs; give a folder beside the \
             input, {} for instance",
            output.display(),
            input.display(),
            input.with_extension("dehazed").display()
        ));
    }
    Ok(())
}

/// Checks that a folder which no run has written to yet holds nothing that a result would take the name of.
///
/// # Errors
///
/// Names the first file that would be lost.
pub fn check_files(input: &Path, output: &Path, settings: &Settings) -> Result<(), String> {
    let is_empty = fs::read_dir(output)
        .map_err(|error| cannot_write(output, &error))?
        .next()
        .is_none();
    if is_empty || fs::symlink_metadata(output.join(CLAIM)).is_ok() {
        return Ok(());
    }
    for path in Walk::new(input, output) {
        let path = path?;
        let name = path.strip_prefix(input).unwrap_or(&path);
        let place = output.join(name);
        if settings.shard.has(&name.to_string_lossy())
            && fs::symlink_metadata(&place).is_ok_and(|found| !found.is_dir())
        {
            return Err(format!(
                "{} is there already, and no run of this program has made it; cannot write the result of {} over it: give \
                 another output folder",
                place.display(),
                path.display()
            ));
        }
    }
    Ok(())
}

/// Whether two names are of one file.
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    one.dev() == other.dev() && one.ino() == other.ino()
}

/// The folder of one thread's last result, which has been looked at.
#[derive(Debug, Default)]
pub struct OutputFolder {
    checked: Option<(PathBuf, PathBuf)>,
}

impl OutputFolder {
    /// Makes the folder of a result, and checks that it lies in the output folder, by no link, and that the result does not
    /// stand on its input.
    ///
    /// # Errors
    ///
    /// Fails where the folder cannot be made or the result would stand on an input.
    pub fn prepare(&mut self, input: &Path, found: &Metadata, place: &Path) -> Result<(), String> {
        let folder = place.parent().unwrap_or(place);
        let source = input.parent().unwrap_or(input);
        let is_checked = self
            .checked
            .as_ref()
            .is_some_and(|(known, of)| known == folder && of == source);
        if !is_checked {
            fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
            let real = folder
                .canonicalize()
                .map_err(|error| cannot_write(folder, &error))?;
            if real != folder {
                return Err(format!(
                    "{} is a link that leads to {}, out of the output folder; remove it or give another output folder",
                    folder.display(),
                    real.display()
                ));
            }
            if let (Ok(one), Ok(other)) = (fs::metadata(folder), fs::metadata(source))
                && is_same_file(&one, &other)
            {
                return Err(format!(
                    "{} and {} are one folder, so results would stand on inputs; give another output folder",
                    folder.display(),
                    source.display()
                ));
            }
            self.checked = Some((folder.to_owned(), source.to_owned()));
        }
        // A link in the input may lead to what is to be written, or both are names of one file.
        if let Ok(there) = fs::metadata(place)
            && is_same_file(&there, found)
        {
            return Err(format!(
                "{} is the same file as the input {}; give another output folder",
                place.display(),
                input.display()
            ));
        }
        Ok(())
    }
}
