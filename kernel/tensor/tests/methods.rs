//! Values, gradients, dtypes and edge cases of the methods. Gradients are compared with slopes in f64; values are torch's, computed
//! by its documented formulas.

use patchbay::prelude::*;

type Function = fn(&Tensor) -> Result<Tensor>;

fn f64s(x: &Tensor) -> Vec<f64> {
    x.to_vec::<f64>().unwrap()
}

fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

/// The gradient of a weighted sum of the results.
fn gradient(x: &Tensor, function: Function) -> Vec<f64> {
    let x = Var::from_tensor(x).unwrap();
    let y = weighted(&function(&x).unwrap());
    let store = y.backward().unwrap();
    let zeros = x.zeros_like().unwrap();
    f64s(store.get(&x).unwrap_or(&zeros))
}

fn weighted(y: &Tensor) -> Tensor {
    let weights: Vec<f64> = (0..y.numel()).map(|i| 1.0 + 0.5 * i as f64).collect();
    let weights = Tensor::from_vec(weights, y.shape(), &Device::Cpu).unwrap();
    sum_all(&(y * weights).unwrap()).unwrap()
}

fn slopes(x: &Tensor, function: Function) -> Vec<f64> {
    let values = f64s(x);
    let step = 1e-6;
    let at = |index: usize, by: f64| {
        let mut values = values.clone();
        values[index] += by;
        weighted(&function(&tensor(&values, x.dims())).unwrap())
            .item()
            .unwrap()
    };
    (0..values.len())
        .map(|index| (at(index, step) - at(index, -step)) / (2.0 * step))
        .collect()
}

fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let allowed = tolerance * (1.0 + expected.abs());
        assert!(
            // The deviation of a single value is NaN, and so is its slope.
            (found - expected).abs() <= allowed || found.is_nan() && expected.is_nan(),
            "{what}: {found}, not {expected}"
        );
    }
}

const DIFFERENTIABLE: &[(&str, Function)] = &[
    ("view", |x| x.view((-1, 1))),
    ("squeeze_all", |x| x.squeeze_all()),
    ("swapaxes", |x| x.swapaxes(0, -1)),
    ("movedim", |x| x.movedim(0, -1)),
    ("select", |x| x.select(-1, -1)),
    ("split", |x| x.split(1, -1)?[0].sqr()),
    ("unbind", |x| x.unbind(0)?[0].sqr()),
    ("repeat_interleave", |x| x.repeat_interleave(3, -1)),
    ("softmax", |x| x.softmax(-1)),
    ("log_softmax", |x| x.log_softmax(0)),
    ("logsumexp", |x| x.logsumexp(-1)),
    ("sigmoid", |x| x.sigmoid()),
    ("softplus", |x| x.softplus()),
    ("leaky_relu", |x| x.leaky_relu(0.1)),
    ("square", |x| x.square()),
    ("rsqrt", |x| (x.sqr()? + 1.0)?.rsqrt()),
    ("reciprocal", |x| (x.sqr()? + 1.0)?.reciprocal()),
    ("log2", |x| (x.sqr()? + 1.0)?.log2()),
    ("log10", |x| (x.sqr()? + 1.0)?.log10()),
    ("log1p", |x| x.sqr()?.log1p()),
    ("tan", |x| (x * 0.1)?.tan()),
    ("clip", |x| x.clip(-0.45, 0.9)),
    ("std", |x| {
        x.std(-1)? + x.std_keepdim(-1)?.squeeze(D::Minus1)?
    }),
    ("std_all", |x| x.std_all()),
    ("prod", |x| x.prod(-1)),
    ("prod_all", |x| x.prod_all()),
    ("cumprod", |x| x.cumprod(-1)),
    ("norm_dim", |x| x.norm_dim(-1)),
    ("median", |x| x.median(-1)),
    ("median_all", |x| x.median_all()),
    ("quantile", |x| x.quantile(0.3, -1)),
    ("sort", |x| Ok(x.sort(-1, true)?.0)),
    ("topk", |x| Ok(x.topk(2, -1)?.0)),
    ("masked_fill", |x| x.masked_fill(&x.detach().gt(0.4)?, 2.0)),
    ("where_", |x| x.where_(&x.detach().gt(0.4)?, &x.sqr()?)),
    ("masked_select", |x| x.masked_select(&x.detach().gt(0.0)?)),
    ("mm", |x| x.view((4, -1))?.mm(&x.view((-1, 4))?)),
    ("bmm", |x| x.view((2, 2, -1))?.bmm(&x.view((2, -1, 2))?)),
    ("outer", |x| x.ravel()?.outer(&x.ravel()?)),
    ("trace", |x| x.view((4, -1))?.trace()),
    ("diagonal", |x| x.view((4, -1))?.diagonal()),
    ("tril", |x| x.view((4, -1))?.tril(-1)),
    ("triu", |x| x.view((4, -1))?.triu(1)),
    ("expand_as", |x| {
        x.unsqueeze(0)?
            .expand_as(&torch::ones(x.unsqueeze(0)?.dims())?)
    }),
    ("to", |x| x.to(DType::F64)?.to(device())?.view(-1)),
];

#[test]
fn gradients_are_the_slopes() {
    let values: Vec<f64> = (0..12)
        .map(|i| ((i * 7 % 12) as f64) * 0.31 - 1.4)
        .collect();
    for shape in [&[3, 4][..], &[2, 2, 3], &[4, 3], &[2, 1, 6]] {
        let x = tensor(&values, shape);
        for (name, function) in DIFFERENTIABLE {
            let what = format!("{name} of {shape:?}");
            let turned = x.swapaxes(0, -1).unwrap();
            assert_close(
                &what,
                &gradient(&x, *function),
                &slopes(&x, *function),
                1e-6,
            );
            assert_close(
                &format!("{what}, transposed"),
                &gradient(&turned, *function),
                &slopes(&turned.contiguous().unwrap(), *function),
                1e-6,
            );
        }
    }
}

#[test]
fn narrow_dtypes_have_the_values_of_f64_and_keep_their_dtype() {
    let values: Vec<f64> = (0..12)
        .map(|i| ((i * 7 % 12) as f64) * 0.25 - 1.25)
        .collect();
    let x = tensor(&values, &[3, 4]);
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 2e-2), (DType::BF16, 1e-1)] {
        for (name, function) in DIFFERENTIABLE
            .iter()
            .filter(|(name, _)| *name != "to" && *name != "expand_as")
        {
            let narrow = function(&x.to(dtype).unwrap()).unwrap();
            assert_eq!(narrow.dtype(), dtype, "{name}");
            let expected = f64s(&function(&x).unwrap());
            assert_close(
                &format!("{name} in {dtype:?}"),
                &f64s(&narrow),
                &expected,
                tolerance,
            );
        }
    }
}

#[test]
fn edges_have_torchs_gradients() {
    // A zero in a product, the deviation of equal values, the norm of zeros, values at a bound.
    let with_zero = tensor(&[2.0, 0.0, 3.0], &[3]);
    assert_eq!(gradient(&with_zero, |x| x.prod(0)), [0.0, 6.0, 0.0]);
    assert_eq!(gradient(&tensor(&[2.0; 3], &[3]), |x| x.std(0)), [0.0; 3]);
    assert_eq!(
        gradient(&tensor(&[0.0; 2], &[2]), |x| x.norm_dim(0)),
        [0.0; 2]
    );
    let at_bounds = tensor(&[-1.0, 0.0, 1.0, 2.0], &[4]);
    assert_eq!(
        gradient(&at_bounds, |x| x.clip(-1.0, 1.0)),
        [0.0, 1.5, 0.0, 0.0]
    );
    // Of equal values the first counts.
    assert_eq!(
        gradient(&tensor(&[1.0, 1.0], &[2]), |x| Ok(x.topk(1, 0)?.0)),
        [1.0, 0.0]
    );
    // ln(1 + 1e-18) is 1e-18, its slope 1.
    let tiny = tensor(&[1e-18], &[1]);
    assert_eq!(f64s(&tiny.log1p().unwrap()), [1e-18]);
    assert_close("log1p", &gradient(&tiny, |x| x.log1p()), &[1.0], 1e-12);
}

#[test]
fn nan_and_infinity_are_torchs() -> Result<()> {
    let x = tensor(&[1.0, f64::NAN, -1.0, f64::INFINITY], &[4]);
    assert_eq!(x.argsort(0, false)?.to_vec::<u32>()?, [2, 0, 3, 1]);
    assert_eq!(x.argsort(0, true)?.to_vec::<u32>()?, [1, 3, 0, 2]);
    assert!(x.median(0)?.item()?.is_nan() && x.quantile(0.1, 0)?.item()?.is_nan());
    assert_eq!(x.isnan()?.to_vec::<u8>()?, [0, 1, 0, 0]);
    assert_eq!(x.isinf()?.to_vec::<u8>()?, [0, 0, 0, 1]);
    assert_eq!(x.isfinite()?.to_vec::<u8>()?, [1, 0, 1, 0]);
    assert!(!x.allclose(&x)? && x.any()? && x.all()?);
    let infinite = tensor(&[f64::INFINITY, 1.0], &[2]);
    assert!(infinite.allclose(&infinite)?);
    assert!(!tensor(&[5.0], &[1]).allclose(&tensor(&[f64::INFINITY], &[1]))?);
    assert_eq!(infinite.logsumexp(0)?.item()?, f64::INFINITY);
    let below = tensor(&[f64::NEG_INFINITY; 2], &[2]);
    assert_eq!(below.logsumexp(0)?.item()?, f64::NEG_INFINITY);
    assert!(x.clip(-0.5, 0.5)?.to_vec::<f64>()?[1].is_nan());
    assert!(torch::tensor([1.0])?.std(0)?.item()?.is_nan());
    Ok(())
}

#[test]
fn integers_empty_and_single_tensors() -> Result<()> {
    let whole = torch::tensor([[3, 1], [2, 2]])?;
    assert_eq!(whole.prod(1)?.to_vec::<i64>()?, [3, 4]);
    assert_eq!(whole.sort(1, false)?.0.to_vec::<i64>()?, [1, 3, 2, 2]);
    assert_eq!(whole.median(0)?.to_vec::<i64>()?, [2, 1]);
    assert_eq!(whole.unique()?.to_vec::<i64>()?, [1, 2, 3]);
    assert_eq!(
        whole.masked_fill(&whole.eq(2i64)?, 9.0)?.to_vec::<i64>()?,
        [3, 1, 9, 9]
    );
    assert_eq!(whole.bool()?.count_nonzero()?, 4);
    assert_eq!(whole.to(DType::U8)?.prod_all()?.dtype(), DType::I64);

    let none = torch::zeros((0, 3))?;
    assert_eq!(none.view((-1, 3))?.dims(), [0, 3]);
    assert_eq!(none.prod(0)?.to_vec::<f32>()?, [1.0; 3]);
    assert_eq!(none.argsort(0, false)?.dims(), [0, 3]);
    assert_eq!(none.sort(-1, false)?.0.dims(), [0, 3]);
    assert_eq!(none.nonzero()?.dims(), [0, 2]);
    assert_eq!(none.unique()?.dims(), [0]);
    assert_eq!(none.unbind(0)?.len(), 0);
    assert!(none.all()? && !none.any()?);
    assert!(none.median(0).is_err() && none.logsumexp(0).is_err() && none.item().is_err());
    assert_eq!(none.long()?.one_hot(2)?.dims(), [0, 3, 2]);
    assert_eq!(
        torch::zeros(3)?.masked_select(&torch::zeros(3)?)?.dims(),
        [0]
    );

    let one = torch::tensor([[2.0]])?;
    assert_eq!(one.item()?, 2.0);
    assert_eq!(one.squeeze_all()?.dims(), [] as [usize; 0]);
    assert_eq!(one.median_all()?.item()?, 2.0);
    assert_eq!(one.topk(1, -1)?.0.item()?, 2.0);
    assert_eq!(torch::linspace(2.0, 3.0, 1)?.to_vec::<f32>()?, [2.0]);
    assert_eq!(torch::arange_step(0.0, 1.0, 0.25)?.numel(), 4);
    assert_eq!(torch::randperm(0)?.dims(), [0]);
    Ok(())
}

#[test]
fn errors_say_what_was_expected() {
    let x = torch::ones((2, 3)).unwrap();
    for (error, part) in [
        (x.softmax(2).err(), "from -2 to 1"),
        (x.item().err(), "6 values"),
        (x.view((4, -1)).err(), "does not fit"),
        (x.view((-1, -1)).err(), "one -1"),
        (x.topk(4, 1).err(), "at most 3"),
        (x.quantile(2.0, 0).err(), "from 0 to 1"),
        (x.one_hot(2).err(), "integer"),
        (
            torch::tensor([3]).and_then(|x| x.one_hot(2)).err(),
            "from 0 to 1",
        ),
        (x.mm(&x.unsqueeze(0).unwrap()).err(), "2 dimensions"),
        (x.select(0, 2).err(), "from -2 to 1"),
        (x.bincount(1).err(), "integer"),
        (x.tolist().err(), "to_vec2"),
        (x.to("tpu").err(), "\"cuda\""),
        (x.where_(&x, &x.double().unwrap()).err(), "one dtype"),
        (torch::cat::<Tensor, _>(&[], 0).err(), "at least one"),
        (torch::randint(3, 3, 2).err(), "at least one"),
        (torch::arange_step(0, 3, -1).err(), "lead from"),
        (nn::mse_loss(&x, &x.ravel().unwrap()).err(), "one shape"),
    ] {
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn losses_have_the_gradients_of_their_slopes() {
    const LOSSES: &[(&str, Function)] = &[
        ("l1_loss", |x| nn::l1_loss(x, &(x.detach() * 0.5)?)),
        ("binary_cross_entropy", |x| {
            nn::binary_cross_entropy(&x.sigmoid()?, &x.zeros_like()?.detach())
        }),
        ("cosine_similarity", |x| {
            nn::cosine_similarity(x, &x.sqr()?, 0)
        }),
        ("mse_loss", |x| nn::mse_loss(&x.sqr()?, &x.zeros_like()?)),
        ("smooth_l1_loss", |x| {
            nn::smooth_l1_loss(&(x * 2.0)?, &x.zeros_like()?)
        }),
    ];
    let x = tensor(&[0.3, -1.2, 0.9, 2.1], &[4]);
    for (name, function) in &LOSSES[1..] {
        assert_close(name, &gradient(&x, *function), &slopes(&x, *function), 1e-6);
    }
    // |x - t| with a fixed t.
    let found = gradient(&x, |x| nn::l1_loss(x, &(x.detach() * 0.5)?));
    assert_close("l1_loss", &found, &[0.25, -0.25, 0.25, 0.25], 1e-12);
    // At 0 and 1 the logarithms end at -100.
    let p = tensor(&[0.0, 1.0], &[2]);
    let target = tensor(&[1.0, 1.0], &[2]);
    assert_eq!(
        nn::binary_cross_entropy(&p, &target)
            .unwrap()
            .item()
            .unwrap(),
        50.0
    );
}

/// PyTorch begins with values within 1 / sqrt(fan in), for weights and biases, whatever the stride and groups.
#[test]
fn convolutions_begin_within_pytorchs_bounds() -> Result<()> {
    nn::manual_seed(1)?;
    let variables = VarMap::new();
    let vb = nn::builder(&variables, DType::F32, &device());
    let extremes = |weight: &Tensor, bias: Option<&Tensor>, fan_in: usize| -> Result<()> {
        let bound = 1.0 / (fan_in as f64).sqrt();
        for x in [Some(weight), bias].into_iter().flatten() {
            let mut sizes = x.abs()?.double()?.flatten_all()?.to_vec1::<f64>()?;
            sizes.sort_by(f64::total_cmp);
            let most = sizes[sizes.len() - 1];
            assert!(
                most <= bound + 1e-7 && most > 0.6 * bound,
                "{most} of {bound}"
            );
        }
        let expected = bound / 3f64.sqrt();
        assert!((weight.std_all()?.item()? / expected - 1.0).abs() < 0.1);
        Ok(())
    };
    let settings = nn::Conv2dConfig {
        stride: 2,
        groups: 2,
        ..Default::default()
    };
    let conv = nn::conv2d(8, 16, 3, settings, vb.pp("2d"))?;
    extremes(conv.weight(), conv.bias(), 4 * 9)?;
    let conv = nn::conv1d(16, 32, 5, Default::default(), vb.pp("1d"))?;
    extremes(conv.weight(), conv.bias(), 16 * 5)?;
    let conv = nn::conv_transpose2d(8, 16, 3, Default::default(), vb.pp("t"))?;
    extremes(conv.weight(), conv.bias(), 16 * 9)?;
    Ok(())
}

/// Stride 2 on a rectangle, where candle's backward fails.
#[test]
fn convolutions_of_rectangles_have_their_slopes() {
    let x: Vec<f64> = (0..35)
        .map(|i| ((i * 11 % 35) as f64) / 17.0 - 1.0)
        .collect();
    let x = tensor(&x, &[1, 1, 5, 7]);
    let function: Function = |x| {
        let weight: Vec<f64> = (0..18).map(|i| (i as f64 - 8.0) / 9.0).collect();
        let weight = Tensor::from_vec(weight, (2, 1, 3, 3), x.device())?;
        let settings = nn::Conv2dConfig {
            stride: 2,
            padding: 1,
            ..Default::default()
        };
        nn::Conv2d::new(weight, None, settings).forward(x)
    };
    assert_close(
        "conv2d",
        &gradient(&x, function),
        &slopes(&x, function),
        1e-6,
    );
}

#[test]
fn optimizers_take_a_plain_learning_rate() -> Result<()> {
    let begin = torch::tensor([1.0, -2.0])?;
    let step = |settings: bool| -> Result<Vec<f32>> {
        let w = Var::from_tensor(&begin)?;
        let vars = vec![w.clone()];
        let loss = sum_all(&w.sqr()?)?;
        if settings {
            let settings = nn::ParamsAdamW {
                lr: 0.1,
                ..Default::default()
            };
            nn::AdamW::new(vars, settings)?.backward_step(&loss)?;
        } else {
            nn::AdamW::new(vars, 0.1)?.backward_step(&loss)?;
        }
        w.to_vec()
    };
    assert_eq!(step(true)?, step(false)?);
    Ok(())
}
