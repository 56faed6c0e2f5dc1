//! From files to batches: tables, images, splits, loaders, augmentation.
//!
//! ```no_run
//! use data::transforms::{Compose, Normalize, RandomHorizontalFlip, RandomResizedCrop};
//! use patchbay::prelude::*;
//!
//! let folder = std::sync::Arc::new(data::ImageFolder::new("flowers")?.rgb());
//! let parts = data::split::stratified(&folder.labels(), &[0.8, 0.2], 1)?;
//! let train = data::DataLoader::new(data::Subset::new(folder.clone(), parts[0].clone())?)
//!     .batch_size(32)
//!     .shuffle(1)
//!     .transform(Compose::new().add(RandomResizedCrop::new(224)).add(RandomHorizontalFlip::new(0.5)).add(Normalize::imagenet()));
//! for epoch in 0..3 {
//!     for batch in progress(&train) {
//!         let (images, labels) = batch?.pair()?;          // f32 [32, 3, 224, 224], i64 [32]
//!     }
//! }
//! # Ok::<(), candle::Error>(())
//! ```
//!
//! Nothing here depends on the number of workers: what a batch is, its seed, epoch and place say.

mod arrays;
mod checkpoint;
mod collate;
mod dataset;
mod decode;
mod encode;
mod frame;
mod image;
mod image_folder;
mod loader;
mod npy_header;
mod random;
mod reason;
mod sampler;
mod segmentation_folder;
pub mod split;
mod tar_shards;
#[doc(hidden)]
pub mod time;
pub mod transforms;
mod workers;

pub use arrays::{read_npy, read_npz, read_safetensors, write_npy, write_npz, write_safetensors};
pub use collate::Batch;
pub use dataset::{Dataset, Sample, Subset, TensorDataset, Value};
pub use decode::{decode_image, decode_mask, read_image, read_mask};
pub use encode::{write_image, write_mask};
pub use frame::{
    Categories, Column, ColumnType, CsvOptions, Frame, StandardScaler, Values, read_csv,
    read_csv_with,
};
pub use image::{Image, Mask, Pixels};
pub use image_folder::ImageFolder;
pub use loader::{Batches, DataLoader, LoaderState, OnError};
pub use random::Rng;
pub use sampler::{
    RandomSampler, Sampler, SequentialSampler, StratifiedSampler, WeightedRandomSampler,
};
pub use segmentation_folder::SegmentationFolder;
pub use tar_shards::TarShards;
