//! LDAM: rare classes get a larger margin; with deferred re-weighting.
//!
//! The margin of the rarest class is `largest_margin`, the others' fall with the fourth root of their counts. From epoch
//! `reweight_from_epoch` on the classes weigh by their effective number of examples (the authors' DRW schedule);
//! training loops say when an epoch begins (`loss.begin_epoch(epoch)`). The authors' program divides the mean by the
//! weights, as PyTorch's weighted cross entropy does, and so does this.

use std::sync::atomic::{AtomicUsize, Ordering};

use patchbay::{
    plugin::prelude::*,
    serde_json::{Map, Value},
};

use crate::{
    class_counts::{ClassCounts, effective_number_weights},
    classes::{Classes, cross_entropy_of, one_hot},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`Ldam`].
    pub struct LdamConfig {
        /// How many training examples each class has; empty: counted from the targets as they come, those of an evaluation,
        /// too.
        class_counts: Vec<f64> = Vec::new(),
        /// The margin of the rarest class, before scaling.
        #[schemars(range(min = 0.0))]
        largest_margin: f64 = 0.5,
        /// Factor of logits and margins: 30 is made for cosines; 1 leaves plain logits as they are.
        #[schemars(range(min = 0.0))]
        scale: f64 = 30.0,
        /// The first epoch, counted from 0, with class weights; null: never.
        reweight_from_epoch: Option<usize> = None,
        /// The weights' beta, as in loss/class_balanced.
        #[schemars(range(min = 0.0, max = 0.99999999))]
        beta: f64 = 0.9999,
        /// Targets with this class index do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each target.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Cross entropy with a margin for each class.
pub struct Ldam {
    config: LdamConfig,
    counts: ClassCounts,
    /// The running epoch, counted from 0.
    epoch: AtomicUsize,
}

impl Component for Ldam {
    fn state(&self) -> Map<String, Value> {
        let mut state = self.counts.state();
        state.insert(
            "epoch".to_owned(),
            json!(self.epoch.load(Ordering::Relaxed)),
        );
        state
    }

    fn restore(&self, state: &Map<String, Value>) -> Vec<String> {
        let mut taken = self.counts.restore(state);
        if let Some(epoch) = state.get("epoch").and_then(Value::as_u64) {
            self.epoch.store(epoch as usize, Ordering::Relaxed);
            taken.push("epoch".to_owned());
        }
        taken
    }

    fn begin_epoch(&self, epoch: usize) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }
}

impl Define for Ldam {
    type Kind = dyn Loss;
    type Config = LdamConfig;
    const ID: &'static str = "loss/ldam";
    const SUMMARY: &'static str =
        "Label-distribution-aware margins: rare classes get a larger one; deferred re-weighting";
    const DETAILS: Details = Details {
        formula: "-w_t log softmax(scale (logits - margin_t onehot_t))_t,  margin_c = largest (n_least / n_c)^(1/4)",
        reference: "Cao et al. 2019, Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, arXiv 1906.07413, eq. 13",
        shapes: "logits [batch, classes] or [batch, classes, height, width]; target indices [batch] or [batch, height, width]; result [] or, not reduced, [batch] or [batch, height, width]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/ldam", json!({"class_counts": [900, 90, 10]}))?;
let logits = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let target = Tensor::new(&[0u32, 2], &device())?;
loss.forward(&logits, &target)?"#,
    };

    fn build(config: LdamConfig, _context: &Context) -> Result<Self> {
        Ok(Ldam {
            counts: ClassCounts::new(&config.class_counts)?,
            epoch: AtomicUsize::new(0),
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        // One class index appears twice, so margins differ.
        crate::classes::sample(json!({"scale": 1.0}))
    }
}

impl Loss for Ldam {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (logits, target) = Classes::of_indices(logits, target, self.config.ignore_index)?;
        let histogram = target.histogram();
        let counts = self.counts.with(&histogram)?;
        let least = counts
            .iter()
            .copied()
            .filter(|&count| count > 0.0)
            .fold(f64::INFINITY, f64::min);
        // A class without examples has the largest margin, too.
        let margin = |class: usize| {
            self.config.largest_margin * (least / counts[class].max(least)).sqrt().sqrt()
        };
        let margins = target.map(margin, logits.dtype())?.unsqueeze(1)?;
        let shift = one_hot(&logits, &target)?.broadcast_mul(&margins)?;
        let logits = ((logits - shift)? * self.config.scale)?;
        let values = cross_entropy_of(&logits, &target, None)?;
        let reweights = self
            .config
            .reweight_from_epoch
            .is_some_and(|first| self.epoch.load(Ordering::Relaxed) >= first);
        let value = if reweights {
            let weights = effective_number_weights(&counts, self.config.beta);
            let total = histogram
                .iter()
                .zip(&weights)
                .map(|(&count, weight)| count as f64 * weight)
                .sum();
            let values = (values * target.map(|class| weights[class], logits.dtype())?)?;
            self.config.reduction.apply(&values, total)?
        } else {
            self.config
                .reduction
                .apply(&values, target.counted as f64)?
        };
        self.counts.keep(&histogram, &value)?;
        Ok(value)
    }
}
