//! Named tensors from a file: PyTorch's `.pth`, new and old, and safetensors.
//!
//! A `.pth` is a pickle, which is a program. Here none is ever run: [`pickle`] knows the operations that
//! build plain values, and a call of anything but the making of a tensor or a dictionary gives a value
//! without meaning.

mod pickle;
mod torch;
mod zip;

use std::{collections::BTreeMap, fs, path::Path};

use safetensors::{Dtype, SafeTensors};

/// A tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// Reads a file; what it is, its first bytes say.
///
/// # Errors
///
/// Says what is wrong with the file, and where.
pub fn read(path: &Path) -> Result<Tensors, String> {
    let file =
        fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse(&file).map_err(|error| format!("{}: {error}", path.display()))
}

/// As [`read`], from memory.
///
/// # Errors
///
/// As [`read`].
pub fn parse(file: &[u8]) -> Result<Tensors, String> {
    if file.starts_with(b"PK\x03\x04") {
        torch::parse_zip(file)
    } else if file.starts_with(&[0x80]) {
        torch::parse_legacy(file)
    } else {
        parse_safetensors(file)
    }
}

fn parse_safetensors(file: &[u8]) -> Result<Tensors, String> {
    let tensors = SafeTensors::deserialize(file).map_err(|error| {
        format!("neither a PyTorch file (zip or legacy pickle) nor safetensors: {error}")
    })?;
    tensors
        .iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(format!("{name} is {:?}, expected F32", view.dtype()));
            }
            let words = view.data().as_chunks::<4>().0;
            let tensor = Tensor {
                shape: view.shape().to_vec(),
                values: words.iter().map(|&word| f32::from_le_bytes(word)).collect(),
            };
            Ok((name.to_owned(), tensor))
        })
        .collect()
}
