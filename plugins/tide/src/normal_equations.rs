//! Ridge regression of futures on pasts, in closed form, from sums that grow batch by batch.
//!
//! Both are taken less the mean of the past, so the map has no intercept and moves with the level of a
//! series. With X `[rows, lookback]` and Y `[rows, horizon]` the weights for a penalty λ solve
//! (XᵀX + λ) W = XᵀY. The mean squared error on other rows needs only their sums, too:
//! (tr WᵀX'ᵀX'W - 2 tr WᵀX'ᵀY' + ΣY'²) / count. So the penalty is chosen without a second look at data.

use patchbay::plugin::prelude::*;

/// Penalties that are tried: 0.1 to 10⁷.
pub const PENALTIES: [f64; 9] = [1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];

/// The sums XᵀX, XᵀY and ΣY² of windows.
pub struct NormalEquations {
    lookback: usize,
    horizon: usize,
    /// XᵀX `[lookback, lookback]` and XᵀY `[lookback, horizon]`, in `f64` on the CPU.
    sums: Option<(Tensor, Tensor)>,
    energy: f64,
    rows: usize,
}

/// A solution and the penalty that it was found with.
pub struct Best {
    lookback: usize,
    horizon: usize,
    /// `[lookback, horizon]`, row by row.
    weights: Vec<f64>,
    pub penalty: f64,
    /// On the rows that chose the penalty.
    pub mean_squared_error: f64,
}

impl Best {
    /// `[horizon, lookback]` (`f64`).
    ///
    /// # Errors
    ///
    /// Never, at present.
    pub fn weight(&self) -> Result<Tensor> {
        Tensor::from_slice(&self.weights, (self.lookback, self.horizon), &Device::Cpu)?
            .t()?
            .contiguous()
    }
}

impl NormalEquations {
    /// Sums of no rows.
    pub fn new(lookback: usize, horizon: usize) -> NormalEquations {
        NormalEquations {
            lookback,
            horizon,
            sums: None,
            energy: 0.0,
            rows: 0,
        }
    }

    /// Adds windows: `past` `[batch, lookback]`, `future` `[batch, horizon]`.
    ///
    /// # Errors
    ///
    /// Fails where shapes do not fit.
    pub fn add(&mut self, past: &Tensor, future: &Tensor) -> Result<()> {
        let (rows, lookback) = past.dims2()?;
        if lookback != self.lookback || future.dims() != [rows, self.horizon] {
            bail!(
                "expected a past [batch, {}] and a future [batch, {}], got {:?} and {:?}",
                self.lookback,
                self.horizon,
                past.dims(),
                future.dims()
            );
        }
        let plain = |x: &Tensor| x.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64);
        let (past, future) = (plain(past)?, plain(future)?);
        let mean = past.mean_keepdim(1)?;
        let (x, y) = (past.broadcast_sub(&mean)?, future.broadcast_sub(&mean)?);
        let transposed = x.t()?;
        let (squares, products) = (ops::matmul(&transposed, &x)?, ops::matmul(&transposed, &y)?);
        self.energy += y.sqr()?.sum_all()?.to_scalar::<f64>()?;
        self.rows += rows;
        self.sums = Some(match self.sums.take() {
            Some((all_squares, all_products)) => {
                ((all_squares + squares)?, (all_products + products)?)
            }
            None => (squares, products),
        });
        Ok(())
    }

    /// The weights of the penalty that does best on `held_out`.
    ///
    /// # Errors
    ///
    /// Fails where either has no rows or a value is not finite.
    pub fn best(&self, held_out: &NormalEquations) -> Result<Best> {
        let (Some((squares, products)), Some((other_squares, other_products))) =
            (&self.sums, &held_out.sums)
        else {
            bail!(
                "ridge regression needs windows to fit and windows to choose the penalty on; it got {} and {}: \
                 make the parts of the split longer, or lookback and horizon shorter",
                self.rows,
                held_out.rows
            );
        };
        let squares: Vec<f64> = squares.flatten_all()?.to_vec1()?;
        let products: Vec<f64> = products.flatten_all()?.to_vec1()?;
        let count = (held_out.rows * self.horizon) as f64;
        let mut best: Option<Best> = None;
        for penalty in PENALTIES {
            let Some(weights) = solve(&squares, &products, self.lookback, self.horizon, penalty)
            else {
                continue;
            };
            let w = Tensor::from_slice(&weights, (self.lookback, self.horizon), &Device::Cpu)?;
            let explained = ((ops::matmul(other_squares, &w)? - (other_products * 2.0)?)? * &w)?
                .sum_all()?
                .to_scalar::<f64>()?;
            let mean_squared_error = (explained + held_out.energy) / count;
            if mean_squared_error.is_finite()
                && best
                    .as_ref()
                    .is_none_or(|best| mean_squared_error < best.mean_squared_error)
            {
                best = Some(Best {
                    lookback: self.lookback,
                    horizon: self.horizon,
                    weights,
                    penalty,
                    mean_squared_error,
                });
            }
        }
        match best {
            Some(best) => Ok(best),
            None => bail!(
                "ridge regression found no finite weights for any penalty: the windows have values that are not finite"
            ),
        }
    }
}

/// (squares + penalty) w = products by Cholesky's decomposition; `None` where it is not positive definite.
fn solve(
    squares: &[f64],
    products: &[f64],
    size: usize,
    columns: usize,
    penalty: f64,
) -> Option<Vec<f64>> {
    let mut lower = squares.to_vec();
    for row in 0..size {
        lower[row * size + row] += penalty;
        for column in 0..=row {
            let (before, this) = lower.split_at(row * size);
            let rest = this[column]
                - match column < row {
                    true => dot(&this[..column], &before[column * size..][..column]),
                    false => dot(&this[..column], &this[..column]),
                };
            lower[row * size + column] = if column < row {
                rest / lower[column * size + column]
            } else if rest > 0.0 {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    let mut w = products.to_vec();
    for row in 0..size {
        let (done, rest) = w.split_at_mut(row * columns);
        let target = &mut rest[..columns];
        for (column, done) in done.chunks_exact(columns).enumerate() {
            subtract(target, done, lower[row * size + column]);
        }
        let diagonal = lower[row * size + row];
        target.iter_mut().for_each(|value| *value /= diagonal);
    }
    for row in (0..size).rev() {
        let (rest, done) = w.split_at_mut((row + 1) * columns);
        let target = &mut rest[row * columns..];
        for (after, done) in done.chunks_exact(columns).enumerate() {
            subtract(target, done, lower[(row + 1 + after) * size + row]);
        }
        let diagonal = lower[row * size + row];
        target.iter_mut().for_each(|value| *value /= diagonal);
    }
    Some(w)
}

fn subtract(target: &mut [f64], source: &[f64], factor: f64) {
    for (target, source) in target.iter_mut().zip(source) {
        *target -= factor * source;
    }
}

/// Σ x y in eight sums at once, which the compiler can vectorise.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = xs
        .remainder()
        .iter()
        .zip(ys.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in xs.zip(ys) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    rest + lanes.iter().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solution_satisfies_the_equations() {
        // A positive definite matrix and two right-hand sides.
        let size = 11;
        let x: Vec<f64> = (0..size * size)
            .map(|i| ((i * 37 % 101) as f64).sin())
            .collect();
        let mut squares = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..size {
                squares[i * size + j] = (0..size).map(|k| x[k * size + i] * x[k * size + j]).sum();
            }
        }
        let products: Vec<f64> = (0..2 * size).map(|i| (i as f64).cos()).collect();
        let w = solve(&squares, &products, size, 2, 0.5).unwrap();
        for row in 0..size {
            for column in 0..2 {
                let sum: f64 = (0..size)
                    .map(|k| {
                        (squares[row * size + k] + if k == row { 0.5 } else { 0.0 })
                            * w[k * 2 + column]
                    })
                    .sum();
                assert!((sum - products[row * 2 + column]).abs() < 1e-9);
            }
        }
        squares[0] = -1e9;
        assert!(solve(&squares, &products, size, 2, 0.5).is_none());
    }
}
