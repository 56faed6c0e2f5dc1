//! Named tensors from a file: PyTorch's `.pth`, new and old, safetensors, and ONNX. Without candle, as
//! programs that hold no tensors link it, too. All floats become `f32`; integers are left out.
//!
//! A `.pth` is a pickle, which is a program. Here none is ever run: [`pickle`] knows the operations that
//! build plain values, and a call of anything but the making of a tensor or a dictionary gives a value
//! without meaning.

mod onnx;
mod pickle;
mod torch;
mod zip;

use std::{collections::BTreeMap, fs, path::Path};

use safetensors::{Dtype, SafeTensors};
use torch::{Kind, element};

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
    } else if onnx::is_model(file) {
        onnx::parse(file)
    } else {
        parse_safetensors(file)
    }
}

fn parse_safetensors(file: &[u8]) -> Result<Tensors, String> {
    let tensors = SafeTensors::deserialize(file).map_err(|error| {
        format!("neither a PyTorch file (zip or legacy pickle) nor safetensors nor ONNX: {error}")
    })?;
    let mut all = Tensors::new();
    for (name, view) in tensors.iter() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::F32,
            Dtype::F64 => Kind::F64,
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            // Buffers such as `position_ids`.
            _ => continue,
        };
        let values = view.data().chunks_exact(kind.size());
        let tensor = Tensor {
            shape: view.shape().to_vec(),
            values: values.map(|bytes| element(bytes, kind)).collect(),
        };
        all.insert(name.to_owned(), tensor);
    }
    Ok(all)
}
