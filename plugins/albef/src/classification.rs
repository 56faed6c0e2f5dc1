//! Classes of image-text pairs: fine-tuning after the pre-training.
//!
//! The class token that the fusion makes goes through two layers. It is the official program's `models/model_ve.py` (visual
//! entailment), and with another number of classes serves any such task. Tensors have its names, and encoders those of
//! [`crate::objective`]: swapped in with `Carry::Matching`, or read from its checkpoint, they go on with what they learned.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use patchbay::{
    candle_nn::Init,
    plugin::{Parts, prelude::*},
    serde_json::Value,
};

use crate::{
    contrastive::Distillation,
    encoders::{Encoders, class_tokens, encode},
    inputs::{Inputs, finite, integers, within},
    masking::soft_cross_entropy,
    momentum::{follow, with_copy},
    passes::Passes,
};

patchbay::config! {
    /// Settings of [`AlbefClassification`]; the defaults are those of the official program's visual entailment.
    pub struct AlbefClassificationConfig {
        /// How many classes there are.
        #[schemars(range(min = 2))]
        classes: usize = 3,
        /// The component that encodes images, a class token first.
        image_encoder: String = "encoder/vit".to_owned(),
        /// Its settings.
        image_config: Value = json!({"image_size": 384}),
        /// The component that encodes text, and with `fusion_layer` also fuses it with the image.
        text_encoder: String = "encoder/bert".to_owned(),
        /// Its settings.
        text_config: Value = json!({"fusion_layer": 6}),
        /// A component that fuses text tokens with the image's; null: the text encoder's upper layers do.
        multimodal_encoder: Option<String> = None,
        /// Its settings.
        multimodal_config: Value = json!({}),
        /// How much of itself a momentum copy keeps at a step.
        #[schemars(range(min = 0.0, max = 1.0))]
        momentum: f64 = 0.995,
        /// The momentum model's share in the targets; 0: classes alone.
        #[schemars(range(min = 0.0, max = 1.0))]
        alpha: f64 = 0.4,
        /// Over which part of the training `alpha` rises from 0; one epoch of 5 in the official program.
        #[schemars(range(min = 0.0, max = 1.0))]
        alpha_ramp: f64 = 0.2,
        /// Cross entropy as in the official program, or divergence.
        distillation: Distillation = Distillation::CrossEntropy,
        /// Whether dropout is at work in the momentum copies, too, as in the official program.
        teacher_dropout: bool = true,
        /// The component that compares logits with their targets.
        loss: String = "loss/cross_entropy".to_owned(),
    }
}

/// Two layers with relu between.
struct Head(nn::Linear, nn::Linear);

impl Head {
    fn forward(&self, class_tokens: &Tensor) -> Result<Tensor> {
        self.1.forward(&self.0.forward(class_tokens)?.relu()?)
    }
}

/// Classes of pairs, with momentum distillation.
pub struct AlbefClassification {
    config: AlbefClassificationConfig,
    encoders: Encoders,
    head: Head,
    head_copy: Head,
    /// Pairs of the head's tensors.
    heads: Vec<(Var, Var)>,
    loss: Slot<dyn Loss>,
    last: Mutex<Passes>,
}

impl Component for AlbefClassification {}

impl Define for AlbefClassification {
    type Kind = dyn Objective;
    type Config = AlbefClassificationConfig;
    const ID: &'static str = "objective/albef_classification";
    const SUMMARY: &'static str =
        "ALBEF: classes of image-text pairs from the fused class token, with momentum distillation";
    const DETAILS: Details = Details {
        formula: "p = W2 relu(W1 fused[CLS] + b1) + b2; loss = CE(p, alpha softmax(p_m) + (1 - alpha) class)",
        reference: "Li et al. 2021, Align before Fuse, arXiv 2107.07651, section 5 (visual entailment); as salesforce/ALBEF's model_ve.py",
        shapes: "batch: image [batch, channels, height, width]; text [batch, length] (u32); text_mask [batch, length] (u8); \
                 class [batch] (an integer type, 0..classes); losses classification []; evaluation pairs: logits [batch, classes]",
        trainable: true,
        example: r#"let objective = create::<dyn Objective>("objective/albef_classification", json!({
    "classes": 3,
    "image_config": {"width": 32, "depth": 2, "heads": 2, "image_size": 32, "patch_size": 8},
    "text_config": {"vocabulary": 200, "width": 32, "layers": 4, "heads": 2, "fusion_layer": 2},
}))?;
let batch = plugin::Batch::from([
    ("image".to_owned(), Tensor::randn(0f32, 1.0, (4, 3, 32, 32), &device())?),
    ("text".to_owned(), Tensor::new(&[[101u32, 7, 8, 102]; 4], &device())?),
    ("class".to_owned(), Tensor::new(&[0u32, 1, 2, 1], &device())?),
]);
println!("{:?}", objective.losses(&batch, 0.5)?);
stats::accuracy(&objective.evaluate("pairs", &batch)?["logits"], &batch["class"])?"#,
    };

    fn build(config: AlbefClassificationConfig, context: &Context) -> Result<Self> {
        let encoders = Encoders::new(
            context,
            (&config.image_encoder, &config.image_config),
            (&config.text_encoder, &config.text_config),
            config
                .multimodal_encoder
                .as_deref()
                .map(|id| (id, &config.multimodal_config)),
        )?;
        let width = encoders.fusion().width();
        let mut heads = Vec::new();
        // As torch.nn.Linear begins.
        let bound = (width as f64).sqrt().recip();
        let first = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        let mut layer = |number: usize, out: usize| {
            let mut tensor = |part: &str, shape: &[usize]| {
                let (name, copy) = ("cls_head", "cls_head_m");
                let full = |head: &str| format!("{head}.{number}.{part}");
                let (online, copy) = with_copy(context, &full(name), &full(copy), shape, first)?;
                let tensors = (online.as_tensor().clone(), copy.as_detached_tensor());
                heads.push((online, copy));
                Ok::<_, candle::Error>(tensors)
            };
            let weight = tensor("weight", &[out, width])?;
            let bias = tensor("bias", &[out])?;
            Ok::<_, candle::Error>((
                nn::Linear::new(weight.0, Some(bias.0)),
                nn::Linear::new(weight.1, Some(bias.1)),
            ))
        };
        // The numbers are those of the official program's sequence of modules, in which relu is the second.
        let (inner, outer) = (layer(0, width)?, layer(2, config.classes)?);
        let loss = context
            .create::<dyn Loss>("loss", &config.loss, json!({}))
            .map_err(|error| candle::Error::Msg(error.to_string()))?;
        Ok(AlbefClassification {
            config,
            encoders,
            head: Head(inner.0, outer.0),
            head_copy: Head(inner.1, outer.1),
            heads,
            loss,
            last: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let settings = json!({
            "classes": 3,
            "image_config": {"width": 8, "depth": 1, "heads": 2, "image_size": 8, "patch_size": 4},
            "text_config": {"vocabulary": 30, "width": 8, "layers": 2, "heads": 2, "intermediate": 12,
                            "max_positions": 6, "fusion_layer": 1, "dropout": 0.0, "attention_dropout": 0.0},
        });
        let sample = crate::inputs::sample(settings)?;
        Ok(sample.input("class", Tensor::new(&[0u32, 2], &Device::Cpu)?))
    }
}

impl Objective for AlbefClassification {
    fn losses(&self, batch: &Batch, progress: f64) -> Result<Vec<(String, Tensor)>> {
        let inputs = Inputs::of(batch)?;
        let Some(classes) = batch.get("class") else {
            bail!(
                "the batch has no tensor `class` [batch] of an integer type; it has {:?}",
                batch.keys().collect::<Vec<_>>()
            );
        };
        let classes = integers(classes, "class", &[inputs.pairs()?])?;
        within(&classes, "class", 0..self.config.classes as i64, None)?;
        self.encoders.follow_swaps()?;
        let alpha = self.config.alpha * (progress / self.config.alpha_ramp.max(1e-12)).min(1.0);
        let device = inputs.image.device();
        let mut passes = Passes::default();

        let logits = passes.time("image, text and fusion", device, || {
            self.logits(&inputs, true)
        })?;
        finite(&logits, "image and text")?;
        let log_q = if alpha > 0.0 {
            let logits = passes.time("momentum image, text and fusion", device, || {
                self.momentum_logits(&inputs)
            })?;
            Some(ops::log_softmax(&logits.detach())?)
        } else {
            None
        };
        let loss = passes.time("loss", device, || {
            let distillation = self.config.distillation;
            soft_cross_entropy(
                &self.loss,
                &logits,
                &classes,
                log_q.as_ref(),
                alpha,
                distillation,
            )
        })?;
        *self.last() = passes;
        Ok(vec![("classification".to_owned(), loss)])
    }

    /// The copies follow their networks.
    fn after_step(&self) -> Result<()> {
        let device = self.heads[0].0.device();
        self.last().time("momentum copies", device, || {
            let mut pairs = self.heads.clone();
            pairs.extend(self.encoders.pairs()?);
            follow(&pairs, self.config.momentum)
        })
    }

    fn evaluations(&self) -> Vec<&'static str> {
        vec!["pairs"]
    }

    /// `pairs`: `logits` `[batch, classes]`.
    fn evaluate(&self, what: &str, batch: &Batch) -> Result<Batch> {
        if what != "pairs" {
            bail!("there is no evaluation `{what}` here; there is `pairs`");
        }
        let logits = self.logits(&Inputs::of(batch)?, false)?;
        Ok(Batch::from([("logits".to_owned(), logits.detach())]))
    }

    fn parts(&self) -> Parts {
        Parts {
            losses: vec![("classification".to_owned(), self.loss.clone())],
            encoders: self.encoders.parts(),
        }
    }

    fn times(&self) -> Result<Vec<(String, Duration)>> {
        Ok(self.last().0.clone())
    }
}

impl AlbefClassification {
    fn last(&self) -> MutexGuard<'_, Passes> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logits(&self, inputs: &Inputs<'_>, train: bool) -> Result<Tensor> {
        let (encoders, mask) = (&self.encoders, Some(&inputs.mask));
        let image = encode(&encoders.image.online, inputs.image, None, None, train)?;
        let text = encode(&encoders.text.online, inputs.text, mask, None, train)?;
        let fused = encode(encoders.fusion(), &text, mask, Some(&image), train)?;
        self.head.forward(&class_tokens(&fused)?)
    }

    fn momentum_logits(&self, inputs: &Inputs<'_>) -> Result<Tensor> {
        let (encoders, mask) = (&self.encoders, Some(&inputs.mask));
        let dropout = self.config.teacher_dropout;
        let image = encode(&encoders.image.copy, inputs.image, None, None, dropout)?;
        let text = encode(&encoders.text.copy, inputs.text, mask, None, dropout)?;
        let fused = encode(encoders.fusion_copy(), &text, mask, Some(&image), dropout)?;
        self.head_copy.forward(&class_tokens(&fused)?)
    }
}
