//! PyTorch's two formats: a zip of a pickle and raw storages (since 1.6), and before that five pickles
//! in a row with the raw storages behind them.

use std::collections::HashMap;

use super::{
    checkpoint::Checkpoint,
    containers::{self, beginning},
    element::{Kind, element},
    pickle::{self, Id, Pickle, Value},
    tensor::{Tensor, Tensors},
    zip,
};

/// The first pickle of a legacy file, 0x1950a86a20f9469cfc6c, as the bytes of its integer.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The second pickle of a legacy file.
const PROTOCOL: i64 = 1001;

pub fn parse_zip(file: &[u8], container: Option<&str>) -> Result<Checkpoint, String> {
    let members = zip::members(file)?;
    let Some((name, program)) = members
        .iter()
        .find(|(name, _)| name.ends_with("/data.pkl") || *name == "data.pkl")
    else {
        return Err(no_pickle(members.keys().map(String::as_str)));
    };
    let folder = name.trim_end_matches("data.pkl");
    if let Some(order) = members.get(&format!("{folder}byteorder"))
        && order.bytes()? != b"little"
    {
        return Err(format!(
            "its numbers were written by a machine of the byte order {:?}: torch.save it again on a little-endian one",
            String::from_utf8_lossy(order.bytes()?.get(..16).unwrap_or(order.bytes()?))
        ));
    }
    let program = program
        .bytes()
        .map_err(|error| format!("{name}: {error}"))?;
    let data = |storage: &Storage| {
        let name = format!("{folder}data/{}", storage.key);
        let member = members
            .get(&name)
            .ok_or_else(|| format!("the storage {} is missing", storage.key))?;
        member.bytes().map_err(|error| format!("{name}: {error}"))
    };
    let is_script = members.contains_key(&format!("{folder}constants.pkl"));
    Reader::new(&pickle::parse(program)?, file.len(), data)
        .checkpoint(container)
        .map_err(|error| match is_script {
            true => format!(
                "TorchScript without weights that have names (a frozen or traced function keeps its own as constants): in \
                 Python, `torch.save(model.state_dict(), \"weights.pth\")` of the network that it was made of. {error}"
            ),
            false => error,
        })
}

/// What a zip file without the pickle of `torch.save` is.
fn no_pickle<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let ends = |end: &str| names.iter().any(|name| name.ends_with(end));
    let what = if ends("archive_format") || ends("serialized_exported_program.json") {
        "a program of torch.export: save the state_dict() of the network in its place"
    } else if names.iter().all(|name| name.ends_with(".npy")) {
        "NumPy's .npz: save its arrays with safetensors.numpy.save_file"
    } else {
        "no PyTorch file"
    };
    let first: Vec<&str> = names.iter().take(4).map(|name| beginning(name)).collect();
    format!(
        "a zip file without data.pkl: {what}. Its first members are [{}]",
        first.join(", ")
    )
}

pub fn parse_legacy(file: &[u8], container: Option<&str>) -> Result<Checkpoint, String> {
    let magic = [&[0x80, 2, 0x8a, 10][..], &MAGIC, b"."].concat();
    if !file.starts_with(&magic) {
        return Err("a pickle, but not one of PyTorch".to_owned());
    }
    let mut at = magic.len();
    let mut next = || {
        let pickle = pickle::parse(&file[at..])?;
        at += pickle.length;
        Ok::<Pickle, String>(pickle)
    };
    let protocol = next()?;
    let protocol = protocol.get(protocol.root);
    if protocol != &Value::Integer(PROTOCOL) {
        return Err(format!(
            "a legacy PyTorch file of protocol {protocol:?}, expected {PROTOCOL}"
        ));
    }
    let _system = next()?;
    let value = next()?;
    let listed = next()?;
    let Value::List(keys) = listed.get(listed.root) else {
        return Err("a legacy PyTorch file without its list of storages".to_owned());
    };
    let used = kinds_of_storages(&value)?;
    // The storages follow in the order of the list: 8 bytes with the number of elements, then those.
    let mut storages = HashMap::new();
    for &key in keys {
        let key = listed.text(key).ok_or("a storage whose key is no text")?;
        let bytes = file.get(at..at + 8).ok_or("truncated before a storage")?;
        let count = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        at += 8;
        let kind = used
            .get(key)
            .ok_or_else(|| format!("no tensor says of what type the storage {key} is"))?;
        let data = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(kind.size()))
            .and_then(|length| file.get(at..at.checked_add(length)?))
            .ok_or_else(|| format!("truncated inside the storage {key} of {count} elements"))?;
        at += data.len();
        storages.insert(key, data);
    }
    let data = |storage: &Storage| {
        storages
            .get(storage.key)
            .copied()
            .ok_or_else(|| format!("the storage {} is missing", storage.key))
    };
    Reader::new(&value, file.len(), data).checkpoint(container)
}

/// What a tensor says of its storage.
struct Storage<'a> {
    key: &'a str,
    /// None for a type that is not known here.
    kind: Option<Kind>,
    class: &'a str,
}

/// `("storage", class, key, location, elements, ...)`. Where it was computed does not matter here.
fn storage(pickle: &Pickle, description: Id) -> Result<Storage<'_>, String> {
    let wrong = "a storage whose description is not PyTorch's";
    let &[tag, class, key, ..] = pickle.tuple(description).ok_or(wrong)? else {
        return Err(wrong.to_owned());
    };
    match (pickle.text(tag), pickle.get(class), pickle.text(key)) {
        (Some("storage"), Value::Global(class), Some(key)) => Ok(Storage {
            key,
            kind: Kind::of(class),
            class,
        }),
        _ => Err(wrong.to_owned()),
    }
}

/// Of all storages of a legacy file, by their keys.
fn kinds_of_storages(pickle: &Pickle) -> Result<HashMap<&str, Kind>, String> {
    let mut found = HashMap::new();
    for value in &pickle.values {
        if let Value::Persistent(description) = value {
            // The old format keeps the program of a pickled network as `("module", class, file, text)`.
            let is_program = pickle.tuple(*description).is_some_and(|parts| {
                parts.first().and_then(|&tag| pickle.text(tag)) == Some("module")
            });
            if is_program {
                continue;
            }
            let storage = storage(pickle, *description)?;
            let kind = storage.kind.ok_or_else(|| {
                format!(
                    "the storage {} is of the unknown type {}, so that it is not known where the next begins: \
                     load it in Python and torch.save it again",
                    storage.key, storage.class
                )
            })?;
            found.insert(storage.key, kind);
        }
    }
    Ok(found)
}

/// What a tensor has at most, as PyTorch's own.
const MOST_DIMENSIONS: usize = 64;

/// Tensors may share storages, as tied ones do, but all together are not many times the file.
const MOST_SHARING: usize = 16;

struct Reader<'a, D> {
    pickle: &'a Pickle,
    file_length: usize,
    /// The bytes of a storage.
    data: D,
    /// Bytes of the tensors so far.
    claimed: usize,
}

impl<'a, 'f, D: Fn(&Storage) -> Result<&'f [u8], String>> Reader<'a, D> {
    fn new(pickle: &'a Pickle, file_length: usize, data: D) -> Self {
        Reader {
            pickle,
            file_length,
            data,
            claimed: 0,
        }
    }

    /// The tensors of a state dict or network, which may lie inside a checkpoint.
    fn checkpoint(mut self, asked_for: Option<&str>) -> Result<Checkpoint, String> {
        let pickle = self.pickle;
        let (candidates, unnamed_average) = containers::candidates(pickle);
        if candidates.is_empty() {
            return Err(self.nothing());
        }
        let chosen = containers::choose(&candidates, asked_for)?;
        let mut tensors = Tensors::new();
        for (name, value) in containers::members(pickle, chosen)? {
            if let Some(tensor) = self
                .tensor(value)
                .map_err(|error| format!("{}: {error}", beginning(&name)))?
            {
                tensors.insert(name, tensor);
            }
        }
        let others = candidates
            .iter()
            .filter(|candidate| candidate.count > 0 && candidate.path != chosen.path)
            .map(|candidate| candidate.path.clone())
            .collect();
        Ok(Checkpoint {
            tensors,
            container: chosen.path.clone(),
            is_average: chosen.is_average,
            others,
            unnamed_average,
            source: chosen.source,
        })
    }

    /// Why there is nothing to read.
    fn nothing(&self) -> String {
        let pickle = self.pickle;
        match pickle.get(pickle.root) {
            Value::Dict(top) => {
                let keys: Vec<&str> = top
                    .iter()
                    .filter_map(|(key, _)| pickle.text(*key).map(beginning))
                    .take(8)
                    .collect();
                format!(
                    "a PyTorch file without float tensors in a dictionary; its first keys are [{}]: save the \
                     state_dict() alone",
                    keys.join(", ")
                )
            }
            _ => {
                let class = containers::class(pickle, pickle.root)
                    .map(|class| format!(" but {}", beginning(&class.replace(' ', "."))))
                    .unwrap_or_default();
                format!(
                    "a PyTorch file that holds no dictionary of tensors{class}; save the state_dict()"
                )
            }
        }
    }

    /// A tensor as [`rebuilt`] finds it; `None` for anything else and for tensors that are no floats.
    fn tensor(&mut self, value: Id) -> Result<Option<Tensor>, String> {
        let pickle = self.pickle;
        let Some([persistent, offset, shape, strides]) = rebuilt(pickle, value) else {
            return Ok(None);
        };
        let (
            Value::Persistent(description),
            Value::Integer(offset),
            Value::Tuple(shape),
            Value::Tuple(strides),
        ) = (
            pickle.get(persistent),
            pickle.get(offset),
            pickle.get(shape),
            pickle.get(strides),
        )
        else {
            return Ok(None);
        };
        let storage = storage(pickle, *description)?;
        let kind = match storage.kind {
            None | Some(Kind::Other(_)) => return Ok(None),
            Some(kind) => kind,
        };
        let (shape, strides) = (sizes(pickle, shape)?, sizes(pickle, strides)?);
        let offset = usize::try_from(*offset).map_err(|_| "a negative offset")?;
        let data = (self.data)(&storage)?;
        let view = View::new(data, kind, offset, shape, strides)?;
        self.claimed = self.claimed.saturating_add(view.count * kind.size());
        if self.claimed > MOST_SHARING * self.file_length + (1 << 20) {
            return Err(format!(
                "the tensors up to here claim {} bytes, the file has {}: they overlap",
                self.claimed, self.file_length
            ));
        }
        Ok(Some(view.gather()))
    }
}

/// Storage, offset, shape and strides of a tensor: of a call of `_rebuild_tensor_v2(storage, offset, size, stride, ...)`, or
/// of its predecessor with those four alone, by itself, in a parameter, or in a class of its own.
pub fn rebuilt(pickle: &Pickle, value: Id) -> Option<[Id; 4]> {
    let mut value = value;
    let mut function = None;
    // A parameter of a class of its own has two calls around that of its tensor.
    for _ in 0..3 {
        let (name, arguments) = match function.take() {
            Some(call) => call,
            None => match pickle.get(value) {
                Value::Call(called, arguments) => match pickle.get(*called) {
                    Value::Global(name) => (name.as_str(), pickle.tuple(*arguments)?),
                    _ => return None,
                },
                _ => return None,
            },
        };
        match (name, arguments) {
            (
                "torch._utils _rebuild_tensor_v2" | "torch._utils _rebuild_tensor",
                &[storage, offset, shape, strides, ..],
            ) => return Some([storage, offset, shape, strides]),
            (
                "torch._utils _rebuild_parameter" | "torch._utils _rebuild_parameter_with_state",
                &[inner, ..],
            ) => value = inner,
            ("torch._tensor _rebuild_from_type_v2", &[inner, _, arguments, ..]) => {
                let Value::Global(name) = pickle.get(inner) else {
                    return None;
                };
                function = Some((name.as_str(), pickle.tuple(arguments)?));
            }
            _ => return None,
        }
    }
    None
}

/// Whether a value is a tensor of floats.
pub fn is_float_tensor(pickle: &Pickle, value: Id) -> bool {
    let description =
        rebuilt(pickle, value).and_then(|[persistent, ..]| match pickle.get(persistent) {
            Value::Persistent(description) => storage(pickle, *description).ok(),
            _ => None,
        });
    description
        .and_then(|storage| storage.kind)
        .is_some_and(|kind| !matches!(kind, Kind::Other(_)))
}

fn sizes(pickle: &Pickle, values: &[Id]) -> Result<Vec<usize>, String> {
    if values.len() > MOST_DIMENSIONS {
        return Err(format!(
            "a tensor of {} dimensions; at most {MOST_DIMENSIONS} are read",
            values.len()
        ));
    }
    values
        .iter()
        .map(|&value| match pickle.get(value) {
            Value::Integer(size) => {
                usize::try_from(*size).map_err(|_| "a negative size".to_owned())
            }
            _ => Err("a size that is no integer".to_owned()),
        })
        .collect()
}

/// A tensor with any strides in a storage that has all its elements.
struct View<'a> {
    data: &'a [u8],
    kind: Kind,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
    count: usize,
}

impl<'a> View<'a> {
    fn new(
        data: &'a [u8],
        kind: Kind,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<View<'a>, String> {
        let count = shape
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size));
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(offset, |at, (&size, &stride)| {
                at.checked_add(size.saturating_sub(1).checked_mul(stride)?)
            });
        let available = data.len() / kind.size();
        let (Some(count), Some(last)) = (count, last) else {
            return Err(format!("an impossible shape {shape:?}"));
        };
        // Views that overlap themselves could claim more elements than the file has; weights have none.
        if shape.len() != strides.len() || count > available || (count > 0 && last >= available) {
            return Err(format!(
                "shape {shape:?} does not fit its storage of {available} elements"
            ));
        }
        Ok(View {
            data,
            kind,
            offset,
            shape,
            strides,
            count,
        })
    }

    /// The elements in row-major order.
    fn gather(self) -> Tensor {
        let (kind, shape) = (self.kind, self.shape);
        if self.count == 0 {
            let values = Vec::new();
            return Tensor { shape, values };
        }
        let mut dense = 1;
        let is_dense = shape
            .iter()
            .zip(&self.strides)
            .rev()
            .all(|(&size, &stride)| {
                let fits = size == 1 || stride == dense;
                dense *= size;
                fits
            });
        if is_dense {
            let bytes = &self.data[self.offset * kind.size()..][..self.count * kind.size()];
            let values = bytes.chunks_exact(kind.size());
            let values = values.map(|bytes| element(bytes, kind)).collect();
            return Tensor { shape, values };
        }
        let mut values = Vec::with_capacity(self.count);
        let mut index = vec![0; shape.len()];
        for _ in 0..self.count {
            let at = self.offset
                + index
                    .iter()
                    .zip(&self.strides)
                    .map(|(i, stride)| i * stride)
                    .sum::<usize>();
            values.push(element(&self.data[at * kind.size()..], kind));
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Tensor { shape, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_followed_and_bounds_are_checked() {
        let data: Vec<u8> = (0..6).flat_map(|n| (n as f32).to_le_bytes()).collect();
        let gather = |offset, shape: &[usize], strides: &[usize]| {
            View::new(&data, Kind::F32, offset, shape.to_vec(), strides.to_vec()).map(View::gather)
        };
        let transposed = gather(0, &[3, 2], &[1, 3]).unwrap();
        assert_eq!(transposed.values, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        // A part of a storage, with its elements in a row, apart, and a single one.
        for (offset, shape, strides, expected) in [
            (2, &[2, 2][..], &[2, 1][..], &[2.0, 3.0, 4.0, 5.0][..]),
            (1, &[2, 2], &[3, 1], &[1.0, 2.0, 4.0, 5.0]),
            (1, &[2], &[2], &[1.0, 3.0]),
            (5, &[], &[], &[5.0]),
        ] {
            assert_eq!(gather(offset, shape, strides).unwrap().values, expected);
        }
        assert!(gather(1, &[3, 2], &[2, 1]).is_err());
        assert!(gather(0, &[usize::MAX, 2], &[0, 0]).is_err());
        assert!(gather(0, &[1 << 40], &[0]).is_err());
        // Nothing, beyond the end of its storage.
        assert_eq!(gather(9, &[0, 3], &[3, 1]).unwrap().values, [0.0; 0]);
    }
}
