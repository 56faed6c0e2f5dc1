//! Named tensors from a file: PyTorch's `.pth`, new and old, safetensors, and ONNX. Without candle, as
//! programs that hold no tensors link it, too. All floats become `f32`; integers are left out.
//!
//! A `.pth` is a pickle, which is a program. Here none is ever run: `pickle.rs` knows the operations that
//! build plain values, and a call of anything but the making of a tensor or a dictionary gives a value
//! without meaning.

mod checkpoint;
mod containers;
mod element;
mod onnx;
mod pickle;
mod tensor;
mod torch;
mod zip;

use std::{collections::BTreeSet, fs, path::Path};

pub use checkpoint::{Checkpoint, Source};
use element::{Kind, element};
use safetensors::{Dtype, SafeTensors, tensor::Metadata};
pub use tensor::{Tensor, Tensors};

/// Reads a file; what it is, its first bytes say. Of a checkpoint with several state dicts it is the one that
/// [`read_checkpoint`] takes by itself.
///
/// # Errors
///
/// Says what is wrong with the file, and where.
pub fn read(path: &Path) -> Result<Tensors, String> {
    Ok(read_checkpoint(path, None)?.tensors)
}

/// As [`read`], with where in the file the tensors are.
///
/// `container` chooses among the state dicts of a checkpoint by their names, joined by dots; "" is the top. Without it,
/// moving averages (EMA) come first, as in timm, then the usual names (`state_dict`, `model`, ...), then what is there.
///
/// # Errors
///
/// Says what is wrong with the file, and where; lists the containers where there is none of this name, or where none of
/// several has a usual one.
pub fn read_checkpoint(path: &Path, container: Option<&str>) -> Result<Checkpoint, String> {
    let file =
        fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse_checkpoint(&file, container).map_err(|error| format!("{}: {error}", path.display()))
}

/// As [`read`], from memory.
///
/// # Errors
///
/// As [`read`].
pub fn parse(file: &[u8]) -> Result<Tensors, String> {
    Ok(parse_checkpoint(file, None)?.tensors)
}

/// As [`read_checkpoint`], from memory.
///
/// # Errors
///
/// As [`read_checkpoint`].
pub fn parse_checkpoint(file: &[u8], container: Option<&str>) -> Result<Checkpoint, String> {
    let text = file.trim_ascii_start();
    if file.is_empty() {
        Err("the file is empty: copy or download it again".to_owned())
    } else if file.starts_with(b"PK\x03\x04") {
        torch::parse_zip(file, container)
    } else if file.starts_with(&[0x80]) {
        torch::parse_legacy(file, container)
    } else if file.starts_with(b"version https://git-lfs") {
        Err("a Git LFS pointer and not the weights: run `git lfs pull`".to_owned())
    } else if text.starts_with(b"<") && !is_header(file) {
        Err("a web page and not weights: download the file itself".to_owned())
    } else if onnx::is_model(file) {
        Checkpoint::flat(onnx::parse(file)?, container)
    } else {
        Checkpoint::flat(parse_safetensors(file)?, container)
    }
}

/// Whether the file begins as safetensors do: 8 bytes with the length of a header, which is JSON.
fn is_header(file: &[u8]) -> bool {
    file.get(8) == Some(&b'{')
}

fn parse_safetensors(file: &[u8]) -> Result<Tensors, String> {
    let tensors = SafeTensors::deserialize(file).map_err(|error| match whole_length(file) {
        Some(whole) if whole > file.len() as u64 => format!(
            "safetensors, truncated: {} of {whole} bytes; download it again",
            file.len()
        ),
        _ if is_header(file) => format!("safetensors, but broken: {error}"),
        _ => format!(
            "neither a PyTorch file (zip or legacy pickle) nor safetensors nor ONNX: {error}"
        ),
    })?;
    let mut all = Tensors::new();
    let mut others = BTreeSet::new();
    for (name, view) in tensors.iter() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::F32,
            Dtype::F64 => Kind::F64,
            Dtype::F16 => Kind::F16,
            Dtype::BF16 => Kind::Bf16,
            // Buffers such as `position_ids`.
            other => {
                others.insert(format!("{other:?}"));
                continue;
            }
        };
        let values = view.data().chunks_exact(kind.size());
        let tensor = Tensor {
            shape: view.shape().to_vec(),
            values: values.map(|bytes| element(bytes, kind)).collect(),
        };
        all.insert(name.to_owned(), tensor);
    }
    if all.is_empty() {
        let others: Vec<String> = others.into_iter().collect();
        return Err(format!(
            "safetensors without tensors of F64, F32, F16 or BF16; its types are [{}]: convert it to one of those",
            others.join(", ")
        ));
    }
    Ok(all)
}

/// How many bytes the file should have by its header, or, where that ends too early itself, at least.
fn whole_length(file: &[u8]) -> Option<u64> {
    let (length, rest) = file.split_first_chunk()?;
    let length = u64::from_le_bytes(*length);
    let end = length.checked_add(8)?;
    if !rest.starts_with(b"{") {
        return None;
    }
    match usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length))
    {
        Some(header) => {
            let header: Metadata = serde_json::from_slice(header).ok()?;
            end.checked_add(header.data_len() as u64)
        }
        // The longest header that the format allows.
        None => (length <= 100_000_000).then_some(end),
    }
}
