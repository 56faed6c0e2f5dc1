//! Batches of a data set, made ahead by threads.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use candle_core::{Device, Error, bail};
use patchbay_cell::interrupt;
use patchbay_protocol::MimeBundle;
use patchbay_show::{Result, Show, Table};
use serde::{Deserialize, Serialize};

use crate::{
    Batch, Dataset, RandomSampler, Rng, Sampler, SequentialSampler,
    collate::collate,
    reason::reason,
    transforms::{BatchTransform, Transform},
    workers::{MakeBatch, Stopped, Workers},
};

/// What becomes of a sample that cannot be read: a corrupt image, for instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The loop ends with an error that names the sample.
    #[default]
    Fail,
    /// It is left out, its batch is smaller by one, and [`DataLoader::skipped`] names it.
    Skip,
}

/// Where a loader is: what a checkpoint keeps of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoaderState {
    /// The epoch, from 0.
    pub epoch: u64,
    /// The next batch of the epoch.
    pub batch: usize,
    /// How many samples the data set has.
    pub samples: usize,
    /// How many samples a batch has.
    pub batch_size: usize,
    /// Whether a smaller last batch is left out.
    pub drop_last: bool,
    /// In which order samples come.
    pub sampler: String,
    /// What augmentation draws from.
    pub seed: u64,
}

/// What is left out is named up to so many.
const MOST_NAMED: usize = 1000;

#[derive(Default)]
struct Progress {
    epoch: u64,
    batch: usize,
    /// The next loop goes on here; else it begins an epoch.
    resumes: bool,
    skipped: usize,
    named: Vec<(String, String)>,
    waited: Duration,
    total: Duration,
}

/// What threads need.
struct Settings {
    dataset: Arc<dyn Dataset>,
    transform: Option<Arc<dyn Transform>>,
    batch_transforms: Vec<Arc<dyn BatchTransform>>,
    pad: BTreeMap<String, f64>,
    on_error: OnError,
    seed: u64,
}

/// Batches of a data set: PyTorch's `DataLoader`.
///
/// What comes is a function of data set, seed and epoch, whatever the number of workers. A loop over `&loader` is an epoch; the next
/// one is the next epoch. [`DataLoader::state`] says in the midst of an epoch where it is, and [`DataLoader::load_state`] goes on there.
///
/// ```
/// use patchbay::prelude::*;
/// let x = torch::randn((100, 3))?;
/// let loader = data::DataLoader::new(data::TensorDataset::new(&[("x", &x)])?).batch_size(32).shuffle(1);
/// assert_eq!(loader.len()?, 4);
/// for batch in &loader {
///     let batch = batch?;
///     assert_eq!(batch.get("x")?.dims()[1], 3);
/// }
/// # Ok::<(), candle::Error>(())
/// ```
pub struct DataLoader {
    settings: Settings,
    sampler: Arc<dyn Sampler>,
    batch_size: usize,
    drop_last: bool,
    workers: usize,
    prefetch: usize,
    device: Device,
    progress: Arc<Mutex<Progress>>,
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DataLoader {
    /// Batches of one sample in order, on the default device, by as many threads as there are processors, at most 4.
    pub fn new(dataset: impl Dataset + 'static) -> DataLoader {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        DataLoader {
            settings: Settings {
                dataset: Arc::new(dataset),
                transform: None,
                batch_transforms: Vec::new(),
                pad: BTreeMap::new(),
                on_error: OnError::default(),
                seed: 0,
            },
            sampler: Arc::new(SequentialSampler),
            batch_size: 1,
            drop_last: false,
            workers: processors.min(4),
            prefetch: 2,
            device: patchbay_show::device(),
            progress: Arc::default(),
        }
    }

    /// How many samples a batch has.
    pub fn batch_size(mut self, samples: usize) -> DataLoader {
        self.batch_size = samples;
        self
    }

    /// Shuffles by this seed and the epoch; augmentation follows it, too.
    pub fn shuffle(mut self, seed: u64) -> DataLoader {
        self.sampler = Arc::new(RandomSampler::new(seed));
        self.settings.seed = seed;
        self
    }

    /// In which order samples come: [`WeightedRandomSampler`](crate::WeightedRandomSampler),
    /// [`StratifiedSampler`](crate::StratifiedSampler), or one of your own.
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> DataLoader {
        self.sampler = Arc::new(sampler);
        self
    }

    /// What augmentation draws from, together with the epoch and the sample's index.
    pub fn seed(mut self, seed: u64) -> DataLoader {
        self.settings.seed = seed;
        self
    }

    /// Leaves the last batch out where it is smaller.
    pub fn drop_last(mut self, drop_last: bool) -> DataLoader {
        self.drop_last = drop_last;
        self
    }

    /// How many threads make batches; 0: the one that asks for them.
    pub fn workers(mut self, threads: usize) -> DataLoader {
        self.workers = threads;
        self
    }

    /// How many batches each thread makes ahead: at most `workers * prefetch` batches are in memory.
    pub fn prefetch(mut self, batches: usize) -> DataLoader {
        self.prefetch = batches;
        self
    }

    /// What is done to each sample, on the threads.
    pub fn transform(mut self, transform: impl Transform + 'static) -> DataLoader {
        self.settings.transform = Some(Arc::new(transform));
        self
    }

    /// What is done to each batch, on the threads: [`MixUp`](crate::transforms::MixUp), [`CutMix`](crate::transforms::CutMix).
    pub fn batch_transform(mut self, transform: impl BatchTransform + 'static) -> DataLoader {
        self.settings.batch_transforms.push(Arc::new(transform));
        self
    }

    /// Fills tensors of this name up with `value` to the longest of the batch; a tensor NAME_mask `[batch, length]` of u8 is 1 for what
    /// is real.
    pub fn pad(mut self, name: &str, value: f64) -> DataLoader {
        self.settings.pad.insert(name.to_owned(), value);
        self
    }

    /// What becomes of a sample that cannot be read.
    pub fn on_error(mut self, on_error: OnError) -> DataLoader {
        self.settings.on_error = on_error;
        self
    }

    /// Where batches are put.
    pub fn device(mut self, device: &Device) -> DataLoader {
        self.device = device.clone();
        self
    }

    /// How many batches an epoch has.
    ///
    /// # Errors
    ///
    /// Fails where the settings do not fit the data set.
    pub fn len(&self) -> Result<usize> {
        let indices = self.order(lock(&self.progress).epoch)?.len();
        Ok(self.batches(indices))
    }

    /// Whether the data set has no samples.
    pub fn is_empty(&self) -> bool {
        self.settings.dataset.is_empty()
    }

    fn batches(&self, indices: usize) -> usize {
        match self.drop_last {
            true => indices / self.batch_size,
            false => indices.div_ceil(self.batch_size),
        }
    }

    fn order(&self, epoch: u64) -> Result<Vec<usize>> {
        if self.batch_size == 0 {
            bail!("a batch of 0 samples: DataLoader::new(dataset).batch_size(32)");
        }
        let len = self.settings.dataset.len();
        if len == 0 {
            bail!("the data set has no samples");
        }
        let order = self.sampler.indices(len, epoch)?;
        if let Some(index) = order.iter().find(|&&index| index >= len) {
            bail!("the sampler gives the index {index}; the data set has {len} samples");
        }
        if self.drop_last && order.len() < self.batch_size {
            bail!(
                "{} samples are less than a batch of {}, and drop_last leaves it out: no batch would come",
                order.len(),
                self.batch_size
            );
        }
        Ok(order)
    }

    /// The batches of an epoch: of the one that a state was loaded in the midst of, or else of the next one. The first item is an
    /// error where settings do not fit the data set.
    pub fn iter(&self) -> Batches {
        let mut progress = lock(&self.progress);
        if !progress.resumes && progress.batch > 0 {
            progress.epoch += 1;
            progress.batch = 0;
        }
        progress.resumes = false;
        (progress.waited, progress.total) = (Duration::ZERO, Duration::ZERO);
        let (mut epoch, mut first) = (progress.epoch, progress.batch);
        drop(progress);
        let mut started = self.start(epoch, first);
        // A state at an epoch's end goes on with the next.
        if first > 0 && started.as_ref().is_ok_and(|(_, count)| first >= *count) {
            (epoch, first) = (epoch + 1, 0);
            let mut progress = lock(&self.progress);
            (progress.epoch, progress.batch) = (epoch, first);
            drop(progress);
            started = self.start(epoch, first);
        }
        let (source, count, problem) = match started {
            Ok((source, count)) => (Some(source), count, None),
            Err(error) => (None, 0, Some(error)),
        };
        Batches {
            source,
            next: first,
            count,
            problem,
            device: self.device.clone(),
            progress: Arc::clone(&self.progress),
            epoch,
            since: Instant::now(),
        }
    }

    fn start(&self, epoch: u64, first: usize) -> Result<(Source, usize)> {
        let order = self.order(epoch)?;
        let count = self.batches(order.len());
        let size = self.batch_size;
        let has_repeats = {
            let mut seen = vec![false; self.settings.dataset.len()];
            order
                .iter()
                .any(|&index| std::mem::replace(&mut seen[index], true))
        };
        let settings = self.settings.shared();
        let make: Make = Arc::new(move |number, stopped| {
            let start = number * size;
            let places = &order[start..(start + size).min(order.len())];
            settings.batch(epoch, number, start, places, has_repeats, stopped)
        });
        let source = match self.workers {
            0 => Source::Here(make),
            threads => Source::Threads(Workers::start(
                threads,
                threads.saturating_mul(self.prefetch.max(1)),
                first,
                count,
                make,
            )?),
        };
        Ok((source, count))
    }

    /// Where the loader is. In a loop it is behind the batch that was handed out last.
    pub fn state(&self) -> LoaderState {
        let progress = lock(&self.progress);
        LoaderState {
            epoch: progress.epoch,
            batch: progress.batch,
            samples: self.settings.dataset.len(),
            batch_size: self.batch_size,
            drop_last: self.drop_last,
            sampler: self.sampler.description(),
            seed: self.settings.seed,
        }
    }

    /// Goes on where another loader was, of the same data set and settings: the next loop begins there.
    ///
    /// # Errors
    ///
    /// Fails where data set or settings differ, as other batches would come, and changes nothing.
    pub fn load_state(&self, state: &LoaderState) -> Result<()> {
        self.check_state(state)?;
        let mut progress = lock(&self.progress);
        progress.epoch = state.epoch;
        progress.batch = state.batch;
        progress.resumes = true;
        Ok(())
    }

    pub(crate) fn check_state(&self, state: &LoaderState) -> Result<()> {
        let own = self.state();
        let pairs = [
            (
                "samples",
                own.samples.to_string(),
                state.samples.to_string(),
            ),
            (
                "batch_size",
                own.batch_size.to_string(),
                state.batch_size.to_string(),
            ),
            (
                "drop_last",
                own.drop_last.to_string(),
                state.drop_last.to_string(),
            ),
            ("sampler", own.sampler, state.sampler.clone()),
            ("seed", own.seed.to_string(), state.seed.to_string()),
        ];
        let differing: Vec<String> = pairs
            .into_iter()
            .filter(|(_, own, other)| own != other)
            .map(|(name, own, other)| format!("{name} {own} here and {other} in the state"))
            .collect();
        if !differing.is_empty() {
            bail!("the state is of another loader: {}", differing.join("; "));
        }
        Ok(())
    }

    /// Sets which epoch the next loop is.
    pub fn set_epoch(&self, epoch: u64) {
        let mut progress = lock(&self.progress);
        progress.epoch = epoch;
        progress.batch = 0;
        progress.resumes = true;
    }

    /// What part of the time of the loop, the last one or the one that runs, was spent waiting for batches, from 0 to 1.
    pub fn wait_share(&self) -> f64 {
        let progress = lock(&self.progress);
        match progress.total.is_zero() {
            true => 0.0,
            false => (progress.waited.as_secs_f64() / progress.total.as_secs_f64()).min(1.0),
        }
    }

    /// How many samples were left out, of which the first thousand are named with the reason.
    pub fn skipped(&self) -> (usize, Vec<(String, String)>) {
        let progress = lock(&self.progress);
        (progress.skipped, progress.named.clone())
    }

    /// The data set.
    pub fn dataset(&self) -> &dyn Dataset {
        &*self.settings.dataset
    }
}

type Make = Arc<MakeBatch<Made>>;

/// A batch, none where all its samples were left out, and what was left out.
struct Made {
    batch: Option<Batch>,
    skipped: Vec<(String, String)>,
}

impl Settings {
    fn shared(&self) -> Settings {
        Settings {
            dataset: Arc::clone(&self.dataset),
            transform: self.transform.clone(),
            batch_transforms: self.batch_transforms.clone(),
            pad: self.pad.clone(),
            on_error: self.on_error,
            seed: self.seed,
        }
    }

    fn batch(
        &self,
        epoch: u64,
        number: usize,
        start: usize,
        indices: &[usize],
        has_repeats: bool,
        stopped: &Stopped<'_>,
    ) -> Result<Made> {
        let mut samples = Vec::with_capacity(indices.len());
        let mut skipped = Vec::new();
        for (place, &index) in indices.iter().enumerate() {
            if stopped.is_stopped() {
                bail!("the loop has ended");
            }
            // A sample that comes several times is not augmented in the same way each time.
            let repeat = if has_repeats {
                (start + place + 1) as u64
            } else {
                0
            };
            let mut rng = Rng::at(self.seed, &[epoch, index as u64, repeat]);
            let made = self.dataset.get(index, &mut rng).and_then(|mut sample| {
                if let Some(transform) = &self.transform {
                    transform.apply(&mut sample, &mut rng)?;
                }
                Ok(sample)
            });
            match made {
                Ok(sample) if sample.source().is_empty() => {
                    let name = self.dataset.name_of(index);
                    samples.push((index, sample.from_source(name)));
                }
                Ok(sample) => samples.push((index, sample)),
                Err(error) => {
                    let name = self.dataset.name_of(index);
                    let reason = reason(&error);
                    if self.on_error == OnError::Skip {
                        skipped.push((name, reason));
                        continue;
                    }
                    let text = match reason.contains(&name) {
                        true => reason,
                        false => format!("{name}: {reason}"),
                    };
                    bail!(
                        "{text}\n.on_error(data::OnError::Skip) leaves out what cannot be read, and loader.skipped() names it"
                    );
                }
            }
        }
        if samples.is_empty() {
            return Ok(Made {
                batch: None,
                skipped,
            });
        }
        let mut batch = collate(samples, &self.pad)?;
        for (which, transform) in self.batch_transforms.iter().enumerate() {
            let mut rng = Rng::at(self.seed, &[epoch, u64::MAX, number as u64, which as u64]);
            transform.apply(&mut batch, &mut rng)?;
        }
        Ok(Made {
            batch: Some(batch),
            skipped,
        })
    }
}

enum Source {
    Here(Make),
    Threads(Workers<Made>),
}

/// The batches of an epoch; see [`DataLoader::iter`]. Its threads end when it is dropped.
pub struct Batches {
    source: Option<Source>,
    next: usize,
    count: usize,
    problem: Option<Error>,
    device: Device,
    progress: Arc<Mutex<Progress>>,
    epoch: u64,
    since: Instant,
}

impl Batches {
    /// The epoch, from 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    fn end(&mut self) {
        self.source = None;
        self.next = self.count;
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        interrupt::check();
        if let Some(problem) = self.problem.take() {
            return Some(Err(problem));
        }
        while self.next < self.count {
            let start = Instant::now();
            let made = match self.source.as_ref()? {
                Source::Here(make) => make(self.next, &Stopped::never()),
                Source::Threads(workers) => workers.take(),
            };
            let now = Instant::now();
            let made = match made.and_then(|made| {
                let batch = made.batch.map(|batch| batch.on_device(&self.device));
                Ok((batch.transpose()?, made.skipped))
            }) {
                Ok(made) => made,
                Err(error) => {
                    // A worker may have noticed an interrupt first.
                    interrupt::check();
                    self.end();
                    return Some(Err(error));
                }
            };
            self.next += 1;
            let mut progress = lock(&self.progress);
            progress.batch = self.next;
            progress.waited += now - start;
            progress.total = now - self.since;
            let (batch, skipped) = made;
            progress.skipped += skipped.len();
            let room = MOST_NAMED.saturating_sub(progress.named.len());
            progress.named.extend(skipped.into_iter().take(room));
            drop(progress);
            if batch.is_some() {
                return batch.map(Ok);
            }
            interrupt::check();
        }
        if self.source.is_some() {
            lock(&self.progress).total = self.since.elapsed();
            self.end();
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.count - self.next.min(self.count) + usize::from(self.problem.is_some());
        (left, Some(left))
    }
}

impl IntoIterator for &DataLoader {
    type Item = Result<Batch>;
    type IntoIter = Batches;

    fn into_iter(self) -> Batches {
        self.iter()
    }
}

impl DataLoader {
    fn table(&self) -> Table {
        let state = self.state();
        let (skipped, _) = self.skipped();
        let batches = self
            .len()
            .map_or_else(|error| error.to_string(), |count| count.to_string());
        let share = format!("{:.1}%", 100.0 * self.wait_share());
        Table::new([
            "samples",
            "batch size",
            "batches",
            "order",
            "workers",
            "epoch",
            "next batch",
            "skipped",
            "waited",
        ])
        .row([
            state.samples.to_string(),
            state.batch_size.to_string(),
            batches,
            state.sampler,
            self.workers.to_string(),
            state.epoch.to_string(),
            state.batch.to_string(),
            skipped.to_string(),
            share,
        ])
    }
}

impl std::fmt::Debug for DataLoader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.table())
    }
}

impl Show for DataLoader {
    fn show(&self) -> MimeBundle {
        self.table().show()
    }
}
