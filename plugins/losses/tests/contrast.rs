//! Losses of pairs and triplets: labels that do not count, batches without a pair, what is trained.

use patchbay::{
    ops,
    plugin::{self, prelude::*},
    serde_json::Value,
};

const CPU: Device = Device::Cpu;

fn loss(id: &str, config: Value) -> Slot<dyn Loss> {
    patchbay_losses::register().unwrap();
    plugin::create::<dyn Loss>(&format!("loss/{id}"), config).unwrap()
}

fn features(rows: usize, width: usize) -> Var {
    let values: Vec<f32> = (0..rows * width)
        .map(|i| ((i * i * 7 + 3 * i) as f32 * 0.37).sin())
        .collect();
    Var::from_vec(values, (rows, width), &CPU).unwrap()
}

fn value_and_gradient(loss: &Slot<dyn Loss>, x: &Var, labels: &Tensor) -> (f32, Vec<f32>) {
    let value = loss.forward(x, labels).unwrap();
    let store = value.backward().unwrap();
    let gradient = store.get(x).unwrap().flatten_all().unwrap();
    (value.to_scalar().unwrap(), gradient.to_vec1().unwrap())
}

#[test]
fn batches_without_a_triplet_have_a_loss_of_zero() {
    for mining in ["hardest", "all"] {
        let triplet = loss("triplet", json!({"mining": mining}));
        for labels in [[0i64, 0, 0, 0], [0, 1, 2, 3], [-100, -100, -100, -100]] {
            let labels = Tensor::new(&labels, &CPU).unwrap();
            let (value, gradient) = value_and_gradient(&triplet, &features(4, 3), &labels);
            assert_eq!(value, 0.0, "{mining} {labels}");
            assert!(gradient.iter().all(|&g| g == 0.0));
        }
    }
}

#[test]
fn examples_without_a_label_are_in_no_triplet() {
    let kept = Tensor::new(&[0u32, 1, 3, 4], &CPU).unwrap();
    for mining in ["hardest", "all"] {
        let triplet = loss("triplet", json!({"mining": mining}));
        let x = features(5, 3);
        let without = triplet
            .forward(
                &x.index_select(&kept, 0).unwrap(),
                &Tensor::new(&[0i64, 1, 0, 1], &CPU).unwrap(),
            )
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        let mut values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
        values[6..9].fill(f32::NAN);
        let x = Var::from_vec(values, (5, 3), &CPU).unwrap();
        for dtype in [DType::I64, DType::U32, DType::I32] {
            let labels = Tensor::new(&[0i64, 1, -100, 0, 1], &CPU).unwrap();
            let labels = labels.to_dtype(dtype).unwrap();
            let (value, gradient) = value_and_gradient(&triplet, &x, &labels);
            assert!(
                (value - without).abs() < 1e-6,
                "{mining} {dtype:?}: {value} {without}"
            );
            assert!(gradient[6..9].iter().all(|&g| g == 0.0), "{gradient:?}");
        }
    }
}

#[test]
fn equal_features_cost_the_margin_and_have_a_finite_gradient() {
    let x = Var::ones((4, 8), DType::F32, &CPU).unwrap();
    let labels = Tensor::new(&[0i64, 0, 1, 1], &CPU).unwrap();
    for normalize in [false, true] {
        let triplet = loss("triplet", json!({"margin": 0.3, "normalize": normalize}));
        let (value, gradient) = value_and_gradient(&triplet, &x, &labels);
        assert!((value - 0.3).abs() < 1e-6, "{value}");
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }
    let zeros = Var::zeros((4, 8), DType::F32, &CPU).unwrap();
    let target = Tensor::ones((4, 8), DType::F32, &CPU).unwrap();
    let (value, gradient) = value_and_gradient(&loss("cosine", json!({})), &zeros, &target);
    assert_eq!(value, 1.0);
    assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
}

#[test]
fn labels_of_pairs_are_checked_and_minus_one_is_known_in_every_type() {
    let cosine = loss("cosine", json!({"margin": 0.2}));
    let pairs = features(4, 6).reshape((4, 2, 3)).unwrap();
    let labels = Tensor::new(&[1i64, -1, 0, -1], &CPU).unwrap();
    let value = |labels: &Tensor| {
        let value = cosine.forward(&pairs, labels).unwrap();
        value.to_scalar::<f32>().unwrap()
    };
    let expected = value(&labels);
    for dtype in [DType::U32, DType::I32, DType::I16] {
        assert_eq!(
            value(&labels.to_dtype(dtype).unwrap()),
            expected,
            "{dtype:?}"
        );
    }
    let zeros = Tensor::new(&[1i64, 0, 0, 0], &CPU).unwrap();
    assert_eq!(value(&zeros), expected);
    let bad = Tensor::new(&[1i64, 0, 7, 0], &CPU).unwrap();
    let text = cosine.forward(&pairs, &bad).unwrap_err().to_string();
    assert!(text.contains("position 2 of [4] is 7"), "{text}");
    let text = cosine
        .forward(&features(4, 6), &labels)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("[batch, 2, width]") && text.contains("[4, 6]"),
        "{text}"
    );
}

#[test]
fn temperature_and_bias_are_trained_with_the_features() -> Result<()> {
    let siglip = loss("siglip", json!({}));
    let names: Vec<String> = siglip.variables().into_iter().map(|v| v.name).collect();
    assert_eq!(names, ["bias", "log_scale"]);
    let (queries, keys) = (features(8, 16), features(8, 16));
    let keys = (keys.as_tensor() * 1.3)?;
    let mut variables = siglip.trainable();
    variables.push(queries.clone());
    let mut optimizer = patchbay::nn::AdamW::new(variables, 0.05)?;
    let first = siglip.forward(&queries, &keys)?.to_scalar::<f32>()?;
    for _ in 0..300 {
        let value = siglip.forward(&queries, &keys)?;
        patchbay::nn::Optimizer::backward_step(&mut optimizer, &value)?;
    }
    let last = siglip.forward(&queries, &keys)?.to_scalar::<f32>()?;
    assert!(last < 0.5 * first, "{first} to {last}");
    Ok(())
}

#[test]
fn large_logits_and_weights_of_positives_stay_finite() -> Result<()> {
    let bce = loss("binary_cross_entropy", json!({"pos_weight": [5.0]}));
    let logits = Var::new(&[[1e4f32, -1e4], [0.0, 1e4]], &CPU)?;
    let labels = Tensor::new(&[[0u8, 1], [1, 1]], &CPU)?;
    let value = bce.forward(&logits, &labels)?;
    let expected = (1e4 + 5.0 * 1e4 + 5.0 * 2f64.ln()) / 4.0;
    let found = f64::from(value.to_scalar::<f32>()?);
    assert!((found / expected - 1.0).abs() < 1e-6, "{found}");
    // One logit a position: [batch, 1, height, width] with [batch, height, width].
    let logits = Tensor::zeros((2, 1, 3, 4), DType::F32, &CPU)?;
    let mask = Tensor::ones((2, 3, 4), DType::U8, &CPU)?;
    let value = bce.forward(&logits, &mask)?.to_scalar::<f32>()?;
    assert!((value - 5.0 * 2f32.ln()).abs() < 1e-6, "{value}");
    let bad = loss("binary_cross_entropy", json!({"pos_weight": [1.0, 2.0]}));
    let wide = Tensor::zeros((2, 3), DType::F32, &CPU)?;
    let text = bad.forward(&wide, &wide).unwrap_err().to_string();
    assert!(
        text.contains("2 numbers in pos_weight") && text.contains("3 classes"),
        "{text}"
    );
    let text =
        plugin::create::<dyn Loss>("loss/binary_cross_entropy", json!({"pos_weight": [-1.0]}));
    assert!(
        text.unwrap_err()
            .to_string()
            .contains("pos_weight contains -1")
    );
    assert_eq!(ops::IGNORE_INDEX, -100);
    Ok(())
}
