//! Convolutions, norms, activations, recurrent layers and functions of `nn` against PyTorch's, value and gradient;
//! `reference/nn_layers_torch.py` has written what is expected, in f64.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{LazyLock, Mutex, PoisonError},
};

use patchbay::{
    Result,
    candle::{DType, Device, Tensor, Var, safetensors},
    nn::{
        self, Activation, Conv1dConfig, Conv2dConfig, ConvTranspose1dConfig, ConvTranspose2dConfig,
        GRUConfig, LSTMConfig, Module, ModuleT, RNN, VarBuilder, VarMap, rnn::Direction,
    },
    ops,
};

const CPU: Device = Device::Cpu;

static REFERENCE: LazyLock<HashMap<String, Tensor>> = LazyLock::new(|| {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/reference/nn_layers.safetensors"
    );
    safetensors::load(path, &CPU).unwrap()
});

/// Held by tests that draw: the generator is the process's.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Cases that were compared, to see that none is left out.
static COMPARED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn cases(prefix: &str) -> BTreeSet<String> {
    let names = REFERENCE.keys().filter_map(|key| key.split('/').next());
    names
        .filter(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

/// Within 1e-9 of the case's largest number.
fn close(what: &str, ours: &Tensor, expected: &Tensor) {
    assert_eq!(ours.dims(), expected.dims(), "{what}");
    let of = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let largest = of(expected).iter().fold(1e-3f64, |a, b| a.max(b.abs()));
    for (ours, expected) in of(ours).iter().zip(of(expected)) {
        let error = (ours - expected).abs() / largest;
        assert!(error < 1e-9, "{what}: {ours} and {expected}");
    }
}

/// Builds with PyTorch's state, runs, and compares the result and all gradients.
fn compare<L>(
    name: &str,
    build: impl Fn(VarBuilder) -> Result<L>,
    run: impl Fn(&L, &[Tensor]) -> Result<Tensor>,
) {
    COMPARED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(name.to_owned());
    let part = |prefix: &str| -> HashMap<String, Tensor> {
        let prefix = format!("{name}/{prefix}/");
        let of_part = |(key, tensor): (&String, &Tensor)| {
            Some((key.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
        };
        REFERENCE.iter().filter_map(of_part).collect()
    };
    let variables = VarMap::new();
    let layer = build(nn::builder(&variables, DType::F64, &CPU)).unwrap();
    let (state, made) = (part("state"), variables.data().lock().unwrap().clone());
    let names = |keys: BTreeSet<&String>| keys.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(made.keys().collect()),
        names(state.keys().collect()),
        "{name}: the names are not PyTorch's"
    );
    for (key, var) in &made {
        var.set(&state[key]).unwrap();
    }
    let given = part("input");
    let vars: Vec<Var> = (0..given.len())
        .map(|index| Var::from_tensor(&given[&index.to_string()]).unwrap())
        .collect();
    let inputs: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let result = run(&layer, &inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
    close(name, &result, &REFERENCE[&format!("{name}/result")]);
    let loss = (result * &REFERENCE[&format!("{name}/cotangent")]).unwrap();
    let grads = loss
        .sum_all()
        .unwrap()
        .backward()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let check = |what: String, var: &Var, expected: &Tensor| {
        let grad = grads
            .get(var)
            .unwrap_or_else(|| panic!("{what} has no gradient"));
        close(&what, grad, expected);
    };
    for (key, expected) in part("grad") {
        check(format!("{name}: gradient of {key}"), &made[&key], &expected);
    }
    for (key, expected) in part("input_grad") {
        let var = &vars[key.parse::<usize>().unwrap()];
        check(format!("{name}: gradient of input {key}"), var, &expected);
    }
}

/// A function without parameters.
fn function(name: &str, run: impl Fn(&[Tensor]) -> Result<Tensor>) {
    compare(name, |_| Ok(()), |(), x| run(x));
}

/// The settings in a name: `k3 s2 p1`, 1 or 0 where they are not said.
fn setting(name: &str, letter: char) -> usize {
    let words = name.split(' ').skip(1);
    let number = words
        .filter_map(|word| word.strip_prefix(letter)?.parse().ok())
        .next();
    number.unwrap_or(usize::from(!matches!(letter, 'p' | 'o')))
}

#[test]
fn convolutions_have_pytorchs_values_and_gradients() {
    let convolutions = cases("conv");
    assert!(convolutions.len() >= 39, "{convolutions:?}");
    for name in convolutions {
        let of = |letter| setting(&name, letter);
        let (k, stride, padding, output_padding) = (of('k'), of('s'), of('p'), of('o'));
        let (dilation, groups) = (of('d'), of('g'));
        match name.split(' ').next().unwrap() {
            "conv2d" => {
                let config = Conv2dConfig {
                    stride,
                    padding,
                    dilation,
                    groups,
                    ..Conv2dConfig::default()
                };
                let build = |vb: VarBuilder| nn::conv2d(4, 4, k, config, vb);
                compare(&name, build, |layer, x| layer.forward(&x[0]));
            }
            "conv1d" => {
                let config = Conv1dConfig {
                    stride,
                    padding,
                    dilation,
                    groups,
                    ..Conv1dConfig::default()
                };
                let build = |vb: VarBuilder| nn::conv1d(4, 8, k, config, vb);
                compare(&name, build, |layer, x| layer.forward(&x[0]));
            }
            "conv_transpose2d" => {
                let config = ConvTranspose2dConfig {
                    stride,
                    padding,
                    output_padding,
                    dilation,
                };
                let build = |vb: VarBuilder| nn::conv_transpose2d(4, 3, k, config, vb);
                compare(&name, build, |layer, x| layer.forward(&x[0]));
            }
            "conv_transpose1d" => {
                let config = ConvTranspose1dConfig {
                    stride,
                    padding,
                    output_padding,
                    dilation,
                    groups,
                };
                let build = |vb: VarBuilder| nn::conv_transpose1d(4, 8, k, config, vb);
                compare(&name, build, |layer, x| layer.forward(&x[0]));
            }
            other => panic!("{other} is not compared"),
        }
    }
    function("op conv2d", |x| {
        let settings = ops::Conv2d {
            stride: (3, 2),
            padding: (1, 2),
            dilation: (2, 1),
            groups: 2,
        };
        ops::conv2d(&x[0], &x[1], Some(&x[2]), settings)
    });
    function("op conv_transpose2d", |x| {
        let settings = ops::ConvTranspose2d {
            stride: (2, 3),
            padding: (1, 2),
            output_padding: (1, 2),
            dilation: (3, 1),
            groups: 2,
        };
        ops::conv_transpose2d(&x[0], &x[1], Some(&x[2]), settings)
    });
}

/// The compositions that other devices run, on the CPU.
#[test]
fn convolutions_of_candles_ops_have_them_too() {
    for name in cases("conv2d") {
        let of = |letter| setting(&name, letter);
        let both = |letter| (of(letter), of(letter));
        let settings = ops::Conv2d {
            stride: both('s'),
            padding: both('p'),
            dilation: both('d'),
            groups: of('g'),
        };
        let build = |vb: VarBuilder| {
            let shape = (4, 4 / of('g'), of('k'), of('k'));
            Ok((vb.get(shape, "weight")?, vb.get(4, "bias")?))
        };
        compare(&name, build, |(weight, bias), x| {
            ops::composed(|| ops::conv2d(&x[0], weight, Some(bias), settings))
        });
    }
    for name in cases("conv_transpose2d") {
        let of = |letter| setting(&name, letter);
        let both = |letter| (of(letter), of(letter));
        let settings = ops::ConvTranspose2d {
            stride: both('s'),
            padding: both('p'),
            output_padding: both('o'),
            dilation: both('d'),
            groups: 1,
        };
        let build = |vb: VarBuilder| {
            let shape = (4, 3, of('k'), of('k'));
            Ok((vb.get(shape, "weight")?, vb.get(3, "bias")?))
        };
        compare(&name, build, |(weight, bias), x| {
            ops::composed(|| ops::conv_transpose2d(&x[0], weight, Some(bias), settings))
        });
    }
    function("op conv2d", |x| {
        let settings = ops::Conv2d {
            stride: (3, 2),
            padding: (1, 2),
            dilation: (2, 1),
            groups: 2,
        };
        ops::composed(|| ops::conv2d(&x[0], &x[1], Some(&x[2]), settings))
    });
    function("op conv_transpose2d", |x| {
        let settings = ops::ConvTranspose2d {
            stride: (2, 3),
            padding: (1, 2),
            output_padding: (1, 2),
            dilation: (3, 1),
            groups: 2,
        };
        ops::composed(|| ops::conv_transpose2d(&x[0], &x[1], Some(&x[2]), settings))
    });
}

/// The picture of the issue, in f32: a gradient for every pixel that a patch has.
#[test]
fn a_strided_convolution_of_any_rectangle_goes_back() -> Result<()> {
    for (height, width) in [(375, 500), (500, 375), (224, 225), (33, 2), (2, 33)] {
        let variables = VarMap::new();
        let config = Conv2dConfig {
            stride: 2,
            padding: 1,
            ..Conv2dConfig::default()
        };
        let vb = nn::builder(&variables, DType::F32, &CPU);
        let layer = nn::conv2d(3, 4, 3, config, vb)?;
        let x = Var::ones((1, 3, height, width), DType::F32, &CPU)?;
        let y = layer.forward(&x)?;
        assert_eq!(y.dims(), [1, 4, height.div_ceil(2), width.div_ceil(2)]);
        let grads = y.sum_all()?.backward()?;
        assert_eq!(grads.get(&x).unwrap().dims(), x.dims());
    }
    Ok(())
}

#[test]
fn norms_have_pytorchs_values_gradients_and_statistics() {
    let norms = cases("batch_norm");
    assert_eq!(norms.len(), 6);
    for name in norms {
        let train = name.contains("train");
        let build = |vb: VarBuilder| nn::batch_norm(4, 1e-5, vb);
        compare(&name, build, |norm, x| {
            let y = norm.forward_t(&x[0], train)?;
            let after = |what: &str| &REFERENCE[&format!("{name}/after/{what}")];
            close(&name, norm.running_mean(), after("mean"));
            close(&name, norm.running_var(), after("var"));
            Ok(y)
        });
    }
    for name in cases("group_norm") {
        let groups = setting(&name, 'g');
        compare(
            &name,
            |vb| nn::group_norm(groups, 4, 1e-5, vb),
            |norm, x| norm.forward(&x[0]),
        );
    }
    let norm = nn::batch_norm(3, 1e-5, nn::builder(&VarMap::new(), DType::F64, &CPU)).unwrap();
    let one = Tensor::ones((1, 3), DType::F64, &CPU).unwrap();
    let text = norm.forward_t(&one, true).unwrap_err().to_string();
    assert!(
        text.contains("more than one value for each channel"),
        "{text}"
    );
    assert!(norm.forward_t(&one, false).is_ok());
    function("layer_norm_slow", |x| {
        nn::ops::layer_norm_slow(&x[0], &x[1], &x[2], 1e-5)
    });
    function("rms_norm_slow", |x| {
        nn::ops::rms_norm_slow(&x[0], &x[1], 1e-5)
    });
}

#[test]
fn activations_have_pytorchs_values_and_gradients_at_their_kinks_too() {
    for name in cases("activation") {
        let word = name.split(' ').nth(1).unwrap();
        let activation = match word {
            "selu" => {
                function(&name, |x| nn::ops::selu(&x[0], 1.673_263_2, 1.050_701));
                continue;
            }
            "elu" => Activation::Elu(1.3),
            "leakyrelu" => Activation::LeakyRelu(0.2),
            // As a configuration of transformers has it.
            word => patchbay::serde_json::from_value(patchbay::serde_json::json!(word)).unwrap(),
        };
        function(&name, |x| activation.forward(&x[0]));
        // In f32 the exponentials of these points are infinite.
        let points = REFERENCE[&format!("{name}/input/0")]
            .to_dtype(DType::F32)
            .unwrap();
        let x = Var::from_tensor(&points).unwrap();
        let y = activation.forward(&x).unwrap();
        let grads = y.sum_all().unwrap().backward().unwrap();
        let grad = grads.get(&x).unwrap().flatten_all().unwrap();
        let grad = grad.to_vec1::<f32>().unwrap();
        assert!(grad.iter().all(|x| x.is_finite()), "{name}: {grad:?}");
    }
    compare(
        "prelu one",
        |vb| nn::prelu(None, vb),
        |l, x| l.forward(&x[0]),
    );
    compare(
        "prelu channels",
        |vb| nn::prelu(Some(3), vb),
        |l, x| l.forward(&x[0]),
    );
}

#[test]
fn recurrent_layers_have_pytorchs_values_and_gradients() {
    let sequence = |layer: &nn::LSTM, x: &Tensor| layer.states_to_tensor(&layer.seq(x)?);
    compare(
        "lstm",
        |vb| {
            let backward = LSTMConfig {
                direction: Direction::Backward,
                ..LSTMConfig::default()
            };
            Ok([
                nn::lstm(3, 5, LSTMConfig::default(), vb.clone())?,
                nn::lstm(3, 5, backward, vb)?,
            ])
        },
        |layers, x| {
            let both = [sequence(&layers[0], &x[0])?, sequence(&layers[1], &x[0])?];
            Tensor::cat(&both, 2)
        },
    );
    compare(
        "lstm no bias",
        |vb| nn::lstm(3, 5, LSTMConfig::default_no_bias(), vb),
        |layer, x| sequence(layer, &x[0]),
    );
    compare(
        "gru",
        |vb| nn::gru(3, 5, GRUConfig::default(), vb),
        |layer, x| layer.states_to_tensor(&layer.seq(&x[0])?),
    );
    // By steps it is the same.
    let name = "gru";
    let x = &REFERENCE[&format!("{name}/input/0")];
    let variables = VarMap::new();
    let layer = nn::gru(
        3,
        5,
        GRUConfig::default(),
        nn::builder(&variables, DType::F64, &CPU),
    )
    .unwrap();
    let states = layer.seq(x).unwrap();
    let mut state = layer.zero_state(2).unwrap();
    for (place, expected) in states.iter().enumerate() {
        let input = x.narrow(1, place, 1).unwrap().squeeze(1).unwrap();
        state = layer.step(&input, &state).unwrap();
        close("step", &state.h, &expected.h);
    }
}

#[test]
fn functions_have_pytorchs_values_and_gradients() {
    for dim in 0..3 {
        function(&format!("softmax {dim}"), |x| nn::ops::softmax(&x[0], dim));
        function(&format!("log_softmax {dim}"), |x| {
            nn::ops::log_softmax(&x[0], dim)
        });
    }
    function("pixel_shuffle", |x| nn::ops::pixel_shuffle(&x[0], 2));
    function("pixel_unshuffle", |x| nn::ops::pixel_unshuffle(&x[0], 2));
    function("replication_pad2d", |x| {
        nn::ops::replication_pad2d(&x[0], 1)
    });
    use nn::rotary_emb::{rope, rope_i, rope_i_slow, rope_slow, rope_thd};
    for run in [rope, rope_slow] {
        function("rope", |x| run(&x[0], &x[1], &x[2]));
    }
    for run in [rope_i, rope_i_slow] {
        function("rope_i", |x| run(&x[0], &x[1], &x[2]));
    }
    function("rope_thd", |x| rope_thd(&x[0], &x[1], &x[2]));
    let sdpa = nn::ops::sdpa;
    function("sdpa", |x| sdpa(&x[0], &x[1], &x[2], None, false, 0.5, 1.0));
    function("sdpa causal", |x| {
        sdpa(&x[0], &x[1], &x[2], None, true, 0.5, 1.0)
    });
    function("sdpa mask", |x| {
        sdpa(&x[0], &x[1], &x[2], Some(&x[3]), false, 0.5, 2.0)
    });
    let labels = Tensor::new(&[2u32, 0, 3], &CPU).unwrap();
    function("loss mse", |x| nn::loss::mse(&x[0], &x[1]));
    function("loss huber", |x| nn::loss::huber(&x[0], &x[1], 0.7));
    function("loss nll", |x| nn::loss::nll(&x[0], &labels));
    function("loss cross_entropy", |x| {
        nn::loss::cross_entropy(&x[0], &labels)
    });
    function("loss binary_cross_entropy_with_logit", |x| {
        nn::loss::binary_cross_entropy_with_logit(&x[0], &x[1])
    });
}

/// The largest value and the deviation of large layers are PyTorch's.
#[test]
fn first_values_are_spread_as_in_pytorch() -> Result<()> {
    let _generator = GENERATOR.lock();
    nn::seed_all(4)?;
    let variables = VarMap::new();
    let vb = nn::builder(&variables, DType::F64, &CPU);
    let groups = |groups| Conv2dConfig {
        groups,
        ..Conv2dConfig::default()
    };
    let transposed = |groups| ConvTranspose1dConfig {
        groups,
        ..ConvTranspose1dConfig::default()
    };
    nn::linear(300, 400, vb.pp("linear"))?;
    nn::conv1d(60, 300, 5, Conv1dConfig::default(), vb.pp("conv1d"))?;
    nn::conv2d(64, 90, 3, groups(1), vb.pp("conv2d"))?;
    nn::conv2d(64, 96, 3, groups(4), vb.pp("conv2d groups"))?;
    nn::conv_transpose1d(300, 60, 5, transposed(1), vb.pp("conv_transpose1d"))?;
    nn::conv_transpose1d(300, 60, 5, transposed(3), vb.pp("conv_transpose1d groups"))?;
    nn::conv_transpose2d(90, 64, 3, Default::default(), vb.pp("conv_transpose2d"))?;
    nn::embedding(900, 60, vb.pp("embedding"))?;
    nn::lstm(90, 120, LSTMConfig::default(), vb.pp("lstm"))?;
    nn::gru(90, 120, GRUConfig::default(), vb.pp("gru"))?;
    nn::layer_norm(50, 1e-5, vb.pp("layer_norm"))?;
    nn::group_norm(5, 50, 1e-5, vb.pp("group_norm"))?;
    nn::batch_norm(50, 1e-5, vb.pp("batch_norm"))?;
    nn::prelu(Some(20), vb.pp("prelu"))?;
    nn::multi_head_attention(120, 4, vb.pp("attention"))?;
    let settings = nn::TransformerSettings {
        feed_forward: 180,
        ..nn::TransformerSettings::new(120, 4)
    };
    nn::TransformerEncoderLayer::new(&settings, vb.pp("transformer"))?;
    let made = variables.data().lock().unwrap();
    let spreads = REFERENCE
        .iter()
        .filter(|(key, _)| key.starts_with("spread/"));
    let mut compared = 0;
    for (key, expected) in spreads {
        let name = key["spread/".len()..].replace('/', ".");
        let name = if name.starts_with("prelu") {
            "prelu.weight"
        } else {
            &name
        };
        let x = made[name].flatten_all()?.to_vec1::<f64>()?;
        let largest = x.iter().fold(0f64, |a, b| a.max(b.abs()));
        let deviation = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt();
        let expected = expected.to_vec1::<f64>()?;
        // Of 20 to 100,000 values; the largest normal one differs more.
        let few = x.len() < 2000;
        let tolerance = if few { 0.2 } else { 0.03 };
        assert!(
            (deviation - expected[1]).abs() <= tolerance * expected[1],
            "{name}: a deviation of {deviation}, PyTorch's {}",
            expected[1]
        );
        let tolerance = if name.starts_with("embedding") {
            0.2
        } else if few {
            0.1
        } else {
            0.01
        };
        assert!(
            (largest - expected[0]).abs() <= tolerance * expected[0],
            "{name}: at most {largest}, PyTorch's {}",
            expected[0]
        );
        compared += 1;
    }
    assert_eq!(compared, 46);
    Ok(())
}

#[test]
fn a_batch_norm_is_absorbed() -> Result<()> {
    let variables = VarMap::new();
    let vb = nn::builder(&variables, DType::F64, &CPU);
    let norm = nn::batch_norm(5, 1e-3, vb.pp("norm"))?;
    for (index, var) in variables.all_vars().iter().enumerate() {
        let values: Vec<f64> = (0..5).map(|i| 0.5 + 0.1 * (i + index) as f64).collect();
        var.set(&Tensor::new(values, &CPU)?)?;
    }
    let x = Tensor::from_vec(
        (0..2 * 3 * 30).map(|i| (i as f64).sin()).collect(),
        (2, 3, 5, 6),
        &CPU,
    )?;
    for bias in [true, false] {
        let layer = match bias {
            true => nn::conv2d(3, 5, 3, Default::default(), vb.pp("a"))?,
            false => nn::conv2d_no_bias(3, 5, 3, Default::default(), vb.pp("b"))?,
        };
        let expected = norm.forward_t(&layer.forward(&x)?, false)?;
        close("absorbed", &layer.absorb_bn(&norm)?.forward(&x)?, &expected);
    }
    Ok(())
}

#[test]
fn samples_have_the_classes_probabilities_and_follow_the_seed() -> Result<()> {
    let _generator = GENERATOR.lock();
    let logits = Tensor::new(&[0f32, 1.0, 2.0], &CPU)?.broadcast_as((20_000, 3))?;
    let draw = |seed| -> Result<Vec<u32>> {
        nn::seed_all(seed)?;
        nn::sampling::gumbel_softmax(&logits, 1.0, 1)?.to_vec1()
    };
    let first = draw(1)?;
    assert_eq!(first, draw(1)?);
    assert_ne!(first, draw(2)?);
    let share = first.iter().filter(|&&class| class == 2).count() as f64 / 20_000.0;
    assert!((share - 0.6652).abs() < 0.02, "{share}");
    let largest = nn::sampling::gumbel_softmax(&logits, 0.0, 1)?.to_vec1::<u32>()?;
    assert!(largest.iter().all(|&class| class == 2));
    Ok(())
}

#[test]
fn what_writes_in_place_takes_nothing_that_is_tracked() -> Result<()> {
    let x = Var::ones((1, 2, 3, 4), DType::F32, &CPU)?;
    let mut cache = nn::kv_cache::KvCache::new(2, 8);
    let text = cache.append(&x, &x).unwrap_err().to_string();
    assert!(
        text.contains("KvCache writes into its own memory") && text.contains("detach"),
        "{text}"
    );
    let (keys, _) = cache.append(&x.as_detached_tensor(), &x.as_detached_tensor())?;
    assert_eq!(
        (keys.dims(), cache.current_seq_len()),
        (&[1, 2, 3, 4][..], 3)
    );
    let mut rotating = nn::kv_cache::RotatingKvCache::new(2, 8);
    assert!(rotating.append(&x, &x).is_err());
    let mut growing = nn::kv_cache::ConcatKvCache::new(2);
    let (keys, _) = growing.append(&x, &x)?;
    assert!(keys.sum_all()?.backward()?.get(&x).is_some());
    Ok(())
}

#[test]
fn settings_that_do_not_fit_are_told() {
    let variables = VarMap::new();
    let vb = nn::builder(&variables, DType::F32, &CPU);
    let config = Conv2dConfig {
        groups: 3,
        ..Conv2dConfig::default()
    };
    let text = nn::conv2d(4, 6, 3, config, vb).unwrap_err().to_string();
    assert!(
        text.contains("4 input channels cannot be divided into 3 groups"),
        "{text}"
    );
    let x = Tensor::ones((1, 2, 3, 3), DType::F32, &CPU).unwrap();
    let weight = Tensor::ones((2, 4, 3, 3), DType::F32, &CPU).unwrap();
    let settings = |output_padding| ops::ConvTranspose2d {
        output_padding,
        ..ops::ConvTranspose2d::default()
    };
    let text = ops::conv_transpose2d(&x, &weight, None, settings((1, 0))).unwrap_err();
    assert!(text.to_string().contains("output padding"), "{text}");
    let text = ops::conv_transpose2d(&x.narrow(1, 0, 1).unwrap(), &weight, None, settings((0, 0)));
    assert!(
        text.unwrap_err()
            .to_string()
            .contains("[in, out / groups, ...]")
    );
}
