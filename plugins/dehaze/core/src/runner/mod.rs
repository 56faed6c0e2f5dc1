//! A folder of pictures, dehazed into another folder.
//!
//! Every picture's result depends on that picture alone. A result appears under its name complete or
//! not at all: it is written beside its place and renamed. The report is a CSV file to which each
//! finished picture adds one line, in one write, after its result is in place; a run that was killed
//! goes on behind the last whole line. A picture is finished when the report has a line for the same
//! size and time of change, and its result is there. (Killed: the process, by any signal. What a power
//! failure takes out of the system's cache is not guarded against; that would cost a wait for the disk
//! at every picture.)
//!
//! No result stands on an input: see `output_folder.rs`. A picture that was in work when a run was killed may have killed it: see
//! `suspects.rs`.
//!
//! Memory: the pictures in work, and eight bytes for each picture that an earlier run has finished.

mod memory;
mod output_folder;
mod picture;
mod report;
mod settings;
mod suspects;
mod walk;

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

pub use memory::default_memory;
pub use picture::Method;
pub use report::{REPORT_COLUMNS, ReportRow, Status, read_report};
pub use settings::{Settings, Shard};

use memory::Budget;
use picture::{Outcome, Worker};
use report::Report;
use suspects::{MOST_DEATHS, Suspects};
use walk::{EXTENSIONS, Walk};

/// How often the caller hears of the progress.
const INTERVAL: Duration = Duration::from_millis(100);

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// The pictures of this shard; `None` while they are being counted.
    pub total: Option<u64>,
    /// Dehazed in this run.
    pub dehazed: u64,
    /// Copied as they are in this run: black, white, clear, without data.
    pub skipped: u64,
    /// Files that are no readable picture, in this run.
    pub unreadable: u64,
    /// Finished by an earlier run.
    pub before: u64,
    /// Of those, files that are no readable picture.
    pub unreadable_before: u64,
    /// Of this run so far.
    pub seconds: f64,
}

impl Progress {
    /// Finished in this run.
    pub fn finished(&self) -> u64 {
        self.dehazed + self.skipped + self.unreadable
    }

    /// Pictures a second in this run.
    pub fn rate(&self) -> f64 {
        self.finished() as f64 / self.seconds.max(1e-9)
    }

    /// Seconds until the end at this rate.
    pub fn seconds_left(&self) -> Option<f64> {
        let left = self.total?.saturating_sub(self.finished() + self.before);
        (self.finished() > 0).then(|| left as f64 / self.rate())
    }
}

/// Where the time went, summed over threads, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Reading files from the input folder.
    pub read: f64,
    /// Decoding files to samples.
    pub decode: f64,
    /// Dehazing, the test for black, white and clear pictures included.
    pub dehaze: f64,
    /// Encoding results in the format of their inputs.
    pub encode: f64,
    /// Writing and renaming results in the output folder.
    pub write: f64,
}

impl Times {
    /// Returns the sum of all parts, in seconds.
    pub fn sum(&self) -> f64 {
        self.read + self.decode + self.dehaze + self.encode + self.write
    }

    fn add(&mut self, other: &Times) {
        self.read += other.read;
        self.decode += other.decode;
        self.dehaze += other.dehaze;
        self.encode += other.encode;
        self.write += other.write;
    }
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Counts of pictures at the end of the run.
    pub progress: Progress,
    /// Seconds of each part of the work, summed over threads.
    pub times: Times,
    /// Path of the report, a CSV file in the output folder.
    pub report: PathBuf,
    /// Whether the caller stopped it.
    pub stopped: bool,
}

/// Dehazes the pictures below `input` into `output`. `watch` is called about ten times a second, on
/// the calling thread; where it returns false the run stops after the pictures that are in work.
///
/// # Errors
///
/// Fails where a folder cannot be read or written, the disk is full, `output` was made with other
/// settings, or another run writes the same report. What is finished stays, and the same call goes on
/// from there.
pub fn run(
    input: &Path,
    output: &Path,
    settings: &Settings,
    watch: impl FnMut(&Progress) -> bool,
) -> Result<Summary, String> {
    run_with(input, output, settings, None, watch)
}

/// As [`run`]; a picture that was in work when an earlier run was killed is given to `attempt`.
///
/// # Errors
///
/// Fails as [`run`] does.
pub fn run_with(
    input: &Path,
    output: &Path,
    settings: &Settings,
    attempt: Option<&Attempt<'_>>,
    mut watch: impl FnMut(&Progress) -> bool,
) -> Result<Summary, String> {
    let start = Instant::now();
    settings.check()?;
    let input = input
        .canonicalize()
        .map_err(|error| format!("no input folder {}: {error}", input.display()))?;
    if !input.is_dir() {
        return Err(format!(
            "the input is a folder with pictures; {} is a file",
            input.display()
        ));
    }
    fs::create_dir_all(output).map_err(|error| cannot_write(output, &error))?;
    let output = output
        .canonicalize()
        .map_err(|error| cannot_write(output, &error))?;
    output_folder::check_folders(&input, &output)?;
    output_folder::check_files(&input, &output, settings)?;
    settings.claim(&output)?;
    let (report, finished) = Report::open(&output, settings.shard)?;
    let suspects = Suspects::open(&output, settings.shard)?;

    let shared = Shared {
        input: &input,
        output: &output,
        settings,
        walk: Mutex::new(Walk::new(&input, &output)),
        report: Mutex::new(report),
        finished,
        suspects,
        last: Mutex::default(),
        attempt,
        budget: Budget::new(settings.memory),
        stop: AtomicBool::new(false),
        counts: Default::default(),
        failure: Mutex::new(None),
        times: Mutex::new(Times::default()),
    };
    let counted = AtomicU64::new(u64::MAX);
    let mut stopped = false;
    thread::scope(|scope| {
        scope.spawn(|| {
            let count = Walk::new(&input, &output)
                .take_while(|_| !shared.stop.load(Ordering::Relaxed))
                .filter(|path| {
                    path.as_ref()
                        .is_ok_and(|path| settings.shard.has(&relative(path, &input)))
                })
                .count();
            counted.store(count as u64, Ordering::Relaxed);
        });
        let workers: Vec<_> = (0..settings.threads.max(1))
            .map(|_| scope.spawn(|| shared.work()))
            .collect();
        let mut told = Instant::now();
        let mut wait = |workers: &[ScopedJoinHandle<'_, ()>]| {
            while !workers.iter().all(ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(2));
                if told.elapsed() >= INTERVAL {
                    told = Instant::now();
                    if !watch(&shared.progress(&counted, start)) {
                        stopped = true;
                        shared.stop.store(true, Ordering::Relaxed);
                    }
                }
            }
        };
        wait(&workers);
        // What was in work when a run was killed comes when all else is finished, one picture at a time.
        wait(&[scope.spawn(|| shared.work_last())]);
        shared.stop.store(true, Ordering::Relaxed);
    });
    if !stopped && counted.load(Ordering::Relaxed) == u64::MAX {
        counted.store(0, Ordering::Relaxed);
    }
    let mut progress = shared.progress(&counted, start);
    if !stopped {
        progress.total = Some(progress.finished() + progress.before);
    }
    watch(&progress);
    if let Some(failure) = lock(&shared.failure).take() {
        return Err(failure);
    }
    // A shard may have none of a few pictures; a folder that has none was not meant.
    if progress.total == Some(0) && Walk::new(&input, &output).next().is_none() {
        return Err(format!(
            "there is no picture in {}: no file's name ends in {}",
            input.display(),
            EXTENSIONS.join(", ")
        ));
    }
    let times = *lock(&shared.times);
    let report = lock(&shared.report).path.clone();
    Ok(Summary {
        progress,
        times,
        report,
        stopped,
    })
}

/// What the threads of a run share.
struct Shared<'a> {
    input: &'a Path,
    output: &'a Path,
    settings: &'a Settings,
    walk: Mutex<Walk>,
    report: Mutex<Report>,
    /// What earlier runs have finished; see [`report::identity`].
    finished: HashSet<u64>,
    suspects: Suspects,
    /// Pictures that were in work when a run was killed.
    last: Mutex<Vec<PathBuf>>,
    attempt: Option<&'a Attempt<'a>>,
    budget: Budget,
    stop: AtomicBool,
    counts: [AtomicU64; 5],
    failure: Mutex<Option<String>>,
    times: Mutex<Times>,
}

impl Shared<'_> {
    fn progress(&self, counted: &AtomicU64, start: Instant) -> Progress {
        let count = |index: usize| self.counts[index].load(Ordering::Relaxed);
        let total = counted.load(Ordering::Relaxed);
        Progress {
            total: (total != u64::MAX).then_some(total),
            dehazed: count(0),
            skipped: count(1),
            unreadable: count(2),
            before: count(3),
            unreadable_before: count(4),
            seconds: start.elapsed().as_secs_f64(),
        }
    }

    fn work(&self) {
        let mut worker = Worker::new(self.settings);
        while !self.stop.load(Ordering::Relaxed) {
            let next = lock(&self.walk).next();
            let Some(next) = next else { break };
            let done = next.and_then(|path| {
                let name = relative(&path, self.input);
                if self.settings.shard.has(&name) {
                    self.one(&path, name, &mut worker, false)
                } else {
                    Ok(())
                }
            });
            if let Err(failure) = done {
                self.stop.store(true, Ordering::Relaxed);
                lock(&self.failure).get_or_insert(failure);
            }
        }
        lock(&self.times).add(&worker.times);
    }

    /// The pictures that were in work when a run was killed.
    fn work_last(&self) {
        let mut worker = Worker::new(self.settings);
        while !self.stop.load(Ordering::Relaxed) {
            let Some(path) = lock(&self.last).pop() else {
                break;
            };
            let name = relative(&path, self.input);
            if let Err(failure) = self.one(&path, name, &mut worker, true) {
                self.stop.store(true, Ordering::Relaxed);
                lock(&self.failure).get_or_insert(failure);
            }
        }
        lock(&self.times).add(&worker.times);
    }

    /// One picture, from the look into the report to the line in it.
    fn one(
        &self,
        path: &Path,
        name: String,
        worker: &mut Worker<'_>,
        is_last: bool,
    ) -> Result<(), String> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            // Removed since the folder was listed: no picture of this data set any more.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let mut row = ReportRow::new(name, &metadata);
        let place = self
            .output
            .join(path.strip_prefix(self.input).unwrap_or(path));
        if let Some(&status) = [Status::Dehazed, Status::Copied, Status::Unreadable]
            .iter()
            .find(|&&status| self.finished.contains(&row.identity(status)))
            && (status == Status::Unreadable || place.is_file())
        {
            self.counts[3].fetch_add(1, Ordering::Relaxed);
            if status == Status::Unreadable {
                self.counts[4].fetch_add(1, Ordering::Relaxed);
            }
            return Ok(());
        }
        let deaths = self.suspects.deaths(&row.path, row.bytes, row.modified_ns);
        if deaths > 0 && deaths < MOST_DEATHS && !is_last {
            lock(&self.last).push(path.to_owned());
            return Ok(());
        }
        let start = Instant::now();
        let attempt = self.attempt.filter(|_| deaths > 0 && deaths < MOST_DEATHS);
        let in_work =
            self.suspects
                .begin(&row.path, row.bytes, row.modified_ns, attempt.is_some())?;
        let outcome = if deaths >= MOST_DEATHS {
            set_aside("it has killed the run twice")
        } else {
            worker.folder.prepare(path, &metadata, &place)?;
            match attempt {
                Some(attempt) => match attempt(&row.path)? {
                    Attempted::Line(line) => {
                        return self.take_line(&line, in_work);
                    }
                    Attempted::Died(how) => set_aside(&format!(
                        "it has killed the run, and then a process of its own ({how})"
                    )),
                },
                None => worker.dehaze(path, &place, &self.budget, &mut row)?,
            }
        };
        row.milliseconds = 1e3 * start.elapsed().as_secs_f64();
        let index = match outcome {
            Outcome::Dehazed => 0,
            Outcome::Copied(reason) => {
                row.reason = reason.to_owned();
                row.status = Status::Copied;
                1
            }
            Outcome::Unreadable(reason) => {
                row.reason = reason;
                row.status = Status::Unreadable;
                2
            }
        };
        let start = Instant::now();
        lock(&self.report).add(&row)?;
        worker.times.write += start.elapsed().as_secs_f64();
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        drop(in_work);
        Ok(())
    }

    /// Adds the line of another process to the report.
    fn take_line(&self, line: &str, in_work: suspects::InWork) -> Result<(), String> {
        let line = line.trim_end();
        let row = ReportRow::parse(line)
            .ok_or_else(|| format!("a process for one picture has said: {line}"))?;
        lock(&self.report).add_line(&format!("{line}\n"))?;
        let index = match row.status {
            Status::Dehazed => 0,
            Status::Copied => 1,
            Status::Unreadable => 2,
        };
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        drop(in_work);
        Ok(())
    }
}

fn set_aside(why: &str) -> Outcome {
    Outcome::Unreadable(format!(
        "set aside: {why}; look at the file, or give more memory"
    ))
}

/// What came of one picture in a process of its own.
#[derive(Clone, Debug)]
pub enum Attempted {
    /// Its line of the report.
    Line(String),
    /// The process has ended without one; how.
    Died(String),
}

/// Dehazes one picture, by its path below the input folder, in a process of its own.
pub type Attempt<'a> = dyn Fn(&str) -> Result<Attempted, String> + Sync + 'a;

/// Dehazes one picture of a data set, for a run that waits for it, and returns its line of the report.
///
/// # Errors
///
/// Fails where the picture is not there or its result cannot be written.
pub fn run_one(
    input: &Path,
    output: &Path,
    settings: &Settings,
    name: &str,
) -> Result<String, String> {
    let start = Instant::now();
    let input = input.canonicalize().map_err(|error| error.to_string())?;
    let output = output.canonicalize().map_err(|error| error.to_string())?;
    output_folder::check_folders(&input, &output)?;
    let is_below = Path::new(name)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if !is_below {
        return Err(format!("{name} is no path below the input folder"));
    }
    let (path, place) = (input.join(name), output.join(name));
    let metadata =
        fs::metadata(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut row = ReportRow::new(name.to_owned(), &metadata);
    let mut worker = Worker::new(settings);
    worker.folder.prepare(&path, &metadata, &place)?;
    let budget = Budget::new(settings.memory);
    let outcome = worker.dehaze(&path, &place, &budget, &mut row)?;
    row.milliseconds = 1e3 * start.elapsed().as_secs_f64();
    match outcome {
        Outcome::Dehazed => {}
        Outcome::Copied(reason) => {
            row.reason = reason.to_owned();
            row.status = Status::Copied;
        }
        Outcome::Unreadable(reason) => {
            row.reason = reason;
            row.status = Status::Unreadable;
        }
    }
    Ok(row.line())
}

/// A thread that panicked leaves its data whole: every change under these locks is one step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The path below the input folder, as it is in the report.
fn relative(path: &Path, input: &Path) -> String {
    path.strip_prefix(input)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!(
        "cannot write {}: {error}; what is finished stays: mend it and give the same command again",
        path.display()
    )
}
