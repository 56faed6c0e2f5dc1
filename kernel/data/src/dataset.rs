//! What a data set is, and what it gives for an index.

use std::sync::Arc;

use candle_core::{Tensor, bail};
use patchbay_show::Result;

use crate::{Image, Mask, Rng};

/// A part of a sample.
#[derive(Clone, Debug)]
pub enum Value {
    /// A picture, which transforms change; in a batch `[batch, bands, height, width]` of f32.
    Image(Image),
    /// Classes of pixels, which transforms move as the picture's; in a batch `[batch, height, width]` of i64.
    Mask(Mask),
    /// A tensor; in a batch one more dimension in front.
    Tensor(Tensor),
    /// A class; in a batch `[batch]` of i64.
    Class(i64),
    /// A number; in a batch `[batch]` of f32.
    Number(f64),
    /// A text; in a batch a list.
    Text(String),
}

/// What a data set gives for an index: named values in the order in which they were put.
///
/// ```
/// use patchbay::prelude::*;
/// let sample = data::Sample::new().with("x", data::Value::Number(0.5)).with("label", data::Value::Class(2));
/// assert!(matches!(sample.get("label"), Some(data::Value::Class(2))));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sample {
    values: Vec<(String, Value)>,
    source: String,
}

impl Sample {
    /// Without values.
    pub fn new() -> Sample {
        Sample::default()
    }

    /// Puts a value; one of the same name is replaced.
    pub fn with(mut self, name: impl Into<String>, value: Value) -> Sample {
        self.set(name, value);
        self
    }

    /// Puts a value; one of the same name is replaced.
    pub fn set(&mut self, name: impl Into<String>, value: Value) {
        let name = name.into();
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.values.push((name, value)),
        }
    }

    /// Says where the sample comes from, a path for instance: errors name it.
    pub fn from_source(mut self, source: impl Into<String>) -> Sample {
        self.source = source.into();
        self
    }

    /// Where it comes from; empty where nobody said it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// A value by its name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = self.values.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// The names and values.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.values.iter_mut().map(|(_, value)| value)
    }

    pub(crate) fn into_values(self) -> Vec<(String, Value)> {
        self.values
    }

    /// Height and width of its images and masks.
    ///
    /// # Errors
    ///
    /// Fails where there are none, or they differ.
    pub fn size(&self) -> Result<(usize, usize)> {
        let mut found: Option<(&str, (usize, usize))> = None;
        for (name, value) in self.values() {
            let size = match value {
                Value::Image(image) => (image.height, image.width),
                Value::Mask(mask) => (mask.height, mask.width),
                _ => continue,
            };
            match found {
                Some((first, expected)) if expected != size => bail!(
                    "{first} has {} x {} pixels (height x width) and {name} has {} x {}: they must be of one size",
                    expected.0,
                    expected.1,
                    size.0,
                    size.1
                ),
                Some(_) => {}
                None => found = Some((name, size)),
            }
        }
        match found {
            Some((_, size)) => Ok(size),
            None => bail!(
                "a transform needs an image; this sample has {}. A tensor becomes one by data::Image::from_tensor(&x)?",
                self.values()
                    .map(|(name, _)| name)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
    }
}

/// Samples by their indices. The loader's threads call it, several at a time.
///
/// ```
/// use patchbay::prelude::*;
/// struct Squares;
///
/// impl data::Dataset for Squares {
///     fn len(&self) -> usize {
///         100
///     }
///
///     fn get(&self, index: usize, _rng: &mut data::Rng) -> Result<data::Sample> {
///         let x = index as f64;
///         Ok(data::Sample::new().with("x", data::Value::Number(x)).with("y", data::Value::Number(x * x)))
///     }
/// }
///
/// let loader = data::DataLoader::new(Squares).batch_size(10);
/// for batch in &loader {
///     let (x, y) = batch?.pair()?;
///     assert_eq!((x.dims(), y.dims()), (&[10][..], &[10][..]));
/// }
/// # Ok::<(), candle::Error>(())
/// ```
pub trait Dataset: Send + Sync {
    /// How many samples there are.
    fn len(&self) -> usize;

    /// The sample of an index below [`len`](Dataset::len). `rng` is a function of the loader's seed, the epoch and the index: what is
    /// random about a sample is drawn from it.
    ///
    /// # Errors
    ///
    /// Fails where the sample cannot be read. The loader names the sample, or leaves it out, as it is set.
    fn get(&self, index: usize, rng: &mut Rng) -> Result<Sample>;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of a sample for errors: the path of its file, for instance.
    fn name_of(&self, index: usize) -> String {
        format!("sample {index}")
    }
}

impl<D: Dataset + ?Sized> Dataset for Arc<D> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn get(&self, index: usize, rng: &mut Rng) -> Result<Sample> {
        (**self).get(index, rng)
    }

    fn name_of(&self, index: usize) -> String {
        (**self).name_of(index)
    }
}

impl<D: Dataset + ?Sized> Dataset for Box<D> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn get(&self, index: usize, rng: &mut Rng) -> Result<Sample> {
        (**self).get(index, rng)
    }

    fn name_of(&self, index: usize) -> String {
        (**self).name_of(index)
    }
}

/// Rows of tensors that have as many rows: PyTorch's `TensorDataset`, with names.
///
/// ```
/// use patchbay::prelude::*;
/// let (x, y) = (torch::randn((90, 2))?, torch::randint(0, 3, 90)?);
/// let loader = data::DataLoader::new(data::TensorDataset::new(&[("x", &x), ("y", &y)])?).batch_size(30).shuffle(1);
/// for batch in &loader {
///     let (x, y) = batch?.pair()?;
///     assert_eq!((x.dims(), y.dims()), (&[30, 2][..], &[30][..]));
/// }
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorDataset {
    tensors: Vec<(String, Tensor)>,
    images: Vec<String>,
    len: usize,
}

impl TensorDataset {
    /// Of named tensors, which are kept on the CPU.
    ///
    /// # Errors
    ///
    /// Fails where there are none, one is a scalar, or numbers of rows differ.
    pub fn new(tensors: &[(&str, &Tensor)]) -> Result<TensorDataset> {
        let Some((first, tensor)) = tensors.first() else {
            bail!("a TensorDataset needs a tensor, for instance &[(\"x\", &x), (\"y\", &y)]");
        };
        let rows = |name: &str, tensor: &Tensor| match tensor.dims().first() {
            Some(&rows) => Ok(rows),
            None => {
                bail!("{name} is a scalar; a TensorDataset's tensors have a row for each sample")
            }
        };
        let len = rows(first, tensor)?;
        let mut kept: Vec<(String, Tensor)> = Vec::new();
        for (name, tensor) in tensors {
            let found = rows(name, tensor)?;
            if found != len {
                bail!(
                    "{first} has {len} rows and {name} has {found}: each needs a row for each sample"
                );
            }
            if kept.iter().any(|(known, _)| known == name) {
                bail!("two tensors are named {name}; name them differently");
            }
            let tensor = tensor
                .detach()
                .to_device(&candle_core::Device::Cpu)?
                .contiguous()?;
            kept.push((String::from(*name), tensor));
        }
        Ok(TensorDataset {
            tensors: kept,
            images: Vec::new(),
            len,
        })
    }

    /// Rows `[bands, height, width]` of this tensor are images, which transforms change.
    ///
    /// # Errors
    ///
    /// Fails where there is no such tensor, or its rows are no images.
    pub fn with_images(mut self, name: &str) -> Result<TensorDataset> {
        match self.tensors.iter().find(|(known, _)| known == name) {
            Some((_, tensor)) if tensor.rank() == 4 => self.images.push(name.to_owned()),
            Some((_, tensor)) => bail!(
                "{name} has the shape {:?}; images are [rows, bands, height, width]",
                tensor.dims()
            ),
            None => bail!(
                "there is no tensor {name}; there are {}",
                self.tensors
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
        Ok(self)
    }
}

impl Dataset for TensorDataset {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize, _rng: &mut Rng) -> Result<Sample> {
        let mut sample = Sample::new();
        for (name, tensor) in &self.tensors {
            let row = tensor.narrow(0, index, 1)?.squeeze(0)?;
            let value = match self.images.contains(name) {
                true => Value::Image(Image::from_tensor(&row)?),
                false => Value::Tensor(row),
            };
            sample.set(name, value);
        }
        Ok(sample)
    }
}

/// Some samples of a data set: PyTorch's `Subset`. With [`split`](crate::split) it makes the parts for training and test.
#[derive(Clone)]
pub struct Subset {
    dataset: Arc<dyn Dataset>,
    indices: Vec<usize>,
}

impl Subset {
    /// The samples of these indices, in this order.
    ///
    /// # Errors
    ///
    /// Fails where an index is beyond the data set.
    pub fn new(dataset: Arc<dyn Dataset>, indices: Vec<usize>) -> Result<Subset> {
        if let Some(index) = indices.iter().find(|&&index| index >= dataset.len()) {
            bail!(
                "the data set has {} samples; there is no sample {index}",
                dataset.len()
            );
        }
        Ok(Subset { dataset, indices })
    }

    /// Their indices in the whole data set.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl std::fmt::Debug for Subset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Subset of {} of {} samples",
            self.indices.len(),
            self.dataset.len()
        )
    }
}

impl Dataset for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn get(&self, index: usize, rng: &mut Rng) -> Result<Sample> {
        self.dataset.get(self.indices[index], rng)
    }

    fn name_of(&self, index: usize) -> String {
        self.dataset.name_of(self.indices[index])
    }
}
