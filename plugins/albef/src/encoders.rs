//! The encoders of an objective with their momentum copies: image, text, and what fuses them.

use patchbay::{plugin::prelude::*, serde_json::Value};

use crate::momentum::Followed;

/// Encoders under the names of the official program, so that one objective takes over another's.
pub struct Encoders {
    /// Encoder of images: pixels to tokens `[batch, image tokens, width]`, the class token first.
    pub image: Followed,
    /// Encoder of text: ids to tokens `[batch, length, width]`; without `multimodal` its upper layers also fuse.
    pub text: Followed,
    /// `None` where the text encoder's upper layers fuse.
    pub multimodal: Option<Followed>,
}

/// Which component, and its settings.
pub type Choice<'a> = (&'a str, &'a Value);

impl Encoders {
    /// # Errors
    ///
    /// Fails where a component cannot be made, or the image encoder has no class token.
    pub fn new(
        context: &Context,
        image: Choice<'_>,
        text: Choice<'_>,
        multimodal: Option<Choice<'_>>,
    ) -> Result<Self> {
        let followed = |name: &str, copy: &str, (id, settings): Choice<'_>| {
            Followed::new(context, name, copy, id, settings.clone())
                .map_err(|error| candle::Error::Msg(error.to_string()))
        };
        let encoders = Encoders {
            image: followed("visual_encoder", "visual_encoder_m", image)?,
            text: followed("text_encoder.bert", "text_encoder_m.bert", text)?,
            multimodal: multimodal
                .map(|choice| followed("multimodal_encoder", "multimodal_encoder_m", choice))
                .transpose()?,
        };
        encoders.check()?;
        Ok(encoders)
    }

    /// Without a class token the first patch would stand for the whole image, and nothing would say so.
    fn check(&self) -> Result<()> {
        let image = self.image.online.provenance();
        if image.config.get("class_token") == Some(&Value::Bool(false)) {
            bail!(
                "the image encoder {} has `\"class_token\": false`: ALBEF reads an image's class token, the first of `tokens` \
                 [batch, image tokens, width]; make it with `\"class_token\": true`",
                image.id
            );
        }
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = &Followed> {
        [&self.image, &self.text]
            .into_iter()
            .chain(&self.multimodal)
    }

    /// Where another encoder was put into a slot, its copy becomes one of that.
    ///
    /// # Errors
    ///
    /// Fails where the copy cannot be made, or the image encoder has no class token.
    pub fn follow_swaps(&self) -> Result<()> {
        self.check()?;
        self.all().try_for_each(Followed::follow_swap)
    }

    /// Variables and those of the copies.
    ///
    /// # Errors
    ///
    /// As [`Followed::pairs`].
    pub fn pairs(&self) -> Result<Vec<(Var, Var)>> {
        let mut pairs = Vec::new();
        for followed in self.all() {
            pairs.extend(followed.pairs()?);
        }
        Ok(pairs)
    }

    /// Returns the encoder that fuses text with image: the multimodal one, or the text encoder where there is none.
    pub fn fusion(&self) -> &Slot<dyn Encoder> {
        self.multimodal
            .as_ref()
            .map_or(&self.text.online, |followed| &followed.online)
    }

    /// Returns the momentum copy of [`Encoders::fusion`].
    pub fn fusion_copy(&self) -> &Slot<dyn Encoder> {
        self.multimodal
            .as_ref()
            .map_or(&self.text.copy, |followed| &followed.copy)
    }

    /// For [`patchbay::plugin::Parts`].
    pub fn parts(&self) -> Vec<(String, Slot<dyn Encoder>)> {
        let mut encoders = vec![
            ("image".to_owned(), self.image.online.clone()),
            ("text".to_owned(), self.text.online.clone()),
        ];
        if let Some(multimodal) = &self.multimodal {
            encoders.push(("multimodal".to_owned(), multimodal.online.clone()));
        }
        encoders
    }
}

/// The tokens that an encoder makes.
///
/// # Errors
///
/// As [`Encoder::forward`].
pub fn encode(
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
    Ok(encoder.forward(input)?.tokens)
}

/// The first tokens `[batch, width]` of `[batch, length, width]`.
///
/// # Errors
///
/// Fails where there are none.
pub fn class_tokens(tokens: &Tensor) -> Result<Tensor> {
    tokens.i((.., 0))?.contiguous()
}
