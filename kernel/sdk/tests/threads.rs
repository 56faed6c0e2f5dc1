//! Ops on several threads after one of them has joined the pool.

use std::{sync::mpsc, thread, time::Duration};

use patchbay::{
    Result,
    candle::{Device, Tensor},
    ops,
};

fn product(size: usize) -> Result<f32> {
    let a = Tensor::ones((size, size), patchbay::candle::DType::F32, &Device::Cpu)?;
    ops::matmul(&a, &a)?.mean_all()?.to_scalar()
}

#[test]
fn other_threads_compute_while_the_one_that_joined_waits() {
    ops::threads::join_pool();
    // A second time it does nothing.
    ops::threads::join_pool();
    assert_eq!(product(256).unwrap(), 256.0);
    let (sender, results) = mpsc::channel();
    for size in [64, 512] {
        let sender = sender.clone();
        thread::spawn(move || sender.send((size, product(size).unwrap())));
    }
    for _ in 0..2 {
        let (size, mean) = results.recv_timeout(Duration::from_secs(240)).unwrap();
        assert_eq!(mean, size as f32);
    }
}
