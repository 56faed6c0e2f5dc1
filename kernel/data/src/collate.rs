//! Samples to a batch.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, bail};
use patchbay_show::Result;

use crate::{Sample, Value};

/// Several samples: named tensors with the samples as first dimension, and lists of texts.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    tensors: Vec<(String, Tensor)>,
    texts: Vec<(String, Vec<String>)>,
    indices: Vec<usize>,
}

impl Batch {
    /// A tensor by its name.
    ///
    /// # Errors
    ///
    /// Fails where there is none of this name.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        match self.tensors.iter().find(|(known, _)| known == name) {
            Some((_, tensor)) => Ok(tensor),
            None => bail!(
                "there is no tensor {name} in the batch; there are {}",
                self.names().join(", ")
            ),
        }
    }

    /// Texts by their name.
    ///
    /// # Errors
    ///
    /// Fails where there are none of this name.
    pub fn texts(&self, name: &str) -> Result<&[String]> {
        match self.texts.iter().find(|(known, _)| known == name) {
            Some((_, texts)) => Ok(texts),
            None => bail!(
                "there are no texts {name} in the batch; there are {}",
                self.texts
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        }
    }

    /// The first two tensors: input and target.
    ///
    /// # Errors
    ///
    /// Fails where there are fewer.
    pub fn pair(&self) -> Result<(Tensor, Tensor)> {
        match &self.tensors[..] {
            [(_, first), (_, second), ..] => Ok((first.clone(), second.clone())),
            _ => bail!(
                "pair() gives the first two tensors; this batch has {}",
                match self.tensors.is_empty() {
                    true => "none".to_owned(),
                    false => format!("{} alone: batch.get(\"{0}\")?", self.names().join(", ")),
                }
            ),
        }
    }

    /// The names of the tensors.
    pub fn names(&self) -> Vec<&str> {
        self.tensors.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Which samples of the data set these are.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Puts a tensor; one of the same name is replaced.
    pub fn set(&mut self, name: &str, tensor: Tensor) {
        match self.tensors.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = tensor,
            None => self.tensors.push((name.to_owned(), tensor)),
        }
    }

    /// The tensors by their names, as objectives and tools take them.
    pub fn into_map(self) -> BTreeMap<String, Tensor> {
        self.tensors.into_iter().collect()
    }

    pub(crate) fn on_device(mut self, device: &Device) -> Result<Batch> {
        for (_, tensor) in &mut self.tensors {
            *tensor = tensor.to_device(device)?;
        }
        Ok(self)
    }
}

/// Makes a batch of samples of the same names, of which `indices` are the places. What is in `pad` may be of unequal lengths: it is filled
/// up to the longest, and a tensor NAME_mask `[batch, length]` of u8 says what is real.
pub(crate) fn collate(samples: Vec<(usize, Sample)>, pad: &BTreeMap<String, f64>) -> Result<Batch> {
    let mut batch = Batch::default();
    let mut columns: Vec<(String, Vec<Value>)> = Vec::new();
    let mut sources = Vec::with_capacity(samples.len());
    let count = samples.len();
    for (place, (index, sample)) in samples.into_iter().enumerate() {
        batch.indices.push(index);
        sources.push(match sample.source() {
            "" => format!("sample {index}"),
            source => source.to_owned(),
        });
        let values = sample.into_values();
        if place > 0 && values.len() != columns.len() {
            bail!(
                "{} has {} values, {} has {}",
                sources[place],
                values.len(),
                sources[0],
                columns.len()
            );
        }
        for (name, value) in values {
            match columns.iter_mut().find(|(known, _)| *known == name) {
                Some((_, column)) => column.push(value),
                None if place == 0 => columns.push((name, Vec::from([value]))),
                None => bail!(
                    "{} has a value {name}, {} has none",
                    sources[place],
                    sources[0]
                ),
            }
        }
    }
    for (name, column) in columns {
        if column.len() != count {
            bail!(
                "not all samples of a batch have a value {name}: it is in {} of {count}",
                column.len()
            );
        }
        column_into(&mut batch, &name, column, &sources, pad.get(&name).copied())?;
    }
    Ok(batch)
}

fn column_into(
    batch: &mut Batch,
    name: &str,
    column: Vec<Value>,
    sources: &[String],
    pad: Option<f64>,
) -> Result<()> {
    let count = column.len();
    let mixed = |place: usize| {
        candle_core::Error::Msg(format!(
            "{name} is of another kind in {} than in {}",
            sources[place], sources[0]
        ))
    };
    let tensor = match &column[0] {
        Value::Image(first) => {
            let shape = (first.bands, first.height, first.width);
            let each = shape.0 * shape.1 * shape.2;
            let mut values = vec![0f32; each * count];
            for (place, (value, out)) in
                column.iter().zip(values.chunks_exact_mut(each)).enumerate()
            {
                let Value::Image(image) = value else {
                    return Err(mixed(place));
                };
                if image.bands != shape.0 {
                    bail!(
                        "{name} has {} bands in {} and {} in {}: images of a batch need as many (ImageFolder's `rgb()`, or \
                         `bands(&[0, 1, 2])`)",
                        image.bands,
                        sources[place],
                        shape.0,
                        sources[0]
                    );
                }
                if (image.height, image.width) != (shape.1, shape.2) {
                    bail!(
                        "{name} has {} x {} pixels (height x width) in {} and {} x {} in {}: images of a batch need one size \
                         (.transform(data::transforms::Resize::to(224, 224)))",
                        image.height,
                        image.width,
                        sources[place],
                        shape.1,
                        shape.2,
                        sources[0]
                    );
                }
                image.write(out);
            }
            Tensor::from_vec(values, (count, shape.0, shape.1, shape.2), &Device::Cpu)?
        }
        Value::Mask(first) => {
            let shape = (first.height, first.width);
            let mut values: Vec<i64> = Vec::with_capacity(count * shape.0 * shape.1);
            for (place, value) in column.iter().enumerate() {
                let Value::Mask(mask) = value else {
                    return Err(mixed(place));
                };
                if (mask.height, mask.width) != shape {
                    bail!(
                        "{name} has {} x {} pixels (height x width) in {} and {} x {} in {}: masks of a batch need one size",
                        mask.height,
                        mask.width,
                        sources[place],
                        shape.0,
                        shape.1,
                        sources[0]
                    );
                }
                values.extend(mask.classes.iter().map(|&class| i64::from(class)));
            }
            Tensor::from_vec(values, (count, shape.0, shape.1), &Device::Cpu)?
        }
        Value::Tensor(_) => {
            let mut tensors = Vec::with_capacity(count);
            for (place, value) in column.iter().enumerate() {
                match value {
                    Value::Tensor(tensor) => tensors.push(tensor.clone()),
                    _ => return Err(mixed(place)),
                }
            }
            return tensors_into(batch, name, &tensors, sources, pad);
        }
        Value::Class(_) => {
            let classes = column.iter().enumerate().map(|(place, value)| match value {
                Value::Class(class) => Ok(*class),
                _ => Err(mixed(place)),
            });
            Tensor::from_vec(classes.collect::<Result<Vec<i64>>>()?, count, &Device::Cpu)?
        }
        Value::Number(_) => {
            let numbers = column.iter().enumerate().map(|(place, value)| match value {
                Value::Number(number) => Ok(*number as f32),
                _ => Err(mixed(place)),
            });
            Tensor::from_vec(numbers.collect::<Result<Vec<f32>>>()?, count, &Device::Cpu)?
        }
        Value::Text(_) => {
            let texts = column
                .into_iter()
                .enumerate()
                .map(|(place, value)| match value {
                    Value::Text(text) => Ok(text),
                    _ => Err(mixed(place)),
                });
            batch
                .texts
                .push((name.to_owned(), texts.collect::<Result<_>>()?));
            return Ok(());
        }
    };
    batch.set(name, tensor);
    Ok(())
}

fn tensors_into(
    batch: &mut Batch,
    name: &str,
    tensors: &[Tensor],
    sources: &[String],
    pad: Option<f64>,
) -> Result<()> {
    let first = &tensors[0];
    let other = tensors
        .iter()
        .position(|tensor| tensor.dtype() != first.dtype());
    if let Some(place) = other {
        bail!(
            "{name} is of {:?} in {} and of {:?} in {}",
            tensors[place].dtype(),
            sources[place],
            first.dtype(),
            sources[0]
        );
    }
    let Some(fill) = pad else {
        if let Some(place) = tensors
            .iter()
            .position(|tensor| tensor.dims() != first.dims())
        {
            bail!(
                "{name} has the shape {:?} in {} and {:?} in {}: what is of unequal lengths is filled up by .pad(\"{name}\", 0.0), \
                 with {name}_mask for what is real",
                tensors[place].dims(),
                sources[place],
                first.dims(),
                sources[0]
            );
        }
        batch.set(name, Tensor::stack(tensors, 0)?);
        return Ok(());
    };
    if first.rank() == 0 {
        bail!("{name} is a scalar, which has no length to fill up");
    }
    if let Some(place) = tensors
        .iter()
        .position(|tensor| tensor.rank() == 0 || tensor.dims()[1..] != first.dims()[1..])
    {
        bail!(
            "{name} has the shape {:?} in {} and {:?} in {}: only the first dimension may differ",
            tensors[place].dims(),
            sources[place],
            first.dims(),
            sources[0]
        );
    }
    let longest = tensors
        .iter()
        .map(|tensor| tensor.dims()[0])
        .max()
        .unwrap_or(0);
    let mut rows = Vec::with_capacity(tensors.len());
    let mut mask = vec![0u8; tensors.len() * longest];
    for (place, tensor) in tensors.iter().enumerate() {
        let length = tensor.dims()[0];
        mask[place * longest..place * longest + length].fill(1);
        let mut shape = tensor.dims().to_vec();
        shape[0] = longest - length;
        let row = match (length, longest - length) {
            (_, 0) => tensor.clone(),
            (0, _) => Tensor::full(fill, &shape[..], &Device::Cpu)?.to_dtype(tensor.dtype())?,
            _ => {
                let filling = Tensor::full(fill, &shape[..], &Device::Cpu)?;
                Tensor::cat(&[tensor, &filling.to_dtype(tensor.dtype())?], 0)?
            }
        };
        rows.push(row);
    }
    batch.set(name, Tensor::stack(&rows, 0)?);
    let mask = Tensor::from_vec(mask, (tensors.len(), longest), &Device::Cpu)?;
    batch.set(&format!("{name}_mask"), mask.to_dtype(DType::U8)?);
    Ok(())
}
