//! Of candle's ops.

use candle_core::{Result, Tensor};

use super::taps::Taps;
use crate::separable::separable;

pub(super) fn interpolate(x: &Tensor, (rows, columns): (Vec<Taps>, Vec<Taps>)) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let matrix = |from: usize, taps: Vec<Taps>| {
        let mut values = vec![0.0; from * taps.len()];
        for (row, taps) in values.chunks_mut(from.max(1)).zip(taps) {
            for (index, weight) in taps {
                row[index] += weight;
            }
        }
        values
    };
    separable(x, matrix(height, rows), matrix(width, columns))
}
