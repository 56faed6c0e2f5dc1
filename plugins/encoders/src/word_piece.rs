//! WordPiece: texts to the token ids of BERT, by the `tokenizers` crate of Hugging Face.
//!
//! A `tokenizer.json` says everything itself; a `vocab.txt` is taken for BERT's: lower case unless
//! `lowercase` says otherwise, `[CLS]` in front and `[SEP]` behind. Padding and truncation that a
//! `tokenizer.json` asks for are replaced by those of the settings.

mod bounds;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::SystemTime,
};

use patchbay::{Table, plugin::prelude::*};
use tokenizers::{
    Encoding, PaddingParams, PaddingStrategy, Tokenizer, TruncationParams,
    models::wordpiece::WordPiece as Model, normalizers::BertNormalizer,
    pre_tokenizers::bert::BertPreTokenizer, processors::bert::BertProcessing,
};

patchbay::config! {
    /// Settings of [`WordPiece`].
    pub struct WordPieceConfig {
        /// A `tokenizer.json`, or a `vocab.txt` with one piece a line.
        path: PathBuf,
        /// The texts to encode.
        texts: Vec<String>,
        /// The longest text in tokens, `[CLS]` and `[SEP]` among them; longer ones are cut.
        #[schemars(range(min = 2))]
        max_length: usize = 512,
        /// Pad all texts to `max_length`, not to the longest of them.
        pad_to_max: bool = false,
        /// Of a `vocab.txt`: whether letters become small and lose their accents.
        lowercase: bool = true,
        /// Show a table of the pieces.
        show: bool = false,
    }
}

/// Encodes texts.
pub struct WordPiece {
    config: WordPieceConfig,
    device: Device,
}

impl Component for WordPiece {}

impl Define for WordPiece {
    type Kind = dyn Tool;
    type Config = WordPieceConfig;
    const ID: &'static str = "tool/word_piece";
    const SUMMARY: &'static str = "Texts to BERT's token ids, from a tokenizer.json or a vocab.txt";
    const DETAILS: Details = Details {
        reference: "Wu et al. 2016, arXiv 1609.08144, section 4.1; Devlin et al. 2019, arXiv 1810.04805; Hugging Face's \
                    tokenizers",
        shapes: "no input; ids [texts, length] (u32) and mask [texts, length] (u8), 1 token, 0 padding; length is that of \
                 the longest text",
        example: r#"tool("tool/word_piece", json!({"path": "vocab.txt", "texts": ["a red square", "two circles"]}), &[])?"#,
        ..Details::NONE
    };

    fn build(config: WordPieceConfig, context: &Context) -> Result<Self> {
        Ok(WordPiece {
            config,
            device: context.device().clone(),
        })
    }

    fn sample(scratch: &Path) -> Result<Sample> {
        let path = scratch.join("vocab.txt");
        std::fs::write(
            &path,
            "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nred\nsquare\ntwo\ncircle\n##s\n",
        )?;
        Ok(Sample::new(
            json!({"path": path, "texts": ["a red square", "two circles"]}),
        ))
    }
}

impl Tool for WordPiece {
    fn run(&self, _inputs: &Batch) -> Result<Batch> {
        let config = &self.config;
        if config.texts.is_empty() {
            bail!(
                "there is nothing to encode: give `texts`, one text at least (it may be an empty one)"
            );
        }
        let failed = |error: tokenizers::Error| {
            candle::Error::Msg(format!("{}: {error}", config.path.display()))
        };
        if config.pad_to_max
            && config
                .max_length
                .checked_mul(config.texts.len())
                .is_none_or(|tokens| tokens > bounds::MOST_TOKENS)
        {
            bail!(
                "{} texts padded to {} tokens are more than the {} tokens that are encoded at once: give fewer texts, or a \
                 smaller max_length",
                config.texts.len(),
                config.max_length,
                bounds::MOST_TOKENS
            );
        }
        let mut tokenizer = Tokenizer::clone(&*cached(&config.path, config.lowercase)?);
        tokenizer
            .with_truncation(Some(TruncationParams {
                max_length: config.max_length,
                ..TruncationParams::default()
            }))
            .map_err(failed)?;
        let padding = self.padding(&tokenizer)?;
        tokenizer.with_padding(Some(padding));
        let encodings = tokenizer
            .encode_batch(config.texts.clone(), true)
            .map_err(failed)?;
        if config.show {
            patchbay::display(table(&config.texts, &encodings));
        }
        let length = encodings[0].len();
        let collect = |part: fn(&Encoding) -> &[u32]| -> Vec<u32> {
            encodings.iter().flat_map(part).copied().collect()
        };
        let shape = (encodings.len(), length);
        let mask = collect(Encoding::get_attention_mask);
        let mask: Vec<u8> = mask.into_iter().map(|counts| counts as u8).collect();
        Ok(Batch::from([
            (
                "ids".to_owned(),
                Tensor::from_vec(collect(Encoding::get_ids), shape, &self.device)?,
            ),
            (
                "mask".to_owned(),
                Tensor::from_vec(mask, shape, &self.device)?,
            ),
        ]))
    }
}

impl WordPiece {
    fn padding(&self, tokenizer: &Tokenizer) -> Result<PaddingParams> {
        let (pad_id, pad_token) = (special(tokenizer, "[PAD]")?, "[PAD]".to_owned());
        Ok(PaddingParams {
            strategy: match self.config.pad_to_max {
                true => PaddingStrategy::Fixed(self.config.max_length),
                false => PaddingStrategy::BatchLongest,
            },
            pad_id,
            pad_token,
            ..PaddingParams::default()
        })
    }
}

fn special(tokenizer: &Tokenizer, piece: &str) -> Result<u32> {
    match tokenizer.token_to_id(piece) {
        Some(id) => Ok(id),
        None => bail!("the vocabulary has no {piece}: it is not one of BERT"),
    }
}

/// One row a text: its pieces, without padding.
fn table(texts: &[String], encodings: &[Encoding]) -> Table {
    let mut table = Table::new(["text", "tokens", "pieces"]);
    for (text, encoding) in texts.iter().zip(encodings) {
        let counts = encoding.get_attention_mask();
        let pieces: Vec<&str> = encoding
            .get_tokens()
            .iter()
            .zip(counts)
            .filter(|(_, counts)| **counts == 1)
            .map(|(piece, _)| piece.as_str())
            .collect();
        table.push([text, &pieces.len().to_string(), &pieces.join(" ")]);
    }
    table
}

/// A tokenizer and the time of its file.
type Read = (SystemTime, Arc<Tokenizer>);

/// Reading 30,000 pieces takes longer than encoding a batch, and a loop encodes many.
static READ: LazyLock<Mutex<HashMap<(PathBuf, bool), Read>>> = LazyLock::new(Mutex::default);

fn cached(path: &Path, lowercase: bool) -> Result<Arc<Tokenizer>> {
    let failed =
        |error: String| candle::Error::Msg(format!("cannot read {}: {error}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() {
        return Err(failed("expected a file".to_owned()));
    }
    let time = metadata
        .modified()
        .map_err(|error| failed(error.to_string()))?;
    let key = (path.to_owned(), lowercase);
    let mut all = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((read, tokenizer)) = all.get(&key)
        && *read == time
    {
        return Ok(tokenizer.clone());
    }
    let tokenizer = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => {
            let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            bounds::check(&text).map_err(failed)?;
            Tokenizer::from_bytes(text).map_err(|error| failed(error.to_string()))?
        }
        _ => from_vocabulary(path, lowercase)?,
    };
    let tokenizer = Arc::new(tokenizer);
    all.insert(key, (time, tokenizer.clone()));
    Ok(tokenizer)
}

/// BERT's tokenizer of a vocabulary, one piece a line.
fn from_vocabulary(path: &Path, lowercase: bool) -> Result<Tokenizer> {
    let failed =
        |error: tokenizers::Error| candle::Error::Msg(format!("{}: {error}", path.display()));
    let model = Model::from_file(&path.to_string_lossy())
        .unk_token("[UNK]".to_owned())
        .build()
        .map_err(failed)?;
    let mut tokenizer = Tokenizer::new(model);
    let [unknown, separator, class] =
        ["[UNK]", "[SEP]", "[CLS]"].map(|piece| special(&tokenizer, piece));
    unknown?;
    let (separator, class) = (separator?, class?);
    let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .iter()
        .filter(|piece| tokenizer.token_to_id(piece).is_some())
        .map(|piece| tokenizers::AddedToken::from(*piece, true))
        .collect::<Vec<_>>();
    tokenizer.add_special_tokens(specials).map_err(failed)?;
    let normalizer = BertNormalizer::new(true, true, None, lowercase);
    tokenizer
        .with_normalizer(Some(normalizer))
        .map_err(failed)?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(Some(BertProcessing::new(
            ("[SEP]".to_owned(), separator),
            ("[CLS]".to_owned(), class),
        )));
    Ok(tokenizer)
}
