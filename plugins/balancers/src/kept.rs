//! Values that are kept of each loss at each shared parameter, for checkpoints.

use std::collections::BTreeMap;

use patchbay::plugin::prelude::*;

/// By loss, then by shared parameter: averages of gradients, for instance.
pub type Rows = Vec<Vec<Option<Tensor>>>;

const SIZE: &str = "size";

/// Tensors of rows and the number of the step, by name.
pub fn to_tensors(rows: &Rows, step: usize) -> BTreeMap<String, Tensor> {
    let mut tensors = BTreeMap::new();
    let columns = rows.first().map_or(0, Vec::len);
    let size = [rows.len() as i64, columns as i64, step as i64];
    // Three numbers on the processor: there is always memory for them.
    if let Ok(size) = Tensor::new(&size, &Device::Cpu) {
        tensors.insert(SIZE.to_owned(), size);
    }
    for (k, row) in rows.iter().enumerate() {
        for (j, tensor) in row.iter().enumerate() {
            if let Some(tensor) = tensor {
                tensors.insert(format!("{k}.{j}"), tensor.clone());
            }
        }
    }
    tensors
}

/// The reverse of [`to_tensors`].
///
/// # Errors
///
/// Fails where the tensors are others.
pub fn from_tensors(mut tensors: BTreeMap<String, Tensor>) -> Result<(Rows, usize)> {
    let size = match tensors.remove(SIZE) {
        Some(size) => size.to_vec1::<i64>()?,
        None => bail!("the sizes of what was kept of each loss are missing"),
    };
    let [losses, columns, step] = size[..] else {
        bail!("the sizes of what was kept of each loss are {size:?}")
    };
    let mut rows: Rows = Vec::new();
    for k in 0..losses {
        let row = (0..columns).map(|j| tensors.remove(&format!("{k}.{j}")));
        rows.push(row.collect());
    }
    match tensors.keys().next() {
        Some(name) => bail!("there is no loss and parameter {name}"),
        None => Ok((rows, step as usize)),
    }
}
