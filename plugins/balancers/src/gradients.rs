//! The gradients of each loss at the shared parameters.

use patchbay::{
    candle::{CpuStorage, Storage, backprop::GradStore},
    plugin::{Absent, prelude::*},
};

use crate::{
    linear_algebra::Matrix,
    losses::{above_zero, values},
};

/// The gradients of those losses that have one at the shared parameters, from a backward pass for each loss over the graph
/// that they share.
///
/// A loss without one (it does not reach them in this step, or with zeros only) takes no part in what the balancer makes of
/// them. What it gives to parameters of its own is among the result's gradients all the same: the last layer of a head that
/// begins at zero passes nothing on until it has moved.
pub struct Gradients<'a> {
    /// The losses as numbers.
    pub losses: Vec<f64>,
    /// G `[K, K]`: the scalar product of each two losses' gradients.
    pub gram: Matrix,
    shared: &'a [Var],
    /// By loss, then by shared parameter; `None` where the loss does not reach the parameter.
    rows: Vec<Vec<Option<Tensor>>>,
    /// The gradients of all other parameters, summed over the losses.
    others: GradStore,
    /// Which of the losses that were given these are.
    kept: Present,
    absent: Vec<Absent>,
}

/// Returns what `combine` makes of the losses' gradients; where no loss has one, it is not asked.
///
/// # Errors
///
/// Fails where a loss is no finite scalar, where there are no shared parameters, where a gradient is not finite, and where
/// `combine` does.
pub fn balance(
    losses: &[Tensor],
    shared: &[Var],
    combine: impl FnOnce(Gradients<'_>) -> Result<Balanced>,
) -> Result<Balanced> {
    Gradients::of(losses, shared)?.balance(combine)
}

/// [`balance`] for balancers that take ratios of losses: those of exactly 0 take no part.
///
/// # Errors
///
/// As there, and where a loss is below zero.
pub fn balance_above_zero(
    losses: &[Tensor],
    shared: &[Var],
    balancer: &str,
    combine: impl FnOnce(Gradients<'_>) -> Result<Balanced>,
) -> Result<Balanced> {
    Gradients::of(losses, shared)?
        .above_zero(balancer)?
        .balance(combine)
}

impl<'a> Gradients<'a> {
    fn of(losses: &[Tensor], shared: &'a [Var]) -> Result<Gradients<'a>> {
        let numbers = values(losses)?;
        if shared.is_empty() {
            bail!(
                "this balancer combines gradients at the shared parameters, and was given none: pass the variables that \
                 all losses use, those of the encoder for instance"
            );
        }
        let mut rows = Vec::with_capacity(losses.len());
        let mut own = Vec::with_capacity(losses.len());
        for loss in losses {
            let mut store = loss.backward()?;
            rows.push(shared.iter().map(|var| store.remove(var)).collect());
            own.push(store);
        }
        let gram = gram(&rows, &rows)?;
        let mut others = GradStore::default();
        for (index, store) in own.into_iter().enumerate() {
            // With zeros an optimizer goes on along its moments: a loss without any gradient takes no part in that either.
            if gram[index][index] != 0.0 || !only_zeros(&losses[index], &store)? {
                others.extend(store)?;
            }
        }
        let (mut kept, mut absent) = (Vec::new(), Vec::new());
        for (index, row) in gram.iter().enumerate() {
            if !row[index].is_finite() {
                return Err(not_finite(index, losses.len(), &rows[index]));
            }
            if row[index] > 0.0 {
                kept.push(index);
                continue;
            }
            let count = shared.len();
            absent.push(Absent {
                loss: index,
                name: None,
                reason: if rows[index].iter().all(Option::is_none) {
                    format!(
                        "it reaches none of the {count} shared parameters (the first has shape {:?}): it was computed without \
                         them, from a detached tensor, or multiplied by 0",
                        shared[0].dims()
                    )
                } else {
                    format!("its gradient is 0 at all of the {count} shared parameters")
                },
            });
        }
        let all = Gradients {
            losses: numbers,
            gram,
            shared,
            rows,
            others,
            kept: Present::all(losses.len()),
            absent: Vec::new(),
        };
        Ok(all.only(&kept, absent))
    }

    /// Those at `kept` only.
    fn only(mut self, kept: &[usize], absent: Vec<Absent>) -> Gradients<'a> {
        if kept.len() < self.losses.len() {
            let own = Present::of(kept.to_vec(), self.losses.len());
            self.losses = own.pick(&self.losses);
            self.rows = own.pick(&self.rows);
            self.gram = own
                .pick(&self.gram)
                .iter()
                .map(|row| own.pick(row))
                .collect();
            self.kept = self.kept.narrow(kept);
        }
        self.absent.extend(absent);
        self
    }

    /// Without losses of exactly 0.
    fn above_zero(self, balancer: &str) -> Result<Gradients<'a>> {
        let (kept, mut absent) = above_zero(&self.losses, balancer)?;
        for absent in &mut absent {
            absent.loss = self.kept.places()[absent.loss];
        }
        Ok(self.only(&kept, absent))
    }

    fn balance(self, combine: impl FnOnce(Gradients<'a>) -> Result<Balanced>) -> Result<Balanced> {
        if self.losses.is_empty() {
            return self.with(vec![None], Vec::new());
        }
        combine(self)
    }

    /// Which of the losses of `present`, those that were given, these are.
    pub fn present(&self, present: &Present) -> Present {
        present.narrow(self.kept.places())
    }

    /// The gradient Σ weight · gradient at the shared parameters.
    ///
    /// # Errors
    ///
    /// Fails where a weight is not finite.
    pub fn combine(self, weights: Vec<f64>) -> Result<Balanced> {
        let combined = sum(&self.rows, &weights, self.shared)?;
        self.with(combined, weights)
    }

    /// Any other gradients in their place, one for each shared parameter.
    ///
    /// # Errors
    ///
    /// Fails where a weight is not finite.
    pub fn with(mut self, combined: Vec<Option<Tensor>>, weights: Vec<f64>) -> Result<Balanced> {
        if let Some(bad) = weights.iter().find(|weight| !weight.is_finite()) {
            bail!(
                "the balancer's factors are {weights:?}, and {bad} is no factor; the gradients' norms are {:?}",
                self.norms()
            );
        }
        for (var, gradient) in self.shared.iter().zip(combined) {
            if let Some(gradient) = gradient {
                self.others.insert(var, gradient);
            }
        }
        let mut all = vec![0.0; self.kept.total()];
        self.kept.put(&mut all, weights);
        Ok(Balanced {
            gradients: self.others,
            weights: all,
            absent: self.absent,
        })
    }

    /// The Euclidean norm of each loss's gradient.
    pub fn norms(&self) -> Vec<f64> {
        (0..self.gram.len())
            .map(|index| self.gram[index][index].sqrt())
            .collect()
    }

    /// By loss, then by shared parameter.
    pub fn rows(&self) -> &[Vec<Option<Tensor>>] {
        &self.rows
    }

    /// Returns the shared parameters, in the order of the columns of [`Gradients::rows`].
    pub fn shared(&self) -> &'a [Var] {
        self.shared
    }
}

/// The scalar products of the rows of one list with those of another, in f64.
///
/// # Errors
///
/// Fails where shapes disagree.
pub fn gram(left: &[Vec<Option<Tensor>>], right: &[Vec<Option<Tensor>>]) -> Result<Matrix> {
    let symmetric = std::ptr::eq(left, right);
    let mut gram = vec![vec![0.0; right.len()]; left.len()];
    for i in 0..left.len() {
        for j in 0..right.len() {
            if symmetric && j < i {
                gram[i][j] = gram[j][i];
                continue;
            }
            for pair in left[i].iter().zip(&right[j]) {
                if let (Some(a), Some(b)) = pair {
                    gram[i][j] += dot(a, b)?;
                }
            }
        }
    }
    Ok(gram)
}

/// The scalar product of two tensors, in f64: the square of a gradient of 1e-25 is no number of single precision, and that
/// of 1e20 neither.
fn dot(a: &Tensor, b: &Tensor) -> Result<f64> {
    if a.shape() != b.shape() {
        bail!(
            "gradients of one parameter have one shape; got {:?} and {:?}",
            a.dims(),
            b.dims()
        );
    }
    let (a, b) = (a.contiguous()?, b.contiguous()?);
    {
        let (left, left_layout) = a.storage_and_layout();
        let (right, right_layout) = b.storage_and_layout();
        if let (Storage::Cpu(CpuStorage::F32(left)), Storage::Cpu(CpuStorage::F32(right))) =
            (&*left, &*right)
        {
            let count = a.elem_count();
            let (from_left, from_right) = (left_layout.start_offset(), right_layout.start_offset());
            return Ok(dot_f32(
                &left[from_left..from_left + count],
                &right[from_right..from_right + count],
            ));
        }
    }
    let double = |tensor: &Tensor| tensor.to_dtype(DType::F64);
    ops::sum_all(&(double(&a)? * double(&b)?)?)?.to_scalar::<f64>()
}

/// Σ a b, each product and sum in f64, in several sums that the processor can work on at once.
fn dot_f32(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0f64; LANES];
    let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = left.remainder().iter().zip(right.remainder());
    let rest: f64 = rest.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    for (a, b) in left.zip(right) {
        for lane in 0..LANES {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Σ weight · row, parameter by parameter.
///
/// # Errors
///
/// Fails where shapes disagree.
pub fn sum(
    rows: &[Vec<Option<Tensor>>],
    weights: &[f64],
    shared: &[Var],
) -> Result<Vec<Option<Tensor>>> {
    (0..shared.len())
        .map(|parameter| {
            let mut total: Option<Tensor> = None;
            for (row, &weight) in rows.iter().zip(weights) {
                if let Some(gradient) = &row[parameter] {
                    let weighted = (gradient * weight)?;
                    total = Some(match total {
                        Some(total) => (total + weighted)?,
                        None => weighted,
                    });
                }
            }
            Ok(total)
        })
        .collect()
}

/// Whether the gradients of all variables that a loss reaches are exactly 0. candle's store has those of constants, too.
fn only_zeros(loss: &Tensor, store: &GradStore) -> Result<bool> {
    for node in loss.sorted_nodes() {
        let Some(gradient) = store.get(node).filter(|_| node.is_variable()) else {
            continue;
        };
        if gradient.elem_count() > 0 {
            let largest = gradient.abs()?.flatten_all()?.max(0)?;
            if largest.to_dtype(DType::F64)?.to_scalar::<f64>()? != 0.0 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn not_finite(index: usize, count: usize, row: &[Option<Tensor>]) -> patchbay::candle::Error {
    let has_bad = |gradient: &Tensor| -> Result<bool> {
        let values = gradient.to_dtype(DType::F64)?.flatten_all()?;
        Ok(values.to_vec1::<f64>()?.iter().any(|x| !x.is_finite()))
    };
    let place = row.iter().enumerate().find(|(_, gradient)| {
        gradient
            .as_ref()
            .is_some_and(|gradient| has_bad(gradient).unwrap_or(true))
    });
    let text = match place {
        Some((parameter, Some(gradient))) => format!(
            "the gradient of loss {index} of {count} is not finite at shared parameter {parameter}, of shape {:?}",
            gradient.dims()
        ),
        _ => format!("the gradient of loss {index} of {count} is too large to be squared"),
    };
    patchbay::candle::Error::Msg(text).bt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn var(values: &[f32]) -> Var {
        Var::from_tensor(&Tensor::new(values, &Device::Cpu).unwrap()).unwrap()
    }

    #[test]
    fn shared_gradients_are_combined_and_a_losss_own_are_kept() {
        let (shared, head) = (var(&[1.0, 2.0]), var(&[3.0]));
        let first = shared.as_tensor().sum_all().unwrap();
        let second = ((shared.as_tensor() * 2.0).unwrap().sum_all().unwrap()
            + head.as_tensor().sum_all().unwrap())
        .unwrap();
        let vars = [shared.clone()];
        let gradients = Gradients::of(&[first, second], &vars).unwrap();
        assert_eq!(gradients.gram, [[2.0, 4.0], [4.0, 8.0]]);
        let balanced = gradients.combine(vec![1.0, 0.5]).unwrap();
        let get = |var: &Var| {
            balanced
                .gradients
                .get(var)
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
        };
        assert_eq!((get(&shared), get(&head)), (vec![2.0, 2.0], vec![1.0]));
    }

    #[test]
    fn tiny_and_huge_gradients_have_products() {
        for size in [1e-25, 1e20] {
            let shared = var(&[1.0, 2.0]);
            let loss = |factor: f64| {
                (shared.as_tensor() * (factor * size))
                    .unwrap()
                    .sum_all()
                    .unwrap()
            };
            let vars = [shared.clone()];
            let gradients = Gradients::of(&[loss(1.0), loss(3.0)], &vars).unwrap();
            for (row, expected) in gradients.gram.iter().zip([[2.0, 6.0], [6.0, 18.0]]) {
                for (product, expected) in row.iter().zip(expected) {
                    assert!(
                        (product / (size * size) / expected - 1.0).abs() < 1e-6,
                        "{row:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn products_are_summed_in_double_precision() {
        let mut values: Vec<f32> = (0..10_001).map(|i| (i as f32 * 0.37).sin()).collect();
        values[17] = 3e7;
        let exact: f64 = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let tensor = Tensor::new(values, &Device::Cpu).unwrap();
        assert!((dot(&tensor, &tensor).unwrap() / exact - 1.0).abs() < 1e-14);
        // Not contiguous, and with an offset.
        let part = tensor
            .narrow(0, 1, 10_000)
            .unwrap()
            .reshape((100, 100))
            .unwrap();
        let other = part.t().unwrap();
        let (a, b) = (
            part.to_vec2::<f32>().unwrap(),
            other.to_vec2::<f32>().unwrap(),
        );
        let exact: f64 = a
            .iter()
            .flatten()
            .zip(b.iter().flatten())
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum();
        assert!((dot(&part, &other).unwrap() / exact - 1.0).abs() < 1e-12);
        let doubles = [&part, &other].map(|x| x.to_dtype(DType::F64).unwrap());
        assert!((dot(&doubles[0], &doubles[1]).unwrap() / exact - 1.0).abs() < 1e-12);
    }

    #[test]
    fn losses_without_a_gradient_at_the_shared_parameters_are_left_out_and_named() {
        let (shared, head) = (var(&[1.0, 2.0]), var(&[3.0]));
        let good = (shared.as_tensor() * 2.0).unwrap().sum_all().unwrap();
        let miss = head.as_tensor().sum_all().unwrap();
        // A way back, with zeros: the root of the square of what is masked.
        let zeros = (shared.as_tensor() * Tensor::new(&[0f32, 0.0], &Device::Cpu).unwrap())
            .unwrap()
            .sum_all()
            .unwrap();
        let vars = [shared.clone()];
        let gradients = Gradients::of(&[miss, zeros, good.clone()], &vars).unwrap();
        assert_eq!(gradients.gram, [[8.0]]);
        assert_eq!(gradients.losses, [6.0]);
        assert_eq!(
            gradients.present(&Present::of(vec![1, 4, 7], 9)).places(),
            [7]
        );
        let balanced = gradients.combine(vec![0.5]).unwrap();
        assert_eq!(balanced.weights, [0.0, 0.0, 0.5]);
        let get = |var: &Var| {
            let gradient = balanced.gradients.get(var).unwrap();
            gradient.to_vec1::<f32>().unwrap()
        };
        assert_eq!((get(&shared), get(&head)), (vec![1.0, 1.0], vec![1.0]));
        let text: Vec<String> = balanced.absent.iter().map(|x| x.to_string()).collect();
        assert!(
            text[0].contains("loss 0: it reaches none of the 1 shared parameters")
                && text[0].contains("[2]")
                && text[1].contains("loss 1: its gradient is 0"),
            "{text:?}"
        );
        let none = Gradients::of(&[good], &[]).err().unwrap().to_string();
        assert!(none.contains("was given none"), "{none}");
    }

    #[test]
    fn gradients_that_are_not_finite_are_told() {
        // The root is finite at zero, its slope is not.
        let zero = var(&[0.0, 1.0]);
        let root = zero.as_tensor().sqrt().unwrap().sum_all().unwrap();
        let text = Gradients::of(&[root], std::slice::from_ref(&zero))
            .err()
            .unwrap()
            .to_string();
        assert!(
            text.contains("loss 0 of 1 is not finite at shared parameter 0, of shape [2]"),
            "{text}"
        );
    }
}
