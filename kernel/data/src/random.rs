//! Random numbers that are a function of a seed and a place, on any number of threads.

use std::ops::Range;

/// A generator of random numbers: xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), whose
/// state is a seed and places through SplitMix64.
///
/// The loader gives each sample its own, made of the seed, the epoch and the sample's index, so that augmentation does not depend on
/// the number of workers.
///
/// ```
/// use patchbay::prelude::*;
/// let mut rng = data::Rng::at(7, &[0, 12]);
/// assert_eq!(rng.below(10), data::Rng::at(7, &[0, 12]).below(10));
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

impl Rng {
    /// Of a seed.
    pub fn new(seed: u64) -> Rng {
        Rng::at(seed, &[])
    }

    /// Of a seed and a place: the epoch and the sample's index, for instance.
    pub fn at(seed: u64, place: &[u64]) -> Rng {
        let mut mixed = seed;
        for &part in place {
            mixed = split_mix(&mut mixed) ^ part;
        }
        Rng {
            state: std::array::from_fn(|_| split_mix(&mut mixed)),
        }
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        result
    }

    /// Returns a number from 0 to below 1.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a number from `range.start` to `range.end`.
    pub fn between(&mut self, range: Range<f64>) -> f64 {
        range.start + (range.end - range.start) * self.uniform()
    }

    /// Returns an integer from 0 to below `count`, each equally often; 0 where `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        // Lemire's method: the few products that would make some integers more frequent are drawn again.
        let count = count as u64;
        let least = match count {
            0 => return 0,
            _ => count.wrapping_neg() % count,
        };
        loop {
            let product = u128::from(self.bits()) * u128::from(count);
            if product as u64 >= least {
                return (product >> 64) as usize;
            }
        }
    }

    /// Returns true with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Returns a number of the standard normal distribution (Box and Muller's method).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Returns a number of the gamma distribution of this shape and scale 1 (Marsaglia and Tsang, 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.uniform()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return d * v;
            }
        }
    }

    /// Returns a number of the beta distribution whose two parameters are `alpha`.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        let (a, b) = (self.gamma(alpha), self.gamma(alpha));
        match a + b > 0.0 {
            true => a / (a + b),
            // Both are 0 for a tiny alpha, whose distribution is at the ends.
            false => f64::from(u8::from(self.chance(0.5))),
        }
    }

    /// Puts items in random order (Fisher and Yates' method).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Returns the numbers from 0 to below `count` in random order.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_places_give_equal_numbers_and_others_do_not() {
        let numbers = |place: &[u64]| -> Vec<u64> {
            let mut rng = Rng::at(1, place);
            (0..4).map(|_| rng.bits()).collect()
        };
        assert_eq!(numbers(&[0, 1]), numbers(&[0, 1]));
        assert_ne!(numbers(&[0, 1]), numbers(&[1, 0]));
        assert_ne!(numbers(&[0, 1]), numbers(&[0, 2]));
        assert_ne!(numbers(&[]), numbers(&[0]));
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut rng = Rng::new(3);
        let count = 40_000;
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let all: Vec<f64> = (0..count).map(|_| draw()).collect();
            let mean = all.iter().sum::<f64>() / count as f64;
            let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
            (mean, variance)
        };
        let (m, v) = moments(&mut || rng.uniform());
        assert!(
            (m - 0.5).abs() < 0.01 && (v - 1.0 / 12.0).abs() < 0.01,
            "{m} {v}"
        );
        let (m, v) = moments(&mut || rng.normal());
        assert!(m.abs() < 0.02 && (v - 1.0).abs() < 0.03, "{m} {v}");
        let (m, v) = moments(&mut || rng.gamma(0.4));
        assert!((m - 0.4).abs() < 0.02 && (v - 0.4).abs() < 0.04, "{m} {v}");
        let (m, v) = moments(&mut || rng.beta(0.2));
        // 1 / (4 (2 alpha + 1))
        assert!(
            (m - 0.5).abs() < 0.02 && (v - 1.0 / 5.6).abs() < 0.02,
            "{m} {v}"
        );
        let mut counts = [0usize; 7];
        (0..count).for_each(|_| counts[rng.below(7)] += 1);
        assert!(
            counts.iter().all(|&n| n.abs_diff(count / 7) < 300),
            "{counts:?}"
        );
    }

    #[test]
    fn a_permutation_has_every_number_once() {
        for count in [0, 1, 2, 100] {
            let mut order = Rng::new(5).permutation(count);
            order.sort_unstable();
            assert_eq!(order, (0..count).collect::<Vec<_>>());
        }
        assert_eq!(Rng::new(5).below(0), 0);
        assert_eq!(Rng::new(5).below(1), 0);
    }
}
