//! Values and gradients of every op against PyTorch's, in f32 and f64; `reference/ops_torch.py` has written them.
//!
//! All is on `device()`: `tests/gpu/pack.sh` takes this program to a GPU.

use std::collections::{BTreeMap, BTreeSet};

use patchbay::{
    Result,
    candle::{D, DType, Tensor, Var, safetensors},
    device,
    ops::{
        self, Attention, BinaryCrossEntropy, Conv2d, CrossEntropy, Interpolation, Reduction,
        composed,
    },
};

type Run = fn(&[Tensor]) -> Result<Tensor>;

/// How each case of the reference file is computed here.
const CASES: &[(&str, Run)] = &[
    ("gelu/", |x| ops::gelu(&x[0])),
    ("gelu_tanh/", |x| ops::gelu_tanh(&x[0])),
    ("relu/", |x| ops::relu(&x[0])),
    ("silu/", |x| ops::silu(&x[0])),
    ("sigmoid/", |x| ops::sigmoid(&x[0])),
    ("softmax/last", |x| ops::softmax(&x[0])),
    ("softmax/short", |x| ops::softmax(&x[0])),
    ("softmax/middle", |x| ops::softmax_dim(&x[0], 1)),
    ("softmax/wide", |x| ops::softmax_dim(&x[0], 1)),
    ("softmax/first", |x| ops::softmax_dim(&x[0], -2)),
    ("softmax/", |x| ops::softmax(&x[0])),
    ("log_softmax/last", |x| ops::log_softmax(&x[0])),
    ("log_softmax/short", |x| ops::log_softmax(&x[0])),
    ("log_softmax/middle", |x| ops::log_softmax_dim(&x[0], 1)),
    ("log_softmax/wide", |x| ops::log_softmax_dim(&x[0], 1)),
    ("log_softmax/first", |x| ops::log_softmax_dim(&x[0], 0)),
    ("log_softmax/", |x| ops::log_softmax(&x[0])),
    ("layer_norm/plain", |x| {
        ops::layer_norm(&x[0], None, None, 1e-6)
    }),
    ("layer_norm/weight", |x| {
        ops::layer_norm(&x[0], Some(&x[1]), None, 1e-5)
    }),
    ("layer_norm/", |x| {
        ops::layer_norm(&x[0], Some(&x[1]), Some(&x[2]), 1e-5)
    }),
    ("rms_norm/plain", |x| ops::rms_norm(&x[0], None, 1e-5)),
    ("rms_norm/", |x| ops::rms_norm(&x[0], Some(&x[1]), 1e-6)),
    ("l2_normalise/last", |x| ops::l2_normalise(&x[0], -1, 1e-12)),
    ("l2_normalise/zero", |x| ops::l2_normalise(&x[0], -1, 1e-3)),
    ("l2_normalise/first", |x| ops::l2_normalise(&x[0], 0, 1e-12)),
    ("cross_entropy/ignore_3", |x| {
        ops::cross_entropy_with(
            &x[0],
            &x[1],
            &CrossEntropy {
                ignore_index: 3,
                ..Default::default()
            },
        )
    }),
    ("focal/half", |x| ops::focal(&x[0], 0.5)),
    ("focal/one", |x| ops::focal(&x[0], 1.0)),
    ("focal/two", |x| ops::focal(&x[0], 2.0)),
    ("focal/more", |x| ops::focal(&x[0], 3.5)),
    ("cross_entropy/weight", weighted),
    ("cross_entropy/wide_weight", weighted),
    ("cross_entropy/vocabulary_weight", weighted),
    ("cross_entropy/sum", |x| {
        let settings = CrossEntropy {
            label_smoothing: 0.2,
            reduction: Reduction::Sum,
            ..Default::default()
        };
        ops::cross_entropy_with(&x[0], &x[1], &settings)
    }),
    ("cross_entropy/none", none),
    ("cross_entropy/soft_pixels", none),
    ("cross_entropy/pixels", |x| {
        ops::cross_entropy_with(
            &x[0],
            &x[1],
            &CrossEntropy {
                ignore_index: 255,
                ..Default::default()
            },
        )
    }),
    ("cross_entropy/pixels_none", |x| {
        let settings = CrossEntropy {
            ignore_index: 255,
            reduction: Reduction::None,
            ..Default::default()
        };
        ops::cross_entropy_with(&x[0], &x[1], &settings)
    }),
    ("cross_entropy/soft_weight", |x| {
        let settings = CrossEntropy {
            weight: Some(x[2].clone()),
            label_smoothing: 0.1,
            reduction: Reduction::Sum,
            ..Default::default()
        };
        ops::cross_entropy_with(&x[0], &x[1], &settings)
    }),
    ("cross_entropy/", |x| ops::cross_entropy(&x[0], &x[1])),
    ("binary_cross_entropy_with_logits/plain", |x| {
        ops::binary_cross_entropy_with_logits(&x[0], &x[1])
    }),
    ("binary_cross_entropy_with_logits/large", |x| {
        let settings = BinaryCrossEntropy {
            reduction: Reduction::None,
            ..Default::default()
        };
        ops::binary_cross_entropy_with_logits_with(&x[0], &x[1], &settings)
    }),
    ("binary_cross_entropy_with_logits/weights", |x| {
        let settings = BinaryCrossEntropy {
            weight: Some(x[2].clone()),
            pos_weight: Some(x[3].clone()),
            reduction: Reduction::Sum,
        };
        ops::binary_cross_entropy_with_logits_with(&x[0], &x[1], &settings)
    }),
    ("index_select/first", |x| ops::index_select(&x[0], 0, &x[1])),
    ("index_select/middle", |x| {
        ops::index_select(&x[0], -2, &x[1])
    }),
    ("sum_all/", |x| ops::sum_all(&x[0])),
    ("sum/last", |x| ops::sum(&x[0], D::Minus1)),
    ("sum/middle", |x| ops::sum(&x[0], 1)),
    ("sum/several", |x| ops::sum(&x[0], (0, 2))),
    ("sum_keepdim/", |x| ops::sum_keepdim(&x[0], 0)),
    ("mean_all/", |x| ops::mean_all(&x[0])),
    ("mean/last", |x| ops::mean(&x[0], D::Minus1)),
    ("mean/middle", |x| ops::mean(&x[0], 1)),
    ("mean/several", |x| ops::mean(&x[0], (0, 2))),
    ("mean_keepdim/", |x| ops::mean_keepdim(&x[0], 0)),
    ("var_all/", |x| ops::var_all(&x[0])),
    ("var/last", |x| ops::var(&x[0], D::Minus1)),
    ("var/middle", |x| ops::var(&x[0], 1)),
    ("var/several", |x| ops::var(&x[0], (0, 2))),
    ("var_keepdim/", |x| ops::var_keepdim(&x[0], 0)),
    ("var_with/biased", |x| {
        ops::var_with(&x[0], (1, 2), 0.0, false)
    }),
    ("broadcast_add/", |x| ops::broadcast_add(&x[0], &x[1])),
    ("broadcast_sub/", |x| ops::broadcast_sub(&x[0], &x[1])),
    ("broadcast_mul/", |x| ops::broadcast_mul(&x[0], &x[1])),
    ("broadcast_div/", |x| ops::broadcast_div(&x[0], &x[1])),
    ("broadcast_as/", |x| ops::broadcast_as(&x[0], (4, 3, 5))),
    ("matmul/", |x| ops::matmul(&x[0], &x[1])),
    ("linear/plain", |x| ops::linear(&x[0], &x[1], None)),
    ("linear/", |x| ops::linear(&x[0], &x[1], Some(&x[2]))),
    ("attention/plain", |x| ops::attention(&x[0], &x[1], &x[2])),
    ("attention/one", |x| ops::attention(&x[0], &x[1], &x[2])),
    ("attention/causal", |x| {
        ops::attention_with(
            &x[0],
            &x[1],
            &x[2],
            &Attention {
                causal: true,
                ..Default::default()
            },
        )
    }),
    ("attention/scale", |x| {
        ops::attention_with(
            &x[0],
            &x[1],
            &x[2],
            &Attention {
                scale: Some(0.3),
                ..Default::default()
            },
        )
    }),
    ("attention/", |x| {
        ops::attention_with(
            &x[0],
            &x[1],
            &x[2],
            &Attention {
                mask: Some(x[3].clone()),
                ..Default::default()
            },
        )
    }),
    ("self_attention/plain", |x| {
        ops::self_attention(&x[0], 3, &Attention::default())
    }),
    ("self_attention/long", |x| {
        ops::self_attention(&x[0], 2, &Attention::default())
    }),
    ("linear_gelu/", |x| ops::linear_gelu(&x[0], &x[1], &x[2])),
    ("gelu_linear/", |x| ops::gelu_linear(&x[0], &x[1], &x[2])),
    ("residual_mlp/", |x| {
        let layer = |first: usize| (&x[first], Some(&x[first + 1]));
        ops::residual_mlp(&x[0], layer(1), layer(3), layer(5), 0.0, true)
    }),
    ("masked_fill/", |x| ops::masked_fill(&x[0], &x[1], -2.5)),
    ("gather/last", |x| ops::gather(&x[0], -1, &x[1])),
    ("gather/first", |x| ops::gather(&x[0], 0, &x[1])),
    ("scatter/last", |x| ops::scatter(&x[0], 2, &x[1], &x[2])),
    ("scatter_add/last", |x| {
        ops::scatter_add(&x[0], 2, &x[1], &x[2])
    }),
    ("scatter_add/first", |x| {
        ops::scatter_add(&x[0], 0, &x[1], &x[2])
    }),
    ("embedding/plain", |x| ops::embedding(&x[1], &x[0], None)),
    ("embedding/padding", |x| {
        ops::embedding(&x[1], &x[0], Some(2))
    }),
    ("max_pool2d/plain", |x| {
        ops::max_pool2d(&x[0], (2, 2), (2, 2), (0, 0))
    }),
    ("max_pool2d/strided", |x| {
        ops::max_pool2d(&x[0], (3, 2), (2, 1), (1, 1))
    }),
    ("avg_pool2d/plain", |x| {
        ops::avg_pool2d(&x[0], (2, 3), (2, 1), (0, 0))
    }),
    ("avg_pool2d/padded", |x| {
        ops::avg_pool2d(&x[0], (3, 3), (2, 2), (1, 1))
    }),
    ("adaptive_avg_pool2d/plain", |x| {
        ops::adaptive_avg_pool2d(&x[0], (3, 2))
    }),
    ("adaptive_avg_pool2d/one", |x| {
        ops::adaptive_avg_pool2d(&x[0], (1, 1))
    }),
    ("interpolate/nearest_up", |x| {
        ops::interpolate(&x[0], (9, 11), Interpolation::Nearest)
    }),
    ("interpolate/nearest_down", |x| {
        ops::interpolate(&x[0], (3, 4), Interpolation::Nearest)
    }),
    ("interpolate/nearest_one", |x| {
        ops::interpolate(&x[0], (3, 3), Interpolation::Nearest)
    }),
    ("interpolate/bilinear_up", |x| {
        ops::interpolate(&x[0], (9, 11), Interpolation::Bilinear)
    }),
    ("interpolate/bilinear_down", |x| {
        ops::interpolate(&x[0], (3, 4), Interpolation::Bilinear)
    }),
    ("interpolate/bilinear_one", |x| {
        ops::interpolate(&x[0], (3, 3), Interpolation::Bilinear)
    }),
    ("interpolate/bicubic_up", |x| {
        ops::interpolate(&x[0], (9, 11), Interpolation::Bicubic)
    }),
    ("interpolate/bicubic_down", |x| {
        ops::interpolate(&x[0], (3, 4), Interpolation::Bicubic)
    }),
    ("interpolate/bicubic_one", |x| {
        ops::interpolate(&x[0], (3, 3), Interpolation::Bicubic)
    }),
    ("box_filter/", |x| ops::box_filter(&x[0], 2)),
    ("conv2d/plain", |x| {
        ops::conv2d(&x[0], &x[1], Some(&x[2]), Conv2d::default())
    }),
    ("conv2d/pointwise", |x| {
        ops::conv2d(&x[0], &x[1], Some(&x[2]), Conv2d::default())
    }),
    ("conv2d/strided", |x| {
        let settings = Conv2d {
            stride: (2, 3),
            padding: (1, 2),
            dilation: (2, 1),
            groups: 1,
        };
        ops::conv2d(&x[0], &x[1], Some(&x[2]), settings)
    }),
    ("conv2d/groups", |x| {
        ops::conv2d(
            &x[0],
            &x[1],
            None,
            Conv2d {
                padding: (1, 1),
                groups: 2,
                ..Default::default()
            },
        )
    }),
    ("conv2d/patches", |x| {
        ops::conv2d(
            &x[0],
            &x[1],
            Some(&x[2]),
            Conv2d {
                stride: (4, 4),
                ..Default::default()
            },
        )
    }),
];

fn weighted(x: &[Tensor]) -> Result<Tensor> {
    let settings = CrossEntropy {
        weight: Some(x[2].clone()),
        label_smoothing: 0.1,
        ..Default::default()
    };
    ops::cross_entropy_with(&x[0], &x[1], &settings)
}

fn none(x: &[Tensor]) -> Result<Tensor> {
    ops::cross_entropy_with(
        &x[0],
        &x[1],
        &CrossEntropy {
            reduction: Reduction::None,
            ..Default::default()
        },
    )
}

/// The compositions for other devices, in the same cases.
const COMPOSED: &[(&str, Run)] = &[
    ("relu/", |x| composed::relu(&x[0])),
    ("silu/", |x| composed::silu(&x[0])),
    ("focal/two", |x| composed::focal(&x[0], 2.0)),
    ("focal/more", |x| composed::focal(&x[0], 3.5)),
    ("sigmoid/image", |x| composed::sigmoid(&x[0])),
    ("softmax/last", |x| composed::softmax(&x[0], 2)),
    ("softmax/middle", |x| composed::softmax(&x[0], 1)),
    ("softmax/large", |x| composed::softmax(&x[0], 1)),
    ("log_softmax/middle", |x| composed::log_softmax(&x[0], 1)),
    ("layer_norm/affine", |x| {
        composed::layer_norm(&x[0], &x[1], &x[2], 1e-5)
    }),
    ("layer_norm/two", |x| {
        composed::layer_norm(&x[0], &x[1], &x[2], 1e-5)
    }),
    ("rms_norm/weight", |x| {
        composed::rms_norm(&x[0], &x[1], 1e-6)
    }),
    ("l2_normalise/last", |x| {
        composed::l2_normalise(&x[0], 1, 1e-12)
    }),
    ("l2_normalise/zero", |x| {
        composed::l2_normalise(&x[0], 1, 1e-3)
    }),
    ("l2_normalise/first", |x| {
        composed::l2_normalise(&x[0], 0, 1e-12)
    }),
    ("cross_entropy/ignored", |x| {
        composed::cross_entropy(&x[0], &x[1], &CrossEntropy::default())
    }),
    ("cross_entropy/large", |x| {
        composed::cross_entropy(&x[0], &x[1], &CrossEntropy::default())
    }),
    ("cross_entropy/single", |x| {
        composed::cross_entropy(&x[0], &x[1], &CrossEntropy::default())
    }),
    ("cross_entropy/soft", |x| {
        composed::cross_entropy(&x[0], &x[1], &CrossEntropy::default())
    }),
    ("cross_entropy/weight", |x| {
        let settings = CrossEntropy {
            weight: Some(x[2].clone()),
            label_smoothing: 0.1,
            ..Default::default()
        };
        composed::cross_entropy(&x[0], &x[1], &settings)
    }),
    ("cross_entropy/pixels_none", |x| {
        let settings = CrossEntropy {
            ignore_index: 255,
            reduction: Reduction::None,
            ..Default::default()
        };
        composed::cross_entropy(&x[0], &x[1], &settings)
    }),
    ("binary_cross_entropy_with_logits/large", |x| {
        let settings = BinaryCrossEntropy {
            reduction: Reduction::None,
            ..Default::default()
        };
        composed::binary_cross_entropy_with_logits(&x[0], &x[1], &settings)
    }),
    ("binary_cross_entropy_with_logits/weights", |x| {
        let settings = BinaryCrossEntropy {
            weight: Some(x[2].clone()),
            pos_weight: Some(x[3].clone()),
            reduction: Reduction::Sum,
        };
        composed::binary_cross_entropy_with_logits(&x[0], &x[1], &settings)
    }),
    ("linear/bias", |x| {
        composed::linear(&x[0], &x[1], Some(&x[2]))
    }),
    ("attention/plain", |x| {
        composed::attention(&x[0], &x[1], &x[2], &Attention::default())
    }),
    ("attention/causal", |x| {
        composed::attention(
            &x[0],
            &x[1],
            &x[2],
            &Attention {
                causal: true,
                ..Default::default()
            },
        )
    }),
    ("attention/visible", |x| {
        composed::attention(
            &x[0],
            &x[1],
            &x[2],
            &Attention {
                mask: Some(x[3].clone()),
                ..Default::default()
            },
        )
    }),
    ("self_attention/plain", |x| {
        composed::self_attention(&x[0], 3, &Attention::default())
    }),
    ("embedding/plain", |x| {
        composed::embedding(&x[1], &x[0], None)
    }),
    ("embedding/padding", |x| {
        composed::embedding(&x[1], &x[0], Some(2))
    }),
    ("gather/last", |x| composed::gather(&x[0], 2, &x[1])),
    ("gather/first", |x| composed::gather(&x[0], 0, &x[1])),
    ("scatter/last", |x| {
        composed::scatter(&x[0], 2, &x[1], &x[2])
    }),
    ("scatter_add/last", |x| {
        composed::scatter_add(&x[0], 2, &x[1], &x[2])
    }),
    ("scatter_add/first", |x| {
        composed::scatter_add(&x[0], 0, &x[1], &x[2])
    }),
    ("max_pool2d/plain", |x| {
        composed::max_pool2d(&x[0], (2, 2), (2, 2), (0, 0))
    }),
    ("max_pool2d/strided", |x| {
        composed::max_pool2d(&x[0], (3, 2), (2, 1), (1, 1))
    }),
    ("sum_all/image", |x| {
        composed::sum(&x[0], &[0, 1, 2, 3])?.squeeze(0)
    }),
    ("sum/last", |x| composed::sum(&x[0], &[2])?.reshape((3, 4))),
    ("sum/several", |x| {
        composed::sum(&x[0], &[0, 2])?.reshape((3, 6))
    }),
    ("var/middle", |x| {
        composed::var(&x[0], &[1], 1.0)?.reshape((2, 5))
    }),
    ("var_with/biased", |x| composed::var(&x[0], &[1, 2], 0.0)),
    ("avg_pool2d/plain", |x| {
        composed::avg_pool2d(&x[0], (2, 3), (2, 1), (0, 0))
    }),
    ("avg_pool2d/padded", |x| {
        composed::avg_pool2d(&x[0], (3, 3), (2, 2), (1, 1))
    }),
    ("adaptive_avg_pool2d/plain", |x| {
        composed::adaptive_avg_pool2d(&x[0], (3, 2))
    }),
    ("adaptive_avg_pool2d/one", |x| {
        composed::adaptive_avg_pool2d(&x[0], (1, 1))
    }),
    ("interpolate/nearest_up", |x| {
        composed::interpolate(&x[0], (9, 11), Interpolation::Nearest)
    }),
    ("interpolate/bilinear_down", |x| {
        composed::interpolate(&x[0], (3, 4), Interpolation::Bilinear)
    }),
    ("interpolate/bicubic_up", |x| {
        composed::interpolate(&x[0], (9, 11), Interpolation::Bicubic)
    }),
    ("conv2d/plain", |x| {
        composed::conv2d(&x[0], &x[1], Some(&x[2]), Conv2d::default())
    }),
    ("conv2d/strided", |x| {
        let settings = Conv2d {
            stride: (2, 3),
            padding: (1, 2),
            dilation: (2, 1),
            groups: 1,
        };
        composed::conv2d(&x[0], &x[1], Some(&x[2]), settings)
    }),
    ("conv2d/groups", |x| {
        composed::conv2d(
            &x[0],
            &x[1],
            None,
            Conv2d {
                padding: (1, 1),
                groups: 2,
                ..Default::default()
            },
        )
    }),
];

struct Case {
    name: String,
    run: Run,
    inputs: Vec<Tensor>,
    result: Tensor,
    cotangent: Tensor,
    /// The gradients that the reference has, by input.
    gradients: BTreeMap<usize, Tensor>,
}

fn cases() -> Vec<Case> {
    let reference = include_bytes!("reference/ops.safetensors");
    let all = safetensors::load_buffer(reference, &device()).unwrap();
    let names: BTreeSet<&str> = all
        .keys()
        .map(|key| key.split('.').next().unwrap())
        .collect();
    let used: BTreeSet<&str> = names
        .iter()
        .map(|name| {
            CASES
                .iter()
                .filter(|case| name.starts_with(case.0))
                .max_by_key(|case| case.0.len())
        })
        .map(|case| {
            case.expect("a case of the reference is not computed here")
                .0
        })
        .collect();
    for (name, _) in CASES {
        assert!(used.contains(name), "{name} is not in the reference");
    }
    names
        .iter()
        .map(|name| {
            let (_, run) = CASES
                .iter()
                .filter(|case| name.starts_with(case.0))
                .max_by_key(|case| case.0.len())
                .unwrap();
            let inputs: Vec<Tensor> = (0..)
                .map_while(|index| all.get(&format!("{name}.{index}")).cloned())
                .collect();
            let gradients = (0..inputs.len())
                .filter_map(|index| {
                    Some((index, all.get(&format!("{name}.grad.{index}"))?.clone()))
                })
                .collect();
            Case {
                name: (*name).to_owned(),
                run: *run,
                inputs,
                result: all[&format!("{name}.result")].clone(),
                cotangent: all[&format!("{name}.cotangent")].clone(),
                gradients,
            }
        })
        .collect()
}

/// How the inputs lie in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Contiguous,
    /// Every second value of the last dimension's neighbours belongs to something else, and there is an offset.
    Narrowed,
    /// The last two dimensions are swapped in memory.
    Transposed,
}

/// A variable, and the input as it is seen through a view of it.
fn input(values: &Tensor, layout: Layout) -> (Var, Tensor) {
    let rank = values.rank();
    match layout {
        Layout::Narrowed if rank > 0 => {
            let last = rank - 1;
            let length = values.dims()[last];
            let padded = Tensor::cat(&[values, values, values], last).unwrap();
            let var = Var::from_tensor(&padded).unwrap();
            let view = var.narrow(last, length, length).unwrap();
            (var, view)
        }
        Layout::Transposed if rank > 1 => {
            let turned = values
                .transpose(rank - 1, rank - 2)
                .unwrap()
                .contiguous()
                .unwrap();
            let var = Var::from_tensor(&turned).unwrap();
            let view = var.transpose(rank - 1, rank - 2).unwrap();
            (var, view)
        }
        _ => {
            let var = Var::from_tensor(values).unwrap();
            let view = var.as_tensor().clone();
            (var, view)
        }
    }
}

/// The gradient of the input, from that of the variable under it.
fn gradient(of_var: &Tensor, like: &Tensor, layout: Layout) -> Tensor {
    let rank = like.rank();
    match layout {
        Layout::Narrowed if rank > 0 => {
            let length = like.dims()[rank - 1];
            of_var.narrow(rank - 1, length, length).unwrap()
        }
        Layout::Transposed if rank > 1 => of_var.transpose(rank - 1, rank - 2).unwrap(),
        _ => of_var.clone(),
    }
}

/// |ours - expected| relative to |expected|, or to the largest of all expected values times `floor` where that
/// is more: sums of large terms of either sign have the rounding of their terms. Values below `smallest` count as
/// zero.
fn relative_error(ours: &Tensor, expected: &Tensor, floor: f64, smallest: f64) -> f64 {
    assert_eq!(ours.dims(), expected.dims());
    let ours = ours
        .to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1::<f64>()
        .unwrap();
    let expected = expected.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    // Where nothing but zero is expected, terms of the inputs' size cancel, which is 1.
    let largest = match expected.iter().fold(0.0, |a: f64, b| a.max(b.abs())) {
        0.0 => 1.0,
        largest => largest,
    };
    ours.iter()
        .zip(&expected)
        .map(|(ours, expected)| match (ours - expected).abs() {
            0.0 => 0.0,
            difference => difference / expected.abs().max(floor * largest).max(smallest),
        })
        .fold(
            0.0,
            |a, b| if b.is_nan() { f64::INFINITY } else { a.max(b) },
        )
}

fn compare(cases: Vec<Case>, dtype: DType, limit: f64, floor: f64) {
    // Below this a number of the dtype is zero.
    let smallest = match dtype {
        DType::F16 => 1e-4,
        DType::F32 => 1e-37,
        _ => 1e-300,
    };
    let mut failures = Vec::new();
    for case in cases {
        for layout in [Layout::Contiguous, Layout::Narrowed, Layout::Transposed] {
            let mut vars = BTreeMap::new();
            let inputs: Vec<Tensor> = case
                .inputs
                .iter()
                .enumerate()
                .map(|(index, values)| {
                    let values = if values.dtype().is_float() {
                        values.to_dtype(dtype).unwrap()
                    } else {
                        values.clone()
                    };
                    let (var, view) = input(&values, layout);
                    if case.gradients.contains_key(&index) {
                        vars.insert(index, var);
                        view
                    } else {
                        view.detach()
                    }
                })
                .collect();
            let result = (case.run)(&inputs)
                .unwrap_or_else(|error| panic!("{} {layout:?}: {error}", case.name));
            assert!(
                result.track_op(),
                "{}: the result leads to no variable",
                case.name
            );
            let error = relative_error(&result, &case.result, floor, smallest);
            if error > limit {
                failures.push(format!(
                    "{} {layout:?}: the value is off by {error:.2e}",
                    case.name
                ));
            }
            let loss = (result * case.cotangent.to_dtype(dtype).unwrap())
                .unwrap()
                .sum_all()
                .unwrap();
            let grads = loss.backward().unwrap();
            for (index, expected) in &case.gradients {
                let ours = grads
                    .get(&vars[index])
                    .unwrap_or_else(|| panic!("{}: input {index} got no gradient", case.name));
                let error =
                    relative_error(&gradient(ours, expected, layout), expected, floor, smallest);
                if error > limit {
                    failures.push(format!(
                        "{} {layout:?}: the gradient of {index} is off by {error:.2e}",
                        case.name
                    ));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What errors may be on the CPU, and on a GPU, whose sums have another order and whose products of matrices other units.
fn limit(on_cpu: f64, on_gpu: f64) -> f64 {
    if device().is_cpu() { on_cpu } else { on_gpu }
}

#[test]
fn values_and_gradients_are_those_of_pytorch_in_f64() {
    compare(cases(), DType::F64, limit(1e-10, 1e-8), 1e-5);
}

#[test]
fn values_and_gradients_are_those_of_pytorch_in_f32() {
    compare(cases(), DType::F32, limit(1e-5, 1e-3), 0.1);
}

/// Half precision computes in f32 on the CPU, so what is lost is the rounding of inputs and results; on a GPU compositions of
/// several ops are rounded after each.
#[test]
fn half_precision_has_values_and_gradients() {
    compare(cases(), DType::F16, limit(2e-2, 1e-1), 1.0);
}

#[test]
fn compositions_for_other_devices_have_the_same_values_and_gradients() {
    let mut chosen = cases();
    chosen.retain_mut(|case| {
        let is_it =
            |name: &str| case.name == name || name.ends_with('/') && case.name.starts_with(name);
        match COMPOSED.iter().find(|(name, _)| is_it(name)) {
            Some((_, run)) => {
                case.run = *run;
                true
            }
            None => false,
        }
    });
    assert!(chosen.len() >= COMPOSED.len());
    compare(chosen, DType::F64, 1e-10, 1e-5);
}

/// The slope along a direction, by the results a little to both sides, is that of the gradient.
#[test]
fn gradients_are_slopes() {
    for case in cases() {
        if case
            .inputs
            .iter()
            .any(|x| x.dtype() == DType::F32 && largest(x) > 1e3)
            || case.name == "relu/wide"
        {
            // The steps below are lost in numbers of this size; relu has its kink among the inputs.
            continue;
        }
        let inputs: Vec<Tensor> = case
            .inputs
            .iter()
            .map(|x| {
                if x.dtype().is_float() {
                    x.to_dtype(DType::F64).unwrap()
                } else {
                    x.clone()
                }
            })
            .collect();
        let cotangent = case.cotangent.to_dtype(DType::F64).unwrap();
        let loss = |inputs: &[Tensor]| -> f64 {
            let result = (case.run)(inputs).unwrap();
            (result * &cotangent)
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f64>()
                .unwrap()
        };
        for (index, gradient) in &case.gradients {
            let direction: Vec<f64> = (0..gradient.elem_count())
                .map(|i| ((i * 37 + 11) % 17) as f64 / 17.0 - 0.4)
                .collect();
            let direction = Tensor::from_vec(direction, gradient.shape(), &device()).unwrap();
            let step = 1e-6;
            let at = |sign: f64| {
                let mut moved = inputs.clone();
                moved[*index] = (&moved[*index] + (&direction * (sign * step)).unwrap()).unwrap();
                loss(&moved)
            };
            if case.name == "embedding/padding" {
                // The padding's row is said to be a constant, which it is not.
                continue;
            }
            let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
            let expected = (gradient * &direction)
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f64>()
                .unwrap();
            assert!(
                (slope - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                "{} input {index}: {slope} and {expected}",
                case.name
            );
        }
    }
}

fn largest(x: &Tensor) -> f32 {
    x.abs()
        .unwrap()
        .flatten_all()
        .unwrap()
        .max(0)
        .unwrap()
        .to_scalar::<f32>()
        .unwrap()
}

/// Every function that `ops` exports and that makes a tensor is in the table above, or is named here with the
/// test that has it.
#[test]
fn no_op_is_left_out() {
    let elsewhere = [
        "dropout",
        // tests/position.rs
        "interpolate_with",
        // tests/nn_layers.rs, as the layers of these names
        "conv1d",
        "conv_transpose1d",
        "conv_transpose2d",
        "ema_update",
        "min_filter",
        "seed",
        "random_state",
        "set_random_state",
        "sum_of_squares",
        // kernel/sdk/src/stats.rs and plugins/losses/tests/ignored.rs
        "ignored_value",
    ];
    let exports = include_str!("../../ops/src/lib.rs");
    let source = include_str!("ops_parity.rs");
    let names = exports
        .split("pub use ")
        .skip(1)
        .flat_map(|line| {
            line.split(';')
                .next()
                .unwrap()
                .split("::")
                .nth(1)
                .unwrap()
                .split(',')
        })
        .map(|name| name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|name| name.chars().next().is_some_and(char::is_lowercase));
    for name in names {
        assert!(
            elsewhere.contains(&name) || source.contains(&format!("ops::{name}(")),
            "ops::{name} is compared with nothing"
        );
    }
}
