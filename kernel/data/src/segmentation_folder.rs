//! Pictures with masks.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use candle_core::bail;
use patchbay_show::Result;

use crate::{
    Dataset, Rng, Sample, Value,
    decode::{check_classes, decode_image, decode_mask, read_file},
    image_folder::{Bands, pictures},
};

/// Pictures of one folder and their masks of another, which have the same names but for their extensions.
///
/// A sample has `image` and `mask`. A mask's pixels are classes: the indices of a palette, or the values of gray, of 8 or 16 bits. What
/// transforms bring in from outside does not count either.
///
/// ```no_run
/// use patchbay::prelude::*;
/// let folder = data::SegmentationFolder::new("cells/images", "cells/masks")?.ignore(255).classes(3);
/// let loader = data::DataLoader::new(folder).batch_size(8).shuffle(1).transform(data::transforms::RandomCrop::new(128));
/// for batch in &loader {
///     let (images, masks) = batch?.pair()?;      // f32 [8, 3, 128, 128], i64 [8, 128, 128]
/// }
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SegmentationFolder {
    files: Vec<(PathBuf, PathBuf)>,
    ignore: Option<u16>,
    classes: Option<usize>,
    bands: Bands,
}

impl SegmentationFolder {
    /// Of a folder of pictures and one of masks; folders below them are looked through, too.
    ///
    /// # Errors
    ///
    /// Fails where there are no pictures, and where a picture has no mask or a mask no picture.
    pub fn new(images: impl AsRef<Path>, masks: impl AsRef<Path>) -> Result<SegmentationFolder> {
        let (images, masks) = (images.as_ref(), masks.as_ref());
        let of_images = by_name(images)?;
        let mut of_masks = by_name(masks)?;
        if of_images.is_empty() {
            bail!(
                "{} has no pictures (JPEG, PNG, TIFF, BMP)",
                images.display()
            );
        }
        let mut files = Vec::with_capacity(of_images.len());
        let mut lonely = Vec::new();
        for (name, image) in of_images {
            match of_masks.remove(&name) {
                Some(mask) => files.push((image, mask)),
                None => lonely.push(image),
            }
        }
        if let Some(first) = lonely.first() {
            bail!(
                "{} of {} pictures have no mask in {}, {} for instance: a mask has the picture's name but for its extension",
                lonely.len(),
                lonely.len() + files.len(),
                masks.display(),
                first.display()
            );
        }
        if let Some(mask) = of_masks.values().next() {
            bail!(
                "{} masks have no picture in {}, {} for instance",
                of_masks.len(),
                images.display(),
                mask.display()
            );
        }
        Ok(SegmentationFolder {
            files,
            ignore: None,
            classes: None,
            bands: Bands::All,
        })
    }

    /// The value of pixels that do not count: they become `ops::IGNORE_INDEX`.
    pub fn ignore(mut self, value: u16) -> SegmentationFolder {
        self.ignore = Some(value);
        self
    }

    /// How many classes there are: a pixel of another one is an error that names the file and the place.
    pub fn classes(mut self, classes: usize) -> SegmentationFolder {
        self.classes = Some(classes);
        self
    }

    /// Makes all pictures RGB: gray three times, alpha left out.
    pub fn rgb(mut self) -> SegmentationFolder {
        self.bands = Bands::Rgb;
        self
    }

    /// Takes these bands only, in this order.
    pub fn bands(mut self, bands: &[usize]) -> SegmentationFolder {
        self.bands = Bands::These(bands.to_vec());
        self
    }

    /// The pictures and their masks.
    pub fn paths(&self) -> &[(PathBuf, PathBuf)] {
        &self.files
    }
}

/// Pictures below a folder by their places in it, without extensions.
fn by_name(folder: &Path) -> Result<BTreeMap<PathBuf, PathBuf>> {
    let mut found = Vec::new();
    pictures(folder, &mut found)?;
    let mut named: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for path in found {
        let name = path
            .strip_prefix(folder)
            .unwrap_or(&path)
            .with_extension("");
        if let Some(other) = named.get(&name) {
            bail!(
                "{} and {} differ in their extensions only: which is meant?",
                other.display(),
                path.display()
            );
        }
        named.insert(name, path);
    }
    Ok(named)
}

impl Dataset for SegmentationFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize, _rng: &mut Rng) -> Result<Sample> {
        let (image_path, mask_path) = &self.files[index];
        let (name, mask_name) = (
            image_path.display().to_string(),
            mask_path.display().to_string(),
        );
        let image = self
            .bands
            .of(decode_image(&read_file(image_path)?, &name)?, &name)?;
        let mask = decode_mask(&read_file(mask_path)?, &mask_name, self.ignore)?;
        if (image.height, image.width) != (mask.height, mask.width) {
            bail!(
                "{name} has {} x {} pixels (height x width) and its mask {mask_name} has {} x {}",
                image.height,
                image.width,
                mask.height,
                mask.width
            );
        }
        if let Some(classes) = self.classes {
            check_classes(&mask, classes, &mask_name)?;
        }
        Ok(Sample::new()
            .with("image", Value::Image(image))
            .with("mask", Value::Mask(mask))
            .from_source(name))
    }

    fn name_of(&self, index: usize) -> String {
        self.files[index].0.display().to_string()
    }
}
