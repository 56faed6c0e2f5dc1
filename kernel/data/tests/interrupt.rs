//! An interrupt while a loop waits for samples; it asks the whole process to stop, so that this test has one of its own.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use patchbay_cell::interrupt;
use patchbay_data::{DataLoader, Dataset, Rng, Sample};
use patchbay_show::Result;

struct Slow(Arc<AtomicUsize>);

impl Dataset for Slow {
    fn len(&self) -> usize {
        1000
    }

    fn get(&self, _index: usize, _rng: &mut Rng) -> Result<Sample> {
        thread::sleep(Duration::from_millis(300));
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Sample::new())
    }
}

#[test]
fn an_interrupt_ends_a_loop_that_waits() {
    let made = Arc::new(AtomicUsize::new(0));
    let loader = DataLoader::new(Slow(made.clone()))
        .batch_size(500)
        .workers(2);
    let asked = thread::spawn(|| {
        thread::sleep(Duration::from_millis(200));
        interrupt::request();
    });
    let ended = catch_unwind(AssertUnwindSafe(|| {
        loader.iter().count();
    }));
    assert!(ended.unwrap_err().is::<interrupt::Interrupted>());
    // A batch takes 75 s.
    assert!(made.load(Ordering::SeqCst) < 500);
    asked.join().unwrap();
    interrupt::clear();
}
