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

use crate::stats::{Interval, mean_interval, paired_difference};
use patchbay_cell::parts::identity;
use patchbay_nn as nn;
use patchbay_show::{Result, Table, progress};

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
    /// The variant's name.
    pub variant: String,
    /// The settings of the variant.
    pub config: Value,
    /// The size of the training part.
    pub size: usize,
    /// [`nn::seed_all`] has been called with it.
    pub seed: u64,
}

/// One run that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The experiment's name.
    pub experiment: String,
    /// The variant's name.
    pub variant: String,
    /// The settings of the variant.
    pub config: Value,
    /// The size of the training part.
    pub size: usize,
    /// The seed.
    pub seed: u64,
    /// Numbers that are not finite are `null` in the file and NaN when it is read: JSON has no other word for them.
    #[serde(with = "finite_or_null")]
    pub scores: Scores,
    /// The build of the SDK that it was made with.
    pub build: String,
    /// Seconds since 1970 at its beginning, and how long it took.
    pub started: u64,
    /// How long the run took.
    pub seconds: f64,
}

/// Scores in JSON.
mod finite_or_null {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Scores;

    pub fn serialize<S: Serializer>(scores: &Scores, serializer: S) -> Result<S::Ok, S::Error> {
        let finite = scores
            .iter()
            .map(|(name, &score)| (name, Some(score).filter(|score| score.is_finite())));
        finite.collect::<BTreeMap<_, _>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scores, D::Error> {
        let scores = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
        let or_nan = |(name, score): (String, Option<f64>)| (name, score.unwrap_or(f64::NAN));
        Ok(scores.into_iter().map(or_nan).collect())
    }
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
    /// disk where variant, settings, size and seed are the same; delete the file to make all again. A line says how many runs
    /// are from disk, and of which builds.
    ///
    /// # Errors
    ///
    /// Fails where two variants have one name, or a run fails, naming it; what was finished before stays on disk.
    pub fn run(&self, mut one: impl FnMut(&Run) -> Result<Scores>) -> Result<Records> {
        for (at, (name, _)) in self.variants.iter().enumerate() {
            if self.variants[..at].iter().any(|(other, _)| other == name) {
                bail!(
                    "{}: two variants are called {name:?}, and their scores could not be told apart: give one another name",
                    self.name
                );
            }
        }
        let path = self.path();
        fs::create_dir_all(&self.folder).map_err(|error| {
            candle_core::Error::Msg(format!("{}: {error}", self.folder.display()))
        })?;
        let mut records = match path.exists() {
            true => {
                end_last_line(&path).map_err(|error| {
                    candle_core::Error::Msg(format!("{}: {error}", path.display()))
                })?;
                Records::load(&path)?.0
            }
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
        let reused = Records(
            wanted
                .iter()
                .filter_map(|run| made(run, &records))
                .map(|index| records[index].clone())
                .collect(),
        );
        if !reused.0.is_empty() {
            println!(
                "{} of {} runs are from {}, of {}",
                reused.0.len(),
                wanted.len(),
                path.display(),
                of_builds(&reused.builds())
            );
        }
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
                build: identity().build_id.to_owned(),
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

/// "build a", "builds a and b".
fn of_builds(builds: &[&str]) -> String {
    let noun = if builds.len() == 1 { "build" } else { "builds" };
    format!("{noun} {}", builds.join(" and "))
}

/// Lets the next run begin on a line of its own: what a full disk or a stopped machine left of a line is taken off, and a line
/// that lacks nothing but its end gets that.
fn end_last_line(path: &Path) -> std::io::Result<()> {
    let bytes = fs::read(path)?;
    let whole = bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    let rest = &bytes[whole..];
    if rest.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).open(path)?;
    match serde_json::from_slice::<Record>(rest) {
        Ok(_) => file.write_all(b"\n"),
        Err(_) => file.set_len(whole as u64),
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
        let bytes = fs::read(path)
            .map_err(|error| candle_core::Error::Msg(format!("{}: {error}", path.display())))?;
        let mut records = Vec::new();
        let mut lines = bytes.split(|&byte| byte == b'\n').enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            // What is behind the last end of a line is nothing, or a line that was cut off.
            let last = lines.peek().is_none();
            match serde_json::from_slice(line) {
                Ok(record) => records.push(record),
                Err(_) if last => {}
                Err(error) => bail!(
                    "{}, line {} is no run: {error}. Take the line out, or delete the file to make all runs again",
                    path.display(),
                    number + 1
                ),
            }
        }
        Ok(Records(records))
    }

    /// The scores of a variant at a size, by seed. Where a file has runs of the variant with several settings, those with the
    /// settings of its last run.
    pub fn scores(&self, score: &str, variant: &str, size: usize) -> BTreeMap<u64, f64> {
        let last = self.0.iter().rfind(|record| record.variant == variant);
        last.map_or_else(BTreeMap::new, |last| {
            self.scores_with(score, (variant, &last.config), size)
        })
    }

    fn scores_with(
        &self,
        score: &str,
        (variant, config): (&str, &Value),
        size: usize,
    ) -> BTreeMap<u64, f64> {
        self.0
            .iter()
            .filter(|record| {
                record.variant == variant && record.config == *config && record.size == size
            })
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
        difference_of(&ours, &theirs)
    }

    /// A row for each variant (and each of its settings, where there are several), a column for each size: the mean of a score
    /// and its 95 % interval over the seeds, and a star where it differs from the first row's beyond the noise, seed by seed. A
    /// last row says so where the runs are of several builds.
    pub fn table(&self, score: &str) -> Table {
        let mut rows: Vec<(&str, &Value)> = Vec::new();
        let mut sizes: Vec<usize> = Vec::new();
        for record in &self.0 {
            let row = (record.variant.as_str(), &record.config);
            if !rows.contains(&row) {
                rows.push(row);
            }
            if !sizes.contains(&record.size) {
                sizes.push(record.size);
            }
        }
        sizes.sort_unstable();
        let head = sizes.iter().map(|size| format!("{score}, {size} examples"));
        let mut table = Table::new(std::iter::once("variant".to_owned()).chain(head));
        for &row in &rows {
            let cell = |&size: &usize| {
                let ours = self.scores_with(score, row, size);
                let values: Vec<f64> = ours.values().copied().collect();
                if values.is_empty() {
                    return String::new();
                }
                let star = difference_of(&ours, &self.scores_with(score, rows[0], size))
                    .is_some_and(|difference| !difference.contains_zero());
                format!(
                    "{:.3} ({} seeds){}",
                    mean_interval(&values),
                    values.len(),
                    if star { " *" } else { "" }
                )
            };
            let (variant, config) = row;
            let name = match rows.iter().filter(|(name, _)| *name == variant).count() {
                1 => variant.to_owned(),
                _ => format!("{variant} {config}"),
            };
            table.push(std::iter::once(name).chain(sizes.iter().map(cell)));
        }
        let builds = self.builds();
        if builds.len() > 1 {
            table.push([format!("(runs are of {})", of_builds(&builds))]);
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

/// By the seeds that both have.
fn difference_of(ours: &BTreeMap<u64, f64>, theirs: &BTreeMap<u64, f64>) -> Option<Interval> {
    let (a, b): (Vec<f64>, Vec<f64>) = ours
        .iter()
        .filter_map(|(seed, ours)| Some((*ours, *theirs.get(seed)?)))
        .unzip();
    (!a.is_empty()).then(|| paired_difference(&a, &b))
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
    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("patchbay-experiment-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_diverged_run_is_read_again_and_never_starred() {
        let folder = folder("nan");
        let experiment = Experiment::new("nan", &folder)
            .variant("plain", json!({}))
            .variant("diverges", json!({"nan": true}))
            .seeds(3);
        let one = |run: &Run| {
            let score = match run.config["nan"].as_bool() {
                Some(true) => f64::NAN,
                _ => 0.5 + 0.01 * run.seed as f64,
            };
            Ok(Scores::from([("accuracy".to_owned(), score)]))
        };
        experiment.run(one).unwrap();
        let records = experiment.run(|_| bail!("all runs are on disk")).unwrap();
        let scores = records.scores("accuracy", "diverges", 0);
        assert_eq!(scores.len(), 3);
        assert!(scores.values().all(|score| score.is_nan()));
        let table = records.table("accuracy").to_string();
        assert!(table.contains("NaN") && !table.contains('*'), "{table}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn runs_after_a_cut_line_begin_on_their_own() {
        let folder = folder("cut");
        let experiment = Experiment::new("cut", &folder)
            .variant("plain", json!({}))
            .seeds(4);
        let one = |run: &Run| Ok(Scores::from([("score".to_owned(), run.seed as f64)]));
        experiment.clone().seeds(2).run(one).unwrap();
        let path = folder.join("cut.jsonl");
        let whole = fs::read(&path).unwrap();
        // In the middle of a line, within a letter of two bytes, and before nothing but the line's end.
        for (tail, made) in [(&b"{\"experiment\":\"c"[..], 2), (b"{\"\xc3", 2), (b"", 2)] {
            let mut cut = whole.clone();
            if tail.is_empty() {
                cut.pop();
            }
            cut.extend(tail);
            fs::write(&path, cut).unwrap();
            let mut count = 0;
            experiment
                .run(|run| {
                    count += 1;
                    one(run)
                })
                .unwrap();
            assert_eq!(count, made);
            assert_eq!(Records::load(&path).unwrap().0.len(), 4);
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn variants_are_told_apart() {
        let folder = folder("names");
        let one = |run: &Run| {
            let score = run.config["by"].as_f64().unwrap_or(0.0) + run.seed as f64;
            Ok(Scores::from([("score".to_owned(), score)]))
        };
        let twice = Experiment::new("names", &folder)
            .variant("same", json!({}))
            .variant("same", json!({"by": 1.0}));
        let error = twice.run(one).unwrap_err().to_string();
        assert!(
            error.contains("two variants are called \"same\""),
            "{error}"
        );
        for by in [1.0, 2.0] {
            let experiment = Experiment::new("names", &folder).variant("one", json!({ "by": by }));
            experiment.seeds(2).run(one).unwrap();
        }
        let mut records = Records::load(folder.join("names.jsonl")).unwrap();
        let last: Vec<f64> = records.scores("score", "one", 0).into_values().collect();
        assert_eq!(last, [2.0, 3.0]);
        let table = records.table("score").to_string();
        assert!(
            table.contains("one {\"by\":1.0}  1.500") && table.contains("one {\"by\":2.0}  2.500"),
            "{table}"
        );
        assert!(!table.contains("builds"), "{table}");
        records.0[0].build = "another".to_owned();
        let table = records.table("score").to_string();
        assert!(table.contains("runs are of builds "), "{table}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
