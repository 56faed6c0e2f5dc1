//! What becomes of trained tensors when components are swapped.

use patchbay::plugin::{self, Carry, prelude::*};

/// Registered from inside the test program: carrying does not depend on how a component came.
mod encoders {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use patchbay::{nn, plugin::prelude::*, serde_json::Map};

    patchbay::config! {
        pub struct TwoLayers {
            /// Width of the layer between.
            hidden: usize,
            /// The second layer's name.
            second: String = "second".to_owned(),
            /// Fails after the first layer is made.
            fail: bool = false,
        }
    }

    pub struct Mlp {
        first: nn::Linear,
        second: nn::Linear,
        queue: Var,
        steps: AtomicUsize,
    }

    impl Component for Mlp {
        fn state(&self) -> Map<String, patchbay::serde_json::Value> {
            Map::from_iter([(
                "steps".to_owned(),
                json!(self.steps.load(Ordering::Relaxed)),
            )])
        }

        fn restore(&self, state: &Map<String, patchbay::serde_json::Value>) -> Vec<String> {
            match state.get("steps").and_then(|steps| steps.as_u64()) {
                Some(steps) => {
                    self.steps.store(steps as usize, Ordering::Relaxed);
                    vec!["steps".to_owned()]
                }
                None => Vec::new(),
            }
        }
    }

    impl Define for Mlp {
        type Kind = dyn Encoder;
        type Config = TwoLayers;
        const ID: &'static str = "encoder/mlp";
        const SUMMARY: &'static str = "two layers";
        const DETAILS: Details = Details {
            trainable: true,
            ..Details::NONE
        };

        fn build(config: TwoLayers, context: &Context) -> Result<Self> {
            let first = nn::linear(3, config.hidden, context.vb().pp("first"))?;
            if config.fail {
                bail!("asked to");
            }
            Ok(Mlp {
                first,
                second: nn::linear(config.hidden, 2, context.vb().pp(config.second))?,
                queue: context.buffer("queue", 4, DType::F32, nn::init::ZERO)?,
                steps: AtomicUsize::new(0),
            })
        }
    }

    impl Encoder for Mlp {
        fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
            self.steps.fetch_add(1, Ordering::Relaxed);
            let tokens = self
                .second
                .forward(&self.first.forward(input.values)?)?
                .unsqueeze(1)?;
            let shift = self.queue.as_tensor().sum_all()?;
            let tokens = tokens.broadcast_add(&shift)?;
            Ok(Encoding {
                pooled: tokens.squeeze(1)?,
                tokens,
                attention: Vec::new(),
            })
        }

        fn width(&self) -> usize {
            2
        }
    }

    /// A component that has another one as a part.
    pub struct Pair {
        left: Slot<dyn Encoder>,
        scale: Tensor,
    }

    impl Component for Pair {}

    impl Define for Pair {
        type Kind = dyn Encoder;
        type Config = ();
        const ID: &'static str = "encoder/pair";
        const SUMMARY: &'static str = "an encoder inside an encoder";
        const DETAILS: Details = Details {
            trainable: true,
            ..Details::NONE
        };

        fn build(_config: (), context: &Context) -> Result<Self> {
            Ok(Pair {
                left: context.create("left", "encoder/mlp", json!({"hidden": 4}))?,
                scale: context.vb().get_with_hints(1, "scale", nn::init::ONE)?,
            })
        }
    }

    impl Encoder for Pair {
        fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
            let encoding = self.left.forward(input)?;
            let tokens = encoding.tokens.broadcast_mul(&self.scale)?;
            Ok(Encoding {
                pooled: tokens.squeeze(1)?,
                tokens,
                attention: Vec::new(),
            })
        }

        fn width(&self) -> usize {
            2
        }
    }

    patchbay::export_plugin!(Mlp, Pair);
}

fn encoder(id: &str, config: patchbay::serde_json::Value) -> Slot<dyn Encoder> {
    encoders::register().unwrap();
    plugin::create(id, config).unwrap()
}

fn input() -> Tensor {
    Tensor::new(&[[1f32, -2.0, 0.5], [0.25, 3.0, -1.0]], &Device::Cpu).unwrap()
}

fn output(encoder: &Slot<dyn Encoder>) -> Vec<Vec<f32>> {
    encoder
        .forward(EncoderInput::new(&input()))
        .unwrap()
        .pooled
        .to_vec2()
        .unwrap()
}

fn names(encoder: &Slot<dyn Encoder>) -> Vec<String> {
    encoder
        .variables()
        .into_iter()
        .map(|named| named.name)
        .collect()
}

#[test]
fn equal_tensors_are_kept_with_their_values_and_their_optimizer() {
    let encoder = encoder("encoder/mlp", json!({"hidden": 4}));
    assert_eq!(
        names(&encoder),
        [
            "first.bias",
            "first.weight",
            "queue",
            "second.bias",
            "second.weight"
        ]
    );
    assert_eq!(encoder.trainable().len(), 4);
    let mut optimizer = nn::AdamW::new_lr(encoder.trainable(), 0.1).unwrap();
    let mut step = || {
        let pooled = encoder.forward(EncoderInput::new(&input())).unwrap().pooled;
        let loss = pooled.sqr().unwrap().sum_all().unwrap();
        optimizer.backward_step(&loss).unwrap();
        loss.to_scalar::<f32>().unwrap()
    };
    let first = step();
    let before = output(&encoder);
    let report = encoder.swap("encoder/mlp", json!({"hidden": 4})).unwrap();
    assert_eq!(report.kept, names(&encoder));
    assert!(report.fresh.is_empty() && report.dropped.is_empty() && report.mismatched.is_empty());
    assert_eq!(report.state, ["steps"]);
    assert!(
        report.optimizer().starts_with("kept: it goes on"),
        "{report}"
    );
    assert_eq!(output(&encoder), before, "bit for bit");
    let losses: Vec<f32> = (0..40).map(|_| step()).collect();
    assert!(
        losses[39] < 0.5 * first,
        "the same optimizer trains on: {first} {losses:?}"
    );
}

#[test]
fn a_swap_that_would_lose_trained_tensors_is_refused_whole() {
    let encoder = encoder("encoder/mlp", json!({"hidden": 4}));
    let before = output(&encoder);
    let text = encoder
        .swap("encoder/mlp", json!({"hidden": 5}))
        .unwrap_err()
        .to_string();
    for words in [
        "first.weight ([4, 3] f32, there [5, 3] f32)",
        "Nothing was changed",
        "Carry::Matching",
    ] {
        assert!(text.contains(words), "{text}");
    }
    let text = encoder
        .swap("encoder/mlp", json!({"hidden": 4, "second": "head"}))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("no place for 2 trained tensor(s): second.bias ([2] f32), second.weight"),
        "{text}"
    );
    let text = encoder
        .swap("encoder/mlp", json!({"hidden": 4, "fail": true}))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("encoder/mlp cannot be made: asked to"),
        "{text}"
    );
    let text = encoder
        .swap("encoder/mlp", json!({}))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("`hidden` is missing (integer: Width of the layer between.)"),
        "{text}"
    );
    assert_eq!(output(&encoder), before);
    assert_eq!((encoder.history().0.len(), encoder.swaps()), (1, 0));
}

#[test]
fn a_partial_carry_reports_each_tensor_and_rollback_brings_the_rest_back() {
    let encoder = encoder("encoder/mlp", json!({"hidden": 4}));
    let before = output(&encoder);
    let config = json!({"hidden": 4, "second": "head"});
    let report = encoder
        .swap_with("encoder/mlp", config, Carry::Matching)
        .unwrap();
    assert_eq!(report.kept, ["first.bias", "first.weight", "queue"]);
    assert_eq!(report.fresh, ["head.bias", "head.weight"]);
    assert_eq!(report.dropped, ["second.bias", "second.weight"]);
    assert!(report.optimizer().contains("does not know the fresh ones"));
    assert_ne!(output(&encoder), before);
    let report = encoder
        .swap_with("encoder/mlp", json!({"hidden": 5}), Carry::Matching)
        .unwrap();
    assert_eq!(report.mismatched.len(), 2, "{report}");
    assert_eq!(report.kept, ["queue"]);
    encoder.rollback(0).unwrap();
    assert_eq!(output(&encoder), before, "the dropped tensors came back");
    let report = encoder
        .swap_with("encoder/mlp", json!({"hidden": 4}), Carry::Fresh)
        .unwrap();
    assert!(
        report.kept.is_empty() && report.optimizer().starts_with("void"),
        "{report}"
    );
    assert_eq!(report.dropped.len(), 5);
}

#[test]
fn parts_are_carried_under_their_name() {
    let encoder = encoder("encoder/pair", json!({}));
    assert_eq!(names(&encoder).len(), 6);
    assert!(names(&encoder).contains(&"left.first.weight".to_owned()));
    let before = output(&encoder);
    let report = encoder.swap("encoder/pair", json!({})).unwrap();
    assert_eq!(report.kept.len(), 6, "{report}");
    assert_eq!(output(&encoder), before);
}

#[test]
fn many_swaps_keep_only_the_last_components_alive() {
    let encoder = encoder("encoder/mlp", json!({"hidden": 4}));
    let before = output(&encoder);
    for _ in 0..40 {
        encoder
            .swap_with("encoder/mlp", json!({"hidden": 4}), Carry::Fresh)
            .unwrap();
    }
    assert_eq!(encoder.history().0.len(), 41);
    // The first component is gone; rollback makes it again from its settings, with the present weights.
    let present = output(&encoder);
    encoder.rollback(0).unwrap();
    assert_eq!(output(&encoder), present);
    assert_ne!(present, before);
}
