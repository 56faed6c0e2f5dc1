//! Random numbers that are a function of a seed and a position.
//!
//! The generator is Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2,
//! 3", 2011). Every op that draws takes the next stream of the process; where in the stream a number lies says
//! which number it is. So results do not depend on the number of threads, and a backward pass computes
//! dropout's mask again where it would have had to keep it.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use crate::simd::LANES;

/// Which seed the process has, and how many streams were taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomState {
    /// The seed.
    pub seed: u64,
    /// The number of streams that were taken from it.
    pub streams: u64,
}

static STATE: Mutex<RandomState> = Mutex::new(RandomState {
    seed: 0x5eed,
    streams: 0,
});

/// Starts over with this seed: equal seeds and equal calls give equal numbers, on any number of threads.
///
/// It is the state of dropout and of the initialization of layers on the CPU, and of candle's `Tensor::randn`, `Tensor::rand`
/// and variables there. `nn::seed_all` of the SDK seeds the devices, too.
pub fn seed(seed: u64) {
    set_random_state(RandomState { seed, streams: 0 });
}

/// Where the generator is; checkpoints keep it.
pub fn random_state() -> RandomState {
    *lock()
}

/// Puts the generator where [`random_state`] found it.
pub fn set_random_state(state: RandomState) {
    *lock() = state;
    SEEDED.store(true, Ordering::Release);
    rand::set_source(|| {
        SEEDED
            .load(Ordering::Acquire)
            .then(|| Stream::next().seed())
    });
}

/// Whether anybody has given a seed: until then candle draws what nobody can foresee, as it always did.
static SEEDED: AtomicBool = AtomicBool::new(false);

fn lock() -> std::sync::MutexGuard<'static, RandomState> {
    // A panic cannot leave two integers half written.
    STATE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A stream of numbers that no other op uses.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: [u32; 2],
}

/// How many numbers [`Stream::block`] gives.
pub(crate) const BLOCK: usize = 4 * LANES;

impl Stream {
    /// The next stream of the process.
    pub fn next() -> Stream {
        let mut state = lock();
        state.streams += 1;
        // The finalizer of SplitMix64 (Steele, Lea and Flood, 2014) makes neighboring streams unlike.
        let mut z = state
            .seed
            .wrapping_add(state.streams.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        Stream {
            key: [z as u32, (z >> 32) as u32],
        }
    }

    /// A seed for a generator of another sort.
    fn seed(self) -> u64 {
        u64::from(self.key[1]) << 32 | u64::from(self.key[0])
    }

    /// The numbers `BLOCK * index ..` of a row of the stream, uniform over u32.
    #[inline(always)]
    pub(crate) fn block(self, row: u64, index: u64) -> [u32; BLOCK] {
        let mut words = [[0u32; LANES]; 4];
        let first = index * LANES as u64;
        for lane in 0..LANES {
            words[0][lane] = (first as u32).wrapping_add(lane as u32);
            words[1][lane] = (first >> 32) as u32;
            words[2][lane] = row as u32;
            words[3][lane] = (row >> 32) as u32;
        }
        let mut key = self.key;
        for _ in 0..10 {
            for lane in 0..LANES {
                let a = u64::from(words[0][lane]) * 0xd251_1f53;
                let b = u64::from(words[2][lane]) * 0xcd9e_8d57;
                words[0][lane] = (b >> 32) as u32 ^ words[1][lane] ^ key[0];
                words[2][lane] = (a >> 32) as u32 ^ words[3][lane] ^ key[1];
                words[1][lane] = b as u32;
                words[3][lane] = a as u32;
            }
            key[0] = key[0].wrapping_add(0x9e37_79b9);
            key[1] = key[1].wrapping_add(0xbb67_ae85);
        }
        let mut out = [0; BLOCK];
        for word in 0..4 {
            for lane in 0..LANES {
                out[word * LANES + lane] = words[word][lane];
            }
        }
        out
    }

    /// The first `count` numbers of the stream, uniform on (0, 1).
    pub fn uniform(self, count: usize) -> Vec<f64> {
        let mut out = Vec::with_capacity(count);
        let mut index = 0;
        while out.len() < count {
            let block = self.block(0, index);
            for pair in block.chunks_exact(2).take(count - out.len()) {
                let bits = u64::from(pair[0]) << 21 ^ u64::from(pair[1] >> 11);
                out.push((bits as f64 + 0.5) / (1u64 << 53) as f64);
            }
            index += 1;
        }
        out
    }

    /// The first `count` numbers of the stream with a standard normal distribution (Box and Muller, 1958).
    pub fn normal(self, count: usize) -> Vec<f64> {
        let uniform = self.uniform(count.next_multiple_of(2));
        let mut out: Vec<f64> = uniform
            .chunks_exact(2)
            .flat_map(|pair| {
                let radius = (-2.0 * pair[0].ln()).sqrt();
                let (sine, cosine) = (std::f64::consts::TAU * pair[1]).sin_cos();
                [radius * cosine, radius * sine]
            })
            .collect();
        out.truncate(count);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of the generator's authors (Random123, `kat_vectors`) for a zero and an all-ones input.
    #[test]
    fn philox_gives_its_authors_numbers() {
        let zero = Stream { key: [0, 0] }.block(0, 0);
        let first: Vec<u32> = (0..4).map(|word| zero[word * LANES]).collect();
        assert_eq!(first, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    }

    #[test]
    fn uniform_and_normal_numbers_have_their_moments() {
        let stream = Stream { key: [1, 2] };
        let uniform = stream.uniform(100_001);
        let mean = uniform.iter().sum::<f64>() / uniform.len() as f64;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        assert!(uniform.iter().all(|&x| x > 0.0 && x < 1.0));
        let normal = stream.normal(100_001);
        assert_eq!(normal.len(), 100_001);
        let variance = normal.iter().map(|x| x * x).sum::<f64>() / normal.len() as f64;
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }
}
