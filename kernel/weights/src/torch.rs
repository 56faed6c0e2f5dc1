//! PyTorch's two formats: a zip of a pickle and raw storages (since 1.6), and before that five pickles
//! in a row with the raw storages behind them.

use std::collections::HashMap;

use super::{
    Tensor, Tensors,
    pickle::{self, Value},
    zip,
};

/// The first pickle of a legacy file, 0x1950a86a20f9469cfc6c, as the bytes of its integer.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The second pickle of a legacy file.
const PROTOCOL: i64 = 1001;

pub fn parse_zip(file: &[u8]) -> Result<Tensors, String> {
    let members = zip::members(file)?;
    let (name, program) = members
        .iter()
        .find(|(name, _)| name.ends_with("/data.pkl"))
        .ok_or("a zip file without data.pkl: no PyTorch file")?;
    let folder = name.trim_end_matches("data.pkl");
    let (value, _) = pickle::parse(program)?;
    tensors(&value, &|storage| {
        members
            .get(&format!("{folder}data/{}", storage.key))
            .copied()
            .ok_or_else(|| format!("the storage {} is missing", storage.key))
    })
}

pub fn parse_legacy(file: &[u8]) -> Result<Tensors, String> {
    let magic = [&[0x80, 2, 0x8a, 10][..], &MAGIC, b"."].concat();
    if !file.starts_with(&magic) {
        return Err("a pickle, but not one of PyTorch".to_owned());
    }
    let mut at = magic.len();
    let mut next = || {
        let (value, length) = pickle::parse(&file[at..])?;
        at += length;
        Ok::<Value, String>(value)
    };
    let protocol = next()?;
    if protocol != Value::Integer(PROTOCOL) {
        return Err(format!(
            "a legacy PyTorch file of protocol {protocol:?}, expected {PROTOCOL}"
        ));
    }
    let _system = next()?;
    let value = next()?;
    let Value::List(keys) = next()? else {
        return Err("a legacy PyTorch file without its list of storages".to_owned());
    };
    // The storages follow in the order of the list: 8 bytes with the number of elements, then those.
    let mut used = HashMap::new();
    collect_storages(&value, &mut used)?;
    let mut storages = HashMap::new();
    for key in &keys {
        let Value::Text(key) = key else {
            return Err("a storage whose key is no text".to_owned());
        };
        let bytes = file.get(at..at + 8).ok_or("truncated before a storage")?;
        let count = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        at += 8;
        let size = used
            .get(key)
            .copied()
            .ok_or_else(|| format!("no tensor says of what type the storage {key} is"))?;
        let data = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size))
            .and_then(|length| file.get(at..at.checked_add(length)?))
            .ok_or_else(|| format!("truncated inside the storage {key} of {count} elements"))?;
        at += data.len();
        storages.insert(key.clone(), data);
    }
    tensors(&value, &|storage| {
        storages
            .get(&storage.key)
            .copied()
            .ok_or_else(|| format!("the storage {} is missing", storage.key))
    })
}

/// What a tensor says of its storage.
struct Storage {
    key: String,
    kind: Kind,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    /// Of elements of this size, which are no floats.
    Other(usize),
}

impl Kind {
    fn of(class: &str) -> Result<Kind, String> {
        Ok(
            match class
                .trim_start_matches("torch ")
                .trim_start_matches("torch.cuda ")
            {
                "FloatStorage" => Kind::F32,
                "DoubleStorage" => Kind::F64,
                "HalfStorage" => Kind::F16,
                "BFloat16Storage" => Kind::Bf16,
                "LongStorage" => Kind::Other(8),
                "IntStorage" => Kind::Other(4),
                "ShortStorage" => Kind::Other(2),
                "ByteStorage" | "CharStorage" | "BoolStorage" => Kind::Other(1),
                other => return Err(format!("a storage of the unknown type {other}")),
            },
        )
    }

    pub(crate) fn size(self) -> usize {
        match self {
            Kind::F16 | Kind::Bf16 => 2,
            Kind::F32 => 4,
            Kind::F64 => 8,
            Kind::Other(size) => size,
        }
    }
}

/// `("storage", class, key, location, elements, ...)`. Where it was computed does not matter here.
fn storage(id: &Value) -> Result<Storage, String> {
    let Value::Tuple(fields) = id else {
        return Err("a storage without its description".to_owned());
    };
    match &fields[..] {
        [Value::Text(tag), Value::Global(class), Value::Text(key), ..] if tag == "storage" => {
            Ok(Storage {
                key: key.clone(),
                kind: Kind::of(class)?,
            })
        }
        _ => Err("a storage whose description is not PyTorch's".to_owned()),
    }
}

fn collect_storages(value: &Value, found: &mut HashMap<String, usize>) -> Result<(), String> {
    match value {
        Value::Persistent(id) => {
            let storage = storage(id)?;
            found.insert(storage.key, storage.kind.size());
        }
        Value::Tuple(values) | Value::List(values) | Value::Call(_, values) => {
            for value in values {
                collect_storages(value, found)?;
            }
        }
        Value::Dict(pairs) => {
            for (_, value) in pairs {
                collect_storages(value, found)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The names under which training programs keep the state dict of a network.
const CONTAINERS: [&str; 6] = [
    "state_dict",
    "model",
    "model_state_dict",
    "teacher",
    "student",
    "network",
];

/// The tensors of a state dict, which may lie inside a checkpoint under one of [`CONTAINERS`].
fn tensors<'a>(
    value: &Value,
    data: &impl Fn(&Storage) -> Result<&'a [u8], String>,
) -> Result<Tensors, String> {
    let Value::Dict(pairs) = value else {
        return Err(
            "a PyTorch file that holds no dictionary of tensors; save the state_dict()".to_owned(),
        );
    };
    let inner = pairs.iter().find_map(|(key, value)| match (key, value) {
        (Value::Text(key), Value::Dict(_)) if CONTAINERS.contains(&key.as_str()) => Some(value),
        _ => None,
    });
    if let Some(inner) = inner {
        return tensors(inner, data);
    }
    let mut tensors = Tensors::new();
    for (key, value) in pairs {
        let Value::Text(name) = key else { continue };
        if let Some(tensor) = tensor(value, data).map_err(|error| format!("{name}: {error}"))? {
            tensors.insert(name.clone(), tensor);
        }
    }
    if tensors.is_empty() {
        return Err("a PyTorch file without float tensors".to_owned());
    }
    Ok(tensors)
}

/// A call of `_rebuild_tensor_v2(storage, offset, size, stride, ...)`, alone or in a parameter; `None`
/// for anything else and for tensors that are no floats.
fn tensor<'a>(
    value: &Value,
    data: &impl Fn(&Storage) -> Result<&'a [u8], String>,
) -> Result<Option<Tensor>, String> {
    let Value::Call(called, arguments) = value else {
        return Ok(None);
    };
    match (called.as_str(), &arguments[..]) {
        ("torch._utils _rebuild_parameter", [inner, ..]) => tensor(inner, data),
        (
            "torch._utils _rebuild_tensor_v2",
            [
                Value::Persistent(id),
                Value::Integer(offset),
                Value::Tuple(shape),
                Value::Tuple(strides),
                ..,
            ],
        ) => {
            let storage = storage(id)?;
            if let Kind::Other(_) = storage.kind {
                return Ok(None);
            }
            let (shape, strides) = (sizes(shape)?, sizes(strides)?);
            let offset = usize::try_from(*offset).map_err(|_| "a negative offset")?;
            gather(data(&storage)?, storage.kind, offset, shape, &strides).map(Some)
        }
        _ => Ok(None),
    }
}

fn sizes(values: &[Value]) -> Result<Vec<usize>, String> {
    values
        .iter()
        .map(|value| match value {
            Value::Integer(size) => {
                usize::try_from(*size).map_err(|_| "a negative size".to_owned())
            }
            _ => Err("a size that is no integer".to_owned()),
        })
        .collect()
}

/// The elements of a tensor with any strides, in row-major order.
fn gather(
    data: &[u8],
    kind: Kind,
    offset: usize,
    shape: Vec<usize>,
    strides: &[usize],
) -> Result<Tensor, String> {
    let count = shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size));
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(offset, |at, (&size, &stride)| {
            at.checked_add(size.saturating_sub(1).checked_mul(stride)?)
        });
    let available = data.len() / kind.size();
    let (Some(count), Some(last)) = (count, last) else {
        return Err(format!("an impossible shape {shape:?}"));
    };
    // Overlapping views could claim more elements than the file has; weights have none.
    if shape.len() != strides.len() || count > available || (count > 0 && last >= available) {
        return Err(format!(
            "shape {shape:?} does not fit its storage of {available} elements"
        ));
    }
    let mut dense = 1;
    let is_dense = shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == dense;
        dense *= size;
        fits
    });
    if is_dense {
        let bytes = &data[offset * kind.size()..][..count * kind.size()];
        let values = bytes.chunks_exact(kind.size());
        let values = values.map(|bytes| element(bytes, kind)).collect();
        return Ok(Tensor { shape, values });
    }
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let at = offset
            + index
                .iter()
                .zip(strides)
                .map(|(i, stride)| i * stride)
                .sum::<usize>();
        values.push(element(&data[at * kind.size()..], kind));
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Ok(Tensor { shape, values })
}

pub(crate) fn element(bytes: &[u8], kind: Kind) -> f32 {
    match (kind, bytes) {
        (Kind::F32, &[a, b, c, d, ..]) => f32::from_le_bytes([a, b, c, d]),
        (Kind::F64, &[a, b, c, d, e, f, g, h, ..]) => {
            f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
        }
        (Kind::Bf16, &[a, b, ..]) => f32::from_le_bytes([0, 0, a, b]),
        (Kind::F16, &[a, b, ..]) => half(u16::from_le_bytes([a, b])),
        _ => f32::NAN,
    }
}

/// IEEE half precision.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        assert_eq!(
            [0x3c00, 0xc000, 0x0001, 0x7bff].map(half),
            [1.0, -2.0, 2f32.powi(-24), 65504.0]
        );
        assert!(half(0x7e00).is_nan() && half(0xfc00) == f32::NEG_INFINITY);
    }

    #[test]
    fn strides_are_followed_and_bounds_are_checked() {
        let data: Vec<u8> = (0..6).flat_map(|n| (n as f32).to_le_bytes()).collect();
        let transposed = gather(&data, Kind::F32, 0, vec![3, 2], &[1, 3]).unwrap();
        assert_eq!(transposed.values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert!(gather(&data, Kind::F32, 1, vec![3, 2], &[2, 1]).is_err());
        assert!(gather(&data, Kind::F32, 0, vec![usize::MAX, 2], &[0, 0]).is_err());
        assert!(gather(&data, Kind::F32, 0, vec![1 << 40], &[0]).is_err());
    }
}
