//! In which order samples come.

use std::collections::BTreeMap;

use candle_core::bail;
use patchbay_show::Result;

use crate::Rng;

/// In which order samples come, epoch by epoch.
pub trait Sampler: Send + Sync {
    /// The indices of an epoch, of a data set of `len` samples.
    ///
    /// # Errors
    ///
    /// Fails where the sampler does not fit the data set.
    fn indices(&self, len: usize, epoch: u64) -> Result<Vec<usize>>;

    /// What it is, with its seed: a loader takes the state of one with the same sampler only.
    fn description(&self) -> String;
}

/// One after the other: PyTorch's `SequentialSampler`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequentialSampler;

impl Sampler for SequentialSampler {
    fn indices(&self, len: usize, _epoch: u64) -> Result<Vec<usize>> {
        Ok((0..len).collect())
    }

    fn description(&self) -> String {
        "sequential".to_owned()
    }
}

/// Each once, in an order that is a function of seed and epoch: PyTorch's `RandomSampler`.
#[derive(Clone, Copy, Debug)]
pub struct RandomSampler {
    seed: u64,
}

/// What keeps the orders of samplers from being those of samples.
const ORDER: u64 = 0x006f_7264_6572;

impl RandomSampler {
    /// With this seed.
    pub fn new(seed: u64) -> RandomSampler {
        RandomSampler { seed }
    }
}

impl Sampler for RandomSampler {
    fn indices(&self, len: usize, epoch: u64) -> Result<Vec<usize>> {
        Ok(Rng::at(self.seed, &[ORDER, epoch]).permutation(len))
    }

    fn description(&self) -> String {
        format!("random, seed {}", self.seed)
    }
}

/// As often as their weights say, with replacement: PyTorch's `WeightedRandomSampler`.
#[derive(Clone, Debug)]
pub struct WeightedRandomSampler {
    weights: Vec<f64>,
    count: usize,
    seed: u64,
}

impl WeightedRandomSampler {
    /// Draws `count` samples an epoch, each with a probability in proportion to its weight.
    ///
    /// # Errors
    ///
    /// Fails where a weight is negative or no number, or all are 0.
    pub fn new(weights: Vec<f64>, count: usize, seed: u64) -> Result<WeightedRandomSampler> {
        if let Some(index) = weights
            .iter()
            .position(|weight| !(*weight >= 0.0 && weight.is_finite()))
        {
            bail!(
                "the weight of sample {index} is {}; weights are finite and not negative",
                weights[index]
            );
        }
        if !weights.iter().any(|&weight| weight > 0.0) {
            bail!(
                "all of {} weights are 0: none could be drawn",
                weights.len()
            );
        }
        Ok(WeightedRandomSampler {
            weights,
            count,
            seed,
        })
    }

    /// As many samples of each class, as many an epoch as there are labels: each is drawn in inverse proportion to the size of its class.
    ///
    /// # Errors
    ///
    /// Fails where there are no labels.
    pub fn balanced<T: Ord>(labels: &[T], seed: u64) -> Result<WeightedRandomSampler> {
        let mut counts: BTreeMap<&T, usize> = BTreeMap::new();
        labels
            .iter()
            .for_each(|label| *counts.entry(label).or_default() += 1);
        let weights = labels
            .iter()
            .map(|label| 1.0 / counts.get(label).copied().unwrap_or(1) as f64)
            .collect();
        WeightedRandomSampler::new(weights, labels.len(), seed)
    }
}

impl Sampler for WeightedRandomSampler {
    fn indices(&self, len: usize, epoch: u64) -> Result<Vec<usize>> {
        if len != self.weights.len() {
            bail!(
                "the sampler has {} weights and the data set {len} samples",
                self.weights.len()
            );
        }
        let mut total = 0.0;
        let sums: Vec<f64> = self
            .weights
            .iter()
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        let mut rng = Rng::at(self.seed, &[ORDER, epoch]);
        // What rounding could put behind the last sample of weight is that one.
        let last = self
            .weights
            .iter()
            .rposition(|&weight| weight > 0.0)
            .unwrap_or(0);
        Ok((0..self.count)
            .map(|_| {
                let at = rng.uniform() * total;
                sums.partition_point(|&sum| sum <= at).min(last)
            })
            .collect())
    }

    fn description(&self) -> String {
        let digest = self
            .weights
            .iter()
            .fold(self.weights.len() as u64, |digest, weight| {
                Rng::at(digest, &[weight.to_bits()]).bits()
            });
        format!(
            "weighted, {} an epoch, weights {digest:016x}, seed {}",
            self.count, self.seed
        )
    }
}

/// Each once, so that every stretch of the order, and so every batch, has the classes in their proportions.
#[derive(Clone, Debug)]
pub struct StratifiedSampler {
    classes: Vec<Vec<usize>>,
    len: usize,
    seed: u64,
}

impl StratifiedSampler {
    /// Of a label for each sample.
    ///
    /// # Errors
    ///
    /// Fails where there are no labels.
    pub fn new<T: Ord>(labels: &[T], seed: u64) -> Result<StratifiedSampler> {
        if labels.is_empty() {
            bail!("a StratifiedSampler needs a label for each sample; there are none");
        }
        let mut classes: BTreeMap<&T, Vec<usize>> = BTreeMap::new();
        for (index, label) in labels.iter().enumerate() {
            classes.entry(label).or_default().push(index);
        }
        Ok(StratifiedSampler {
            classes: classes.into_values().collect(),
            len: labels.len(),
            seed,
        })
    }
}

impl Sampler for StratifiedSampler {
    fn indices(&self, len: usize, epoch: u64) -> Result<Vec<usize>> {
        if len != self.len {
            bail!(
                "the sampler has {} labels and the data set {len} samples",
                self.len
            );
        }
        let mut rng = Rng::at(self.seed, &[ORDER, epoch]);
        let mut places: Vec<(f64, usize)> = Vec::with_capacity(len);
        for class in &self.classes {
            let mut indices = class.clone();
            rng.shuffle(&mut indices);
            // In equal steps from 0 to 1, beginning anywhere in the first.
            let step = 1.0 / indices.len() as f64;
            let start = rng.uniform() * step;
            let of_class = indices.into_iter().enumerate();
            places.extend(of_class.map(|(place, index)| (start + place as f64 * step, index)));
        }
        places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Ok(places.into_iter().map(|(_, index)| index).collect())
    }

    fn description(&self) -> String {
        let sizes: Vec<usize> = self.classes.iter().map(Vec::len).collect();
        format!("stratified, classes of {sizes:?}, seed {}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_frequencies() {
        let sampler = WeightedRandomSampler::new(vec![0.0, 1.0, 3.0, 0.0], 40_000, 1).unwrap();
        let mut counts = [0usize; 4];
        sampler
            .indices(4, 0)
            .unwrap()
            .into_iter()
            .for_each(|index| counts[index] += 1);
        assert!(
            counts[0] == 0 && counts[3] == 0 && counts[1].abs_diff(10_000) < 300,
            "{counts:?}"
        );
        assert_ne!(
            sampler.indices(4, 0).unwrap(),
            sampler.indices(4, 1).unwrap()
        );
        assert!(sampler.indices(5, 0).is_err());
        for bad in [vec![], vec![0.0], vec![-1.0, 1.0], vec![f64::NAN]] {
            assert!(WeightedRandomSampler::new(bad, 1, 1).is_err());
        }
        let labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let sampler = WeightedRandomSampler::balanced(&labels, 1).unwrap();
        let ones = (0..1000)
            .flat_map(|epoch| sampler.indices(10, epoch).unwrap())
            .filter(|&i| i == 9)
            .count();
        assert!(ones.abs_diff(5000) < 300, "{ones}");
    }

    #[test]
    fn every_stretch_has_the_classes_in_proportion() {
        let labels: Vec<usize> = (0..300).map(|i| usize::from(i >= 200)).collect();
        let order = StratifiedSampler::new(&labels, 1)
            .unwrap()
            .indices(300, 5)
            .unwrap();
        let mut all = order.clone();
        all.sort_unstable();
        assert_eq!(all, (0..300).collect::<Vec<_>>());
        for batch in order.chunks(30) {
            let ones = batch.iter().filter(|&&i| labels[i] == 1).count();
            assert!(ones.abs_diff(10) <= 1, "{ones}");
        }
    }
}
