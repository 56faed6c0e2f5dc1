//! Layers and optimizers against PyTorch's; `reference/nn_torch.py` has written what is expected, in f64.

use std::{collections::HashMap, sync::Mutex};

use patchbay::{
    Result,
    candle::{DType, Device, Tensor, Var, safetensors},
    nn::{
        self, Adam, AdamW, Module, MultiheadAttention, Optimizer, ParameterGroup, ParamsAdam,
        ParamsAdamW, ParamsSgd, PatchEmbedding, SGD, TransformerEncoderLayer, TransformerSettings,
        VarBuilder, VarMap,
    },
};

const CPU: Device = Device::Cpu;

/// Held by tests that draw: the generator is the process's.
static GENERATOR: Mutex<()> = Mutex::new(());

fn reference() -> HashMap<String, Tensor> {
    safetensors::load(
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/reference/nn.safetensors"
        ),
        &CPU,
    )
    .unwrap()
}

fn close(what: &str, ours: &Tensor, expected: &Tensor) {
    assert_eq!(ours.dims(), expected.dims(), "{what}");
    let of = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let largest = of(expected).iter().fold(0f64, |a, b| a.max(b.abs()));
    for (ours, expected) in of(ours).iter().zip(of(expected)) {
        let error = (ours - expected).abs() / expected.abs().max(1e-3 * largest).max(1e-12);
        assert!(error < 1e-9, "{what}: {ours} and {expected}");
    }
}

/// Builds the layer with PyTorch's state dict and compares result and gradients.
fn layer<L>(
    name: &str,
    build: impl Fn(VarBuilder) -> Result<L>,
    run: impl Fn(&L, &[Tensor]) -> Result<Tensor>,
) {
    let all = reference();
    let part = |prefix: &str| -> HashMap<String, Tensor> {
        let prefix = format!("{name}/{prefix}/");
        all.iter()
            .filter_map(|(key, tensor)| {
                Some((key.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
            })
            .collect()
    };
    let variables = VarMap::new();
    let layer = build(nn::builder(&variables, DType::F64, &CPU)).unwrap();
    let state = part("state");
    let names = |keys: Vec<String>| {
        let mut keys = keys;
        keys.sort();
        keys
    };
    let made = names(variables.data().lock().unwrap().keys().cloned().collect());
    assert_eq!(
        made,
        names(state.keys().cloned().collect()),
        "{name}: the names are not PyTorch's"
    );
    for (key, var) in variables.data().lock().unwrap().iter() {
        var.set(&state[key]).unwrap();
    }

    let given = part("input");
    let mut inputs = Vec::new();
    let mut vars = HashMap::new();
    for index in 0..given.len() {
        let values = &given[&index.to_string()];
        if values.dtype().is_float() {
            let var = Var::from_tensor(values).unwrap();
            inputs.push(var.as_tensor().clone());
            vars.insert(index.to_string(), var);
        } else {
            inputs.push(values.clone());
        }
    }
    let result = run(&layer, &inputs).unwrap();
    close(name, &result, &all[&format!("{name}/result")]);
    let loss = (result * &all[&format!("{name}/cotangent")])
        .unwrap()
        .sum_all()
        .unwrap();
    let grads = loss.backward().unwrap();
    for (key, expected) in part("grad") {
        let var = variables.data().lock().unwrap()[&key].clone();
        close(
            &format!("{name} {key}"),
            grads.get(&var).expect("a gradient"),
            &expected,
        );
    }
    for (key, expected) in part("input_grad") {
        close(
            &format!("{name} input {key}"),
            grads.get(&vars[&key]).expect("a gradient"),
            &expected,
        );
    }
}

#[test]
fn layers_have_pytorchs_names_values_and_gradients() {
    let _generator = GENERATOR.lock();
    layer("linear", |vb| nn::linear(5, 3, vb), |l, x| l.forward(&x[0]));
    layer(
        "layer_norm",
        |vb| nn::layer_norm(6, 1e-5, vb),
        |l, x| l.forward(&x[0]),
    );
    layer(
        "rms_norm",
        |vb| nn::rms_norm(6, 1e-6, vb),
        |l, x| l.forward(&x[0]),
    );
    layer(
        "embedding",
        |vb| nn::embedding(7, 4, vb),
        |l, x| l.forward(&x[0]),
    );
    layer(
        "patch_embedding",
        |vb| PatchEmbedding::new(3, 8, 4, vb),
        |l, x| l.forward(&x[0]),
    );
    let attention = |vb: VarBuilder| MultiheadAttention::new(8, 2, 0.0, vb);
    layer("attention", attention, |l, x| l.forward(&x[0], None, true));
    layer("cross_attention", attention, |l, x| {
        l.forward_cross(&x[0], &x[1], None, true)
    });
    for (name, norm_first, gelu) in [
        ("transformer_pre_norm", true, true),
        ("transformer_post_norm", false, false),
    ] {
        let settings = TransformerSettings {
            feed_forward: 12,
            norm_first,
            gelu,
            ..TransformerSettings::vit(8, 2)
        };
        layer(
            name,
            |vb| TransformerEncoderLayer::new(&settings, vb),
            |l, x| l.forward(&x[0], None, true),
        );
    }
    let settings = TransformerSettings {
        feed_forward: 12,
        dropout: 0.0,
        ..TransformerSettings::new(8, 2)
    };
    layer(
        "transformer_encoder",
        |vb| nn::transformer_encoder(2, &settings, vb),
        |l, x| l.forward(&x[0], None, true),
    );
    layer("max_pool2d", |_| Ok(()), |(), x| nn::max_pool2d(&x[0], 2));
    layer("avg_pool2d", |_| Ok(()), |(), x| nn::avg_pool2d(&x[0], 2));
    layer(
        "adaptive_avg_pool2d",
        |_| Ok(()),
        |(), x| nn::adaptive_avg_pool2d(&x[0], (3, 2)),
    );
}

/// Takes the five steps of the reference.
fn optimizer<O: Optimizer>(name: &str, build: impl Fn([Var; 2]) -> O) {
    let all = reference();
    let vars =
        [0, 1].map(|index| Var::from_tensor(&all[&format!("{name}/before/{index}")]).unwrap());
    let mut optimizer = build(vars.clone());
    for step in 0..5 {
        let mut grads = vars[0].sum_all().unwrap().backward().unwrap();
        for (index, var) in vars.iter().enumerate() {
            grads.insert(var, all[&format!("{name}/grad/{step}.{index}")].clone());
        }
        optimizer.step(&grads).unwrap();
    }
    for (index, var) in vars.iter().enumerate() {
        close(
            &format!("{name} {index}"),
            var,
            &all[&format!("{name}/after/{index}")],
        );
    }
}

#[test]
fn optimizers_take_pytorchs_steps() {
    let decay = |lr, weight_decay| ParamsAdamW {
        lr,
        weight_decay,
        ..ParamsAdamW::default()
    };
    optimizer("adamw", |vars| {
        AdamW::new(vars.to_vec(), decay(0.1, 0.2)).unwrap()
    });
    optimizer("adamw_groups", |[first, second]| {
        let groups = vec![
            ParameterGroup::new(vec![first]).weight_decay(0.3),
            ParameterGroup::new(vec![second])
                .learning_rate_scale(0.5)
                .weight_decay(0.0),
        ];
        AdamW::with_groups(groups, decay(0.1, 0.01))
    });
    optimizer("adam", |vars| {
        Adam::new(
            vars.to_vec(),
            ParamsAdam {
                lr: 0.1,
                weight_decay: 0.2,
                ..ParamsAdam::default()
            },
        )
        .unwrap()
    });
    optimizer("sgd", |vars| SGD::new(vars.to_vec(), 0.1).unwrap());
    let momentum = ParamsSgd {
        momentum: 0.9,
        ..ParamsSgd::from(0.1)
    };
    optimizer("sgd_momentum", |vars| {
        SGD::with_settings(
            vars.to_vec(),
            ParamsSgd {
                weight_decay: 0.2,
                dampening: 0.3,
                ..momentum
            },
        )
    });
    optimizer("sgd_nesterov", |vars| {
        SGD::with_settings(
            vars.to_vec(),
            ParamsSgd {
                nesterov: true,
                ..momentum
            },
        )
    });
}

#[test]
fn gradients_are_clipped_as_in_pytorch() {
    let all = reference();
    let vars = [
        Var::zeros((3, 4), DType::F64, &CPU).unwrap(),
        Var::zeros(5, DType::F64, &CPU).unwrap(),
    ];
    let mut grads = vars[0].sum_all().unwrap().backward().unwrap();
    for (index, var) in vars.iter().enumerate() {
        grads.insert(var, all[&format!("clip/grad/{index}")].clone());
    }
    let norm = nn::clip_grad_norm(&mut grads, &vars, 1.5).unwrap();
    assert!((norm - all["clip/norm"].to_scalar::<f64>().unwrap()).abs() < 1e-12);
    for (index, var) in vars.iter().enumerate() {
        close(
            "clipped",
            grads.get(var).unwrap(),
            &all[&format!("clip/after/{index}")],
        );
    }
    nn::clip_grad_value(&mut grads, &vars, 0.01).unwrap();
    let largest = grads
        .get(&vars[0])
        .unwrap()
        .abs()
        .unwrap()
        .max_all()
        .unwrap()
        .to_scalar::<f64>()
        .unwrap();
    assert_eq!(largest, 0.01);
    grads.insert(&vars[1], Tensor::new(&[f64::NAN; 5], &CPU).unwrap());
    let error = nn::clip_grad_norm(&mut grads, &vars, 1.0).unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
}

/// Bounds and moments are those of PyTorch's initialization: uniform on ±1 / sqrt(in), Xavier, standard normal.
#[test]
fn first_values_are_spread_as_in_pytorch_and_follow_the_seed() {
    let _generator = GENERATOR.lock();
    let make = |seed| {
        nn::seed_all(seed).unwrap();
        let variables = VarMap::new();
        let vb = nn::builder(&variables, DType::F64, &CPU);
        nn::linear(100, 400, vb.pp("linear")).unwrap();
        nn::embedding(300, 40, vb.pp("embedding")).unwrap();
        MultiheadAttention::new(64, 4, 0.0, vb.pp("attention")).unwrap();
        let lock = variables.data().lock().unwrap();
        lock.iter()
            .map(|(name, var)| (name.clone(), var.as_detached_tensor()))
            .collect::<HashMap<_, _>>()
    };
    let first = make(1);
    let spread = |name: &str| {
        let x = first[name].flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let largest = x.iter().fold(0f64, |a, b| a.max(b.abs()));
        let deviation = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt();
        (largest, deviation)
    };
    for (name, bound) in [
        ("linear.weight", 0.1),
        ("linear.bias", 0.1),
        ("attention.in_proj_weight", (6.0f64 / 256.0).sqrt()),
    ] {
        let (largest, deviation) = spread(name);
        assert!(
            largest <= bound && largest > 0.98 * bound,
            "{name}: {largest}"
        );
        assert!(
            (deviation * 3f64.sqrt() / bound - 1.0).abs() < 0.06,
            "{name}: {deviation}"
        );
    }
    assert!((spread("embedding.weight").1 - 1.0).abs() < 0.02);
    assert_eq!(spread("attention.in_proj_bias").0, 0.0);
    let (again, other) = (make(1), make(2));
    let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert_eq!(
        values(&first["linear.weight"]),
        values(&again["linear.weight"])
    );
    assert_ne!(
        values(&first["linear.weight"]),
        values(&other["linear.weight"])
    );
}
