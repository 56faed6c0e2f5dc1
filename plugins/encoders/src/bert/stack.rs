//! Layers of BERT one after the other, and the checks of what goes into them.

use std::ops::Range;

use patchbay::plugin::prelude::*;

use super::layer::{Context, Layer, LayerSettings};
use crate::attention::key_mask;

/// Parameters `layer.N`.
pub struct Stack {
    layers: Vec<Layer>,
    settings: LayerSettings,
    /// The first layer with cross-attention; the number of layers where none has it.
    cross_from: usize,
}

impl Stack {
    /// `count` layers, of which those from `cross_from` on have cross-attention.
    ///
    /// # Errors
    ///
    /// Fails where the settings contradict each other.
    pub fn new(
        settings: LayerSettings,
        count: usize,
        cross_from: usize,
        vb: VarBuilder,
    ) -> Result<Stack> {
        settings.check()?;
        Ok(Stack {
            layers: (0..count)
                .map(|number| {
                    let vb = vb.pp(format!("layer.{number}"));
                    Layer::new(settings, number >= cross_from, vb)
                })
                .collect::<Result<_>>()?,
            settings,
            cross_from,
        })
    }

    /// Runs the layers of `range` on `x`, `[batch, length, width]`; masks and context are those of
    /// `input`. Returns tokens and, if asked for, a map a layer.
    ///
    /// # Errors
    ///
    /// Fails where shapes do not fit, where a mask hides everything, and where a layer with
    /// cross-attention has no context.
    pub fn forward(
        &self,
        x: Tensor,
        range: Range<usize>,
        input: &EncoderInput<'_>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let (batch, length, width) = x.dims3()?;
        if width != self.settings.width {
            bail!(
                "the tokens are {:?}, expected [batch, length, {}]",
                x.dims(),
                self.settings.width
            );
        }
        let visible = key_mask(input.mask, batch, length, "mask")?;
        let has_cross = range.end > self.cross_from;
        let context_visible = match input.context.filter(|_| has_cross) {
            Some(context) => self.check_context(context, batch, input)?,
            None => None,
        };
        let context = input.context.map(|tokens| Context {
            tokens,
            visible: context_visible.as_ref(),
        });
        let (mut x, mut maps) = (x, Vec::new());
        for layer in &self.layers[range] {
            let visible = visible.as_ref();
            let (y, map) = layer.forward(&x, visible, context, input.train, input.attention)?;
            x = y;
            maps.extend(map);
        }
        Ok((x, maps))
    }

    fn check_context(
        &self,
        context: &Tensor,
        batch: usize,
        input: &EncoderInput<'_>,
    ) -> Result<Option<Tensor>> {
        let width = self.settings.context_width;
        match *context.dims() {
            [rows, length, channels] if rows == batch && channels == width && length > 0 => {
                key_mask(input.context_mask, batch, length, "context_mask")
            }
            _ => bail!(
                "the context is {:?}, expected [batch {batch}, length, {width}]: `context_width` is {width}",
                context.dims()
            ),
        }
    }
}
