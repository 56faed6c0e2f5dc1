//! The objective: contrastive loss, matching and masked words from a batch of images with their captions.
//!
//! The maths is that of the official program's `models/model_pretrain.py`, and tensors have its names. What runs is less:
//!
//! - The text encoder reads words and masked words in one pass, and the fusion layers see positive pairs, both kinds of
//!   negatives and masked words in one pass of four batches. So a step has six passes where the official one has nine.
//! - Logits of words are computed where a word was chosen, not at all tokens.
//! - [`Objective::losses`] changes nothing but a temperature out of bounds: momentum copies and queues move in
//!   [`Objective::after_step`], after the optimiser. The copies that a step sees are the same as with the official order,
//!   where they move at the beginning of the next.
//! - Where nothing is masked, or a batch of one has no negatives, the losses are defined (0, and positives only).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use patchbay::{
    candle_nn::Init,
    ops::Stream,
    plugin::{Parts, prelude::*},
    serde_json::Value,
};

use crate::{
    contrastive::{Distillation, Similarity, similarity},
    masking::{NOT_CHOSEN, SpecialTokens, mask_words},
    momentum::{Followed, follow},
    negatives::hard_negatives,
    queue::FeatureQueue,
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
        /// The ids of padding, [CLS] and [MASK].
        pad_token: u32 = 0,
        cls_token: u32 = 101,
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
    image: Followed,
    text: Followed,
    /// `None` where the text encoder's upper layers fuse.
    multimodal: Option<Followed>,
    image_projection: Projection,
    text_projection: Projection,
    words: WordHead,
    words_copy: WordHead,
    matching: nn::Linear,
    temperature: Var,
    image_queue: FeatureQueue,
    text_queue: FeatureQueue,
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
    passes: Vec<(String, Duration)>,
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
                  itm = CE of pairs and hard negatives; mlm = CE of masked words against alpha q_m + (1 - alpha) y",
        reference: "Li et al. 2021, Align before Fuse, arXiv 2107.07651, eq. 1-7; as salesforce/ALBEF's model_pretrain.py",
        shapes: "batch: image [batch, channels, height, width]; text [batch, length] (u32); text_mask [batch, length] (u8); \
                 id [batch] (i64, optional: equal ids are no negatives); losses itc, itm, mlm []; features image and \
                 text [batch, embed_dim]; pairs match [batch], attention [batch, layers, heads, length, image tokens]",
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
        let followed = |name: &str, copy: &str, id: &str, settings: &Value| {
            Followed::new(context, name, copy, id, settings.clone()).map_err(part)
        };
        let image = followed(
            "visual_encoder",
            "visual_encoder_m",
            &config.image_encoder,
            &config.image_config,
        )?;
        let text = followed(
            "text_encoder.bert",
            "text_encoder_m.bert",
            &config.text_encoder,
            &config.text_config,
        )?;
        let multimodal = match &config.multimodal_encoder {
            Some(id) => Some(followed(
                "multimodal_encoder",
                "multimodal_encoder_m",
                id,
                &config.multimodal_config,
            )?),
            None => None,
        };

        let mut heads = Vec::new();
        let mut with_copy = |name: &str, copy: &str, shape: &[usize], first: Init| {
            let carried = context.carries(copy);
            let online = context.variable(name, shape, first)?;
            let copy = context.buffer(copy, shape, context.dtype(), Init::Const(0.0))?;
            if !carried {
                copy.set(&online.as_detached_tensor())?;
            }
            let tensors = (online.as_tensor().clone(), copy.as_detached_tensor());
            heads.push((online, copy));
            Ok::<_, candle::Error>(tensors)
        };
        let text_width = text.online.width();
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
        let image_projection = projection("vision_proj", image.online.width())?;
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
            config,
            image,
            text,
            multimodal,
            image_projection,
            text_projection,
            words,
            words_copy,
            heads,
            last: Mutex::default(),
        })
    }
}

/// A batch, checked.
struct Inputs<'a> {
    image: &'a Tensor,
    text: &'a Tensor,
    mask: Tensor,
    ids: Option<Vec<i64>>,
}

impl<'a> Inputs<'a> {
    fn of(batch: &'a Batch) -> Result<Self> {
        let get = |name: &str| match batch.get(name) {
            Some(tensor) => Ok(tensor),
            None => bail!(
                "the batch has no tensor `{name}`; it has {:?}. ALBEF wants `image` [batch, channels, height, width], \
                 `text` [batch, length] (u32) and `text_mask` [batch, length] (u8)",
                batch.keys().collect::<Vec<_>>()
            ),
        };
        let (image, text) = (get("image")?, get("text")?);
        let (pairs, ids) = (image.dim(0)?, text.dims());
        if text.dtype() != DType::U32 || ids.len() != 2 || ids[0] != pairs || pairs == 0 {
            bail!(
                "expected `text` [{pairs}, length] of u32 for `image` {:?}, got {} {ids:?}",
                image.dims(),
                text.dtype().as_str()
            );
        }
        let mask = match batch.get("text_mask") {
            Some(mask) if mask.dims() == ids => mask.to_dtype(DType::U8)?,
            Some(mask) => bail!(
                "expected `text_mask` {ids:?}, as `text`, got {:?}",
                mask.dims()
            ),
            None => Tensor::ones(ids, DType::U8, text.device())?,
        };
        let shown: Vec<Vec<u8>> = mask.to_vec2()?;
        if let Some(row) = shown
            .iter()
            .position(|row| row.iter().all(|&shown| shown == 0))
        {
            bail!(
                "row {row} of `text_mask` hides all tokens: even an empty caption has its [CLS] and [SEP]"
            );
        }
        Ok(Inputs {
            image,
            text,
            mask,
            ids: batch
                .get("id")
                .map(|id| id.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>())
                .transpose()?,
        })
    }

    fn pairs(&self) -> Result<usize> {
        self.image.dim(0)
    }
}

/// What is random in a step; where the batch brings it, it is not drawn.
struct Choices {
    masked: Tensor,
    /// `[batch, length]`, [`NOT_CHOSEN`] where no word was chosen.
    labels: Tensor,
}

impl Objective for Albef {
    fn losses(&self, batch: &Batch, progress: f64) -> Result<Vec<(String, Tensor)>> {
        let inputs = Inputs::of(batch)?;
        for followed in [&self.image, &self.text]
            .into_iter()
            .chain(&self.multimodal)
        {
            followed.follow_swap()?;
        }
        let temperature = self.clamped_temperature()?;
        let alpha = self.config.alpha * (progress / self.config.alpha_ramp.max(1e-12)).min(1.0);
        let mut passes = Passes::default();
        let pairs = inputs.pairs()?;
        let choices = self.choices(batch, &inputs)?;

        // Both kinds of text at once: [words; masked words].
        let texts = Tensor::cat(&[inputs.text, &choices.masked], 0)?;
        let masks = Tensor::cat(&[&inputs.mask, &inputs.mask], 0)?;
        let image = passes.time("image", || {
            encode(&self.image.online, inputs.image, None, None, true)
        })?;
        let text = passes.time("text, text masked", || {
            encode(&self.text.online, &texts, Some(&masks), None, true)
        })?;
        let image_feature = feature(&image.i((.., 0))?, &self.image_projection.online)?;
        let text_feature = feature(&text.i((..pairs, 0))?, &self.text_projection.online)?;

        let teaches = self.config.teacher_dropout;
        let image_m = passes.time("momentum image", || {
            Ok(encode(&self.image.copy, inputs.image, None, None, teaches)?.detach())
        })?;
        // Only features are wanted of the teacher where it has no share in the words' targets.
        let taught = if alpha > 0.0 { &texts } else { inputs.text };
        let text_m = passes.time("momentum text", || {
            let mask = masks.narrow(0, 0, taught.dim(0)?)?;
            Ok(encode(&self.text.copy, taught, Some(&mask), None, teaches)?.detach())
        })?;
        let image_feature_m = feature(&image_m.i((.., 0))?, &self.image_projection.copy)?.detach();
        let text_feature_m =
            feature(&text_m.i((..pairs, 0))?, &self.text_projection.copy)?.detach();

        let (text_queue, image_queue) = (self.text_queue.features(), self.image_queue.features());
        let to_text = similarity(
            &image_feature,
            &image_feature_m,
            &text_feature_m,
            &text_queue,
            &temperature,
            alpha,
        )?;
        let to_image = similarity(
            &text_feature,
            &text_feature_m,
            &image_feature_m,
            &image_queue,
            &temperature,
            alpha,
        )?;
        let contrastive = self.contrastive(&to_text, &to_image, alpha)?;

        let negatives = self.negatives(batch, &inputs, &to_text, &to_image)?;
        let words = text.i((..pairs, ..))?.contiguous()?;
        let hidden = text.i((pairs.., ..))?.contiguous()?;
        let (mut tokens, mut images, mut shown) = (
            vec![words.clone()],
            vec![image.clone()],
            vec![inputs.mask.clone()],
        );
        if let Some((image_for_text, text_for_image)) = &negatives {
            tokens.extend([words.clone(), words.index_select(text_for_image, 0)?]);
            images.extend([image.index_select(image_for_text, 0)?, image.clone()]);
            shown.extend([
                inputs.mask.clone(),
                inputs.mask.index_select(text_for_image, 0)?,
            ]);
        }
        let judged = pairs * tokens.len();
        tokens.push(hidden);
        images.push(image);
        shown.push(inputs.mask.clone());
        let fused = passes.time("fusion of pairs, negatives and masked words", || {
            let (tokens, images, shown) = (
                Tensor::cat(&tokens, 0)?,
                Tensor::cat(&images, 0)?,
                Tensor::cat(&shown, 0)?,
            );
            encode(self.fusion(), &tokens, Some(&shown), Some(&images), true)
        })?;
        let matching = self.matching(&fused.i((..judged, 0))?.contiguous()?, pairs)?;

        let chosen = Chosen::of(&choices.labels)?;
        let words = if chosen.rows.elem_count() == 0 {
            // Nothing to learn, with a way back to every parameter that would have learned.
            (fused.sum_all()? * 0.0)?
        } else {
            let soft = if alpha > 0.0 {
                let hidden_m = text_m.i((pairs.., ..))?.contiguous()?;
                let fused_m = passes.time("momentum fusion of masked words", || {
                    let fusion = self.fusion_copy();
                    Ok(encode(
                        fusion,
                        &hidden_m,
                        Some(&inputs.mask),
                        Some(&image_m),
                        teaches,
                    )?
                    .detach())
                })?;
                let logits = self
                    .words_copy
                    .forward(&chosen.pick(&fused_m)?, &word_embeddings(&self.text.copy)?)?;
                Some(ops::log_softmax(&logits.detach())?)
            } else {
                None
            };
            let tokens = chosen.pick(&fused.i((judged.., ..))?.contiguous()?)?;
            let logits = self
                .words
                .forward(&tokens, &word_embeddings(&self.text.online)?)?;
            self.masked_words(&logits, &chosen.words, soft.as_ref(), alpha)?
        };
        let mut last = self.last();
        last.features = Some((image_feature_m, text_feature_m));
        last.passes = passes.0;
        Ok(vec![
            ("itc".to_owned(), contrastive),
            ("itm".to_owned(), matching),
            ("mlm".to_owned(), words),
        ])
    }

    /// Queues take the last batch's momentum features, and the copies follow their networks.
    fn after_step(&self) -> Result<()> {
        let features = self.last().features.take();
        if let Some((image, text)) = features {
            self.image_queue.push(&image)?;
            let next = self.text_queue.push(&text)?;
            self.text_queue.advance(next)?;
        }
        let mut pairs = self.heads.clone();
        for followed in [&self.image, &self.text]
            .into_iter()
            .chain(&self.multimodal)
        {
            followed.follow_swap()?;
            pairs.extend(followed.pairs()?);
        }
        follow(&pairs, self.config.momentum)
    }

    fn features(&self, batch: &Batch) -> Result<Batch> {
        let mut features = Batch::new();
        if let Some(image) = batch.get("image") {
            let tokens = encode(&self.image.online, image, None, None, false)?;
            let image = feature(&tokens.i((.., 0))?, &self.image_projection.online)?;
            features.insert("image".to_owned(), image.detach());
        }
        if let Some(text) = batch.get("text") {
            let mask = batch.get("text_mask");
            let tokens = encode(&self.text.online, text, mask, None, false)?;
            let text = feature(&tokens.i((.., 0))?, &self.text_projection.online)?;
            features.insert("text".to_owned(), text.detach());
        }
        Ok(features)
    }

    fn pairs(&self, batch: &Batch) -> Result<Batch> {
        let inputs = Inputs::of(batch)?;
        let image = encode(&self.image.online, inputs.image, None, None, false)?;
        let text = encode(
            &self.text.online,
            inputs.text,
            Some(&inputs.mask),
            None,
            false,
        )?;
        let encoding = self.fusion().forward(&EncoderInput {
            mask: Some(&inputs.mask),
            context: Some(&image),
            attention: true,
            ..EncoderInput::new(&text)
        })?;
        let logits = self
            .matching
            .forward(&encoding.tokens.i((.., 0))?.contiguous()?)?;
        let probability = ops::softmax(&logits)?.i((.., 1))?.contiguous()?.detach();
        let maps = Tensor::stack(&encoding.attention, 1)?.detach();
        Ok(Batch::from([
            ("match".to_owned(), probability),
            ("attention".to_owned(), maps),
        ]))
    }

    fn parts(&self) -> Parts {
        let mut encoders = vec![
            ("image".to_owned(), self.image.online.clone()),
            ("text".to_owned(), self.text.online.clone()),
        ];
        if let Some(multimodal) = &self.multimodal {
            encoders.push(("multimodal".to_owned(), multimodal.online.clone()));
        }
        Parts {
            losses: vec![
                ("itc".to_owned(), self.contrastive_loss.clone()),
                ("itm".to_owned(), self.matching_loss.clone()),
                ("mlm".to_owned(), self.word_loss.clone()),
            ],
            encoders,
        }
    }

    fn passes(&self) -> Vec<(String, Duration)> {
        self.last().passes.clone()
    }
}

impl Albef {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fusion(&self) -> &Slot<dyn Encoder> {
        self.multimodal
            .as_ref()
            .map_or(&self.text.online, |followed| &followed.online)
    }

    fn fusion_copy(&self) -> &Slot<dyn Encoder> {
        self.multimodal
            .as_ref()
            .map_or(&self.text.copy, |followed| &followed.copy)
    }

    /// The temperature, moved into its bounds where the optimiser has left them.
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

    fn choices(&self, batch: &Batch, inputs: &Inputs<'_>) -> Result<Choices> {
        let config = &self.config;
        let (masked, labels) = match (batch.get("masked_text"), batch.get("masked_labels")) {
            (Some(masked), Some(labels)) => (masked.clone(), labels.to_dtype(DType::I64)?),
            _ => {
                let tokens = SpecialTokens {
                    pad: config.pad_token,
                    cls: config.cls_token,
                    mask: config.mask_token,
                    vocabulary: config.vocabulary as u32,
                };
                mask_words(inputs.text, config.mask_probability, tokens, Stream::next())?
            }
        };
        Ok(Choices { masked, labels })
    }

    /// The index of an image for each text, and of a text for each image; `None` for a batch of one.
    fn negatives(
        &self,
        batch: &Batch,
        inputs: &Inputs<'_>,
        to_text: &Similarity,
        to_image: &Similarity,
    ) -> Result<Option<(Tensor, Tensor)>> {
        if let (Some(image), Some(text)) = (batch.get("negative_image"), batch.get("negative_text"))
        {
            return Ok(Some((
                image.to_dtype(DType::U32)?,
                text.to_dtype(DType::U32)?,
            )));
        }
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

    /// Logits `[chosen, vocabulary]` against the words, and with the teacher's `log q` against both.
    fn masked_words(
        &self,
        logits: &Tensor,
        words: &Tensor,
        log_q: Option<&Tensor>,
        alpha: f64,
    ) -> Result<Tensor> {
        let Some(log_q) = log_q else {
            return self.word_loss.forward(logits, words);
        };
        let q = log_q.exp()?;
        let entropy = (&q * log_q)?.sum(1)?.mean_all()?.neg()?;
        let hard =
            Tensor::full(1.0 - alpha, (words.dim(0)?, 1), words.device())?.to_dtype(q.dtype())?;
        let target = (q * alpha)?.scatter_add(&words.unsqueeze(1)?, &hard, 1)?;
        let entropy = entropy.to_dtype(DType::F64)?.to_scalar()?;
        self.word_loss.forward(logits, &target)?
            + self.config.distillation.correction(alpha, entropy)
    }
}

/// Which tokens of `[batch, length]` were chosen.
struct Chosen {
    /// Their places in the batch, row after row, `[chosen]`.
    rows: Tensor,
    /// The words that were there, `[chosen]`.
    words: Tensor,
}

impl Chosen {
    fn of(labels: &Tensor) -> Result<Self> {
        let all: Vec<i64> = labels.flatten_all()?.to_vec1()?;
        let chosen = || {
            all.iter()
                .enumerate()
                .filter(|&(_, &label)| label != NOT_CHOSEN)
        };
        let rows: Vec<u32> = chosen().map(|(row, _)| row as u32).collect();
        let words: Vec<i64> = chosen().map(|(_, &label)| label).collect();
        Ok(Chosen {
            rows: Tensor::new(rows, labels.device())?,
            words: Tensor::new(words, labels.device())?,
        })
    }

    /// The tokens `[chosen, width]` of `[batch, length, width]`.
    fn pick(&self, tokens: &Tensor) -> Result<Tensor> {
        tokens.flatten_to(1)?.index_select(&self.rows, 0)
    }
}

/// The tokens that an encoder makes.
fn encode(
    encoder: &Slot<dyn Encoder>,
    values: &Tensor,
    mask: Option<&Tensor>,
    context: Option<&Tensor>,
    train: bool,
) -> Result<Tensor> {
    let input = EncoderInput {
        mask,
        context,
        train,
        ..EncoderInput::new(values)
    };
    Ok(encoder.forward(&input)?.tokens)
}

/// Class tokens `[batch, width]` to features `[batch, embed_dim]` of length 1.
fn feature(class_tokens: &Tensor, projection: &nn::Linear) -> Result<Tensor> {
    ops::l2_normalise(&projection.forward(&class_tokens.contiguous()?)?, -1, 1e-12)
}

/// The decoder of masked words is tied to these.
fn word_embeddings(text: &Slot<dyn Encoder>) -> Result<Tensor> {
    let variables = text.variables();
    match variables.iter().find(|named| named.name == WORD_EMBEDDINGS) {
        Some(named) => Ok(named.var.as_tensor().clone()),
        None => bail!(
            "the text encoder has no {WORD_EMBEDDINGS}, to which the head of masked words is tied: use encoder/bert, or an \
             encoder with a tensor of that name"
        ),
    }
}

/// How long each forward pass took.
#[derive(Default)]
struct Passes(Vec<(String, Duration)>);

impl Passes {
    fn time(&mut self, name: &str, pass: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        let start = Instant::now();
        let result = pass()?;
        self.0.push((name.to_owned(), start.elapsed()));
        Ok(result)
    }
}
