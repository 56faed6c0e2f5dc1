//! The crate `rand`, with one change: [`rng`] draws from a seed where one was given.
//!
//! candle draws `Tensor::randn`, `Tensor::rand` and first values of variables on the CPU from `rand::rng()`, which cannot be
//! seeded, and its `Device::set_seed` is an error there. So after `seed_all` runs would differ, silently. The workspace's
//! `[patch.crates-io]` puts this crate in the place of `rand` for candle and what it stands on; everything but [`rng`] is the
//! original, re-exported, so that types and traits are the same. Crates that cells ask for by `:dep` get the original: what
//! makes keys or ids with it stays unpredictable.

pub use original::*;

#[cfg(feature = "thread_rng")]
pub use seeded::{Generator, rng, set_source};

#[cfg(feature = "thread_rng")]
mod seeded {
    use std::sync::OnceLock;

    use original::{
        RngCore, SeedableRng,
        rngs::{StdRng, ThreadRng},
    };

    /// A seed for the next generator; `None` where nothing was seeded.
    type Source = fn() -> Option<u64>;

    static SOURCE: OnceLock<Source> = OnceLock::new();

    /// Says where generators get their seeds. The first one stays.
    pub fn set_source(source: Source) {
        // A second call comes from the same place with the same function.
        let _ = SOURCE.set(source);
    }

    /// What [`rng`] gives: with a seed, or the thread's own.
    pub enum Generator {
        /// A generator with a seed.
        Seeded(Box<StdRng>),
        /// The thread's own generator, which nobody can predict.
        Thread(ThreadRng),
    }

    /// A generator with the next seed, or the thread's where nothing was seeded.
    pub fn rng() -> Generator {
        match SOURCE.get().and_then(|source| source()) {
            Some(seed) => Generator::Seeded(Box::new(StdRng::seed_from_u64(seed))),
            None => Generator::Thread(original::rng()),
        }
    }

    impl RngCore for Generator {
        fn next_u32(&mut self) -> u32 {
            match self {
                Generator::Seeded(generator) => generator.next_u32(),
                Generator::Thread(generator) => generator.next_u32(),
            }
        }

        fn next_u64(&mut self) -> u64 {
            match self {
                Generator::Seeded(generator) => generator.next_u64(),
                Generator::Thread(generator) => generator.next_u64(),
            }
        }

        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            match self {
                Generator::Seeded(generator) => generator.fill_bytes(bytes),
                Generator::Thread(generator) => generator.fill_bytes(bytes),
            }
        }
    }
}
