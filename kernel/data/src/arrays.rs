//! NumPy's `.npy` and `.npz`, and safetensors, as tensors.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{Cursor, Read, Write},
    path::Path,
};

use candle_core::{DType, Device, Error, Tensor, bail};
use patchbay_show::Result;

use crate::{decode::read_file, npy_header};

/// Reads a `.npy` file: numbers of any byte order and either order of dimensions. Signed integers become i64, u16 and u32 become u32, u64 i64,
/// bool and u8 u8; f16, f32 and f64 stay.
///
/// # Errors
///
/// Fails for other types, objects among them, and broken files.
///
/// ```
/// use patchbay::prelude::*;
/// let path = std::env::temp_dir().join(format!("patchbay-doc-{}.npy", std::process::id()));
/// data::write_npy(&path, &torch::arange(0, 6)?.reshape((2, 3))?)?;
/// assert_eq!(data::read_npy(&path)?.dims(), [2, 3]);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_npy(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    parse_npy(&read_file(path)?, &path.display().to_string())
}

pub(crate) fn parse_npy(bytes: &[u8], name: &str) -> Result<Tensor> {
    let Some((head, data)) = npy_header::read(bytes) else {
        bail!("{name} is no .npy file, or broken");
    };
    let (is_big_endian, kind) = match head.kind.split_at_checked(1) {
        Some((order @ ("<" | ">" | "|" | "="), kind)) => (order == ">", kind),
        _ => bail!(
            "{name} is of the type {}, which is none of numbers",
            head.kind
        ),
    };
    let size: Option<usize> = kind.get(1..).and_then(|size| size.parse().ok());
    let count = head
        .shape
        .iter()
        .try_fold(1usize, |count, &side| count.checked_mul(side));
    // What the header claims is not believed beyond what is there.
    let needed = count
        .zip(size)
        .and_then(|(count, size)| count.checked_mul(size));
    let Some(data) = needed.and_then(|needed| data.get(..needed)) else {
        bail!(
            "{name} is truncated: its header says {:?} of {}",
            head.shape,
            head.kind
        );
    };
    macro_rules! values {
        ($from:ty, $to:ty) => {{
            let (numbers, _) = data.as_chunks::<{ size_of::<$from>() }>();
            let read = numbers.iter().map(|&bytes| match is_big_endian {
                true => <$from>::from_be_bytes(bytes),
                false => <$from>::from_le_bytes(bytes),
            });
            let values = read
                .map(|value| {
                    <$to>::try_from(value).map_err(|_| {
                        Error::Msg(format!(
                            "{name} has {value}, which is beyond {}",
                            stringify!($to)
                        ))
                    })
                })
                .collect::<Result<Vec<$to>>>()?;
            ordered(values, head.shape, head.is_fortran)
        }};
    }
    match kind {
        "f2" => values!(half::f16, half::f16),
        "f4" => values!(f32, f32),
        "f8" => values!(f64, f64),
        "b1" | "u1" => ordered(data.to_vec(), head.shape, head.is_fortran),
        "u2" => values!(u16, u32),
        "u4" => values!(u32, u32),
        "u8" => values!(u64, i64),
        "i1" => values!(i8, i64),
        "i2" => values!(i16, i64),
        "i4" => values!(i32, i64),
        "i8" => values!(i64, i64),
        _ => bail!(
            "{name} is of NumPy's type {}; expected bool, integers or floats of at most 8 bytes: array.astype(\"float32\")",
            head.kind
        ),
    }
}

fn ordered<T: candle_core::WithDType>(
    values: Vec<T>,
    shape: Vec<usize>,
    is_fortran: bool,
) -> Result<Tensor> {
    match is_fortran {
        false => Tensor::from_vec(values, shape, &Device::Cpu),
        // The first dimension varies fastest.
        true => {
            let reversed: Vec<usize> = shape.iter().rev().copied().collect();
            let axes: Vec<usize> = (0..shape.len()).rev().collect();
            Tensor::from_vec(values, reversed, &Device::Cpu)?
                .permute(axes)?
                .contiguous()
        }
    }
}

fn to_npy(tensor: &Tensor) -> Result<Vec<u8>> {
    let tensor = tensor.detach().to_device(&Device::Cpu)?.contiguous()?;
    let name = match tensor.dtype() {
        DType::U8 => "|u1",
        DType::U32 => "<u4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::BF16 | DType::F32 => "<f4",
        DType::F64 => "<f8",
        other => bail!("a tensor of {other:?} has no type of NumPy; to_dtype(DType::F32)? first"),
    };
    let dims = tensor.dims();
    let shape = match dims {
        [only] => format!("({only},)"),
        _ => format!(
            "({})",
            dims.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let mut head = format!("{{'descr': '{name}', 'fortran_order': False, 'shape': {shape}, }}");
    // Version 1.0: magic, version, length; a multiple of 64 in all, a line end last.
    let padding = 64 - (10 + head.len() + 1) % 64;
    head.push_str(&" ".repeat(padding % 64));
    head.push('\n');
    let Ok(length) = u16::try_from(head.len()) else {
        bail!("a tensor of {} dimensions has no .npy header", dims.len());
    };
    let mut bytes = Vec::from(*b"\x93NUMPY\x01\x00");
    bytes.extend(length.to_le_bytes());
    bytes.extend(head.as_bytes());
    let flat = tensor.flatten_all()?;
    macro_rules! values {
        ($type:ty) => {
            bytes.extend(
                flat.to_vec1::<$type>()?
                    .into_iter()
                    .flat_map(<$type>::to_le_bytes),
            )
        };
    }
    match tensor.dtype() {
        DType::U8 => bytes.extend(flat.to_vec1::<u8>()?),
        DType::U32 => values!(u32),
        DType::I64 => values!(i64),
        DType::F16 => values!(half::f16),
        DType::F64 => values!(f64),
        _ => {
            let floats = flat.to_dtype(DType::F32)?;
            bytes.extend(
                floats
                    .to_vec1::<f32>()?
                    .into_iter()
                    .flat_map(f32::to_le_bytes),
            );
        }
    }
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    patchbay_files::replace(path, bytes, 0o644)
        .map_err(|error| Error::Msg(format!("{} cannot be written: {error}", path.display())))
}

/// Writes a `.npy` file, of bf16 as f32. A file of the name is replaced as a whole.
///
/// # Errors
///
/// Fails where the file cannot be written.
pub fn write_npy(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    write(path.as_ref(), &to_npy(tensor)?)
}

/// Reads the arrays of a `.npz` file by their names, compressed or not; see [`read_npy`].
///
/// # Errors
///
/// Fails as there.
pub fn read_npz(path: impl AsRef<Path>) -> Result<BTreeMap<String, Tensor>> {
    let path = path.as_ref();
    let broken = |error: zip::result::ZipError| {
        Error::Msg(format!(
            "{} is no .npz file, or broken: {error}",
            path.display()
        ))
    };
    let file = File::open(path)
        .map_err(|error| Error::Msg(format!("{} cannot be read: {error}", path.display())))?;
    let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
    let mut arrays = BTreeMap::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(broken)?;
        let name = member.name().map_err(broken)?.into_owned();
        let Some(stem) = name.strip_suffix(".npy") else {
            continue;
        };
        let whole = format!("{}:{name}", path.display());
        let mut bytes = Vec::new();
        member
            .read_to_end(&mut bytes)
            .map_err(|error| Error::Msg(format!("{whole} cannot be read: {error}")))?;
        arrays.insert(stem.to_owned(), parse_npy(&bytes, &whole)?);
    }
    Ok(arrays)
}

/// Writes a `.npz` file of named arrays, without compression as `numpy.savez`. A file of the name is replaced as a whole.
///
/// # Errors
///
/// Fails where the file cannot be written, and where two arrays have one name.
pub fn write_npz(path: impl AsRef<Path>, arrays: &[(&str, &Tensor)]) -> Result<()> {
    let path = path.as_ref();
    let failed = |error: &dyn std::fmt::Display| {
        Error::Msg(format!("{} cannot be written: {error}", path.display()))
    };
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, tensor) in arrays {
        archive
            .start_file(format!("{name}.npy"), options)
            .map_err(|error| failed(&error))?;
        archive
            .write_all(&to_npy(tensor)?)
            .map_err(|error| failed(&error))?;
    }
    let bytes = archive
        .finish()
        .map_err(|error| failed(&error))?
        .into_inner();
    write(path, &bytes)
}

/// Reads a safetensors file with its types as they are.
///
/// # Errors
///
/// Fails for a broken file, naming it.
pub fn read_safetensors(path: impl AsRef<Path>) -> Result<BTreeMap<String, Tensor>> {
    let path = path.as_ref();
    let found: HashMap<String, Tensor> =
        candle_core::safetensors::load_buffer(&read_file(path)?, &Device::Cpu).map_err(
            |error| {
                Error::Msg(format!(
                    "{} is no safetensors file, or broken: {error}",
                    path.display()
                ))
            },
        )?;
    Ok(found.into_iter().collect())
}

/// Writes a safetensors file of named tensors. A file of the name is replaced as a whole.
///
/// # Errors
///
/// Fails where the file cannot be written.
pub fn write_safetensors(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)]) -> Result<()> {
    let path = path.as_ref();
    let mut named: Vec<(&str, Tensor)> = Vec::new();
    for (name, tensor) in tensors {
        if named.iter().any(|(known, _)| known == name) {
            bail!("two tensors are named {name}; name them differently");
        }
        named.push((name, tensor.detach().to_device(&Device::Cpu)?.contiguous()?));
    }
    let bytes =
        safetensors::tensor::serialize(named.iter().map(|(name, tensor)| (*name, tensor)), None)
            .map_err(|error| {
                Error::Msg(format!("{} cannot be written: {error}", path.display()))
            })?;
    write(path, &bytes)
}
