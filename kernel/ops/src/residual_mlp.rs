//! A perceptron with one hidden layer beside an affine map of its input, in one op.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp3, DType, Layout, Result, Shape, Tensor, backend::BackendStorage,
};
use rayon::prelude::*;

use super::{
    activation::{Function, Relu},
    dropout::{Chance, Mask, dropout},
    gemm::{Before, Matrix, add_to_rows, gemm},
    matmul::{fits_one_op, linear, linear_shape},
    real::Real,
    relu,
    residual_mlp_kernel::Weights,
    simd::simd_kernel,
    storage::{by_dtype, output, read, tensor, values, widened},
};

/// dropout(relu(x · hidden_weightᵀ + hidden_bias) · output_weightᵀ + output_bias) + x · skip_weightᵀ + skip_bias, with
/// the values and gradients of [`linear`], [`relu`] and [`dropout`] in turn.
///
/// `x` is [..., in]; `hidden`, `output` and `skip` are pairs of weight and bias: [hidden, in] and [hidden], [out, hidden]
/// and [out], [out, in] and [out]. The result is [..., out].
///
/// On the CPU, with biases, and with at most 64 inputs and 16 outputs, hidden values never leave the registers: the
/// backward pass makes them again, which takes less time than to keep them. Where no gradient is asked for, they stay in
/// the cache for any widths.
///
/// Das et al. 2023, Long-term Forecasting with TiDE, figure 2: the residual block, before its layer norm.
///
/// # Errors
///
/// As [`linear`] and [`dropout`].
pub fn residual_mlp(
    x: &Tensor,
    hidden: (&Tensor, Option<&Tensor>),
    output: (&Tensor, Option<&Tensor>),
    skip: (&Tensor, Option<&Tensor>),
    p: f64,
    train: bool,
) -> Result<Tensor> {
    let op = "residual-mlp";
    let half = matches!(x.dtype(), DType::F16 | DType::BF16) && x.device().is_cpu();
    let alike = |(weight, bias): &(&Tensor, Option<&Tensor>)| {
        weight.dtype() == x.dtype() && bias.is_none_or(|bias| bias.dtype() == x.dtype())
    };
    if half && [hidden, output, skip].iter().all(alike) {
        // As one, so that what lies between is not rounded either.
        return widened(x, |x| {
            let wide = |(weight, bias): (&Tensor, Option<&Tensor>)| -> Result<_> {
                let bias = bias.map(|bias| bias.to_dtype(x.dtype())).transpose()?;
                Ok((weight.to_dtype(x.dtype())?, bias))
            };
            let (hidden, output, skip) = (wide(hidden)?, wide(output)?, wide(skip)?);
            let hidden = (&hidden.0, hidden.1.as_ref());
            let output = (&output.0, output.1.as_ref());
            residual_mlp(x, hidden, output, (&skip.0, skip.1.as_ref()), p, train)
        });
    }
    if let Some(layers) = Layers::of_one_op(x, hidden, output, skip) {
        if layers.is_narrow() {
            let (first, second) = layers.operands()?;
            let mask = Mask::next(op, p, train)?;
            return x.apply_op3(&first, &second, Narrow { mask });
        }
        if !x.track_op() && !layers.tracked() && (p == 0.0 || !train) {
            Chance::new(op, p)?;
            return x.apply_op1_no_bwd(&layers);
        }
    }
    let inner = relu(&linear(x, hidden.0, hidden.1)?)?;
    let inner = linear(&inner, output.0, output.1)?;
    dropout(&inner, p, train)? + linear(x, skip.0, skip.1)?
}

/// The widest inputs and outputs for which hidden values are made twice.
pub(super) const INPUTS: usize = 64;
pub(super) const OUTPUTS: usize = 16;

/// Weights and biases.
struct Layers<'a> {
    hidden: (&'a Tensor, &'a Tensor),
    output: (&'a Tensor, &'a Tensor),
    skip: (&'a Tensor, &'a Tensor),
}

impl<'a> Layers<'a> {
    /// The layers if all have biases and fit; where they do not, the ops in turn have the error.
    fn of_one_op(
        x: &Tensor,
        hidden: (&'a Tensor, Option<&'a Tensor>),
        output: (&'a Tensor, Option<&'a Tensor>),
        skip: (&'a Tensor, Option<&'a Tensor>),
    ) -> Option<Layers<'a>> {
        let (hidden, output, skip) = (
            (hidden.0, hidden.1?),
            (output.0, output.1?),
            (skip.0, skip.1?),
        );
        let fit = fits_one_op(x, hidden.0, hidden.1)
            && fits_one_op(x, skip.0, skip.1)
            && output.0.dims() == [skip.1.elem_count(), hidden.1.elem_count()]
            && output.1.dims() == skip.1.dims()
            && output.0.dtype() == x.dtype()
            && output.1.dtype() == x.dtype()
            && [x, hidden.0, output.0]
                .iter()
                .all(|operand| operand.elem_count() > 0);
        fit.then_some(Layers {
            hidden,
            output,
            skip,
        })
    }

    fn is_narrow(&self) -> bool {
        let (outputs, inputs) = (self.skip.0.dims()[0], self.skip.0.dims()[1]);
        inputs <= INPUTS && outputs <= OUTPUTS
    }

    fn tracked(&self) -> bool {
        let layers = [self.hidden, self.output, self.skip];
        layers
            .iter()
            .any(|(weight, bias)| weight.track_op() || bias.track_op())
    }

    /// [hidden, in + 1] and [out, hidden + 1 + in + 1]: ops have at most three operands.
    fn operands(&self) -> Result<(Tensor, Tensor)> {
        let column = |bias: &Tensor| bias.unsqueeze(1);
        let first = Tensor::cat(&[self.hidden.0, &column(self.hidden.1)?], 1)?;
        let (output_bias, skip_bias) = (column(self.output.1)?, column(self.skip.1)?);
        let second = Tensor::cat(&[self.output.0, &output_bias, self.skip.0, &skip_bias], 1)?;
        Ok((first.contiguous()?, second.contiguous()?))
    }
}

/// Without gradients, for any widths.
impl CustomOp1 for Layers<'_> {
    fn name(&self) -> &'static str {
        "residual-mlp"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), self.name(), T => {
            let x = values::<T>(x, layout)?;
            read!(hidden: T = self.hidden.0, self.name());
            read!(hidden_bias: T = self.hidden.1, self.name());
            read!(out: T = self.output.0, self.name());
            read!(output_bias: T = self.output.1, self.name());
            read!(skip: T = self.skip.0, self.name());
            read!(skip_bias: T = self.skip.1, self.name());
            let bias: Vec<T> = output_bias.iter().zip(&*skip_bias).map(|(&a, &b)| a + b).collect();

            let ((rows, inputs, outputs), shape) = linear_shape(layout, self.skip.0.layout());
            let units = hidden_bias.len();
            let piece = rows_of_a_share(rows, units);
            let mut y = vec![T::ZERO; rows * outputs];
            y.par_chunks_mut(piece * outputs)
                .zip(x.par_chunks(piece * inputs))
                .for_each_init(Vec::new, |inner, (y, x)| {
                    let rows = x.len() / inputs;
                    let x = Matrix::new(x, inputs);
                    inner.resize(rows * units, T::ZERO);
                    let weight = Matrix::new(&hidden, inputs).transposed();
                    product((rows, inputs, units), x, weight, Before::Overwrite, inner);
                    add_bias_and_rectify(&hidden_bias, inner);
                    let (inner, weight) = (Matrix::new(inner, units), Matrix::new(&out, units).transposed());
                    product((rows, units, outputs), inner, weight, Before::Overwrite, y);
                    let weight = Matrix::new(&skip, inputs).transposed();
                    product((rows, inputs, outputs), x, weight, Before::Add, y);
                    add_to_rows(&bias, y);
                });
            Ok(output(y, shape))
        })
    }
}

/// The product of an m×k and a k×n matrix, on this thread alone.
pub(super) fn product<T: Real>(
    size: (usize, usize, usize),
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    before: Before,
    out: &mut [T],
) {
    gemm(size, left, right, T::ONE, before, out, size.2, false);
}

/// A share for each thread, so that threads meet once and not after each layer; but not so few rows that laying out the
/// weights takes longer than multiplying with them, and not more hidden values than 1 MiB.
fn rows_of_a_share(rows: usize, units: usize) -> usize {
    const FEWEST: usize = 64;
    let most = ((1 << 18) / units).max(FEWEST);
    rows.div_ceil(rayon::current_num_threads())
        .clamp(FEWEST, most)
}

simd_kernel! {
    fn add_bias_and_rectify['a, T: Real](bias: &'a [T], rows: &'a mut [T]) -> () {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (x, &bias) in row.iter_mut().zip(bias) {
                *x = Relu::value(*x + bias);
            }
        }
    }
}

/// With gradients, for few inputs and outputs.
struct Narrow {
    mask: Mask,
}

impl CustomOp3 for Narrow {
    fn name(&self) -> &'static str {
        "residual-mlp"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        first: &CpuStorage,
        first_layout: &Layout,
        second: &CpuStorage,
        second_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let units = first_layout.dims()[0];
        let ((_, _, outputs), shape) = linear_shape(x_layout, second_layout);
        by_dtype!(x.dtype(), self.name(), T => {
            let first = values::<T>(first, first_layout)?;
            let second = values::<T>(second, second_layout)?;
            let weights = Weights::new(&first, &second, units, outputs);
            Ok(output(weights.forward(&values::<T>(x, x_layout)?, self.mask), shape))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        first: &Tensor,
        second: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (units, outputs) = (first.dims()[0], second.dims()[0]);
        let (x_shape, first_shape, second_shape) = (x.shape(), first.shape(), second.shape());
        let tracked = [x.track_op(), first.track_op(), second.track_op()];
        by_dtype!(x.dtype(), self.name(), T => {
            read!(x: T = x, self.name());
            read!(first: T = first, self.name());
            read!(second: T = second, self.name());
            read!(grad: T = grad, self.name());
            let weights = Weights::new(&first, &second, units, outputs);
            let (x, sums) = weights.backward(&x, &grad, self.mask, tracked[0]);
            let (first, second) = sums.operands(units);
            let shaped = |tracked: bool, values: Vec<T>, shape: &Shape| {
                tracked.then(|| tensor(values, shape)).transpose()
            };
            Ok((
                shaped(tracked[0], x, x_shape)?,
                shaped(tracked[1], first, first_shape)?,
                shaped(tracked[2], second, second_shape)?,
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use candle_core::{Device, Var};

    use super::*;

    /// Values that look random. They draw nothing: another test's draws would move the dropped elements.
    fn random(shape: impl Into<Shape>) -> Var {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let shape = shape.into();
        let count = shape.elem_count() as u64;
        let first = COUNT.fetch_add(count, Ordering::Relaxed);
        let value = |index: u64| 3.0 * ((index as f64 * 12.9898).sin() * 43758.5453).fract();
        let values: Vec<f64> = (first..first + count).map(value).collect();
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
    }

    struct Block([Var; 6]);

    impl Block {
        fn new(inputs: usize, hidden: usize, outputs: usize) -> Block {
            Block([
                random((hidden, inputs)),
                random(hidden),
                random((outputs, hidden)),
                random(outputs),
                random((outputs, inputs)),
                random(outputs),
            ])
        }

        fn in_one(&self, x: &Tensor, p: f64) -> Result<Tensor> {
            let [a, b, c, d, e, f] = &self.0;
            residual_mlp(x, (a, Some(b)), (c, Some(d)), (e, Some(f)), p, true)
        }

        fn in_turn(&self, x: &Tensor, p: f64) -> Tensor {
            let [a, b, c, d, e, f] = &self.0;
            let inner = relu(&linear(x, a, Some(b)).unwrap()).unwrap();
            let inner = dropout(&linear(&inner, c, Some(d)).unwrap(), p, true).unwrap();
            (inner + linear(x, e, Some(f)).unwrap()).unwrap()
        }
    }

    fn assert_near(one: &Tensor, turn: &Tensor) {
        assert_eq!(one.dims(), turn.dims());
        let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert!(patchbay_compare::largest_difference(&values(one), &values(turn)) < 1e-8);
    }

    #[test]
    fn many_rows_are_the_ops_in_turn_with_the_same_dropped() {
        // Several parts of several pieces, none of which is whole at its end.
        for (rows, inputs, hidden, outputs, p) in [
            (20_001, 3, 20, 2, 0.3),
            (5003, 8, 128, 1, 0.5),
            (1, 64, 1, 16, 0.0),
        ] {
            let (block, x) = (Block::new(inputs, hidden, outputs), random((rows, inputs)));
            let cotangent = random((rows, outputs));
            let gradients = |y: &Tensor| {
                let loss = (y * cotangent.as_tensor()).unwrap().sum_all().unwrap();
                let store = loss.backward().unwrap();
                let vars = block.0.iter().chain([&x]);
                vars.map(|var| store.get(var).cloned().unwrap())
                    .collect::<Vec<_>>()
            };
            let state = crate::random_state();
            let one = block.in_one(&x, p).unwrap();
            crate::set_random_state(state);
            let turn = block.in_turn(&x, p);
            assert_near(&one, &turn);
            for (one, turn) in gradients(&one).iter().zip(&gradients(&turn)) {
                assert_near(one, turn);
            }
        }
    }

    #[test]
    fn only_what_is_tracked_gets_a_gradient() {
        let (x, [a, b, c, d, e, f]) = (random((5, 3)), Block::new(3, 4, 1).0);
        let plain = |var: &Var| var.as_detached_tensor();
        let (x_plain, a_plain, b_plain) = (plain(&x), plain(&a), plain(&b));
        let (d_plain, e_plain, f_plain) = (plain(&d), plain(&e), plain(&f));
        let (hidden, output) = ((&a_plain, Some(&b_plain)), (c.as_tensor(), Some(&d_plain)));
        let y = residual_mlp(
            &x_plain,
            hidden,
            output,
            (&e_plain, Some(&f_plain)),
            0.0,
            true,
        )
        .unwrap();
        let store = y.sum_all().unwrap().backward().unwrap();
        assert!(store.get(&c).is_some());
        assert!(
            [&x, &a, &b, &d, &e, &f]
                .iter()
                .all(|var| store.get(var).is_none())
        );
    }

    #[test]
    fn what_is_wide_or_does_not_fit_goes_by_way_of_the_ops_in_turn() {
        let x = random((5, INPUTS + 1));
        let block = Block::new(INPUTS + 1, 4, 2);
        assert_near(&block.in_one(&x, 0.0).unwrap(), &block.in_turn(&x, 0.0));
        let error = block.in_one(&random((5, 3)), 0.0).unwrap_err().to_string();
        let text =
            "linear: the input is [5, 3] and the weight [4, 65]: must be [..., in] and [out, in]";
        assert!(error.starts_with(text), "{error}");
        let error = Block::new(3, 4, 2)
            .in_one(&random((5, 3)), 2.0)
            .unwrap_err();
        assert!(
            error.to_string().contains("probability of dropping is 2"),
            "{error}"
        );
    }

    #[test]
    fn without_gradients_any_widths_are_one_op() {
        for (rows, inputs, hidden, outputs) in [(500, 70, 33, 5), (3, 65, 4, 20), (1, 2, 3, 17)] {
            let (block, x) = (Block::new(inputs, hidden, outputs), random((rows, inputs)));
            let detached = block.0.each_ref().map(Var::as_detached_tensor);
            let [a, b, c, d, e, f] = &detached;
            let layers = [(a, Some(b)), (c, Some(d)), (e, Some(f))];
            let plain = x.as_detached_tensor();
            let one = |p| residual_mlp(&plain, layers[0], layers[1], layers[2], p, false);
            let y = one(0.7).unwrap();
            assert_near(&y, &block.in_turn(&x, 0.0));
            assert!(!y.track_op());
            assert!(one(1.5).is_err());
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so_and_no_rows_give_no_rows() {
        let block = Block::new(3, 4, 2);
        let x = Tensor::new(&[[f64::NAN, 1.0, 1.0]], &Device::Cpu).unwrap();
        let y = block.in_one(&x, 0.0).unwrap().to_vec2::<f64>().unwrap();
        assert!(y[0].iter().all(|value| value.is_nan()));
        let x = Tensor::zeros((0, 3), DType::F64, &Device::Cpu).unwrap();
        assert_eq!(block.in_one(&x, 0.0).unwrap().dims(), [0, 2]);
    }
}
