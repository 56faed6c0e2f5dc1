//! The settings of layers, as PyTorch prints them.

use candle_core::Tensor;

pub(crate) fn linear(weight: &Tensor, bias: Option<&Tensor>) -> String {
    let (outputs, inputs) = (length(weight, 0), length(weight, 1));
    let has_bias = bias.is_some();
    format!("in_features={inputs}, out_features={outputs}, bias={has_bias}")
}

/// Settings that a convolution has besides its parameters.
pub(crate) struct Convolution {
    pub(crate) is_transposed: bool,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    pub(crate) output_padding: usize,
    pub(crate) dilation: usize,
    pub(crate) groups: usize,
}

pub(crate) fn convolution(weight: &Tensor, bias: Option<&Tensor>, of: &Convolution) -> String {
    let (first, second) = (length(weight, 0), length(weight, 1) * of.groups);
    let (inputs, outputs) = if of.is_transposed {
        (first, second)
    } else {
        (second, first)
    };
    let kernel = weight.dims().get(2..).unwrap_or_default();
    let each = |size: usize| of_all(&vec![size; kernel.len()]);
    let mut text = format!(
        "{inputs}, {outputs}, kernel_size={}, stride={}",
        of_all(kernel),
        each(of.stride)
    );
    for (name, value, usual) in [
        ("padding", of.padding, 0),
        ("dilation", of.dilation, 1),
        ("output_padding", of.output_padding, 0),
    ] {
        if value != usual {
            text += &format!(", {name}={}", each(value));
        }
    }
    if of.groups != 1 {
        text += &format!(", groups={}", of.groups);
    }
    if bias.is_none() {
        text += ", bias=false";
    }
    text
}

pub(crate) fn embedding(table: &Tensor) -> String {
    format!("{}, {}", length(table, 0), length(table, 1))
}

pub(crate) fn norm(weight: &Tensor, eps: f64) -> String {
    format!("{}, eps={eps:e}", of_all(weight.dims()))
}

pub(crate) fn batch_norm(norm: &candle_nn::BatchNorm) -> String {
    format!(
        "{}, eps={:e}, momentum={}, affine={}",
        length(norm.running_mean(), 0),
        norm.eps(),
        norm.momentum(),
        norm.weight_and_bias().is_some()
    )
}

pub(crate) fn prelu(weight: &Tensor) -> String {
    format!("num_parameters={}", weight.elem_count())
}

fn length(x: &Tensor, dim: usize) -> usize {
    x.dims().get(dim).copied().unwrap_or(0)
}

/// (3,) or (3, 3), as Python writes tuples.
fn of_all(sizes: &[usize]) -> String {
    match sizes {
        [only] => format!("({only},)"),
        _ => {
            let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
            format!("({})", sizes.join(", "))
        }
    }
}
