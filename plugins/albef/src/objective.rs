//! The objective: contrastive loss, matching and masked words from a batch of images with their captions.
//!
//! The maths is that of the official program's `models/model_pretrain.py`, and tensors have its names. What runs is less:
//!
//! - The text encoder reads words and masked words in one pass, and the fusion layers see positive pairs, both kinds of
//!   negatives and masked words in one pass of four batches. So a step has six passes where the official one has nine.
//! - Logits of words are computed where a word was chosen, not at all tokens.
//! - [`Objective::losses`] changes nothing but a temperature out of bounds: momentum copies and queues move in
//!   [`Objective::after_step`], after the optimizer. The copies that a step sees are the same as with the official order,
//!   where they move at the beginning of the next.
//! - Where nothing is masked, or a batch of one has no negatives, the losses are defined (0, and positives only).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use patchbay::{
    candle_nn::Init,
    ops::Stream,
    plugin::{Parts, prelude::*},
    serde_json::Value,
};

use crate::{
    contrastive::{Distillation, Similarity, shared_positives, similarity},
    encoders::{Encoders, class_tokens, encode},
    inputs::{Given, Inputs, finite},
    masking::{Chosen, SpecialTokens, mask_words, soft_cross_entropy},
    momentum::{follow, with_copy},
    negatives::hard_negatives,
    passes::Passes,
    queue::{FeatureQueue, IdQueue},
    word_head::WordHead,
};

patchbay::config! {
    /// Settings of [`Albef`]; the defaults are those of the paper.
    pub struct AlbefConfig {
        /// The component that encodes images, a class token first.
        image_encoder: String = "encoder/vit".to_owned(),
        /// Its settings.
        image_config: Value = json!({"image_size": 256}),
        /// The component that encodes text, and with `fusion_layer` also fuses it with the image.
        text_encoder: String = "encoder/bert".to_owned(),
        /// Its settings.
        text_config: Value = json!({"fusion_layer": 6}),
        /// A component that fuses text tokens with the image's; null: the text encoder's upper layers do.
        multimodal_encoder: Option<String> = None,
        /// Its settings.
        multimodal_config: Value = json!({}),
        /// Number of token ids, that of the text encoder.
        vocabulary: usize = 30522,
        /// Width of the features that are compared.
        #[schemars(range(min = 1))]
        embed_dim: usize = 256,
        /// How many features of earlier batches are compared with.
        queue_size: usize = 65536,
        /// Whether pairs with the same `id` are positives of each other, in the batch and in the queues, as in the official
        /// program's fine-tuning for retrieval. Else what is in the queues is a negative, whatever its id: with few different
        /// captions, a row's own caption, too.
        shared_positives: bool = false,
        /// How much of itself a momentum copy keeps at a step.
        #[schemars(range(min = 0.0, max = 1.0))]
        momentum: f64 = 0.995,
        /// The momentum model's share in the targets.
        #[schemars(range(min = 0.0, max = 1.0))]
        alpha: f64 = 0.4,
        /// Over which part of the training `alpha` rises from 0; one epoch of 30 in the paper.
        #[schemars(range(min = 0.0, max = 1.0))]
        alpha_ramp: f64 = 1.0 / 30.0,
        /// Where the temperature begins; it is trained, and kept in 0.001..0.5.
        #[schemars(range(min = 0.001, max = 0.5))]
        temperature: f64 = 0.07,
        /// The probability that a token is chosen for the masked words.
        #[schemars(range(min = 0.0, max = 1.0))]
        mask_probability: f64 = 0.15,
        /// Cross entropy as in the official program, or divergence as in the paper's equations 6 and 7.
        distillation: Distillation = Distillation::CrossEntropy,
        /// Whether dropout is at work in the momentum copies, too, as in the official program.
        teacher_dropout: bool = true,
        /// The component that compares similarities with their targets.
        contrastive_loss: String = "loss/cross_entropy".to_owned(),
        /// The component that judges whether pairs match.
        matching_loss: String = "loss/cross_entropy".to_owned(),
        /// The component that compares words with their targets.
        word_loss: String = "loss/cross_entropy".to_owned(),
        /// The id of padding.
        pad_token: u32 = 0,
        /// The id of [CLS].
        cls_token: u32 = 101,
        /// The id of [MASK].
        mask_token: u32 = 103,
    }
}

/// A linear layer `[out, in]` with its momentum copy.
struct Projection {
    online: nn::Linear,
    copy: nn::Linear,
}

/// ALBEF's pre-training.
pub struct Albef {
    config: AlbefConfig,
    encoders: Encoders,
    image_projection: Projection,
    text_projection: Projection,
    words: WordHead,
    words_copy: WordHead,
    matching: nn::Linear,
    temperature: Var,
    image_queue: FeatureQueue,
    text_queue: FeatureQueue,
    /// Where pairs share positives.
    id_queue: Option<IdQueue>,
    /// Pairs of the tensors beside the encoders.
    heads: Vec<(Var, Var)>,
    contrastive_loss: Slot<dyn Loss>,
    matching_loss: Slot<dyn Loss>,
    word_loss: Slot<dyn Loss>,
    last: Mutex<Last>,
}

/// What the last call of `losses` left for `after_step` and for whoever asks.
#[derive(Default)]
struct Last {
    features: Option<(Tensor, Tensor)>,
    ids: Vec<i64>,
    passes: Passes,
}

const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

impl Component for Albef {}

impl Define for Albef {
    type Kind = dyn Objective;
    type Config = AlbefConfig;
    const ID: &'static str = "objective/albef";
    const SUMMARY: &'static str = "ALBEF: image-text contrastive loss, matching with hard negatives, masked words, momentum distillation";
    const DETAILS: Details = Details {
        formula: "itc = (CE(y_i2t, s_i2t) + CE(y_t2i, s_t2i)) / 2, y = alpha softmax(s_m) + (1 - alpha) I, s = f g_m / T; \
                  with shared_positives, I is all pairs with the row's id, in equal parts; \
                  itm = CE of pairs and hard negatives; mlm = CE of masked words against alpha q_m + (1 - alpha) y",
        reference: "Li et al. 2021, Align before Fuse, arXiv 2107.07651, eq. 1-7; as salesforce/ALBEF's model_pretrain.py",
        shapes: "batch: image [batch, channels, height, width]; text [batch, length] (u32); text_mask [batch, length] (u8); \
                 id [batch] (i64, optional: equal ids are no negatives in matching, and with shared_positives positives of each other); losses itc, itm, mlm []; features image and \
                 text [batch, embed_dim]; evaluations pairs: match [batch], attention [batch, layers, heads, length, image tokens]; \
                 tokens: image_tokens [batch, image tokens, width], text_tokens [batch, length, width]; match_scores: match [batch]",
        trainable: true,
        example: r#"let objective = create::<dyn Objective>("objective/albef", json!({
    "image_config": {"width": 32, "depth": 2, "heads": 2, "image_size": 32, "patch_size": 8},
    "text_config": {"vocabulary": 200, "width": 32, "layers": 4, "heads": 2, "fusion_layer": 2},
    "vocabulary": 200, "embed_dim": 16, "queue_size": 64,
}))?;
let batch = plugin::Batch::from([
    ("image".to_owned(), Tensor::randn(0f32, 1.0, (4, 3, 32, 32), &device())?),
    ("text".to_owned(), Tensor::new(&[[101u32, 7, 8, 102]; 4], &device())?),
    ("text_mask".to_owned(), Tensor::ones((4, 4), DType::U8, &device())?),
]);
objective.losses(&batch, 0.5)?"#,
    };

    fn build(config: AlbefConfig, context: &Context) -> Result<Self> {
        let part = |error: plugin::Error| candle::Error::Msg(error.to_string());
        let encoders = Encoders::new(
            context,
            (&config.image_encoder, &config.image_config),
            (&config.text_encoder, &config.text_config),
            config
                .multimodal_encoder
                .as_deref()
                .map(|id| (id, &config.multimodal_config)),
        )?;
        word_embeddings(&encoders.text.online, config.vocabulary)?;

        let mut heads = Vec::new();
        let mut with_copy = |name: &str, copy: &str, shape: &[usize], first: Init| {
            let (online, copy) = with_copy(context, name, copy, shape, first)?;
            let tensors = (online.as_tensor().clone(), copy.as_detached_tensor());
            heads.push((online, copy));
            Ok::<_, candle::Error>(tensors)
        };
        let text_width = encoders.text.online.width();
        let (words, words_copy) =
            WordHead::with_copy(text_width, config.vocabulary, |name, shape, first| {
                let (online, copy) = ("text_encoder", "text_encoder_m");
                let full = |encoder: &str| format!("{encoder}.cls.predictions.{name}");
                with_copy(&full(online), &full(copy), shape, first)
            })?;
        let mut projection = |name: &str, width: usize| {
            // As torch.nn.Linear begins.
            let bound = (width as f64).sqrt().recip();
            let first = Init::Uniform {
                lo: -bound,
                up: bound,
            };
            let mut tensor = |part: &str, shape: &[usize]| {
                with_copy(
                    &format!("{name}.{part}"),
                    &format!("{name}_m.{part}"),
                    shape,
                    first,
                )
            };
            let weight = tensor("weight", &[config.embed_dim, width])?;
            let bias = tensor("bias", &[config.embed_dim])?;
            Ok::<_, candle::Error>(Projection {
                online: nn::Linear::new(weight.0, Some(bias.0)),
                copy: nn::Linear::new(weight.1, Some(bias.1)),
            })
        };
        let image_projection = projection("vision_proj", encoders.image.online.width())?;
        let text_projection = projection("text_proj", text_width)?;
        let loss = |name: &str, id: &str| {
            context
                .create::<dyn Loss>(name, id, json!({}))
                .map_err(part)
        };
        let queue = |name: &str| {
            FeatureQueue::new(
                context,
                name,
                "queue_ptr",
                config.embed_dim,
                config.queue_size,
            )
        };
        Ok(Albef {
            contrastive_loss: loss("contrastive_loss", &config.contrastive_loss)?,
            matching_loss: loss("matching_loss", &config.matching_loss)?,
            word_loss: loss("word_loss", &config.word_loss)?,
            matching: nn::linear(text_width, 2, context.vb().pp("itm_head"))?,
            temperature: context.variable("temp", (), Init::Const(config.temperature))?,
            image_queue: queue("image_queue")?,
            text_queue: queue("text_queue")?,
            id_queue: config
                .shared_positives
                .then(|| IdQueue::new(context, config.queue_size))
                .transpose()?,
            config,
            encoders,
            image_projection,
            text_projection,
            words,
            words_copy,
            heads,
            last: Mutex::default(),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let settings = json!({
            "image_config": {"width": 8, "depth": 1, "heads": 2, "image_size": 8, "patch_size": 4},
            "text_config": {"vocabulary": 30, "width": 8, "layers": 2, "heads": 2, "intermediate": 12,
                            "max_positions": 6, "fusion_layer": 1, "dropout": 0.0, "attention_dropout": 0.0},
            "vocabulary": 30, "embed_dim": 4, "queue_size": 4, "pad_token": 0, "cls_token": 1, "mask_token": 2,
        });
        let sample = crate::inputs::sample(settings)?;
        // Which words are hidden is not left to chance: each text has one.
        let masked = Tensor::new(&[[1u32, 2, 12, 3], [1, 19, 2, 0]], &Device::Cpu)?;
        let labels = Tensor::new(
            &[[-100i64, 7, -100, -100], [-100, -100, 5, -100]],
            &Device::Cpu,
        )?;
        Ok(sample
            .input("masked_text", masked)
            .input("masked_labels", labels)
            // As in the official program, where the momentum model's targets are made without gradients.
            .other_gradient(
                "input image",
                "the momentum copies see it, too, and their targets are constants",
            )
            .other_gradient(
                "temp",
                "the targets, which are constants, are divided by it, too",
            ))
    }
}

/// What the trained networks make of a batch.
struct Online {
    /// `[batch, image tokens, width]`.
    image: Tensor,
    /// `[batch, length, width]`, of the words and of those with some hidden.
    words: Tensor,
    hidden: Tensor,
    image_feature: Tensor,
    text_feature: Tensor,
}

/// What the momentum copies make of it, without a gradient.
struct Momentum {
    image: Tensor,
    /// Of the text with hidden words; `None` where the teacher has no share in its targets.
    hidden: Option<Tensor>,
    image_feature: Tensor,
    text_feature: Tensor,
}

/// What the layers that fuse make.
struct Fused {
    /// Class tokens `[judged, width]`: pairs that match, and behind them those that do not.
    class_tokens: Tensor,
    /// `[batch, length, width]`, of the text with hidden words.
    hidden: Tensor,
}

/// The words that are hidden.
struct Hidden {
    /// `[batch, length]`, ids with words hidden.
    text: Tensor,
    /// What they were.
    chosen: Chosen,
}

impl Objective for Albef {
    fn losses(&self, batch: &Batch, progress: f64) -> Result<Vec<(String, Tensor)>> {
        let inputs = Inputs::of(batch)?;
        let given = Given::of(batch, &inputs, self.config.vocabulary)?;
        self.encoders.follow_swaps()?;
        let temperature = self.clamped_temperature()?;
        let alpha = self.config.alpha * (progress / self.config.alpha_ramp.max(1e-12)).min(1.0);
        let mut passes = Passes::default();
        let device = inputs.image.device();

        let hidden = self.hide_words(given.masked, &inputs)?;
        let online = self.encode_online(&inputs, &hidden, &mut passes)?;
        let momentum = self.encode_momentum(&inputs, &hidden, alpha, &mut passes)?;
        let (to_text, to_image, contrastive) = passes.time("contrastive loss", device, || {
            let positives = self.positives(&inputs)?;
            let (to_text, to_image) =
                self.similarities(&online, &momentum, &temperature, alpha, positives.as_ref())?;
            let loss = self.contrastive(&to_text, &to_image, alpha)?;
            Ok((to_text, to_image, loss))
        })?;
        let negatives = match given.negatives {
            Some(negatives) => Some(negatives),
            None => self.negatives(&inputs, &to_text, &to_image)?,
        };
        let fused = self.fuse(&inputs, &online, negatives.as_ref(), &mut passes)?;
        let matching = passes.time("matching loss", device, || {
            self.matching(&fused.class_tokens, inputs.pairs()?)
        })?;
        let words = self.words(
            &inputs,
            &fused,
            &momentum,
            &hidden.chosen,
            alpha,
            &mut passes,
        )?;

        let mut last = self.last();
        last.features = Some((momentum.image_feature, momentum.text_feature));
        last.ids = inputs.ids.unwrap_or_default();
        last.passes = passes;
        Ok(vec![
            ("itc".to_owned(), contrastive),
            ("itm".to_owned(), matching),
            ("mlm".to_owned(), words),
        ])
    }

    /// Queues take the last batch's momentum features, and the copies follow their networks.
    fn after_step(&self) -> Result<()> {
        let mut last = self.last();
        let features = last.features.take();
        let ids = std::mem::take(&mut last.ids);
        let device = self.temperature.device();
        if let Some((image, text)) = features {
            last.passes.time("queues", device, || {
                if let Some(queue) = &self.id_queue {
                    queue.push(&ids, self.image_queue.next()?)?;
                }
                self.image_queue.push(&image)?;
                let next = self.text_queue.push(&text)?;
                self.text_queue.advance(next)
            })?;
        }
        last.passes.time("momentum copies", device, || {
            let mut pairs = self.heads.clone();
            pairs.extend(self.encoders.pairs()?);
            follow(&pairs, self.config.momentum)
        })
    }

    fn features(&self, batch: &Batch) -> Result<Batch> {
        let mut features = Batch::new();
        if let Some(image) = batch.get("image") {
            let tokens = encode(&self.encoders.image.online, image, None, None, false)?;
            let image = feature(&tokens, &self.image_projection.online)?;
            features.insert("image".to_owned(), image.detach());
        }
        if let Some(text) = batch.get("text") {
            let mask = batch.get("text_mask");
            let tokens = encode(&self.encoders.text.online, text, mask, None, false)?;
            let text = feature(&tokens, &self.text_projection.online)?;
            features.insert("text".to_owned(), text.detach());
        }
        Ok(features)
    }

    fn evaluations(&self) -> Vec<&'static str> {
        vec!["pairs", "tokens", "match_scores"]
    }

    fn evaluate(&self, what: &str, batch: &Batch) -> Result<Batch> {
        match what {
            "pairs" => self.pairs(batch),
            "tokens" => self.tokens(batch),
            "match_scores" => {
                let scores = self.match_scores(batch)?;
                Ok(Batch::from([("match".to_owned(), scores)]))
            }
            _ => bail!(
                "ALBEF has no evaluation `{what}`; it has {:?}",
                self.evaluations()
            ),
        }
    }

    fn parts(&self) -> Parts {
        Parts {
            losses: vec![
                ("itc".to_owned(), self.contrastive_loss.clone()),
                ("itm".to_owned(), self.matching_loss.clone()),
                ("mlm".to_owned(), self.word_loss.clone()),
            ],
            encoders: self.encoders.parts(),
        }
    }

    fn times(&self) -> Result<Vec<(String, Duration)>> {
        Ok(self.last().passes.0.clone())
    }
}

/// What [`Objective::evaluate`] makes of a batch.
impl Albef {
    /// Of each image with its text: `match` `[batch]`, the probability that they belong together, and `attention`
    /// `[batch, layers, heads, length, image tokens]`, where the text looks.
    fn pairs(&self, batch: &Batch) -> Result<Batch> {
        let (logits, maps) = self.judge(&self.tokens(batch)?, true)?;
        let probability = ops::softmax(&logits)?.i((.., 1))?.contiguous()?;
        Ok(Batch::from([
            ("match".to_owned(), probability),
            ("attention".to_owned(), Tensor::stack(&maps, 1)?.detach()),
        ]))
    }

    /// What is computed once for each image and each text: `image_tokens` `[batch, image tokens, width]`, `text_tokens`
    /// `[batch, length, width]` and `text_mask`. [`Albef::match_scores`] takes it, in any pairing of its rows.
    fn tokens(&self, batch: &Batch) -> Result<Batch> {
        let inputs = Inputs::of(batch)?;
        let mask = Some(&inputs.mask);
        let image = encode(&self.encoders.image.online, inputs.image, None, None, false)?;
        let text = encode(&self.encoders.text.online, inputs.text, mask, None, false)?;
        Ok(Batch::from([
            ("image_tokens".to_owned(), image.detach()),
            ("text_tokens".to_owned(), text.detach()),
            ("text_mask".to_owned(), inputs.mask),
        ]))
    }

    /// How well each image goes with its text, `[batch]`, more being better, of a batch or of its [`Albef::tokens`]. For
    /// ranking: a logit tells pairs apart whose probabilities are both 1 in f32.
    fn match_scores(&self, batch: &Batch) -> Result<Tensor> {
        let (logits, _) = match batch.contains_key("image_tokens") {
            true => self.judge(batch, false)?,
            false => self.judge(&self.tokens(batch)?, false)?,
        };
        logits.i((.., 1))? - logits.i((.., 0))?
    }
}

impl Albef {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The temperature, moved into its bounds where the optimizer has left them.
    fn clamped_temperature(&self) -> Result<Tensor> {
        let value = self.temperature.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let bounded = value.clamp(0.001, 0.5);
        if bounded != value {
            let value = Tensor::new(bounded, self.temperature.device())?;
            self.temperature
                .set(&value.to_dtype(self.temperature.dtype())?)?;
        }
        Ok(self.temperature.as_tensor().clone())
    }

    fn hide_words(&self, given: Option<(Tensor, Tensor)>, inputs: &Inputs<'_>) -> Result<Hidden> {
        let config = &self.config;
        let (text, labels) = match given {
            Some(given) => given,
            None => {
                let tokens = SpecialTokens {
                    pad: config.pad_token,
                    cls: config.cls_token,
                    mask: config.mask_token,
                    vocabulary: config.vocabulary as u32,
                };
                mask_words(inputs.text, config.mask_probability, tokens, Stream::next())?
            }
        };
        Ok(Hidden {
            text,
            chosen: Chosen::of(&labels)?,
        })
    }

    /// Both kinds of text in one pass: [words; words with some hidden].
    fn encode_online(
        &self,
        inputs: &Inputs<'_>,
        hidden: &Hidden,
        passes: &mut Passes,
    ) -> Result<Online> {
        let (pairs, device) = (inputs.pairs()?, inputs.image.device());
        let texts = Tensor::cat(&[inputs.text, &hidden.text], 0)?;
        let masks = Tensor::cat(&[&inputs.mask, &inputs.mask], 0)?;
        let image = passes.time("image", device, || {
            encode(&self.encoders.image.online, inputs.image, None, None, true)
        })?;
        let text = passes.time("text, text masked", device, || {
            encode(&self.encoders.text.online, &texts, Some(&masks), None, true)
        })?;
        let words = text.i((..pairs, ..))?.contiguous()?;
        let online = Online {
            image_feature: feature(&image, &self.image_projection.online)?,
            text_feature: feature(&words, &self.text_projection.online)?,
            image,
            words,
            hidden: text.i((pairs.., ..))?.contiguous()?,
        };
        finite(&online.image_feature, "image")?;
        finite(&online.text_feature, "text")?;
        Ok(online)
    }

    fn encode_momentum(
        &self,
        inputs: &Inputs<'_>,
        hidden: &Hidden,
        alpha: f64,
        passes: &mut Passes,
    ) -> Result<Momentum> {
        let (pairs, device) = (inputs.pairs()?, inputs.image.device());
        let dropout = self.config.teacher_dropout;
        let image = passes.time("momentum image", device, || {
            encode(&self.encoders.image.copy, inputs.image, None, None, dropout)
        })?;
        // Only features are wanted of the teacher where it has no share in the words' targets.
        let taught = alpha > 0.0;
        let text = passes.time("momentum text", device, || {
            let (texts, masks) = if taught {
                (
                    Tensor::cat(&[inputs.text, &hidden.text], 0)?,
                    Tensor::cat(&[&inputs.mask, &inputs.mask], 0)?,
                )
            } else {
                (inputs.text.clone(), inputs.mask.clone())
            };
            encode(
                &self.encoders.text.copy,
                &texts,
                Some(&masks),
                None,
                dropout,
            )
        })?;
        let words = text.i((..pairs, ..))?;
        let hidden = match taught {
            true => Some(text.i((pairs.., ..))?.contiguous()?.detach()),
            false => None,
        };
        Ok(Momentum {
            image_feature: feature(&image, &self.image_projection.copy)?.detach(),
            text_feature: feature(&words, &self.text_projection.copy)?.detach(),
            image: image.detach(),
            hidden,
        })
    }

    /// Which of the batch and the queues belong to each pair, `[batch, batch + queue]`, where pairs share positives.
    fn positives(&self, inputs: &Inputs<'_>) -> Result<Option<Tensor>> {
        let Some(queue) = &self.id_queue else {
            return Ok(None);
        };
        let pairs = inputs.pairs()?;
        match &inputs.ids {
            Some(ids) if ids.len() == pairs => {
                shared_positives(ids, &queue.ids()?, inputs.image.device()).map(Some)
            }
            Some(ids) => bail!("there are {} ids for {pairs} pairs", ids.len()),
            None => bail!(
                "`shared_positives` is set, and the batch has no tensor `id` [{pairs}] (i64): give pairs with the same caption the \
                 same number, or leave the setting out"
            ),
        }
    }

    /// Of images with texts, and of texts with images.
    fn similarities(
        &self,
        online: &Online,
        momentum: &Momentum,
        temperature: &Tensor,
        alpha: f64,
        positives: Option<&Tensor>,
    ) -> Result<(Similarity, Similarity)> {
        let to_text = similarity(
            &online.image_feature,
            &momentum.image_feature,
            &momentum.text_feature,
            &self.text_queue.features(),
            temperature,
            alpha,
            positives,
        )?;
        let to_image = similarity(
            &online.text_feature,
            &momentum.text_feature,
            &momentum.image_feature,
            &self.image_queue.features(),
            temperature,
            alpha,
            positives,
        )?;
        Ok((to_text, to_image))
    }

    /// The index of an image for each text, and of a text for each image; `None` for a batch of one.
    fn negatives(
        &self,
        inputs: &Inputs<'_>,
        to_text: &Similarity,
        to_image: &Similarity,
    ) -> Result<Option<(Tensor, Tensor)>> {
        let pairs = inputs.pairs()?;
        let draw = |similarity: &Similarity| {
            let of_batch = similarity.logits.narrow(1, 0, pairs)?;
            hard_negatives(&of_batch, inputs.ids.as_deref(), Stream::next())
        };
        let (Some(image), Some(text)) = (draw(to_image)?, draw(to_text)?) else {
            return Ok(None);
        };
        let device = inputs.image.device();
        Ok(Some((
            Tensor::new(image, device)?,
            Tensor::new(text, device)?,
        )))
    }

    /// Positive pairs, both kinds of negatives and the texts with hidden words in one pass.
    fn fuse(
        &self,
        inputs: &Inputs<'_>,
        online: &Online,
        negatives: Option<&(Tensor, Tensor)>,
        passes: &mut Passes,
    ) -> Result<Fused> {
        let (words, image, mask) = (&online.words, &online.image, &inputs.mask);
        let (mut tokens, mut images, mut shown) =
            (vec![words.clone()], vec![image.clone()], vec![mask.clone()]);
        if let Some((image_for_text, text_for_image)) = negatives {
            tokens.extend([words.clone(), words.index_select(text_for_image, 0)?]);
            images.extend([image.index_select(image_for_text, 0)?, image.clone()]);
            shown.extend([mask.clone(), mask.index_select(text_for_image, 0)?]);
        }
        let judged = inputs.pairs()? * tokens.len();
        tokens.push(online.hidden.clone());
        images.push(image.clone());
        shown.push(mask.clone());
        let name = "fusion of pairs, negatives and masked words";
        let fused = passes.time(name, image.device(), || {
            let (tokens, images, shown) = (
                Tensor::cat(&tokens, 0)?,
                Tensor::cat(&images, 0)?,
                Tensor::cat(&shown, 0)?,
            );
            let fusion = self.encoders.fusion();
            encode(fusion, &tokens, Some(&shown), Some(&images), true)
        })?;
        Ok(Fused {
            class_tokens: class_tokens(&fused.i((..judged, ..))?)?,
            hidden: fused.i((judged.., ..))?.contiguous()?,
        })
    }

    /// The loss of hidden words.
    fn words(
        &self,
        inputs: &Inputs<'_>,
        fused: &Fused,
        momentum: &Momentum,
        chosen: &Chosen,
        alpha: f64,
        passes: &mut Passes,
    ) -> Result<Tensor> {
        if chosen.rows.elem_count() == 0 {
            // Nothing to learn in this step, in which balancers leave this loss out.
            return Tensor::zeros((), fused.hidden.dtype(), fused.hidden.device());
        }
        let device = inputs.image.device();
        let vocabulary = self.config.vocabulary;
        let log_q = match &momentum.hidden {
            Some(hidden) => {
                let name = "momentum fusion of masked words";
                let fused = passes.time(name, device, || {
                    encode(
                        self.encoders.fusion_copy(),
                        hidden,
                        Some(&inputs.mask),
                        Some(&momentum.image),
                        self.config.teacher_dropout,
                    )
                })?;
                let embeddings = word_embeddings(&self.encoders.text.copy, vocabulary)?;
                let tokens = chosen.pick(&fused.detach())?;
                let logits = self.words_copy.forward(&tokens, &embeddings)?;
                Some(ops::log_softmax(&logits.detach())?)
            }
            None => None,
        };
        passes.time("loss of masked words", device, || {
            let embeddings = word_embeddings(&self.encoders.text.online, vocabulary)?;
            let logits = self
                .words
                .forward(&chosen.pick(&fused.hidden)?, &embeddings)?;
            let loss = &self.word_loss;
            let distillation = self.config.distillation;
            soft_cross_entropy(
                loss,
                &logits,
                &chosen.words,
                log_q.as_ref(),
                alpha,
                distillation,
            )
        })
    }

    /// Logits `[batch, 2]` of a batch's [`Objective::tokens`], and the maps of attention where they are wanted.
    fn judge(&self, tokens: &Batch, attention: bool) -> Result<(Tensor, Vec<Tensor>)> {
        let get = |name: &str| match tokens.get(name) {
            Some(tensor) => Ok(tensor),
            None => bail!(
                "the batch has no tensor `{name}`; it has {:?}. Pairs are judged by `image_tokens` \
                 [batch, image tokens, width], `text_tokens` [batch, length, width] and `text_mask` [batch, length], as \
                 `tokens` gives them",
                tokens.keys().collect::<Vec<_>>()
            ),
        };
        let encoding = self.encoders.fusion().forward(EncoderInput {
            mask: Some(get("text_mask")?),
            context: Some(get("image_tokens")?),
            attention,
            ..EncoderInput::new(get("text_tokens")?)
        })?;
        let logits = self.matching.forward(&class_tokens(&encoding.tokens)?)?;
        Ok((logits.detach(), encoding.attention))
    }

    fn contrastive(
        &self,
        to_text: &Similarity,
        to_image: &Similarity,
        alpha: f64,
    ) -> Result<Tensor> {
        let loss = |similarity: &Similarity| {
            self.contrastive_loss
                .forward(&similarity.logits, &similarity.target)
        };
        let entropy = (to_text.entropy + to_image.entropy) / 2.0;
        let both = ((loss(to_text)? + loss(to_image)?)? * 0.5)?;
        both + self.config.distillation.correction(alpha, entropy)
    }

    /// Class tokens of pairs that match, and behind them those that do not.
    fn matching(&self, tokens: &Tensor, pairs: usize) -> Result<Tensor> {
        let logits = self.matching.forward(tokens)?;
        let labels: Vec<u32> = (0..tokens.dim(0)?)
            .map(|row| u32::from(row < pairs))
            .collect();
        self.matching_loss
            .forward(&logits, &Tensor::new(labels, tokens.device())?)
    }
}

/// The class tokens of `[batch, length, width]` to features `[batch, embed_dim]` of length 1.
fn feature(tokens: &Tensor, projection: &nn::Linear) -> Result<Tensor> {
    ops::l2_normalize(&projection.forward(&class_tokens(tokens)?)?, -1, 1e-12)
}

/// `[vocabulary, width]`: the decoder of masked words is tied to these.
fn word_embeddings(text: &Slot<dyn Encoder>, vocabulary: usize) -> Result<Tensor> {
    let variables = text.variables();
    let Some(named) = variables.iter().find(|named| named.name == WORD_EMBEDDINGS) else {
        bail!(
            "the text encoder has no {WORD_EMBEDDINGS}, to which the head of masked words is tied: use encoder/bert, or an \
             encoder with a tensor of that name"
        )
    };
    if named.var.dims() != [vocabulary, text.width()] {
        bail!(
            "`vocabulary` is {vocabulary}, and the text encoder's {WORD_EMBEDDINGS}, to which the head of masked words is tied, \
             is {:?} where [{vocabulary}, {}] is expected: give `vocabulary` and `text_config.vocabulary` the same number",
            named.var.dims(),
            text.width()
        );
    }
    Ok(named.var.as_tensor().clone())
}
