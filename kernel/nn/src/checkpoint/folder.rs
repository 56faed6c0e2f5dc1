//! A folder of checkpoints: the last ones and the best ones.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use candle_core::{Error, Result, bail};
use serde::{Deserialize, Serialize};

use super::{Parts, file};

/// The list of what was saved, in the folder.
const INDEX: &str = "checkpoints.json";

/// A folder that keeps the last checkpoints of a run, and those with the best values.
///
/// ```
/// # use patchbay::prelude::*;
/// # let folder = std::env::temp_dir().join(format!("checkpoints-of-a-run-{}", std::process::id()));
/// let varmap = VarMap::new();
/// let net = nn::linear(2, 3, nn::builder(&varmap, DType::F32, &device()))?;
/// let mut checkpoints = nn::Checkpoints::new(&folder)?.keep_last(2).keep_lowest(1);
/// for (step, loss) in [(10, 0.5), (20, 0.3), (30, 0.4), (40, 0.6)] {
///     checkpoints.save(&nn::Checkpoint::of(&[("net", &net)]).step(step), Some(loss))?;
/// }
/// let steps: Vec<usize> = checkpoints.saved().iter().map(|saved| saved.step).collect();
/// assert_eq!(steps, [20, 30, 40]);
/// nn::Checkpoint::of(&[("net", &net)]).load(checkpoints.best().expect("three were saved"))?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), candle::Error>(())
/// ```
///
/// `checkpoints.json` lists the files. One that is not in it, or is no checkpoint any more, is neither overwritten nor removed.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    last: usize,
    best: Option<(usize, Order)>,
    saved: Vec<Saved>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Lowest,
    Highest,
}

/// A checkpoint in a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The name of the file.
    pub file: String,
    /// How many steps were done.
    pub step: usize,
    /// The value by which the best is told, the loss of held-out data for instance.
    pub value: Option<f64>,
}

impl Checkpoints {
    /// Opens a folder, and makes it where there is none. It keeps all checkpoints until [`Checkpoints::keep_last`] says otherwise.
    ///
    /// # Errors
    ///
    /// Fails where the folder cannot be made, and where its list cannot be read.
    pub fn new(folder: impl AsRef<Path>) -> Result<Checkpoints> {
        let folder = folder.as_ref().to_owned();
        let failed = |error: &dyn std::fmt::Display| {
            Error::Msg(format!(
                "the folder of checkpoints {}: {error}",
                folder.display()
            ))
            .bt()
        };
        fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
        let saved = match fs::read_to_string(folder.join(INDEX)) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                failed(&format!(
                    "{INDEX} is no list of checkpoints ({error}); move it away to begin a new one"
                ))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&error)),
        };
        Ok(Checkpoints {
            folder,
            last: usize::MAX,
            best: None,
            saved,
        })
    }

    /// Keeps this many of the last checkpoints, at least one.
    #[must_use]
    pub fn keep_last(self, count: usize) -> Checkpoints {
        Checkpoints {
            last: count.max(1),
            ..self
        }
    }

    /// Keeps this many of those with the lowest values besides: losses, errors.
    #[must_use]
    pub fn keep_lowest(self, count: usize) -> Checkpoints {
        Checkpoints {
            best: Some((count, Order::Lowest)),
            ..self
        }
    }

    /// Keeps this many of those with the highest values besides: accuracies, scores.
    #[must_use]
    pub fn keep_highest(self, count: usize) -> Checkpoints {
        Checkpoints {
            best: Some((count, Order::Highest)),
            ..self
        }
    }

    /// Writes a checkpoint, named after its step, and removes those that are neither among the last nor among the best. One of
    /// the same step is replaced.
    ///
    /// # Errors
    ///
    /// As [`Parts::save`], and where a file of the name is there that is not in the folder's list.
    pub fn save(&mut self, checkpoint: &Parts<'_>, value: Option<f64>) -> Result<PathBuf> {
        let step = checkpoint.step;
        let file = format!("step-{step:08}.safetensors");
        let path = self.folder.join(&file);
        let is_own = self.saved.iter().any(|saved| saved.file == file);
        if !is_own && path.symlink_metadata().is_ok() {
            bail!(
                "{} is there and was not saved by this run: move it away, or take another folder, \
                 nn::Checkpoints::new(\"runs/2\")?",
                path.display()
            )
        }
        checkpoint.save(&path)?;
        self.saved.retain(|saved| saved.file != file);
        self.saved.push(Saved { file, step, value });
        let kept = self.kept();
        // The list first: a file that is in no list is left, one that is listed and gone would be an error.
        let removed: Vec<Saved> = self
            .saved
            .extract_if(.., |saved| !kept.contains(&saved.file))
            .collect();
        self.write_index()?;
        for saved in removed {
            let path = self.folder.join(&saved.file);
            if is_checkpoint(&path) {
                fs::remove_file(&path).map_err(Error::wrap)?;
            }
        }
        Ok(path)
    }

    /// The checkpoints that there are, in the order in which they were saved.
    pub fn saved(&self) -> &[Saved] {
        &self.saved
    }

    /// The path of the checkpoint that was saved last.
    pub fn latest(&self) -> Option<PathBuf> {
        self.saved.last().map(|saved| self.folder.join(&saved.file))
    }

    /// The path of the checkpoint with the best value: the lowest, or with [`Checkpoints::keep_highest`] the highest.
    pub fn best(&self) -> Option<PathBuf> {
        let order = self.best.map_or(Order::Lowest, |(_, order)| order);

        self.by_value(order)
            .first()
            .map(|saved| self.folder.join(&saved.file))
    }

    /// Those with a value that is a number, the best first; of equal ones the later.
    fn by_value(&self, order: Order) -> Vec<&Saved> {
        let number = |saved: &Saved| saved.value.filter(|value| !value.is_nan());
        let mut ranked: Vec<(f64, &Saved)> = self
            .saved
            .iter()
            .rev()
            .filter_map(|saved| Some((number(saved)?, saved)))
            .collect();
        ranked.sort_by(|(one, _), (other, _)| match order {
            Order::Lowest => one.total_cmp(other),
            Order::Highest => other.total_cmp(one),
        });
        ranked.into_iter().map(|(_, saved)| saved).collect()
    }

    /// The names of the files that stay.
    fn kept(&self) -> Vec<String> {
        let mut kept: Vec<String> = self
            .saved
            .iter()
            .rev()
            .take(self.last)
            .map(|saved| saved.file.clone())
            .collect();
        if let Some((count, order)) = self.best {
            kept.extend(
                self.by_value(order)
                    .into_iter()
                    .take(count)
                    .map(|saved| saved.file.clone()),
            );
        }
        kept
    }

    fn write_index(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.saved).map_err(Error::wrap)?;
        let path = self.folder.join(INDEX);
        let mode = 0o666 & !patchbay_files::process_umask();
        patchbay_files::replace(&path, (text + "\n").as_bytes(), mode).map_err(|error| {
            Error::Msg(format!("{} cannot be written: {error}", path.display())).bt()
        })
    }
}

/// Whether a file is one that a checkpoint was written to: its header has the values of one.
fn is_checkpoint(path: &Path) -> bool {
    const LONGEST_HEADER: u64 = 100 << 20;
    let header = || -> io::Result<Vec<u8>> {
        if !path.symlink_metadata()?.is_file() {
            return Ok(Vec::new());
        }
        let mut file = fs::File::open(path)?;
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut header = Vec::new();
        let length = u64::from_le_bytes(length).min(LONGEST_HEADER);
        file.take(length).read_to_end(&mut header)?;
        Ok(header)
    };
    let key = format!("\"{}\"", file::VALUES);
    header().is_ok_and(|header| header.windows(key.len()).any(|part| part == key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checkpoint, VarMap};

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!(
            "patchbay-checkpoints-{name}-{}",
            std::process::id()
        ))
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn steps(checkpoints: &Checkpoints) -> Vec<usize> {
        checkpoints.saved().iter().map(|saved| saved.step).collect()
    }

    #[test]
    fn the_last_and_the_best_stay_and_a_new_session_goes_on() {
        let folder = folder("kept");
        let model = VarMap::new();
        let parts = |step| Checkpoint::of(&[("model", &model)]).step(step);
        let mut run = Checkpoints::new(&folder)
            .unwrap()
            .keep_last(2)
            .keep_highest(2);
        for (step, value) in [
            (1, Some(0.2)),
            (2, Some(0.9)),
            (3, Some(f64::NAN)),
            (4, None),
            (5, Some(0.3)),
        ] {
            run.save(&parts(step), value).unwrap();
        }
        assert_eq!(steps(&run), [2, 4, 5]);
        assert!(run.best().unwrap().ends_with("step-00000002.safetensors"));
        let mut run = Checkpoints::new(&folder)
            .unwrap()
            .keep_last(1)
            .keep_lowest(1);
        assert_eq!(steps(&run), [2, 4, 5]);
        assert!(run.latest().unwrap().ends_with("step-00000005.safetensors"));
        // The same step again replaces it.
        run.save(&parts(5), Some(0.1)).unwrap();
        assert_eq!(steps(&run), [5]);
        assert_eq!(
            files(&folder),
            ["checkpoints.json", "step-00000005.safetensors"]
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_not_saved_here_stays() {
        let folder = folder("foreign");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("step-00000002.safetensors"), "mine").unwrap();
        let model = VarMap::new();
        let parts = |step| Checkpoint::of(&[("model", &model)]).step(step);
        let mut run = Checkpoints::new(&folder).unwrap().keep_last(1);
        let error = run.save(&parts(2), None).unwrap_err().to_string();
        assert!(error.contains("was not saved by this run"), "{error}");
        run.save(&parts(3), None).unwrap();
        // Its place was taken by a file of another kind.
        fs::write(folder.join("step-00000003.safetensors"), "results").unwrap();
        run.save(&parts(4), None).unwrap();
        assert_eq!(
            files(&folder),
            [
                "checkpoints.json",
                "step-00000002.safetensors",
                "step-00000003.safetensors",
                "step-00000004.safetensors"
            ]
        );
        fs::write(folder.join(INDEX), "{}").unwrap();
        let error = Checkpoints::new(&folder).unwrap_err().to_string();
        assert!(error.contains("no list of checkpoints"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }
}
