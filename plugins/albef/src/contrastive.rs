//! The image-text contrastive loss: similarities and their targets.

use patchbay::plugin::prelude::*;

/// Similarities of one direction: each row's own partner is on the diagonal.
pub struct Similarity {
    /// Online features against the other side's momentum features and queue, over the temperature: `[batch, batch + queue]`.
    pub logits: Tensor,
    /// `alpha softmax(momentum similarities) + (1 - alpha) positives`, without a gradient. The positives are the diagonal, or what
    /// was given.
    pub target: Tensor,
    /// The mean over rows of `-sum q log q` of the momentum softmax q; 0 at alpha 0.
    pub entropy: f64,
}

/// One direction: online features `[batch, width]`, the same side's momentum features, the other side's momentum features and
/// its queue `[width, size]`. `positives` are the targets without momentum, `[batch, batch + size]`; none are the diagonal.
///
/// # Errors
///
/// Fails where shapes do not fit.
pub fn similarity(
    online: &Tensor,
    momentum: &Tensor,
    other: &Tensor,
    queue: &Tensor,
    temperature: &Tensor,
    alpha: f64,
    positives: Option<&Tensor>,
) -> Result<Similarity> {
    let other = other.t()?;
    let against_all = |features: &Tensor| {
        let batch = ops::matmul(features, &other)?;
        if queue.dim(1)? == 0 {
            Ok(batch)
        } else {
            Tensor::cat(&[batch, ops::matmul(features, queue)?], 1)
        }
    };
    let logits = ops::broadcast_div(&against_all(online)?, temperature)?;
    let positives = match positives {
        Some(positives) => positives.to_dtype(logits.dtype())?,
        None => identity(logits.dims2()?, &logits)?,
    };
    let (target, entropy) = if alpha > 0.0 {
        let scores = against_all(momentum)?.broadcast_div(&temperature.detach())?;
        let log_q = ops::log_softmax(&scores.detach())?;
        let q = log_q.exp()?;
        let entropy = ops::mean_all(&ops::sum(&(&q * &log_q)?, 1)?)?.neg()?;
        let target = ((q * alpha)? + (positives * (1.0 - alpha))?)?;
        (target, entropy.to_dtype(DType::F64)?.to_scalar()?)
    } else {
        (positives, 0.0)
    };
    Ok(Similarity {
        logits,
        target,
        entropy,
    })
}

/// Ones on the diagonal of `[rows, columns]`.
fn identity((rows, columns): (usize, usize), like: &Tensor) -> Result<Tensor> {
    let mut values = vec![0f32; rows * columns];
    for row in 0..rows {
        values[row * columns + row] = 1.0;
    }
    Tensor::from_vec(values, (rows, columns), like.device())?.to_dtype(like.dtype())
}

/// Targets `[batch, batch + queue]` of pairs with these ids: all of the batch and the queue with the row's id, in equal parts,
/// as in the official program's fine-tuning for retrieval.
///
/// # Errors
///
/// Fails where the tensor cannot be made.
pub fn shared_positives(ids: &[i64], queued: &[i64], device: &Device) -> Result<Tensor> {
    let columns = ids.len() + queued.len();
    let mut values = Vec::with_capacity(ids.len() * columns);
    for own in ids {
        let is_own = |id: &&i64| *id == own;
        // At least the diagonal's.
        let share = 1.0 / ids.iter().chain(queued).filter(is_own).count() as f32;
        let of = |id: &i64| if id == own { share } else { 0.0 };
        values.extend(ids.iter().chain(queued).map(of));
    }
    Tensor::from_vec(values, (ids.len(), columns), device)
}

/// Eq. 6 and 7 of the paper have a divergence KL(q, p) where the official program has the cross entropy of q and p. They
/// differ by the entropy of q, which has no gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Distillation {
    /// The official program's: cross entropy against `alpha q + (1 - alpha) hard`.
    CrossEntropy,
    /// The paper's equations: `(1 - alpha) CE(hard) + alpha KL(q, p)`.
    Divergence,
}

impl Distillation {
    /// What is added to the cross entropy.
    pub fn correction(self, alpha: f64, entropy: f64) -> f64 {
        match self {
            Distillation::CrossEntropy => 0.0,
            Distillation::Divergence => -alpha * entropy,
        }
    }
}
