//! Ridge regression of futures on pasts, in closed form, from sums that grow batch by batch.
//!
//! Both are taken less the mean of the past, so the map has no intercept and moves with the level of a
//! series. With X `[rows, lookback]` and Y `[rows, horizon]` the weights for a penalty λ solve
//! (XᵀX + λ) W = XᵀY. The mean squared error on other rows needs only their sums, too:
//! (tr WᵀX'ᵀX'W - 2 tr WᵀX'ᵀY' + ΣY'²) / count. So the penalty is chosen without a second look at data, and so is
//! that of a regression on the last steps only: with L that takes them less their mean m, its sums are
//! L XᵀX Lᵀ and L (XᵀY - XᵀX m 1ᵀ), and LᵀW + m 1ᵀ is the same map on all steps.

use patchbay::{interrupt, plugin::prelude::*};

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
    /// Penalty λ of the ridge regression, one of [`PENALTIES`]; NaN for the mean of several regressions' maps.
    pub penalty: f64,
    /// On the rows that chose the penalty.
    pub mean_squared_error: f64,
}

impl Best {
    /// `[lookback, horizon]`, row by row.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

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
        let mean = ops::mean_keepdim(&past, 1)?;
        self.add_rows(&past.broadcast_sub(&mean)?, &future.broadcast_sub(&mean)?)
    }

    /// Adds rows of X `[rows, lookback]` and Y `[rows, horizon]` (`f64`, on the CPU) as they are. What is called a lookback here
    /// may be any features.
    ///
    /// # Errors
    ///
    /// Fails where shapes do not fit.
    pub fn add_rows(&mut self, x: &Tensor, y: &Tensor) -> Result<()> {
        let rows = x.dim(0)?;
        if x.dims() != [rows, self.lookback] || y.dims() != [rows, self.horizon] {
            bail!(
                "expected X [rows, {}] and Y [rows, {}], got {:?} and {:?}",
                self.lookback,
                self.horizon,
                x.dims(),
                y.dims()
            );
        }
        let transposed = x.t()?;
        let (squares, products) = (ops::matmul(&transposed, x)?, ops::matmul(&transposed, y)?);
        self.energy += ops::sum_all(&y.sqr()?)?.to_scalar::<f64>()?;
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
        self.best_of(held_out, &Regression::plain(self.lookback))
    }

    /// The mean of several regressions' maps, each with the penalty that does best on `held_out`: one map. Its
    /// penalty is NaN.
    ///
    /// # Errors
    ///
    /// As [`NormalEquations::best`]; and fails where there is no regression, or one has a lookback beyond this one's.
    pub fn mean_of_best(
        &self,
        held_out: &NormalEquations,
        regressions: &[Regression],
    ) -> Result<Best> {
        if regressions.is_empty() {
            bail!("a mean of regressions needs one");
        }
        let mut weights = vec![0.0; self.lookback * self.horizon];
        for regression in regressions {
            let best = self.best_of(held_out, regression)?;
            for (sum, weight) in weights.iter_mut().zip(&best.weights) {
                *sum += weight / regressions.len() as f64;
            }
        }
        Ok(Best {
            lookback: self.lookback,
            horizon: self.horizon,
            mean_squared_error: held_out.error(&weights)?,
            weights,
            penalty: f64::NAN,
        })
    }

    /// The weights of one regression, with the penalty that does best on `held_out`.
    ///
    /// # Errors
    ///
    /// As [`NormalEquations::best`]; and fails where its lookback is beyond this one's.
    pub fn best_of(&self, held_out: &NormalEquations, regression: &Regression) -> Result<Best> {
        if self.sums.is_none() || held_out.sums.is_none() {
            bail!(
                "ridge regression needs windows to fit and windows to choose the penalty on; it got {} and {}: \
                 make the parts of the split longer, or lookback and horizon shorter",
                self.rows,
                held_out.rows
            );
        }
        let size = regression.lookback();
        let (squares, products) = self.last_steps(size)?;
        let mut best: Option<Best> = None;
        for penalty in PENALTIES {
            interrupt::check();
            let penalties: Vec<f64> = regression.relative.iter().map(|p| p * penalty).collect();
            let Some(weights) = solve(&squares, &products, self.horizon, &penalties) else {
                continue;
            };
            let weights = self.on_all_steps(weights, size);
            let mean_squared_error = held_out.error(&weights)?;
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

    /// The mean squared error of a map `[lookback, horizon]`, row by row, on these rows; NaN where there are none.
    ///
    /// # Errors
    ///
    /// Fails where the map has another size.
    pub fn error(&self, weights: &[f64]) -> Result<f64> {
        let Some((squares, products)) = &self.sums else {
            return Ok(f64::NAN);
        };
        let w = Tensor::from_slice(weights, (self.lookback, self.horizon), &Device::Cpu)?;
        let explained = ((ops::matmul(squares, &w)? - (products * 2.0)?)? * &w)?;
        let explained = ops::sum_all(&explained)?.to_scalar::<f64>()?;
        Ok((explained + self.energy) / (self.rows * self.horizon) as f64)
    }

    /// XᵀX `[size, size]` and XᵀY `[size, horizon]` of the last `size` steps of the pasts, with both X and Y less
    /// the mean of those steps.
    fn last_steps(&self, size: usize) -> Result<(Vec<f64>, Vec<f64>)> {
        let (lookback, horizon) = (self.lookback, self.horizon);
        if size == 0 || size > lookback {
            bail!("a regression on {size} steps does not fit a lookback of {lookback}");
        }
        let Some((squares, products)) = &self.sums else {
            bail!("there are no rows");
        };
        let (squares, products) = (
            squares.flatten_all()?.to_vec1::<f64>()?,
            products.flatten_all()?.to_vec1::<f64>()?,
        );
        if size == lookback {
            return Ok((squares, products));
        }
        let first = lookback - size;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        // For each step its product with the mean m of the last steps, which is what Y loses.
        let with_mean: Vec<f64> = squares
            .chunks_exact(lookback)
            .skip(first)
            .map(|row| mean(&row[first..]))
            .collect();
        let all = mean(&with_mean);
        let mut own = Vec::with_capacity(size * size);
        for (row, row_mean) in squares.chunks_exact(lookback).skip(first).zip(&with_mean) {
            for (value, column_mean) in row[first..].iter().zip(&with_mean) {
                own.push(value - row_mean - column_mean + all);
            }
        }
        let mut own_products = products[first * horizon..].to_vec();
        let mut column_means = vec![0.0; horizon];
        for (row, with_mean) in own_products.chunks_exact_mut(horizon).zip(&with_mean) {
            for (value, sum) in row.iter_mut().zip(&mut column_means) {
                *value -= with_mean;
                *sum += *value / size as f64;
            }
        }
        for row in own_products.chunks_exact_mut(horizon) {
            subtract(row, &column_means, 1.0);
        }
        Ok((own, own_products))
    }

    /// A map of the last `size` steps less their mean, to the future less that mean, as one of all steps less
    /// theirs: LᵀW + m, where L takes the last steps less their mean m.
    fn on_all_steps(&self, weights: Vec<f64>, size: usize) -> Vec<f64> {
        let (lookback, horizon) = (self.lookback, self.horizon);
        if size == lookback {
            return weights;
        }
        let mut all = vec![0.0; (lookback - size) * horizon];
        let mut means = vec![0.0; horizon];
        for row in weights.chunks_exact(horizon) {
            subtract(&mut means, row, -1.0 / size as f64);
        }
        for row in weights.chunks_exact(horizon) {
            let values = row.iter().zip(&means);
            all.extend(values.map(|(weight, mean)| weight - mean + 1.0 / size as f64));
        }
        all
    }
}

/// Which steps of the past a ridge regression uses, and how much each step's weights cost beside the others'.
#[derive(Clone, Debug)]
pub struct Regression {
    /// For each step, oldest first; their mean is 1.
    relative: Vec<f64>,
}

impl Regression {
    /// On so many steps, with equal penalties.
    pub fn plain(lookback: usize) -> Regression {
        Regression {
            relative: vec![1.0; lookback],
        }
    }

    /// The penalty of the weights of a step that lies `lag` steps back grows as `(1 + lag / day)^power`.
    pub fn lagged(lookback: usize, day: usize, power: f64) -> Regression {
        let relative: Vec<f64> = (1..=lookback)
            .rev()
            .map(|lag| (1.0 + lag as f64 / day.max(1) as f64).powf(power))
            .collect();
        let mean = relative.iter().sum::<f64>() / lookback.max(1) as f64;
        Regression {
            relative: relative.into_iter().map(|p| p / mean).collect(),
        }
    }

    /// The five of `skip_start: "ridge_mean"`: the whole lookback with powers 0, 1/2 and 1, and 0.7 and 0.4667 of it
    /// in whole days. With a lookback of 720 hours these are 504 and 336.
    pub fn five(lookback: usize, day: usize) -> Vec<Regression> {
        let day = day.max(1);
        let part = |share: f64| {
            let steps = share * lookback as f64;
            let days = (steps / day as f64).round() as usize * day;
            if (1..lookback).contains(&days) {
                days
            } else {
                (steps.round() as usize).clamp(1, lookback.max(1))
            }
        };
        vec![
            Regression::plain(lookback),
            Regression::lagged(lookback, day, 0.5),
            Regression::lagged(lookback, day, 1.0),
            Regression::plain(part(0.7)),
            Regression::plain(part(0.4667)),
        ]
    }

    /// How many steps it uses.
    pub fn lookback(&self) -> usize {
        self.relative.len()
    }
}

/// (squares + diagonal of penalties) w = products by Cholesky's decomposition; `None` where it is not positive
/// definite.
fn solve(squares: &[f64], products: &[f64], columns: usize, penalties: &[f64]) -> Option<Vec<f64>> {
    let size = penalties.len();
    let mut lower = squares.to_vec();
    for row in 0..size {
        lower[row * size + row] += penalties[row];
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

/// Σ x y in eight sums at once, which the compiler can vectorize.
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
        let w = solve(&squares, &products, 2, &[0.5; 11]).unwrap();
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
        assert!(solve(&squares, &products, 2, &[0.5; 11]).is_none());
    }
    /// Sums of windows and the windows themselves, `[rows, lookback]` and `[rows, horizon]`.
    fn windows(rows: usize, lookback: usize, horizon: usize) -> (NormalEquations, Tensor, Tensor) {
        let value = |seed: usize, i: usize| ((i * 7919 + seed * 104_729) % 1013) as f64 / 500.0;
        let make = |seed: usize, width: usize| {
            let values: Vec<f64> = (0..rows * width)
                .map(|i| value(seed, i) + (i % width) as f64 * 0.1)
                .collect();
            Tensor::from_vec(values, (rows, width), &Device::Cpu).unwrap()
        };
        let (past, future) = (make(1, lookback), make(2, horizon));
        let mut sums = NormalEquations::new(lookback, horizon);
        sums.add(&past, &future).unwrap();
        (sums, past, future)
    }

    #[test]
    fn a_regression_on_the_last_steps_is_the_one_on_their_windows() {
        let (all, past, future) = windows(60, 9, 3);
        let (held_out, held_past, held_future) = windows(40, 9, 3);
        let last = |past: &Tensor| past.narrow(1, 4, 5).unwrap().contiguous().unwrap();
        let (mut short, mut short_held_out) =
            (NormalEquations::new(5, 3), NormalEquations::new(5, 3));
        short.add(&last(&past), &future).unwrap();
        short_held_out.add(&last(&held_past), &held_future).unwrap();
        let expected = short.best(&short_held_out).unwrap();
        let got = all.best_of(&held_out, &Regression::plain(5)).unwrap();
        assert_eq!(got.penalty, expected.penalty);
        assert!((got.mean_squared_error - expected.mean_squared_error).abs() < 1e-10);
        // The forecasts of the two maps are the same.
        let forecast = |best: &Best, past: &Tensor| {
            let mean = past.mean_keepdim(1).unwrap();
            let centered = past.broadcast_sub(&mean).unwrap();
            let weight = best.weight().unwrap().t().unwrap().contiguous().unwrap();
            let map = centered.matmul(&weight).unwrap();
            map.broadcast_add(&mean).unwrap()
        };
        let values = |x: Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let worst = patchbay_compare::largest_difference(
            &values(forecast(&got, &held_past)),
            &values(forecast(&expected, &last(&held_past))),
        );
        assert!(worst < 1e-10, "{worst}");
    }

    #[test]
    fn the_mean_of_five_is_one_map_with_their_mean() {
        let (all, ..) = windows(80, 12, 2);
        let (held_out, ..) = windows(50, 12, 2);
        let five = Regression::five(12, 4);
        let sizes: Vec<usize> = five.iter().map(Regression::lookback).collect();
        assert_eq!(sizes, [12, 12, 12, 8, 4]);
        let mean = all.mean_of_best(&held_out, &five).unwrap();
        let mut sum = Tensor::zeros((2, 12), DType::F64, &Device::Cpu).unwrap();
        for one in &five {
            sum = (sum + all.best_of(&held_out, one).unwrap().weight().unwrap()).unwrap();
        }
        let values = |x: Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let worst = patchbay_compare::largest_difference(
            &values(mean.weight().unwrap()),
            &values((sum / 5.0).unwrap()),
        );
        assert!(worst < 1e-12, "{worst}");
        let sizes = |lookback, day| -> Vec<usize> {
            let five = Regression::five(lookback, day);
            five.iter().map(Regression::lookback).collect()
        };
        assert_eq!(sizes(720, 24), [720, 720, 720, 504, 336]);
        assert_eq!(sizes(6, 24), [6, 6, 6, 4, 3]);
        assert_eq!(sizes(1, 24), [1, 1, 1, 1, 1]);
        // The newest step's weights cost least, and the mean is 1.
        let lagged = Regression::lagged(48, 24, 1.0).relative;
        assert!((lagged[0] / lagged[47] - 3.0 / (25.0 / 24.0)).abs() < 1e-12);
        assert!((lagged.iter().sum::<f64>() / 48.0 - 1.0).abs() < 1e-12);
    }
}
