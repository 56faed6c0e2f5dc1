//! Indices into a tensor, each of which is looked at before it is used.

use candle_core::{CpuStorage, Layout, Result, Tensor, backend::BackendStorage};

use crate::{cuda, storage::strided};

/// Fails where an index on a GPU is not from 0 to below `limit`. This waits for the GPU: candle's kernels would stop it for good
/// at such an index. Indices on the CPU are looked at by what reads them.
pub(crate) fn check_on_device(op: &'static str, index: &Tensor, limit: usize) -> Result<()> {
    match cuda::outside(op, index, limit, None)? {
        Some(value) => Err(outside(op, value, limit)),
        None => Ok(()),
    }
}

fn outside(op: &str, value: i64, limit: usize) -> candle_core::Error {
    candle_core::Error::Msg(format!(
        "{op}: an index is {value}: must be from 0 to {}",
        limit as i64 - 1
    ))
    .bt()
}

/// The indices as they are, each below `limit`.
pub(crate) fn indices(
    op: &'static str,
    storage: &CpuStorage,
    layout: &Layout,
    limit: usize,
) -> Result<Vec<usize>> {
    let check = |value: i64| {
        usize::try_from(value)
            .ok()
            .filter(|&value| value < limit)
            .ok_or_else(|| outside(op, value, limit))
    };
    match storage {
        CpuStorage::I64(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(value))
            .collect(),
        CpuStorage::U32(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(i64::from(value)))
            .collect(),
        CpuStorage::U8(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(i64::from(value)))
            .collect(),
        CpuStorage::I16(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(i64::from(value)))
            .collect(),
        CpuStorage::I32(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(i64::from(value)))
            .collect(),
        other => {
            candle_core::bail!(
                "{op}: the indices are {}: must be of an integer dtype",
                other.dtype().as_str()
            )
        }
    }
}
