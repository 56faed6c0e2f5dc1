//! Euclidean distances of all pairs of rows, without the differences of all pairs in memory.

use patchbay::{
    candle_core::{CpuStorage, CustomOp1, Layout, Shape, WithDType},
    ops,
    plugin::prelude::*,
};

/// Distances `[n, n]` of the rows of `[n, width]`. The gradient of a distance of 0 is 0.
///
/// # Errors
///
/// Fails where they cannot be computed.
pub fn distances(features: &Tensor) -> Result<Tensor> {
    let features = features.contiguous()?;
    if features.device().is_cpu() {
        return features.apply_op1(Distances);
    }
    let differences = features
        .unsqueeze(1)?
        .broadcast_sub(&features.unsqueeze(0)?)?;
    // The root has no slope at 0.
    let squares = ops::sum(&differences.sqr()?, 2)?;
    let apart = squares.gt(0.0)?;
    let safe = apart.where_cond(&squares, &squares.ones_like()?)?.sqrt()?;
    safe * apart.to_dtype(squares.dtype())?
}

struct Distances;

fn rows_of(layout: &Layout) -> Result<(usize, usize, usize)> {
    let (rows, width) = layout.shape().dims2()?;
    match layout.contiguous_offsets() {
        Some((start, _)) => Ok((rows, width, start)),
        None => bail!(
            "distances: the features {:?} are not contiguous",
            layout.dims()
        ),
    }
}

fn forward<T: WithDType>(x: &[T], rows: usize, width: usize) -> Vec<T> {
    let mut out = vec![T::from_f64(0.0); rows * rows];
    for i in 0..rows {
        for j in 0..i {
            let (a, b) = (&x[i * width..][..width], &x[j * width..][..width]);
            let squares = a.iter().zip(b).map(|(a, b)| {
                let difference = a.to_f64() - b.to_f64();
                difference * difference
            });
            let distance = T::from_f64(squares.sum::<f64>().sqrt());
            (out[i * rows + j], out[j * rows + i]) = (distance, distance);
        }
    }
    out
}

/// Each row is moved along its differences from the others.
fn backward<T: WithDType>(
    x: &[T],
    distances: &[T],
    grad: &[T],
    rows: usize,
    width: usize,
) -> Vec<T> {
    let mut out = Vec::with_capacity(rows * width);
    let mut sums = vec![0.0; width];
    for i in 0..rows {
        sums.fill(0.0);
        for j in 0..rows {
            let distance = distances[i * rows + j].to_f64();
            let both = grad[i * rows + j].to_f64() + grad[j * rows + i].to_f64();
            if distance > 0.0 && both != 0.0 {
                let factor = both / distance;
                let (a, b) = (&x[i * width..][..width], &x[j * width..][..width]);
                for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                    *sum += factor * (a.to_f64() - b.to_f64());
                }
            } else if distance.is_nan() {
                sums.fill(f64::NAN);
            }
        }
        out.extend(sums.iter().map(|&sum| T::from_f64(sum)));
    }
    out
}

impl CustomOp1 for Distances {
    fn name(&self) -> &'static str {
        "distances"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width, start) = rows_of(layout)?;
        let range = start..start + rows * width;
        let shape = Shape::from((rows, rows));
        Ok(match storage {
            CpuStorage::F32(x) => (CpuStorage::F32(forward(&x[range], rows, width)), shape),
            CpuStorage::F64(x) => (CpuStorage::F64(forward(&x[range], rows, width)), shape),
            _ => bail!("distances: expected features of f32 or f64"),
        })
    }

    fn bwd(&self, features: &Tensor, distances: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (rows, width) = features.dims2()?;
        let (shape, device) = (features.shape(), features.device());
        let flat = |tensor: &Tensor| tensor.flatten_all();
        let (x, distances, grad) = (flat(features)?, flat(distances)?, flat(grad)?);
        Ok(Some(match features.dtype() {
            DType::F64 => {
                let [x, d, g] = [x.to_vec1::<f64>()?, distances.to_vec1()?, grad.to_vec1()?];
                Tensor::from_vec(backward(&x, &d, &g, rows, width), shape, device)?
            }
            _ => {
                let [x, d, g] = [x.to_vec1::<f32>()?, distances.to_vec1()?, grad.to_vec1()?];
                Tensor::from_vec(backward(&x, &d, &g, rows, width), shape, device)?
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_gradients_are_those_of_differences() -> Result<()> {
        let values: Vec<f64> = (0..35).map(|i| (i as f64 * 1.7).sin()).collect();
        let x = Var::from_vec(values.clone(), (7, 5), &Device::Cpu)?;
        let weights: Vec<f64> = (0..49).map(|i| (i as f64 * 0.3).cos()).collect();
        let weights = Tensor::from_vec(weights, (7, 7), &Device::Cpu)?;
        let total = |x: &Tensor| ops::sum_all(&(distances(x)? * &weights)?);
        let store = total(&x)?.backward()?;
        let gradient = store.get(&x).map(|g| g.flatten_all()?.to_vec1::<f64>());
        let gradient = gradient.unwrap()?;
        for at in 0..35 {
            let value = |by: f64| -> Result<f64> {
                let mut moved = values.clone();
                moved[at] += by;
                total(&Tensor::from_vec(moved, (7, 5), &Device::Cpu)?)?.to_scalar()
            };
            let slope = (value(1e-6)? - value(-1e-6)?) / 2e-6;
            assert!(
                (slope - gradient[at]).abs() < 1e-7,
                "{at}: {slope} {}",
                gradient[at]
            );
        }
        Ok(())
    }

    #[test]
    fn equal_rows_have_a_distance_and_a_gradient_of_zero() -> Result<()> {
        let x = Var::ones((3, 4), DType::F32, &Device::Cpu)?;
        let found = distances(&x)?;
        assert!(
            found
                .flatten_all()?
                .to_vec1::<f32>()?
                .iter()
                .all(|&d| d == 0.0)
        );
        let store = ops::sum_all(&found)?.backward()?;
        let gradient = store.get(&x).unwrap().flatten_all()?.to_vec1::<f32>()?;
        assert!(gradient.iter().all(|&g| g == 0.0), "{gradient:?}");
        Ok(())
    }
}
