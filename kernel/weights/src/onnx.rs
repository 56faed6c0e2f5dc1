//! The weights of an ONNX model: its graph's initializers.
//!
//! ONNX is protobuf (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3>); of it six messages and
//! few fields are needed, which are read here as they lie. Exporters of PyTorch fold the transposition of
//! a linear map into its weight, whose name is lost (`onnx::MatMul_1234`); the multiplication that uses
//! it still has the path of its layer (`/encoder/layer.0/query/MatMul`), so the weight is given back as
//! `encoder.layer.0.query.weight`, `[out, in]`.

use std::collections::HashMap;

use super::{
    element::{Kind, element},
    tensor::{Tensor, Tensors},
};

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message one after the other, with their numbers.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or("truncated inside a number")?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number of more than 64 bits".to_owned())
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let taken = self.0.get(..length).ok_or_else(|| {
            format!(
                "truncated: a field of {length} bytes where {} are left",
                self.0.len()
            )
        })?;
        self.0 = &self.0[length..];
        Ok(taken)
    }

    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => Field::Bytes(self.take(8)?),
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Bytes(self.take(4)?),
            wire => return Err(format!("a field of the unknown wire type {wire}")),
        };
        Ok(Some((tag >> 3, field)))
    }
}

/// Whether the file begins as a `ModelProto` does: with its version of the format, field 1, a small
/// number, and then another of its fields. A safetensors file begins with the length of its header,
/// whose upper bytes are 0.
pub fn is_model(file: &[u8]) -> bool {
    matches!(file, [0x08, version, tag, ..] if (1..=64).contains(version) && [0x12, 0x1a, 0x22, 0x3a, 0x42].contains(tag))
}

/// # Errors
///
/// Says what is wrong with the file.
pub fn parse(file: &[u8]) -> Result<Tensors, String> {
    let (mut model, mut graph) = (Fields(file), None);
    while let Some((number, field)) = model.next()? {
        if let (7, Field::Bytes(bytes)) = (number, field) {
            graph = Some(bytes);
        }
    }
    let mut graph = Fields(graph.ok_or("an ONNX model without a graph")?);
    let (mut tensors, mut renamed) = (Tensors::new(), HashMap::new());
    while let Some((number, field)) = graph.next()? {
        match (number, field) {
            (1, Field::Bytes(node)) => {
                if let Some((weight, layer)) = linear_map(node)? {
                    renamed.insert(weight, layer);
                }
            }
            (5, Field::Bytes(initializer)) => {
                if let Some((name, tensor)) =
                    tensor(initializer).map_err(|error| format!("an initializer: {error}"))?
                {
                    tensors.insert(name, tensor);
                }
            }
            _ => {}
        }
    }
    for (anonymous, name) in renamed {
        let is_matrix = tensors
            .get(&anonymous)
            .is_some_and(|tensor| tensor.shape.len() == 2);
        if is_matrix
            && !tensors.contains_key(&name)
            && let Some(tensor) = tensors.remove(&anonymous)
        {
            tensors.insert(name, transposed(&tensor));
        }
    }
    if tensors.is_empty() {
        return Err("an ONNX model without float initializers".to_owned());
    }
    Ok(tensors)
}

/// Of a `MatMul` with an anonymous right side: that side's name, and the name of its layer's weight.
fn linear_map(node: &[u8]) -> Result<Option<(String, String)>, String> {
    let mut node = Fields(node);
    let (mut inputs, mut path, mut operation) = (Vec::new(), String::new(), String::new());
    while let Some((number, field)) = node.next()? {
        let Field::Bytes(bytes) = field else { continue };
        let text = || String::from_utf8_lossy(bytes).into_owned();
        match number {
            1 => inputs.push(text()),
            3 => path = text(),
            4 => operation = text(),
            _ => {}
        }
    }
    let layer = path
        .strip_prefix('/')
        .and_then(|path| path.strip_suffix("/MatMul"));
    Ok(match (operation.as_str(), inputs.get(1), layer) {
        ("MatMul", Some(weight), Some(layer)) if weight.starts_with("onnx::") => Some((
            weight.clone(),
            format!("{}.weight", layer.replace('/', ".")),
        )),
        _ => None,
    })
}

/// A `TensorProto`; `None` where it holds no floats.
fn tensor(bytes: &[u8]) -> Result<Option<(String, Tensor)>, String> {
    let mut fields = Fields(bytes);
    let (mut name, mut kind, mut shape) = (String::new(), 0, Vec::new());
    let mut data: Vec<(Kind, &[u8])> = Vec::new();
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Number(size)) => shape.push(size),
            (1, Field::Bytes(packed)) => {
                let mut packed = Fields(packed);
                while !packed.0.is_empty() {
                    shape.push(packed.varint()?);
                }
            }
            (2, Field::Number(number)) => kind = number,
            (4, Field::Bytes(bytes)) => data.push((Kind::F32, bytes)),
            (10, Field::Bytes(bytes)) => data.push((Kind::F64, bytes)),
            (8, Field::Bytes(bytes)) => name = String::from_utf8_lossy(bytes).into_owned(),
            (9, Field::Bytes(bytes)) => data.push((Kind::Other(0), bytes)),
            (14, Field::Number(1)) => {
                return Err(format!(
                    "the weights of {name} are in another file: save the model in one file"
                ));
            }
            _ => {}
        }
    }
    let raw = match kind {
        1 => Kind::F32,
        10 => Kind::F16,
        11 => Kind::F64,
        16 => Kind::Bf16,
        _ => return Ok(None),
    };
    let shape: Vec<usize> = shape
        .iter()
        .map(|&size| usize::try_from(size).map_err(|_| format!("{name}: an impossible size")))
        .collect::<Result<_, _>>()?;
    let count = shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size));
    let mut values = Vec::new();
    for (kind, bytes) in data {
        let kind = match kind {
            Kind::Other(_) => raw,
            kind => kind,
        };
        let elements = bytes.chunks_exact(kind.size());
        values.extend(elements.map(|bytes| element(bytes, kind)));
    }
    if count != Some(values.len()) {
        return Err(format!(
            "{name} has {} elements, its shape is {shape:?}",
            values.len()
        ));
    }
    Ok(Some((name, Tensor { shape, values })))
}

fn transposed(tensor: &Tensor) -> Tensor {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1]);
    let values = (0..rows * columns)
        .map(|at| tensor.values[at % rows * columns + at / rows])
        .collect();
    Tensor {
        shape: vec![columns, rows],
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8, content: &[u8]) -> Vec<u8> {
        let mut all = vec![number << 3 | 2, content.len() as u8];
        all.extend(content);
        all
    }

    fn floats(values: &[f32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    /// A model with one named bias (as floats) and one anonymous weight (as raw bytes).
    fn model() -> Vec<u8> {
        let weight = [
            &[0x08, 2, 0x08, 3, 0x10, 1][..],
            &message(8, b"onnx::MatMul_7"),
            &message(9, &floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ]
        .concat();
        let bias = [
            &message(1, &[3])[..],
            &[0x10, 1],
            &message(4, &floats(&[7.0, 8.0, 9.0])),
            &message(8, b"a.b.bias"),
        ]
        .concat();
        let node = [
            message(1, b"x"),
            message(1, b"onnx::MatMul_7"),
            message(2, b"y"),
            message(3, b"/a/b/MatMul"),
            message(4, b"MatMul"),
        ]
        .concat();
        let graph = [message(1, &node), message(5, &weight), message(5, &bias)].concat();
        [
            &[0x08, 7][..],
            &message(2, b"pytorch"),
            &[
                0x3a,
                0x80 | (graph.len() % 128) as u8,
                (graph.len() / 128) as u8,
            ],
            &graph,
        ]
        .concat()
    }

    #[test]
    fn initializers_are_read_and_linear_maps_named_and_turned() {
        let file = model();
        assert!(is_model(&file));
        let tensors = parse(&file).unwrap();
        assert_eq!(tensors.len(), 2);
        assert_eq!(tensors["a.b.bias"].values, [7.0, 8.0, 9.0]);
        let weight = &tensors["a.b.weight"];
        assert_eq!(weight.shape, [3, 2]);
        assert_eq!(weight.values, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn broken_models_are_errors() {
        let file = model();
        for cut in 0..file.len() {
            assert!(parse(&file[..cut]).is_err(), "{cut} bytes");
        }
        for at in 0..file.len() {
            for flip in [0x01, 0x55, 0x80, 0xff] {
                let mut broken = file.clone();
                broken[at] ^= flip;
                let _ = parse(&broken);
            }
        }
    }
}
