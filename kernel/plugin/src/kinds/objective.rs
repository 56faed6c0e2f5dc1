//! Training objectives: a whole step's losses from a batch, with the networks inside.

use std::{collections::BTreeMap, time::Duration};

use candle_core::{Tensor, bail};

use super::{Component, Encoder, Kind, Loss, slot_is_component};
use crate::Slot;
use patchbay_show::Result;

/// A batch: tensors by name (`image`, `text`, `text_mask`), the first axis being the batch's.
pub type Batch = BTreeMap<String, Tensor>;

/// A training objective, ALBEF's pre-training for instance. It makes its networks, momentum copies
/// and queues through its `Context`, so that they are carried when it is swapped.
pub trait Objective: Component {
    /// The losses of a batch, scalars `[]` by name, always in the same order, for a balancer or a
    /// weighted sum. `progress` runs from 0 to 1 over the whole training. A loss for which the batch has nothing is a 0 that no
    /// path leads back from: balancers leave it out of the step.
    ///
    /// # Errors
    ///
    /// Fails where the batch lacks a tensor or a shape does not fit, naming it.
    fn losses(&self, batch: &Batch, progress: f64) -> Result<Vec<(String, Tensor)>>;

    /// To be called after each step of the optimiser: momentum copies and queues move on.
    ///
    /// # Errors
    ///
    /// Fails where a tensor cannot be written.
    fn after_step(&self) -> Result<()> {
        Ok(())
    }

    /// Features of a batch for evaluation, by name (`image`, `text`), each `[batch, width]`.
    ///
    /// # Errors
    ///
    /// As [`Objective::losses`].
    fn features(&self, batch: &Batch) -> Result<Batch> {
        let _ = batch;
        Ok(Batch::new())
    }

    /// What is made of each image with its text, by name, for evaluation: `match` `[batch]`, the probability that they
    /// belong together, and `attention` `[batch, layers, heads, length, image tokens]`, where the text looks.
    ///
    /// # Errors
    ///
    /// As [`Objective::losses`].
    fn pairs(&self, batch: &Batch) -> Result<Batch> {
        let _ = batch;
        Ok(Batch::new())
    }

    /// The batch with what is computed once for each image and each text in place of these: `image_tokens`
    /// `[batch, image tokens, width]`, `text_tokens` `[batch, length, width]`. [`Objective::match_scores`] takes it, in any
    /// pairing of its rows. Without an answer of the component's own it is the batch.
    ///
    /// # Errors
    ///
    /// As [`Objective::losses`].
    fn tokens(&self, batch: &Batch) -> Result<Batch> {
        Ok(batch.clone())
    }

    /// How well each image goes with its text, `[batch]`, more being better, of a batch or of its [`Objective::tokens`]. For
    /// ranking: a logit tells pairs apart whose probabilities are both 1 in f32. Without an answer of the component's own it is
    /// the `match` of [`Objective::pairs`].
    ///
    /// # Errors
    ///
    /// As [`Objective::losses`], and where the objective judges no pairs.
    fn match_scores(&self, batch: &Batch) -> Result<Tensor> {
        match self.pairs(batch)?.remove("match") {
            Some(scores) => Ok(scores),
            None => bail!("this objective judges no pairs: its `pairs` has no tensor `match`"),
        }
    }

    /// The components inside. Each is a slot: what is swapped there is used from the next step on.
    fn parts(&self) -> Parts {
        Parts::default()
    }

    /// The passes of the last step in their order, and how long each took on the device: forward passes and losses, and what
    /// [`Objective::after_step`] does. The way back is the training loop's, and not among them.
    fn passes(&self) -> Vec<(String, Duration)> {
        Vec::new()
    }
}

/// The components inside an objective, by name.
#[derive(Default)]
pub struct Parts {
    pub losses: Vec<(String, Slot<dyn Loss>)>,
    pub encoders: Vec<(String, Slot<dyn Encoder>)>,
}

impl Parts {
    /// The loss of this name.
    ///
    /// # Errors
    ///
    /// Fails where there is none, naming those there are.
    pub fn loss(&self, name: &str) -> Result<&Slot<dyn Loss>> {
        find("loss", &self.losses, name)
    }

    /// The encoder of this name.
    ///
    /// # Errors
    ///
    /// Fails where there is none, naming those there are.
    pub fn encoder(&self, name: &str) -> Result<&Slot<dyn Encoder>> {
        find("encoder", &self.encoders, name)
    }
}

fn find<'a, T>(what: &str, parts: &'a [(String, T)], name: &str) -> Result<&'a T> {
    match parts.iter().find(|(known, _)| known == name) {
        Some((_, part)) => Ok(part),
        None => bail!(
            "there is no {what} {name} inside; there are {:?}",
            parts.iter().map(|(name, _)| name).collect::<Vec<_>>()
        ),
    }
}

impl Kind for dyn Objective {
    const NAME: &'static str = "objective";
    type Memory = ();

    fn as_component(&self) -> &dyn Component {
        self
    }
}

slot_is_component!(dyn Objective);

impl Objective for Slot<dyn Objective> {
    /// As the component's own, and checked: the losses are scalars.
    fn losses(&self, batch: &Batch, progress: f64) -> Result<Vec<(String, Tensor)>> {
        self.call(|objective| {
            let losses = objective.losses(batch, progress)?;
            if let Some((name, loss)) = losses.iter().find(|(_, loss)| loss.rank() != 0) {
                bail!(
                    "the loss {name} must be a scalar []; it has shape {:?}",
                    loss.dims()
                );
            }
            Ok(losses)
        })
    }

    fn after_step(&self) -> Result<()> {
        self.call(|objective| objective.after_step())
    }

    fn features(&self, batch: &Batch) -> Result<Batch> {
        self.call(|objective| objective.features(batch))
    }

    fn pairs(&self, batch: &Batch) -> Result<Batch> {
        self.call(|objective| objective.pairs(batch))
    }

    fn tokens(&self, batch: &Batch) -> Result<Batch> {
        self.call(|objective| objective.tokens(batch))
    }

    fn match_scores(&self, batch: &Batch) -> Result<Tensor> {
        self.call(|objective| objective.match_scores(batch))
    }

    fn parts(&self) -> Parts {
        self.call(|objective| Ok(objective.parts()))
            .unwrap_or_default()
    }

    fn passes(&self) -> Vec<(String, Duration)> {
        self.call(|objective| Ok(objective.passes()))
            .unwrap_or_default()
    }
}
