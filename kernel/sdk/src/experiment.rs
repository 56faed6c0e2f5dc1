//! The same experiment over variants, sizes of the data and seeds, with every run on disk.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use candle_core::bail;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Result, Table, build, nn, progress,
    stats::{Interval, mean_interval, paired_difference},
};

/// What a run measured, by name.
pub type Scores = BTreeMap<String, f64>;

/// An experiment: which variants, data-set sizes and seeds there are.
///
/// ```no_run
/// # use patchbay::{experiment::{Experiment, Scores}, prelude::*};
/// # fn train_and_test(_: &Value, _: usize) -> Result<f64> { Ok(0.0) }
/// # use serde_json::Value;
/// let runs = Experiment::new("fusion", "runs")
///     .variant("image only", json!({}))
///     .variant("concatenated", json!({"fusion": "encoder/fusion_concat"}))
///     .sizes([200, 1000])
///     .seeds(5)
///     .run(|run| Ok(Scores::from([("accuracy".to_owned(), train_and_test(&run.config, run.size)?)])))?;
/// println!("{}", runs.table("accuracy"));
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Experiment {
    name: String,
    folder: PathBuf,
    variants: Vec<(String, Value)>,
    sizes: Vec<usize>,
    seeds: u64,
}

/// One run to be made.
#[derive(Clone, Debug)]
pub struct Run {
    pub variant: String,
    pub config: Value,
    pub size: usize,
    /// [`nn::seed_all`] has been called with it.
    pub seed: u64,
}

/// One run that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub experiment: String,
    pub variant: String,
    pub config: Value,
    pub size: usize,
    pub seed: u64,
    pub scores: Scores,
    /// The build of the SDK that it was made with.
    pub build: String,
    /// Seconds since 1970 at its beginning, and how long it took.
    pub started: u64,
    pub seconds: f64,
}

impl Experiment {
    /// Runs are appended to `{folder}/{name}.jsonl`, a line each.
    pub fn new(name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        Experiment {
            name: name.into(),
            folder: folder.into(),
            variants: Vec::new(),
            sizes: vec![0],
            seeds: 1,
        }
    }

    /// Adds a variant with its settings.
    #[must_use]
    pub fn variant(mut self, name: impl Into<String>, config: Value) -> Self {
        self.variants.push((name.into(), config));
        self
    }

    /// How many examples there are to learn from.
    #[must_use]
    pub fn sizes(mut self, sizes: impl IntoIterator<Item = usize>) -> Self {
        self.sizes = sizes.into_iter().collect();
        self
    }

    /// How often each variant and size is repeated, with the seeds 0, 1, ...
    #[must_use]
    pub fn seeds(mut self, seeds: u64) -> Self {
        self.seeds = seeds;
        self
    }

    /// Makes the runs that are not on disk yet, seed after seed, so that an interruption leaves all variants alike. A run is on
    /// disk where variant, settings, size and seed are the same; delete the file to make all again.
    ///
    /// # Errors
    ///
    /// Fails where a run fails, naming it; what was finished before stays on disk.
    pub fn run(&self, mut one: impl FnMut(&Run) -> Result<Scores>) -> Result<Records> {
        let path = self.path();
        fs::create_dir_all(&self.folder).map_err(|error| {
            candle_core::Error::Msg(format!("{}: {error}", self.folder.display()))
        })?;
        let mut records = match path.exists() {
            true => Records::load(&path)?.0,
            false => Vec::new(),
        };
        let mut wanted = Vec::new();
        for seed in 0..self.seeds {
            for &size in &self.sizes {
                for (variant, config) in &self.variants {
                    wanted.push(Run {
                        variant: variant.clone(),
                        config: config.clone(),
                        size,
                        seed,
                    });
                }
            }
        }
        let made = |run: &Run, records: &[Record]| {
            records.iter().position(|record| {
                record.variant == run.variant
                    && record.config == run.config
                    && record.size == run.size
                    && record.seed == run.seed
            })
        };
        let open: Vec<Run> = wanted
            .iter()
            .filter(|run| made(run, &records).is_none())
            .cloned()
            .collect();
        for run in progress(open).title(&self.name) {
            nn::seed_all(run.seed)?;
            let (start, started) = (Instant::now(), SystemTime::now());
            let scores = one(&run).map_err(|error| {
                candle_core::Error::Msg(format!(
                    "{}, {} with {} examples, seed {}: {error}",
                    self.name, run.variant, run.size, run.seed
                ))
            })?;
            let record = Record {
                experiment: self.name.clone(),
                variant: run.variant,
                config: run.config,
                size: run.size,
                seed: run.seed,
                scores,
                build: build::BUILD_ID.to_owned(),
                started: started
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |since| since.as_secs()),
                seconds: start.elapsed().as_secs_f64(),
            };
            append(&path, &record)?;
            records.push(record);
        }
        let kept = wanted
            .iter()
            .filter_map(|run| made(run, &records))
            .map(|index| records[index].clone())
            .collect();
        Ok(Records(kept))
    }

    fn path(&self) -> PathBuf {
        self.folder
            .join(format!("{}.jsonl", self.name.replace(['/', '\\'], "-")))
    }
}

fn append(path: &Path, record: &Record) -> Result<()> {
    let line = serde_json::to_string(record).map_err(candle_core::Error::wrap)?;
    let write = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // One call for the whole line: two kernels with one file do not mix their lines.
        file.write_all(format!("{line}\n").as_bytes())
    };
    write().map_err(|error| candle_core::Error::Msg(format!("{}: {error}", path.display())))
}

/// Runs that were made.
#[derive(Clone, Debug)]
pub struct Records(pub Vec<Record>);

impl Records {
    /// Reads the runs of a file, of another day or another machine. A last line that was cut off is left out.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read or a line is no run.
    pub fn load(path: impl AsRef<Path>) -> Result<Records> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|error| candle_core::Error::Msg(format!("{}: {error}", path.display())))?;
        let mut records = Vec::new();
        for (number, line) in text.lines().enumerate() {
            match serde_json::from_str(line) {
                Ok(record) => records.push(record),
                Err(_) if number + 1 == text.lines().count() && !text.ends_with('\n') => {}
                Err(error) => bail!("{}, line {}: {error}", path.display(), number + 1),
            }
        }
        Ok(Records(records))
    }

    /// The scores of a variant at a size, by seed.
    pub fn scores(&self, score: &str, variant: &str, size: usize) -> BTreeMap<u64, f64> {
        self.0
            .iter()
            .filter(|record| record.variant == variant && record.size == size)
            .filter_map(|record| Some((record.seed, *record.scores.get(score)?)))
            .collect()
    }

    /// The difference of two variants at a size, seed by seed, with its 95 % interval; `None` where they have no seed in common.
    pub fn difference(
        &self,
        score: &str,
        variant: &str,
        reference: &str,
        size: usize,
    ) -> Option<Interval> {
        let (ours, theirs) = (
            self.scores(score, variant, size),
            self.scores(score, reference, size),
        );
        let pairs: Vec<(f64, f64)> = ours
            .iter()
            .filter_map(|(seed, ours)| Some((*ours, *theirs.get(seed)?)))
            .collect();
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        (!a.is_empty()).then(|| paired_difference(&a, &b))
    }

    /// A row for each variant, a column for each size: the mean of a score and its 95 % interval over the seeds, and a star where
    /// it differs from the first variant's beyond the noise, seed by seed.
    pub fn table(&self, score: &str) -> Table {
        let mut variants: Vec<&str> = Vec::new();
        let mut sizes: Vec<usize> = Vec::new();
        for record in &self.0 {
            if !variants.contains(&record.variant.as_str()) {
                variants.push(&record.variant);
            }
            if !sizes.contains(&record.size) {
                sizes.push(record.size);
            }
        }
        sizes.sort_unstable();
        let head = sizes.iter().map(|size| format!("{score}, {size} examples"));
        let mut table = Table::new(std::iter::once("variant".to_owned()).chain(head));
        for variant in &variants {
            let cell = |&size: &usize| {
                let values: Vec<f64> = self.scores(score, variant, size).into_values().collect();
                if values.is_empty() {
                    return String::new();
                }
                let star = self
                    .difference(score, variant, variants[0], size)
                    .is_some_and(|difference| !difference.contains_zero());
                format!(
                    "{:.3} ({} seeds){}",
                    mean_interval(&values),
                    values.len(),
                    if star { " *" } else { "" }
                )
            };
            table.push(std::iter::once((*variant).to_owned()).chain(sizes.iter().map(cell)));
        }
        table
    }

    /// The builds that the runs were made with; more than one means that not only the variants differ.
    pub fn builds(&self) -> Vec<&str> {
        let mut builds: Vec<&str> = self.0.iter().map(|record| record.build.as_str()).collect();
        builds.sort_unstable();
        builds.dedup();
        builds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_are_kept_and_not_made_twice() {
        let folder =
            std::env::temp_dir().join(format!("patchbay-experiment-{}", std::process::id()));
        let experiment = Experiment::new("a/b", &folder)
            .variant("plain", json!({}))
            .variant("better", json!({"by": 0.1}))
            .sizes([10, 20])
            .seeds(3);
        let mut made = 0;
        let mut one = |run: &Run| {
            made += 1;
            if made == 6 {
                bail!("interrupted");
            }
            let score = 0.5 + run.config["by"].as_f64().unwrap_or(0.0) + 0.01 * run.seed as f64;
            Ok(Scores::from([("accuracy".to_owned(), score)]))
        };
        let error = experiment.run(&mut one).unwrap_err().to_string();
        assert!(
            error.contains("a/b, better with 10 examples, seed 1: interrupted"),
            "{error}"
        );
        let records = experiment.run(&mut one).unwrap();
        assert_eq!((made, records.0.len()), (13, 12));
        let difference = records
            .difference("accuracy", "better", "plain", 20)
            .unwrap();
        assert!((difference.estimate - 0.1).abs() < 1e-9 && !difference.contains_zero());
        let table = records.table("accuracy").to_string();
        assert!(table.contains("0.610 ± 0.025 (3 seeds) *"), "{table}");
        assert_eq!(records.builds().len(), 1);

        let path = folder.join("a-b.jsonl");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"experiment\":\"cut o");
        fs::write(&path, &text).unwrap();
        assert_eq!(Records::load(&path).unwrap().0.len(), 12);
        fs::write(&path, format!("{text}\n")).unwrap();
        let error = Records::load(&path).unwrap_err().to_string();
        assert!(error.contains("line 13"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
