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
//! Memory: the pictures in work, and eight bytes for each picture that an earlier run has finished.

mod memory;
mod picture;
mod report;
mod settings;
mod walk;

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub use memory::default_memory;
pub use picture::Method;
pub use report::{REPORT_COLUMNS, ReportRow, Status, read_report};
pub use settings::{Settings, Shard};

use memory::Budget;
use picture::{Desk, Outcome};
use report::Report;
use walk::Walk;

/// How often the caller hears of the progress.
const INTERVAL: Duration = Duration::from_millis(100);

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// The pictures of this shard; `None` while they are being counted.
    pub total: Option<u64>,
    /// Dehazed in this run.
    pub dehazed: u64,
    /// Copied as they are in this run: black, white, clear.
    pub skipped: u64,
    /// Files that are no readable picture, in this run.
    pub unreadable: u64,
    /// Finished by an earlier run.
    pub before: u64,
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
    pub read: f64,
    pub decode: f64,
    pub dehaze: f64,
    pub encode: f64,
    pub write: f64,
}

impl Times {
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
    pub progress: Progress,
    pub times: Times,
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
    if output == input {
        return Err(
            "input and output are the same folder; give another one for the results".to_owned(),
        );
    }
    settings.claim(&output)?;
    let (report, finished) = Report::open(&output, settings.shard)?;

    let shared = Shared {
        input: &input,
        output: &output,
        settings,
        walk: Mutex::new(Walk::new(&input, &output)),
        report: Mutex::new(report),
        finished,
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
        while workers.iter().any(|worker| !worker.is_finished()) {
            thread::sleep(Duration::from_millis(2));
            if told.elapsed() >= INTERVAL {
                told = Instant::now();
                if !watch(&shared.progress(&counted, start)) {
                    stopped = true;
                    shared.stop.store(true, Ordering::Relaxed);
                }
            }
        }
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
    budget: Budget,
    stop: AtomicBool,
    counts: [AtomicU64; 4],
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
            seconds: start.elapsed().as_secs_f64(),
        }
    }

    fn work(&self) {
        let mut desk = Desk::new(self.settings);
        while !self.stop.load(Ordering::Relaxed) {
            let next = lock(&self.walk).next();
            let Some(next) = next else { break };
            let done = next.and_then(|path| {
                let name = relative(&path, self.input);
                if self.settings.shard.has(&name) {
                    self.one(&path, name, &mut desk)
                } else {
                    Ok(())
                }
            });
            if let Err(failure) = done {
                self.stop.store(true, Ordering::Relaxed);
                lock(&self.failure).get_or_insert(failure);
            }
        }
        lock(&self.times).add(&desk.times);
    }

    /// One picture, from the look into the report to the line in it.
    fn one(&self, path: &Path, name: String, desk: &mut Desk<'_>) -> Result<(), String> {
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
            return Ok(());
        }
        let start = Instant::now();
        let outcome = desk.dehaze(path, &place, &self.budget, &mut row)?;
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
        desk.times.write += start.elapsed().as_secs_f64();
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
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
