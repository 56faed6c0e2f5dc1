//! The loader: order, workers, resuming, padding, samples that cannot be read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use candle_core::{DType, Device, Tensor};
use patchbay_data::{
    Batch, DataLoader, Dataset, LoaderState, OnError, Rng, Sample, StratifiedSampler, Subset,
    TensorDataset, Value, WeightedRandomSampler,
    transforms::{CutMix, MixUp},
};
use patchbay_show::Result;

/// Samples with their index and a random number; some cannot be read.
#[derive(Clone)]
struct Numbers {
    count: usize,
    broken: Vec<usize>,
    made: Arc<AtomicUsize>,
    delay: Duration,
}

impl Numbers {
    fn new(count: usize) -> Numbers {
        Numbers {
            count,
            broken: Vec::new(),
            made: Arc::default(),
            delay: Duration::ZERO,
        }
    }
}

impl Dataset for Numbers {
    fn len(&self) -> usize {
        self.count
    }

    fn get(&self, index: usize, rng: &mut Rng) -> Result<Sample> {
        self.made.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.delay);
        if self.broken.contains(&index) {
            candle_core::bail!("it is broken");
        }
        assert!(index != 1000, "one thousand");
        Ok(Sample::new()
            .with("index", Value::Class(index as i64))
            .with("random", Value::Number(rng.uniform())))
    }
}

fn contents(batch: &Batch) -> (Vec<i64>, Vec<f32>) {
    let index = batch.get("index").unwrap().to_vec1().unwrap();
    (index, batch.get("random").unwrap().to_vec1().unwrap())
}

fn all(loader: &DataLoader) -> Vec<(Vec<i64>, Vec<f32>)> {
    loader
        .iter()
        .map(|batch| contents(&batch.unwrap()))
        .collect()
}

#[test]
fn batches_do_not_depend_on_the_number_of_workers() {
    let make = |workers: usize| {
        DataLoader::new(Numbers::new(103))
            .batch_size(10)
            .shuffle(5)
            .workers(workers)
    };
    let expected = make(0);
    let epochs: Vec<_> = (0..3).map(|_| all(&expected)).collect();
    assert_ne!(epochs[0], epochs[1]);
    assert_eq!((epochs[0].len(), epochs[0][10].0.len()), (11, 3));
    let mut seen: Vec<i64> = epochs[0]
        .iter()
        .flat_map(|(index, _)| index.clone())
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..103).collect::<Vec<_>>());
    for workers in [1, 2, 3, 16] {
        for prefetch in [1, 4] {
            let loader = make(workers).prefetch(prefetch);
            for expected in &epochs {
                assert_eq!(&all(&loader), expected, "{workers} workers");
            }
        }
    }
    let dropped = make(2).drop_last(true);
    assert_eq!((dropped.len().unwrap(), all(&dropped).len()), (10, 10));
}

#[test]
fn a_loop_goes_on_where_its_state_was_taken() {
    let make = |workers: usize| {
        DataLoader::new(Numbers::new(50))
            .batch_size(8)
            .shuffle(2)
            .workers(workers)
    };
    let whole = make(2);
    let epochs: Vec<_> = (0..3).map(|_| all(&whole)).collect();
    for stop in 0..=7 {
        for (workers, later) in [(0, 2), (2, 0), (2, 3)] {
            let first = make(workers);
            let mut seen = vec![all(&first)];
            let mut batches = first.iter();
            seen.push(
                batches
                    .by_ref()
                    .take(stop)
                    .map(|batch| contents(&batch.unwrap()))
                    .collect(),
            );
            let text = serde_json::to_string(&first.state()).unwrap();
            drop(batches);
            let state: LoaderState = serde_json::from_str(&text).unwrap();
            let second = make(later);
            second.load_state(&state).unwrap();
            if stop == 0 {
                // Nothing was taken yet: the state is the begin of the second epoch.
                assert_eq!(state.batch, 0);
            }
            if stop < 7 {
                seen[1].extend(all(&second));
            }
            seen.push(all(&second));
            assert_eq!(seen, epochs, "stopped at {stop}");
        }
    }
    let error = make(1)
        .batch_size(4)
        .load_state(&whole.state())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("batch_size 4 here and 8 in the state"),
        "{error}"
    );
    assert!(make(1).shuffle(3).load_state(&whole.state()).is_err());
    // A loop that was left is followed by the next epoch.
    let left = make(2);
    left.iter().next().unwrap().unwrap();
    assert_eq!(all(&left), epochs[1]);
    left.set_epoch(0);
    assert_eq!(all(&left), epochs[0]);
}

#[test]
fn no_more_is_made_than_there_is_room_for_and_threads_end() {
    let numbers = Numbers::new(10_000);
    let made = Arc::clone(&numbers.made);
    let loader = DataLoader::new(numbers)
        .batch_size(10)
        .workers(2)
        .prefetch(3);
    let mut batches = loader.iter();
    batches.next().unwrap().unwrap();
    let settled = |made: &AtomicUsize| {
        let mut last = usize::MAX;
        while last != made.load(Ordering::SeqCst) {
            last = made.load(Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(60));
        }
        last
    };
    // The one that was taken and six more.
    assert_eq!(settled(&made), 70);
    drop(batches);
    assert_eq!(settled(&made), 70);
    let share = loader.wait_share();
    assert!((0.0..=1.0).contains(&share));
}

#[test]
fn what_cannot_be_read_is_told_or_left_out() {
    let mut numbers = Numbers::new(20);
    numbers.broken = vec![3, 8, 9, 10, 11];
    for workers in [0, 2] {
        let loader = DataLoader::new(numbers.clone())
            .batch_size(4)
            .workers(workers);
        let found: Vec<Result<Batch>> = loader.iter().collect();
        let error = found[0].as_ref().unwrap_err().to_string();
        assert!(
            error.contains("sample 3: it is broken") && error.contains("OnError::Skip"),
            "{error}"
        );
        assert_eq!(found.len(), 1);
        let loader = DataLoader::new(numbers.clone())
            .batch_size(4)
            .workers(workers)
            .on_error(OnError::Skip);
        let sizes: Vec<usize> = all(&loader).iter().map(|(index, _)| index.len()).collect();
        // The third batch had four that cannot be read.
        assert_eq!(sizes, [3, 4, 4, 4]);
        let (count, named) = loader.skipped();
        assert_eq!(
            (count, named[0].clone()),
            (5, ("sample 3".to_owned(), "it is broken".to_owned()))
        );
    }
    let loader = DataLoader::new(Numbers::new(1001))
        .batch_size(1001)
        .workers(2);
    let error = loader.iter().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("has panicked: one thousand"), "{error}");
    for (loader, expected) in [
        (DataLoader::new(Numbers::new(0)), "no samples"),
        (DataLoader::new(Numbers::new(3)).batch_size(0), "batch of 0"),
        (
            DataLoader::new(Numbers::new(3))
                .batch_size(4)
                .drop_last(true),
            "no batch would come",
        ),
        (
            DataLoader::new(Numbers::new(3)).sampler(StratifiedSampler::new(&[1, 2], 1).unwrap()),
            "2 labels",
        ),
    ] {
        let error = loader.iter().next().unwrap().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn unequal_lengths_are_filled_up() {
    struct Texts;
    impl Dataset for Texts {
        fn len(&self) -> usize {
            4
        }

        fn get(&self, index: usize, _rng: &mut Rng) -> Result<Sample> {
            let tokens = Tensor::full(index as u32 + 1, index, &Device::Cpu)?;
            Ok(Sample::new()
                .with("tokens", Value::Tensor(tokens))
                .with("text", Value::Text("a".repeat(index))))
        }
    }
    let loader = DataLoader::new(Texts).batch_size(4).pad("tokens", 0.0);
    let batch = loader.iter().next().unwrap().unwrap();
    let tokens = batch.get("tokens").unwrap();
    assert_eq!(tokens.dtype(), DType::U32);
    assert_eq!(
        tokens.to_vec2::<u32>().unwrap(),
        [[0, 0, 0], [2, 0, 0], [3, 3, 0], [4, 4, 4]]
    );
    let mask = batch.get("tokens_mask").unwrap().to_vec2::<u8>().unwrap();
    assert_eq!(mask, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]);
    assert_eq!(batch.texts("text").unwrap()[2], "aa");
    let error = DataLoader::new(Texts)
        .batch_size(4)
        .iter()
        .next()
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(error.contains(".pad(\"tokens\", 0.0)"), "{error}");
}

#[test]
fn parts_and_samplers() {
    let labels: Vec<usize> = (0..100).map(|index| usize::from(index >= 90)).collect();
    let sampler = WeightedRandomSampler::balanced(&labels, 1).unwrap();
    let loader = DataLoader::new(Numbers::new(100))
        .batch_size(100)
        .sampler(sampler);
    let (index, random) = &all(&loader)[0];
    let ones = index.iter().filter(|&&index| index >= 90).count();
    assert!(ones.abs_diff(50) < 20, "{ones}");
    // A sample that comes twice is not augmented twice in the same way.
    let mut distinct: Vec<u32> = random.iter().map(|number| number.to_bits()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 95, "{}", distinct.len());
    let part = Subset::new(Arc::new(Numbers::new(10)), vec![9, 2]).unwrap();
    assert_eq!(all(&DataLoader::new(part).batch_size(2))[0].0, [9, 2]);
    assert!(Subset::new(Arc::new(Numbers::new(10)), vec![10]).is_err());
    let x = Tensor::zeros((4, 2), DType::F32, &Device::Cpu).unwrap();
    let y = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let error = TensorDataset::new(&[("x", &x), ("y", &y)])
        .unwrap_err()
        .to_string();
    assert!(error.contains("x has 4 rows and y has 3"), "{error}");
}

#[test]
fn mixed_labels_are_the_shares_of_pixels() {
    let images = Tensor::arange(0f32, 6.0, &Device::Cpu)
        .unwrap()
        .reshape((6, 1, 1, 1))
        .unwrap();
    let images = images.broadcast_as((6, 1, 8, 10)).unwrap();
    let labels = Tensor::arange(0i64, 6, &Device::Cpu).unwrap();
    let data = TensorDataset::new(&[("image", &images), ("label", &labels)]).unwrap();
    let check = |loader: DataLoader| {
        for _ in 0..10 {
            let (images, labels) = loader.iter().next().unwrap().unwrap().pair().unwrap();
            let labels = labels.to_vec2::<f32>().unwrap();
            for (row, shares) in labels.iter().enumerate() {
                assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                let pixels: Vec<f32> = images
                    .get(row)
                    .unwrap()
                    .flatten_all()
                    .unwrap()
                    .to_vec1()
                    .unwrap();
                let mean = pixels.iter().sum::<f32>() / 80.0;
                let expected: f32 = shares
                    .iter()
                    .enumerate()
                    .map(|(class, share)| class as f32 * share)
                    .sum();
                assert!((mean - expected).abs() < 1e-4, "{mean} {expected}");
            }
        }
    };
    check(
        DataLoader::new(data.clone())
            .batch_size(6)
            .batch_transform(MixUp::new(0.4, 6)),
    );
    check(
        DataLoader::new(data.clone())
            .batch_size(6)
            .batch_transform(CutMix::new(1.0, 6)),
    );
    let error = DataLoader::new(data)
        .batch_size(6)
        .batch_transform(MixUp::new(0.4, 3));
    let error = error.iter().next().unwrap().unwrap_err().to_string();
    assert!(
        error.contains("3 classes, from 0; the label of sample 3 is 3"),
        "{error}"
    );
}
