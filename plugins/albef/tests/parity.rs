//! One pre-training step against the official program's, on the numbers of the fixture `albef_small`.

mod support;

use std::{collections::HashMap, path::Path};

use patchbay::{
    plugin::{self, prelude::*},
    serde_json::{self, Value},
    stats,
};
use patchbay_albef::{contrastive, negatives};

struct Fixture {
    tensors: HashMap<String, Tensor>,
    numbers: Value,
}

impl Fixture {
    fn load() -> Fixture {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
        let path = folder.join("albef_small.safetensors");
        let numbers = std::fs::read_to_string(folder.join("albef_small.json")).unwrap();
        Fixture {
            tensors: candle::safetensors::load(&path, &Device::Cpu).unwrap(),
            numbers: serde_json::from_str(&numbers).unwrap(),
        }
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
    support::find_built_plugins().unwrap();
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
    let plain = |x: &Tensor| -> Vec<f64> {
        let x = x.detach().to_dtype(DType::F64).unwrap();
        x.flatten_all().unwrap().to_vec1().unwrap()
    };
    patchbay_compare::relative_difference(&plain(found), &plain(expected), 1e-6)
}

fn total(losses: &[(String, Tensor)]) -> Tensor {
    losses[1..]
        .iter()
        .fold(losses[0].1.clone(), |sum, (_, loss)| (sum + loss).unwrap())
}

#[test]
fn losses_gradients_momentum_and_queues_are_those_of_the_official_step() {
    let fixture = Fixture::load();
    for (alpha, losses_of, grads_of, norm, stored) in [
        (0.4, "losses", "grads", "grad_norm", 19),
        (
            0.0,
            "losses_alpha_0",
            "grads_alpha_0",
            "grad_norm_alpha_0",
            3,
        ),
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
        assert_eq!(compared, stored, "gradients at alpha {alpha}");
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
        // What came into the queues are the momentum features.
        for (queue, features) in [
            ("image_queue", "image_feat_m"),
            ("text_queue", "text_feat_m"),
        ] {
            let came = after(queue).narrow(1, 4, 4).unwrap().t().unwrap();
            let error = error(
                &came.contiguous().unwrap(),
                fixture.get(&format!("outputs/{features}")),
            );
            assert!(error < 1e-5, "{features}: {error:e}");
        }
    }
}

#[test]
fn features_and_matches_are_those_of_the_official_program() {
    let fixture = Fixture::load();
    let objective = fixture.objective(json!({}));
    let features = objective.features(&fixture.batch()).unwrap();
    for (name, official) in [
        ("image", "outputs/image_feat"),
        ("text", "outputs/text_feat"),
    ] {
        let error = error(&features[name], fixture.get(official));
        assert!(error < 1e-5, "{name}: {error:e}");
    }
    let pairs = objective.evaluate("pairs", &fixture.batch()).unwrap();
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
fn similarities_targets_and_negatives_are_those_of_the_official_program() {
    let fixture = Fixture::load();
    let of = |name: &str| fixture.get(&format!("outputs/{name}"));
    let temperature = fixture.get("temp");
    for (way, online, teacher, other, queue) in [
        (
            "i2t",
            "image_feat",
            "image_feat_m",
            "text_feat_m",
            "text_queue",
        ),
        (
            "t2i",
            "text_feat",
            "text_feat_m",
            "image_feat_m",
            "image_queue",
        ),
    ] {
        let similarity = |online: &str| {
            let (online, teacher, other) = (of(online), of(teacher), of(other));
            let queue = fixture.get(queue);
            contrastive::similarity(online, teacher, other, queue, temperature, 0.4, None).unwrap()
        };
        let found = similarity(online);
        for (found, expected) in [
            (&found.logits, format!("sim_{way}")),
            (&found.target, format!("sim_{way}_targets")),
            // The momentum features in the place of the online ones.
            (&similarity(teacher).logits, format!("sim_{way}_m")),
        ] {
            let error = error(found, of(&expected));
            assert!(error < 1e-5, "{expected}: {error:e}");
        }

        // How often each negative is drawn.
        nn::seed_all(9).unwrap();
        let of_batch = found.logits.narrow(1, 0, 4).unwrap();
        let draws = 20_000;
        let mut counts = [[0f64; 4]; 4];
        for _ in 0..draws {
            let drawn = negatives::hard_negatives(&of_batch, None, ops::Stream::next());
            for (row, column) in drawn.unwrap().unwrap().into_iter().enumerate() {
                counts[row][column as usize] += 1.0;
            }
        }
        let weights = of(&format!("negative_weights_{way}"));
        let weights: Vec<Vec<f32>> = weights.to_vec2().unwrap();
        for (counts, weights) in counts.iter().zip(weights) {
            let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
            for (count, weight) in counts.iter().zip(weights) {
                let p = f64::from(weight) / total;
                let noise = 4.5 * (p * (1.0 - p) / f64::from(draws)).sqrt();
                let found = count / f64::from(draws);
                assert!((found - p).abs() <= noise, "{way}: {found}, expected {p}");
            }
        }
    }
}

#[test]
fn negatives_are_fused_and_judged_as_in_the_official_program() {
    let fixture = Fixture::load();
    let objective = fixture.objective(json!({}));
    let tokens = objective.evaluate("tokens", &fixture.batch()).unwrap();
    for (name, official) in [
        ("image_tokens", "image_embeds"),
        ("text_tokens", "text_embeds"),
    ] {
        let error = error(&tokens[name], fixture.get(&format!("outputs/{official}")));
        assert!(error < 1e-5, "{name}: {error:e}");
    }
    let own = Tensor::new(&[0i64, 1, 2, 3], &Device::Cpu).unwrap();
    let image_for_text = fixture.get("choices/negative_image_for_text");
    let text_for_image = fixture.get("choices/negative_text_for_image");
    // Pairs; each text with its sampled image; the sampled text of each image with it.
    let images = Tensor::cat(&[&own, image_for_text, &own], 0).unwrap();
    let texts = Tensor::cat(&[&own, &own, text_for_image], 0).unwrap();
    let pick = |name: &str, rows: &Tensor| tokens[name].index_select(rows, 0).unwrap();
    let batch = Batch::from([
        ("image_tokens".to_owned(), pick("image_tokens", &images)),
        ("text_tokens".to_owned(), pick("text_tokens", &texts)),
        ("text_mask".to_owned(), pick("text_mask", &texts)),
    ]);
    let fusion = objective.parts().encoder("text").unwrap().clone();
    let fused = fusion
        .forward(EncoderInput {
            mask: Some(&batch["text_mask"]),
            context: Some(&batch["image_tokens"]),
            ..EncoderInput::new(&batch["text_tokens"])
        })
        .unwrap()
        .tokens;
    let expected = Tensor::cat(
        &[
            fixture.get("outputs/multimodal_positive"),
            fixture.get("outputs/multimodal_negative"),
        ],
        0,
    )
    .unwrap();
    assert!(error(&fused, &expected) < 1e-5);
    let first = fused.i((.., 0)).unwrap().contiguous().unwrap();
    assert!(error(&first, fixture.get("outputs/itm_cls")) < 1e-5);
    let logits = fixture.get("outputs/itm_logits");
    let expected = (logits.i((.., 1)).unwrap() - logits.i((.., 0)).unwrap()).unwrap();
    let scores = objective.evaluate("match_scores", &batch).unwrap()["match"].clone();
    assert!(error(&scores, &expected) < 1e-5);
    // A batch is encoded first.
    let scores = objective
        .evaluate("match_scores", &fixture.batch())
        .unwrap()["match"]
        .clone();
    assert!(error(&scores, &expected.narrow(0, 0, 4).unwrap()) < 1e-5);
}

#[test]
fn parameter_counts_are_those_of_the_official_program() {
    let fixture = Fixture::load();
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

/// The sizes of all tensors are polynomials of the width of degree 2: three small widths give the count at 768, and a fourth
/// shows that they do. All else is as it is without settings, but for the queues, which are counted by their columns.
#[test]
fn full_size_albef_has_the_published_number_of_parameters() {
    register();
    let count = |width: i64| -> [i64; 3] {
        let config = json!({
            "image_config": {"image_size": 256, "width": width},
            "text_config": {"fusion_layer": 6, "width": width, "intermediate": 4 * width},
            "queue_size": 1,
        });
        let objective = plugin::create::<dyn Objective>("objective/albef", config).unwrap();
        let mut counts = [0; 3];
        for named in objective.variables() {
            let size = named.var.elem_count() as i64;
            if named.trainable {
                counts[0] += size;
            }
            counts[if named.name.ends_with("_queue") { 2 } else { 1 }] += match named.name.as_str()
            {
                "queue_ptr" => 0,
                _ => size,
            };
        }
        counts
    };
    let points = [12, 24, 36].map(|width| (width, count(width)));
    let at = |width: i64| -> [i64; 3] {
        std::array::from_fn(|which| {
            let [(a, fa), (b, fb), (c, fc)] = points.map(|(width, counts)| (width, counts[which]));
            // Newton's divided differences.
            let (first, next) = ((fb - fa) / (b - a), (fc - fb) / (c - b));
            let second = (next - first) / (c - a);
            fa + first * (width - a) + second * (width - a) * (width - b)
        })
    };
    assert_eq!(at(48), count(48));
    let [trainable, all, queues] = at(768);
    assert_eq!(trainable, 209_937_725);
    assert_eq!(all, 419_873_911);
    assert_eq!(queues * 65_536, 33_554_432);
    let defaults = plugin::describe("objective/albef").unwrap().to_string();
    assert!(defaults.contains("65536"), "{defaults}");
}

#[test]
fn equations_6_and_7_are_below_the_programs_losses_by_the_entropy_and_have_its_gradients() {
    let fixture = Fixture::load();
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
    let named = || -> Vec<String> {
        objective
            .times()
            .unwrap()
            .into_iter()
            .map(|pass| pass.0)
            .collect()
    };
    let step = [
        "image",
        "text, text masked",
        "momentum image",
        "momentum text",
        "contrastive loss",
        "fusion of pairs, negatives and masked words",
        "matching loss",
        "momentum fusion of masked words",
        "loss of masked words",
    ];
    assert_eq!(named(), step);
    objective.after_step().unwrap();
    assert_eq!(named()[..9], step);
    assert_eq!(named()[9..], ["queues", "momentum copies"]);

    let parts = objective.parts();
    parts
        .loss("itm")
        .unwrap()
        .swap("loss/focal", json!({"gamma": 200.0}))
        .unwrap();
    parts
        .loss("itc")
        .unwrap()
        .swap("loss/kl_divergence", json!({}))
        .unwrap();
    let losses = objective.losses(&batch, 0.5).unwrap();
    assert!(
        number(&losses[1].1) < 0.05,
        "a focal loss of that gamma is next to nothing: {}",
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

/// -Σ target log softmax(similarities / temperature), the mean over rows, in f64. A row's targets are all columns with its id.
fn shared_contrast(own: &[Vec<f64>], other: &[Vec<f64>], ids: &[i64], all: &[i64]) -> f64 {
    let rows = own.iter().zip(ids).map(|(own, id)| {
        let scores: Vec<f64> = other
            .iter()
            .map(|other| own.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() / 0.07)
            .collect();
        let log_sum = scores.iter().map(|score| score.exp()).sum::<f64>().ln();
        let equal: Vec<usize> = (0..all.len()).filter(|&at| all[at] == *id).collect();
        equal.iter().map(|&at| log_sum - scores[at]).sum::<f64>() / equal.len() as f64
    });
    rows.sum::<f64>() / own.len() as f64
}

#[test]
fn pairs_of_one_id_are_positives_of_each_other_in_the_batch_and_the_queue() {
    nn::seed_all(8).unwrap();
    let ids = [
        [4i64, 9, 4],
        [9, -1, 5],
        [5, 5, 5],
        [i64::MAX, 9, 4],
        [0, 1, 2],
    ];
    for queue in [7usize, 2, 0] {
        // At alpha 0 the copies have no share in the targets; they stay as the network is.
        let objective =
            small(json!({ "queue_size": queue, "alpha": 0.0, "shared_positives": true }));
        let tensor = |name: &str| {
            let variables = objective.variables();
            let named = variables.iter().find(|named| named.name == name).unwrap();
            named.var.as_detached_tensor()
        };
        let wide = |tensor: Tensor| -> Vec<Vec<f64>> {
            tensor
                .to_dtype(DType::F64)
                .unwrap()
                .to_vec2()
                .unwrap_or_default()
        };
        // No id yet.
        let (mut queued, mut at) = (vec![None; queue], 0);
        for (step, ids) in ids.iter().enumerate() {
            let mut batch = noise(3, 6 + step);
            batch.insert("id".to_owned(), Tensor::new(ids, &Device::Cpu).unwrap());
            let features = objective.features(&batch).unwrap();
            let [image, text] = ["image", "text"].map(|name| wide(features[name].clone()));
            // Places without an id are negatives of all: a number that is nobody's.
            let all: Vec<i64> = ids
                .iter()
                .copied()
                .chain(queued.iter().map(|id| id.unwrap_or(1 << 40)))
                .collect();
            let with_queue = |batch: &[Vec<f64>], name: &str| {
                let mut other = batch.to_vec();
                other.extend(wide(tensor(name).t().unwrap()));
                other
            };
            let expected = 0.5
                * (shared_contrast(&image, &with_queue(&text, "text_queue"), ids, &all)
                    + shared_contrast(&text, &with_queue(&image, "image_queue"), ids, &all));
            let losses = objective.losses(&batch, 1.0).unwrap();
            let found = number(&losses[0].1);
            assert!(
                (found - expected).abs() < 2e-5 * expected,
                "queue {queue}, step {step}: {found}, expected {expected}"
            );
            objective.after_step().unwrap();
            for &id in ids {
                if queue > 0 {
                    queued[at] = Some(id);
                    at = (at + 1) % queue;
                }
            }
        }
    }
    let objective = small(json!({ "shared_positives": true }));
    let mut batch = noise(3, 6);
    let error = objective.losses(&batch, 1.0).unwrap_err().to_string();
    assert!(error.contains("no tensor `id` [3]"), "{error}");
    batch.insert("id".to_owned(), Tensor::new(&[1i64], &Device::Cpu).unwrap());
    let error = objective.losses(&batch, 1.0).unwrap_err().to_string();
    assert!(error.contains("1 ids for 3 pairs"), "{error}");
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

#[test]
fn what_the_batch_brings_in_place_of_chance_is_checked() {
    nn::seed_all(10).unwrap();
    let objective = small(json!({}));
    let refused = |changes: &[(&str, Tensor)]| {
        let mut batch = noise(2, 8);
        for (name, tensor) in changes {
            batch.insert((*name).to_owned(), tensor.clone());
        }
        objective.losses(&batch, 1.0).unwrap_err().to_string()
    };
    let told = |changes: &[(&str, Tensor)], expected: &str| {
        let text = refused(changes);
        assert!(text.contains(expected), "{text}");
    };
    let ids = |value: u32| Tensor::full(value, (2, 8), &Device::Cpu).unwrap();
    let labels = |value: i64| {
        let mut values = vec![-100; 16];
        values[11] = value;
        Tensor::from_vec(values, (2, 8), &Device::Cpu).unwrap()
    };
    let rows = |values: &[i64]| Tensor::new(values, &Device::Cpu).unwrap();
    told(
        &[("masked_text", ids(3)), ("masked_labels", labels(700))],
        "expected `masked_labels` in 0..120, or -100, got 700 at [1, 3]",
    );
    told(
        &[("masked_text", ids(3)), ("masked_labels", labels(-5))],
        "got -5 at [1, 3]",
    );
    told(
        &[("masked_text", ids(120)), ("masked_labels", labels(3))],
        "expected `masked_text` in 0..120, got 120 at [0, 0]",
    );
    told(
        &[("masked_text", ids(3)), ("masked_labels", rows(&[3, 3]))],
        "expected `masked_labels` [2, 8] of an integer type, got i64 [2]",
    );
    told(
        &[("masked_text", ids(3))],
        "has `masked_text` and no `masked_labels`",
    );
    told(
        &[("negative_text", rows(&[1, 0]))],
        "has `negative_text` and no `negative_image`",
    );
    told(
        &[
            ("negative_text", rows(&[1, 0])),
            ("negative_image", rows(&[1, 7])),
        ],
        "expected `negative_image` in 0..2, got 7 at [1]",
    );
    told(
        &[
            ("negative_text", rows(&[1])),
            ("negative_image", rows(&[1, 0])),
        ],
        "expected `negative_text` [2] of an integer type",
    );
    told(
        &[("image", Tensor::new(1f32, &Device::Cpu).unwrap())],
        "expected `image` [batch, channels, height, width]",
    );
    let image = noise(2, 8)["image"].clone();
    let nan = Tensor::full(f32::NAN, (1, 3, 32, 32), &Device::Cpu).unwrap();
    let image = Tensor::cat(&[&image.narrow(0, 0, 1).unwrap(), &nan], 0).unwrap();
    told(
        &[("image", image)],
        "the features of `image` are not finite in row 1",
    );
}

#[test]
fn settings_that_do_not_fit_are_told_at_once() {
    register();
    let told = |changes: Value, expected: &str| {
        let mut config = json!({
            "image_config": {"width": 32, "depth": 1, "heads": 4, "image_size": 32, "patch_size": 8},
            "text_config": {"vocabulary": 120, "width": 32, "layers": 2, "heads": 4, "intermediate": 64, "fusion_layer": 1},
            "vocabulary": 120, "embed_dim": 16, "queue_size": 16,
        });
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        let made = plugin::create::<dyn Objective>("objective/albef", config);
        let text = made.err().unwrap().to_string();
        assert!(text.contains(expected), "{text}");
    };
    told(
        json!({"vocabulary": 100}),
        "`vocabulary` is 100, and the text encoder's embeddings.word_embeddings.weight",
    );
    told(
        json!({"image_config": {"width": 32, "depth": 1, "heads": 4, "image_size": 32, "patch_size": 8,
                                "class_token": false, "pool": "mean"}}),
        "`\"class_token\": false`",
    );
}

fn classifier(changes: Value) -> Slot<dyn Objective> {
    register();
    let mut config = json!({
        "classes": 3,
        "image_config": {"width": 32, "depth": 2, "heads": 4, "image_size": 32, "patch_size": 8},
        "text_config": {"vocabulary": 120, "width": 32, "layers": 4, "heads": 4, "intermediate": 64,
                        "max_positions": 16, "fusion_layer": 2, "dropout": 0.0, "attention_dropout": 0.0},
    });
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    plugin::create::<dyn Objective>("objective/albef_classification", config).unwrap()
}

fn with_classes(pairs: usize) -> Batch {
    let mut batch = noise(pairs, 8);
    let classes: Vec<u32> = (0..pairs as u32).map(|at| at % 3).collect();
    batch.insert(
        "class".to_owned(),
        Tensor::new(classes, &Device::Cpu).unwrap(),
    );
    batch
}

#[test]
fn pairs_are_classified_and_learned() {
    nn::seed_all(11).unwrap();
    let objective = classifier(json!({}));
    let batch = with_classes(12);
    let mut optimizer = nn::AdamW::new_lr(objective.trainable(), 2e-3).unwrap();
    for _ in 0..60 {
        let losses = objective.losses(&batch, 0.5).unwrap();
        assert_eq!(losses[0].0, "classification");
        optimizer.backward_step(&losses[0].1).unwrap();
        objective.after_step().unwrap();
    }
    let logits = objective.evaluate("pairs", &batch).unwrap()["logits"].clone();
    assert_eq!(logits.dims(), [12, 3]);
    let accuracy = stats::accuracy(&logits, &batch["class"]).unwrap();
    assert_eq!(accuracy.estimate, 1.0);
    let passes = objective.times().unwrap();
    assert_eq!(passes.len(), 4, "{passes:?}");

    let mut wrong = batch.clone();
    wrong.insert(
        "class".to_owned(),
        Tensor::full(3u32, 12, &Device::Cpu).unwrap(),
    );
    let text = objective.losses(&wrong, 0.5).unwrap_err().to_string();
    assert!(
        text.contains("expected `class` in 0..3, got 3 at [0]"),
        "{text}"
    );
    wrong.remove("class");
    let text = objective.losses(&wrong, 0.5).unwrap_err().to_string();
    assert!(text.contains("no tensor `class`"), "{text}");
}

/// `(1 - alpha) CE(p, y) - alpha sum softmax(p_m) log_softmax(p)`, model_ve.py's, with copies that differ from their networks.
#[test]
fn the_loss_of_classes_is_the_official_one() {
    nn::seed_all(12).unwrap();
    let settings =
        json!({"alpha": 0.3, "alpha_ramp": 0.5, "momentum": 0.9, "teacher_dropout": false});
    let objective = classifier(settings);
    let batch = with_classes(6);
    let logits_of = |objective: &Slot<dyn Objective>| {
        objective.evaluate("pairs", &batch).unwrap()["logits"].clone()
    };
    // Copies are moved away by a step, and put into another objective's networks to see what they say.
    let mut optimizer = nn::AdamW::new_lr(objective.trainable(), 1e-2).unwrap();
    let losses = objective.losses(&batch, 0.0).unwrap();
    let hard = ops::cross_entropy(&logits_of(&objective), &batch["class"]).unwrap();
    assert!(
        (number(&losses[0].1) - number(&hard)).abs() < 1e-5,
        "alpha begins at 0"
    );
    optimizer.backward_step(&losses[0].1).unwrap();
    objective.after_step().unwrap();
    let teacher = classifier(json!({}));
    let copies = objective.variables();
    for named in teacher
        .variables()
        .into_iter()
        .filter(|named| named.trainable)
    {
        let copy = ["visual_encoder", "text_encoder", "cls_head"]
            .iter()
            .find_map(|part| Some(format!("{part}_m{}", named.name.strip_prefix(part)?)))
            .unwrap();
        let copy = copies.iter().find(|named| named.name == copy).unwrap();
        assert!(!copy.trainable);
        named.var.set(&copy.var.as_detached_tensor()).unwrap();
    }
    let (p, p_m) = (logits_of(&objective), logits_of(&teacher));
    assert!(error(&p, &p_m) > 1e-3, "the copies are behind");
    let log_p = ops::log_softmax(&p).unwrap();
    let soft = (ops::softmax(&p_m).unwrap() * log_p)
        .unwrap()
        .sum(1)
        .unwrap();
    let soft = -number(&soft.mean_all().unwrap());
    let hard = number(&ops::cross_entropy(&p, &batch["class"]).unwrap());
    for (progress, alpha) in [(0.25, 0.15), (1.0, 0.3)] {
        let found = number(&objective.losses(&batch, progress).unwrap()[0].1);
        let expected = (1.0 - alpha) * hard + alpha * soft;
        assert!(
            (found - expected).abs() < 1e-5,
            "{found}, expected {expected}"
        );
    }
}

#[test]
fn the_classifier_goes_on_with_what_the_pre_training_has_learned() {
    nn::seed_all(13).unwrap();
    let objective = small(json!({}));
    let value = |name: &str| {
        let variables = objective.variables();
        let named = variables.iter().find(|named| named.name == name).unwrap();
        named.var.as_detached_tensor()
    };
    let names = [
        "visual_encoder.blocks.1.mlp.fc1.weight",
        "text_encoder_m.bert.encoder.layer.3.output.dense.weight",
    ];
    let before = names.map(value);
    let config = classifier(json!({})).provenance().config;
    objective
        .swap_with(
            "objective/albef_classification",
            config,
            plugin::Carry::Matching,
        )
        .unwrap();
    for (name, before) in names.iter().zip(before) {
        assert_eq!(error(&value(name), &before), 0.0, "{name}");
    }
    let losses = objective.losses(&with_classes(4), 1.0).unwrap();
    assert!(number(&losses[0].1).is_finite());
    objective.after_step().unwrap();
}
