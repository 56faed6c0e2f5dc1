//! Images per second of the loader over a folder of classes; `tests/bench/data_loader.py` calls it beside PyTorch's.
//!
//!     data_loader_benchmark FOLDER BATCH WORKERS EPOCHS

use std::time::Instant;

use patchbay_data::{
    DataLoader, ImageFolder,
    transforms::{Compose, Normalize, RandomHorizontalFlip, RandomResizedCrop},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, batch, workers, epochs] = &arguments[..] else {
        return Err("data_loader_benchmark FOLDER BATCH WORKERS EPOCHS".into());
    };
    let loader = DataLoader::new(ImageFolder::new(folder)?.rgb())
        .batch_size(batch.parse()?)
        .shuffle(1)
        .workers(workers.parse()?)
        .transform(
            Compose::new()
                .add(RandomResizedCrop::new(224))
                .add(RandomHorizontalFlip::new(0.5))
                .add(Normalize::imagenet()),
        );
    for _ in 0..epochs.parse::<usize>()? {
        let start = Instant::now();
        let mut images = 0;
        for batch in &loader {
            images += batch?.len();
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{images} images in {seconds:.3} s: {:.1} images/s",
            images as f64 / seconds
        );
    }
    // The most memory that the process has had.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && let Some(line) = status.lines().find(|line| line.starts_with("VmHWM"))
    {
        println!("memory {}", line.trim_start_matches("VmHWM:").trim());
    }
    Ok(())
}
