//! A perceptron with one hidden layer beside an affine map of its input, in one op.

mod cpu;
mod narrow;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{DType, Result, Tensor};

use self::narrow::{INPUTS, OUTPUTS};
use crate::{
    affine::fits_one_op,
    dispatch::has_cpu_kernels,
    drop_mask::{Chance, Mask},
    dropout, linear,
    op::{apply, apply_without_gradient},
    relu,
    storage::widened,
};

/// dropout(relu(x · hidden_weightᵀ + hidden_bias) · output_weightᵀ + output_bias) + x · skip_weightᵀ + skip_bias, with
/// the values and gradients of [`linear`], [`relu`] and [`dropout`] in turn.
///
/// `x` is `[..., in]`; `hidden`, `output` and `skip` are pairs of weight and bias: `[hidden, in]` and `[hidden]`, `[out, hidden]`
/// and `[out]`, `[out, in]` and `[out]`. The result is `[..., out]`.
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
    let half = matches!(x.dtype(), DType::F16 | DType::BF16) && has_cpu_kernels(x);
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
            return apply(cpu::Narrow { mask }, [x, &first, &second]);
        }
        if !x.track_op() && !layers.tracked() && (p == 0.0 || !train) {
            Chance::new(op, p)?;
            return apply_without_gradient(&layers, x);
        }
    }
    let inner = relu(&linear(x, hidden.0, hidden.1)?)?;
    let inner = linear(&inner, output.0, output.1)?;
    dropout(&inner, p, train)? + linear(x, skip.0, skip.1)?
}

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

    /// `[hidden, in + 1]` and `[out, hidden + 1 + in + 1]`: ops have at most three operands.
    fn operands(&self) -> Result<(Tensor, Tensor)> {
        let column = |bias: &Tensor| bias.unsqueeze(1);
        let first = Tensor::cat(&[self.hidden.0, &column(self.hidden.1)?], 1)?;
        let (output_bias, skip_bias) = (column(self.output.1)?, column(self.skip.1)?);
        let second = Tensor::cat(&[self.output.0, &output_bias, self.skip.0, &skip_bias], 1)?;
        Ok((first.contiguous()?, second.contiguous()?))
    }
}
