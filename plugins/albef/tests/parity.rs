//! One pre-training step against the official program's, on the numbers of the fixture `albef_small`.

use std::{collections::HashMap, path::Path};

use patchbay::{
    plugin::{self, prelude::*},
    serde_json::{self, Value},
};

struct Fixture {
    tensors: HashMap<String, Tensor>,
    numbers: Value,
}

impl Fixture {
    fn load() -> Option<Fixture> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
        let path = folder.join("albef_small.safetensors");
        let Ok(tensors) = candle::safetensors::load(&path, &Device::Cpu) else {
            println!("skipped: there is no {}", path.display());
            return None;
        };
        let numbers = std::fs::read_to_string(folder.join("albef_small.json")).unwrap();
        Some(Fixture {
            tensors,
            numbers: serde_json::from_str(&numbers).unwrap(),
        })
    }

    fn get(&self, name: &str) -> &Tensor {
        &self.tensors[name]
    }

    /// The objective with the fixture's weights, momentum copies moved on as at the beginning of a step.
    fn objective(&self, changes: Value) -> Slot<dyn Objective> {
        let objective = small(changes);
        for named in objective.variables() {
            let value = self
                .tensors
                .get(&named.name)
                .unwrap_or_else(|| panic!("the official program has no {}", named.name));
            named.var.set(value).unwrap();
        }
        objective.after_step().unwrap();
        objective
    }

    fn batch(&self) -> Batch {
        let integers = |name: &str, dtype: DType| self.get(name).to_dtype(dtype).unwrap();
        Batch::from([
            ("image".to_owned(), self.get("inputs/image").clone()),
            ("text".to_owned(), integers("inputs/input_ids", DType::U32)),
            (
                "text_mask".to_owned(),
                integers("inputs/attention_mask", DType::U8),
            ),
            (
                "masked_text".to_owned(),
                integers("choices/mlm_input_ids", DType::U32),
            ),
            (
                "masked_labels".to_owned(),
                self.get("choices/mlm_labels").clone(),
            ),
            (
                "negative_image".to_owned(),
                self.get("choices/negative_image_for_text").clone(),
            ),
            (
                "negative_text".to_owned(),
                self.get("choices/negative_text_for_image").clone(),
            ),
        ])
    }
}

/// This plugin is linked; encoders and losses are found by name, as a notebook finds them, among the built libraries.
fn register() {
    let program = std::env::current_exe().unwrap();
    let built = program.parent().and_then(Path::parent).unwrap().to_owned();
    plugin::set_search_path(vec![built]);
    patchbay_albef::register().unwrap();
}

fn small(changes: Value) -> Slot<dyn Objective> {
    register();
    let mut config = json!({
        "image_config": {"width": 32, "depth": 2, "heads": 4, "image_size": 32, "patch_size": 8},
        "text_config": {"vocabulary": 120, "width": 32, "layers": 4, "heads": 4, "intermediate": 64,
                        "max_positions": 16, "fusion_layer": 2, "dropout": 0.0, "attention_dropout": 0.0},
        "vocabulary": 120, "embed_dim": 16, "queue_size": 16,
    });
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    plugin::create::<dyn Objective>("objective/albef", config).unwrap()
}

fn number(tensor: &Tensor) -> f64 {
    tensor.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

/// The largest difference relative to the largest expected entry.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let largest = |x: &Tensor| number(&x.abs().unwrap().flatten_all().unwrap().max(0).unwrap());
    let expected = expected.to_dtype(found.dtype()).unwrap();
    largest(&(found - &expected).unwrap()) / largest(&expected).max(1e-6)
}

fn total(losses: &[(String, Tensor)]) -> Tensor {
    losses[1..]
        .iter()
        .fold(losses[0].1.clone(), |sum, (_, loss)| (sum + loss).unwrap())
}

#[test]
fn losses_gradients_momentum_and_queues_are_those_of_the_official_step() {
    let Some(fixture) = Fixture::load() else {
        return;
    };
    for (alpha, losses_of, grads_of, norm) in [
        (0.4, "losses", "grads", "grad_norm"),
        (0.0, "losses_alpha_0", "grads_alpha_0", "grad_norm_alpha_0"),
    ] {
        let objective = fixture.objective(json!({ "alpha": alpha }));
        let losses = objective.losses(&fixture.batch(), 1.0).unwrap();
        for ((name, loss), official) in losses.iter().zip(["ita", "itm", "mlm"]) {
            let expected = number(fixture.get(&format!("{losses_of}/{official}")));
            let found = number(loss);
            assert!(
                (found - expected).abs() < 1e-5 * expected,
                "{name}: {found}, expected {expected}"
            );
        }
        let gradients = total(&losses).backward().unwrap();
        let mut squares = 0.0;
        let mut compared = 0;
        for named in objective
            .variables()
            .into_iter()
            .filter(|named| named.trainable)
        {
            let gradient = gradients
                .get(&named.var)
                .unwrap_or_else(|| panic!("{} has no gradient", named.name));
            let square = number(&gradient.sqr().unwrap().sum_all().unwrap());
            squares += square;
            if let Some(expected) = fixture.tensors.get(&format!("{grads_of}/{}", named.name)) {
                let error = error(gradient, expected);
                assert!(
                    error < 1e-4,
                    "gradient of {} at alpha {alpha}: {error:e}",
                    named.name
                );
                compared += 1;
            }
            if alpha == 0.4 {
                let expected = fixture.numbers["grad_norms"][&named.name].as_f64().unwrap();
                let found = square.sqrt();
                assert!(
                    (found - expected).abs() < 1e-4 * expected + 1e-5,
                    "norm of the gradient of {}: {found}, expected {expected}",
                    named.name
                );
            }
        }
        assert!(compared >= 3, "{compared}");
        let expected = fixture.numbers[norm].as_f64().unwrap();
        assert!((squares.sqrt() - expected).abs() < 1e-4 * expected);

        let variables = objective.variables();
        let after = |name: &str| {
            let named = variables.iter().find(|named| named.name == name);
            let named = named.unwrap_or_else(|| panic!("there is no {name}"));
            named.var.as_detached_tensor()
        };
        // The copies have moved already; the queues move with the end of the step.
        for key in fixture
            .tensors
            .keys()
            .filter_map(|key| key.strip_prefix("after/"))
        {
            if !key.contains("queue") {
                let error = error(&after(key), fixture.get(&format!("after/{key}")));
                assert!(error < 1e-6, "{key}: {error:e}");
            }
        }
        objective.after_step().unwrap();
        for key in ["image_queue", "text_queue"] {
            let error = error(&after(key), fixture.get(&format!("after/{key}")));
            assert!(error < 1e-5, "{key}: {error:e}");
        }
        assert_eq!(after("queue_ptr").to_vec1::<i64>().unwrap(), [8]);
    }
}

#[test]
fn features_and_matches_are_those_of_the_official_program() {
    let Some(fixture) = Fixture::load() else {
        return;
    };
    let objective = fixture.objective(json!({}));
    let features = objective.features(&fixture.batch()).unwrap();
    for (name, official) in [
        ("image", "outputs/image_feat"),
        ("text", "outputs/text_feat"),
    ] {
        let error = error(&features[name], fixture.get(official));
        assert!(error < 1e-5, "{name}: {error:e}");
    }
    let pairs = objective.pairs(&fixture.batch()).unwrap();
    let logits = fixture.get("outputs/itm_logits").narrow(0, 0, 4).unwrap();
    let expected = ops::softmax(&logits)
        .unwrap()
        .i((.., 1))
        .unwrap()
        .contiguous()
        .unwrap();
    assert!(error(&pairs["match"], &expected) < 1e-5);
    assert_eq!(pairs["attention"].dims(), [4, 2, 4, 10, 17]);
    let rows = pairs["attention"].sum(4).unwrap();
    assert!(error(&rows, &rows.ones_like().unwrap()) < 1e-5);
}

#[test]
fn parameter_counts_are_those_of_the_official_program() {
    let Some(fixture) = Fixture::load() else {
        return;
    };
    let objective = small(json!({}));
    let (mut trainable, mut all) = (0, 0);
    for named in objective.variables() {
        if named.trainable {
            trainable += named.var.elem_count();
        }
        if !named.name.contains("queue") {
            all += named.var.elem_count();
        }
    }
    let expected = |name: &str| fixture.numbers["parameters"][name].as_u64().unwrap() as usize;
    assert_eq!(trainable, expected("trainable"));
    assert_eq!(all, expected("with_momentum"));
}

/// Takes 2.5 GB: `cargo test --release --workspace --test parity -- --ignored full_size`.
#[test]
#[ignore = "takes 2.5 GB of memory"]
fn full_size_albef_has_the_published_number_of_parameters() {
    register();
    let objective = plugin::create::<dyn Objective>("objective/albef", json!({})).unwrap();
    let count = |keep: &dyn Fn(&plugin::NamedVar) -> bool| -> usize {
        let variables = objective.variables();
        variables
            .iter()
            .filter(|named| keep(named))
            .map(|named| named.var.elem_count())
            .sum()
    };
    assert_eq!(count(&|named| named.trainable), 209_937_725);
    assert_eq!(count(&|named| !named.name.contains("queue")), 419_873_911);
    assert_eq!(count(&|named| named.name.ends_with("_queue")), 33_554_432);
}

#[test]
fn equations_6_and_7_are_below_the_programs_losses_by_the_entropy_and_have_its_gradients() {
    let Some(fixture) = Fixture::load() else {
        return;
    };
    let step = |distillation: &str| {
        let objective = fixture.objective(json!({ "distillation": distillation }));
        let losses = objective.losses(&fixture.batch(), 1.0).unwrap();
        let gradients = total(&losses).backward().unwrap();
        let gradients: Vec<Tensor> = objective
            .trainable()
            .iter()
            .map(|var| gradients.get(var).unwrap().clone())
            .collect();
        (losses, gradients)
    };
    let (program, program_gradients) = step("cross_entropy");
    let (paper, paper_gradients) = step("divergence");
    for (a, b) in program_gradients.iter().zip(&paper_gradients) {
        assert!(error(a, b) < 1e-5);
    }
    let entropy = |logits: &Tensor| {
        let log_q = ops::log_softmax(logits).unwrap();
        let each = (log_q.exp().unwrap() * &log_q).unwrap().sum(1).unwrap();
        -number(&each.mean_all().unwrap())
    };
    let of_similarities = (entropy(fixture.get("outputs/sim_i2t_m"))
        + entropy(fixture.get("outputs/sim_t2i_m")))
        / 2.0;
    let labels: Vec<i64> = fixture
        .get("choices/mlm_labels")
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    let chosen: Vec<u32> = (0..labels.len() as u32)
        .filter(|&at| labels[at as usize] >= 0)
        .collect();
    let logits = fixture.get("outputs/mlm_logits_m").flatten_to(1).unwrap();
    let chosen = Tensor::new(chosen, &Device::Cpu).unwrap();
    let of_words = entropy(&logits.index_select(&chosen, 0).unwrap());
    for (index, entropy) in [(0, of_similarities), (2, of_words)] {
        let difference = number(&program[index].1) - number(&paper[index].1);
        assert!(
            (difference - 0.4 * entropy).abs() < 1e-4,
            "{difference}, expected {}",
            0.4 * entropy
        );
    }
}

/// Images and captions without any meaning.
fn noise(pairs: usize, length: usize) -> Batch {
    let text: Vec<u32> = (0..pairs * length)
        .map(|at| {
            if at % length == 0 {
                101
            } else {
                5 + (at * 7 % 90) as u32
            }
        })
        .collect();
    Batch::from([
        (
            "image".to_owned(),
            Tensor::randn(0f32, 1.0, (pairs, 3, 32, 32), &Device::Cpu).unwrap(),
        ),
        (
            "text".to_owned(),
            Tensor::from_vec(text, (pairs, length), &Device::Cpu).unwrap(),
        ),
    ])
}

#[test]
fn parts_are_swapped_in_a_running_loop() {
    nn::seed_all(5).unwrap();
    let objective = small(json!({}));
    let batch = noise(6, 8);
    let names: Vec<String> = objective
        .losses(&batch, 0.5)
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["itc", "itm", "mlm"]);
    assert_eq!(objective.passes().len(), 6, "{:?}", objective.passes());
    objective.after_step().unwrap();

    let parts = objective.parts();
    parts
        .loss("itm")
        .unwrap()
        .swap("loss/focal", json!({"gamma": 2.0}))
        .unwrap();
    parts
        .loss("itc")
        .unwrap()
        .swap("loss/kl_divergence", json!({}))
        .unwrap();
    let losses = objective.losses(&batch, 0.5).unwrap();
    assert!(
        number(&losses[1].1) < 0.6,
        "a focal loss is below ln 2: {}",
        losses[1].1
    );
    objective.after_step().unwrap();

    // Another image encoder: its copy follows, and learns from it.
    let before = objective.variables().len();
    let config = json!({"width": 32, "depth": 3, "heads": 4, "image_size": 32, "patch_size": 8});
    parts
        .encoder("image")
        .unwrap()
        .swap("encoder/vit", config)
        .unwrap();
    assert!(number(&total(&objective.losses(&batch, 0.5).unwrap())).is_finite());
    objective.after_step().unwrap();
    let variables = objective.variables();
    assert!(variables.len() > before);
    let of = |name: &str| variables.iter().find(|named| named.name == name).unwrap();
    let (online, copy) = (
        of("visual_encoder.blocks.2.mlp.fc1.weight"),
        of("visual_encoder_m.blocks.2.mlp.fc1.weight"),
    );
    assert!(online.trainable && !copy.trainable);
    assert!(
        error(
            &copy.var.as_detached_tensor(),
            &online.var.as_detached_tensor()
        ) < 1e-6
    );
    let text = parts.loss("itx").unwrap_err().to_string();
    assert!(text.contains("no loss itx inside"), "{text}");
}

#[test]
fn a_separate_fusion_encoder_takes_the_place_of_the_upper_layers() {
    nn::seed_all(6).unwrap();
    let objective = small(json!({
        "text_config": {"vocabulary": 120, "width": 32, "layers": 2, "heads": 4, "intermediate": 64, "max_positions": 16},
        "multimodal_encoder": "encoder/multimodal",
        "multimodal_config": {"width": 32, "layers": 2, "heads": 4, "intermediate": 64},
    }));
    let losses = objective.losses(&noise(4, 8), 1.0).unwrap();
    let gradients = total(&losses).backward().unwrap();
    for named in objective
        .variables()
        .into_iter()
        .filter(|named| named.trainable)
    {
        assert!(
            gradients.get(&named.var).is_some(),
            "{} has no gradient",
            named.name
        );
    }
}

#[test]
fn queues_of_any_size_take_batches_of_any_size() {
    nn::seed_all(7).unwrap();
    for (queue, pairs) in [(7, 3), (3, 5), (0, 4), (5, 5)] {
        let objective = small(json!({ "queue_size": queue }));
        let queue_of = || {
            let variables = objective.variables();
            let named = variables
                .iter()
                .find(|named| named.name == "text_queue")
                .unwrap();
            named.var.as_detached_tensor()
        };
        let mut expected: Vec<Vec<f32>> = queue_of().t().unwrap().to_vec2().unwrap_or_default();
        let mut at = 0;
        for step in 0..5 {
            // The copies are frozen, so that features are known beforehand.
            let batch = noise(pairs, 6 + step);
            assert!(number(&total(&objective.losses(&batch, 1.0).unwrap())).is_finite());
            let features: Vec<Vec<f32>> = objective.features(&batch).unwrap()["text"]
                .to_vec2()
                .unwrap();
            objective.after_step().unwrap();
            for feature in features {
                if queue > 0 {
                    expected[at] = feature;
                    at = (at + 1) % queue;
                }
            }
            let found: Vec<Vec<f32>> = queue_of().t().unwrap().to_vec2().unwrap_or_default();
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "queue {queue}, batch {pairs}, step {step}"
                );
            }
        }
    }
}

#[test]
fn small_and_wrong_batches_are_defined_or_told() {
    nn::seed_all(8).unwrap();
    let objective = small(json!({}));
    // One pair has no negatives.
    let losses = objective.losses(&noise(1, 8), 1.0).unwrap();
    assert!(number(&total(&losses)).is_finite());
    // No word is chosen.
    let none = small(json!({"mask_probability": 0.0}));
    let losses = none.losses(&noise(3, 8), 1.0).unwrap();
    assert_eq!(number(&losses[2].1), 0.0);
    let gradients = total(&losses).backward().unwrap();
    assert!(none.trainable().iter().all(|var| {
        gradients
            .get(var)
            .is_none_or(|gradient| number(&gradient.sqr().unwrap().sum_all().unwrap()).is_finite())
    }));

    let refused = |change: &dyn Fn(&mut Batch)| {
        let mut batch = noise(2, 8);
        change(&mut batch);
        objective.losses(&batch, 1.0).unwrap_err().to_string()
    };
    let text = refused(&|batch| {
        batch.remove("image");
    });
    assert!(text.contains("no tensor `image`"), "{text}");
    let text = refused(&|batch| {
        batch.insert(
            "text_mask".to_owned(),
            Tensor::zeros((2, 8), DType::U8, &Device::Cpu).unwrap(),
        );
    });
    assert!(
        text.contains("row 0 of `text_mask` hides all tokens"),
        "{text}"
    );
    let text = refused(&|batch| {
        batch.insert(
            "text".to_owned(),
            Tensor::zeros((3, 8), DType::U32, &Device::Cpu).unwrap(),
        );
    });
    assert!(text.contains("expected `text` [2, length]"), "{text}");
    let text = refused(&|batch| {
        batch.insert(
            "image".to_owned(),
            Tensor::zeros((2, 3, 48, 48), DType::F32, &Device::Cpu).unwrap(),
        );
    });
    assert!(text.contains("48"), "{text}");
    let text = refused(&|batch| {
        batch.insert("id".to_owned(), Tensor::new(&[1i64], &Device::Cpu).unwrap());
    });
    assert!(text.contains("1 ids for 2 pairs"), "{text}");
}
