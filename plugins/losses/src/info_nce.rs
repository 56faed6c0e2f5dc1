//! InfoNCE: each query finds its own key among the others', with a queue of earlier keys.
//!
//! Queries and keys are normalized here. Without a queue the negatives are the other keys of the batch, and
//! `symmetric` adds the direction from keys to queries, as CLIP does. With a queue the negatives are also its keys, as
//! in ALBEF; MoCo's loss is that with `in_batch` off. Keys of a queue get no gradient; the queue is carried over swaps. Each call
//! adds its keys, those of an evaluation, too: evaluate with a loss of its own.

use patchbay::{candle_nn::Init, ops, plugin::prelude::*};

use crate::{
    class_counts::is_finite,
    classes::floats,
    pairs::{mean, standard_normal},
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`InfoNce`].
    pub struct InfoNceConfig {
        /// Number that similarities are divided by.
        #[schemars(range(min = 1e-4))]
        temperature: f64 = 0.07,
        /// Whether keys also look for their queries; without a queue only.
        symmetric: bool = false,
        /// Whether the other keys of the batch are negatives.
        in_batch: bool = true,
        /// How many earlier keys are kept as negatives; 0: none.
        queue: usize = 0,
        /// The width of the features, which a queue needs to know.
        width: usize = 0,
        /// Mean, sum, or one value for each query.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Contrastive loss of queries and keys.
pub struct InfoNce {
    config: InfoNceConfig,
    queue: Option<Queue>,
}

impl Component for InfoNce {}

impl Define for InfoNce {
    type Kind = dyn Loss;
    type Config = InfoNceConfig;
    const ID: &'static str = "loss/info_nce";
    const SUMMARY: &'static str =
        "Each query finds its key among others, in the batch and in a queue";
    const DETAILS: Details = Details {
        formula: "-log (e^(q_i k_i / T) / sum_j e^(q_i k_j / T)),  j over the batch and the queue",
        reference: "van den Oord et al. 2018, Representation Learning with Contrastive Predictive Coding, arXiv 1807.03748, eq. 4; the queue: He et al. 2020, MoCo, arXiv 1911.05722",
        shapes: "queries and keys [batch, width]; result [] or, not reduced, [batch]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/info_nce", json!({"symmetric": true}))?;
let queries = Tensor::randn(0f32, 1.0, (4, 8), &device())?;
let keys = (&queries + Tensor::randn(0f32, 0.1, (4, 8), &device())?)?;
loss.forward(&queries, &keys)?"#,
    };

    fn build(config: InfoNceConfig, context: &Context) -> Result<Self> {
        if config.queue > 0 && config.width == 0 {
            bail!(
                "a queue needs the width of the features: {{\"queue\": {}, \"width\": 256}}",
                config.queue
            );
        }
        if config.queue == 0 && !config.in_batch {
            bail!(
                "without a queue and without in_batch there are no negatives: give `queue` and `width`"
            );
        }
        if config.queue > 0 && config.symmetric {
            bail!("symmetric works without a queue: with one, make a loss for each direction");
        }
        let queue = if config.queue > 0 {
            Some(Queue {
                keys: context.buffer(
                    "queue",
                    (config.queue, config.width),
                    context.dtype(),
                    Init::Const(0.0),
                )?,
                place: context.buffer("queue_place", 2, DType::I64, Init::Const(0.0))?,
            })
        } else {
            None
        };
        Ok(InfoNce { config, queue })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let queries = [
            [0.3f32, -1.2, 0.5, 0.1],
            [2.0, 0.1, -0.4, 0.7],
            [-0.6, 0.8, 0.3, -1.0],
        ];
        let keys = [
            [0.2f32, -1.0, 0.9, 0.3],
            [1.5, 0.4, -0.2, 0.5],
            [-0.1, 0.6, 0.7, -0.8],
        ];
        Ok(
            Sample::new(json!({"queue": 4, "width": 4, "temperature": 0.5}))
                .input("queries", Tensor::new(&queries, &Device::Cpu)?)
                .input("keys", Tensor::new(&keys, &Device::Cpu)?),
        )
    }
}

impl Loss for InfoNce {
    fn forward(&self, queries: &Tensor, keys: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        if queries.rank() != 2 || queries.dims() != keys.dims() {
            bail!(
                "expected queries and keys [batch, width] of one shape; got queries {:?} and keys {:?}",
                queries.dims(),
                keys.dims()
            );
        }
        let queries = ops::l2_normalize(&floats("queries", queries)?, -1, 1e-12)?;
        let keys = ops::l2_normalize(&floats("keys", keys)?.to_dtype(queries.dtype())?, -1, 1e-12)?;
        let batch = queries.dim(0)?;
        let queued = self
            .queue
            .as_ref()
            .map(|queue| queue.keys(&keys))
            .transpose()?
            .flatten();
        let own = (0..batch as u32).collect::<Vec<_>>();
        let own = Tensor::from_vec(own, batch, queries.device())?;
        let similarities =
            |from: &Tensor, to: &Tensor| ops::matmul(from, &to.t()?)? / config.temperature;
        let values = if config.in_batch {
            let all = match &queued {
                Some(queued) => Tensor::cat(&[&keys, queued], 0)?,
                None => keys.clone(),
            };
            let forward = each(&similarities(&queries, &all)?, &own)?;
            if config.symmetric {
                let back = each(&similarities(&keys, &queries)?, &own)?;
                ((forward + back)? * 0.5)?
            } else {
                forward
            }
        } else {
            let own_key = (ops::sum_keepdim(&(&queries * &keys)?, 1)? / config.temperature)?;
            let logits = match &queued {
                Some(queued) => Tensor::cat(&[own_key, similarities(&queries, queued)?], 1)?,
                None => own_key,
            };
            each(&logits, &own.zeros_like()?)?
        };
        let value = config.reduction.apply(&values, batch as f64)?;
        if let Some(queue) = &self.queue {
            // One batch that is refused must not spoil those after it.
            let keys = keys.detach();
            if is_finite(&value)? && is_finite(&keys)? {
                queue.push(&keys)?;
            }
        }
        Ok(value)
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        const BATCH: usize = 64;
        let width = match self.config.width {
            0 => 128,
            width => width,
        };
        let queries = independent_features(BATCH, width, 0)?;
        let keys = independent_features(BATCH, width, BATCH * width)?;
        let value = self.forward(&queries, &keys)?;
        Ok(vec![(
            format!("{BATCH} pairs of independent features of width {width}"),
            mean(&value)?,
        )])
    }
}

/// `[count, width]` directions that have nothing to do with one another, the same in each call.
pub(crate) fn independent_features(count: usize, width: usize, first: usize) -> Result<Tensor> {
    let values = standard_normal(first + count * width).split_off(first);
    Tensor::from_vec(values, (count, width), &Device::Cpu)
}

/// Cross entropy of each row.
fn each(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    let settings = ops::CrossEntropy {
        reduction: ops::Reduction::None,
        ..Default::default()
    };
    ops::cross_entropy_with(logits, target, &settings)
}

/// The keys of earlier batches, the oldest of which is overwritten first.
struct Queue {
    /// `[size, width]`.
    keys: Var,
    /// `[2]`: where the next key goes, and how many there are.
    place: Var,
}

impl Queue {
    fn size(&self) -> usize {
        self.keys.dims()[0]
    }

    /// The keys that are there, `[keys, width]`; `None` where there are none.
    fn keys(&self, like: &Tensor) -> Result<Option<Tensor>> {
        if like.dim(1)? != self.keys.dim(1)? {
            bail!(
                "the queue has keys of width {} and these are {:?}: create the loss with {{\"width\": {}}}",
                self.keys.dim(1)?,
                like.dims(),
                like.dim(1)?
            );
        }
        let filled = self.place.to_vec1::<i64>()?[1] as usize;
        if filled == 0 {
            return Ok(None);
        }
        let keys = self.keys.as_detached_tensor().narrow(0, 0, filled)?;
        keys.to_dtype(like.dtype()).map(Some)
    }

    fn push(&self, keys: &Tensor) -> Result<()> {
        let size = self.size();
        // Of more keys than there are places the last ones stay.
        let surplus = keys.dim(0)?.saturating_sub(size);
        let keys = keys
            .narrow(0, surplus, keys.dim(0)? - surplus)?
            .to_dtype(self.keys.dtype())?;
        let place = self.place.to_vec1::<i64>()?;
        let (at, count) = (place[0] as usize, keys.dim(0)?);
        let first = count.min(size - at);
        let mut all = self.keys.as_detached_tensor().slice_assign(
            &[at..at + first, 0..keys.dim(1)?],
            &keys.narrow(0, 0, first)?,
        )?;
        if first < count {
            let rest = keys.narrow(0, first, count - first)?;
            all = all.slice_assign(&[0..count - first, 0..keys.dim(1)?], &rest)?;
        }
        self.keys.set(&all)?;
        let filled = (place[1] as usize + count).min(size);
        let place = [((at + count) % size) as i64, filled as i64];
        self.place.set(&Tensor::new(&place, self.place.device())?)
    }
}
