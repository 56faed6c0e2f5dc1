//! Triplet loss: an anchor is nearer to examples of its class than to all others, by a margin.
//!
//! Triplets are found in the batch, from features and labels. `hardest`: of each anchor the farthest example of its class and the
//! nearest of another one; `all`: every triplet, of which the mean is that of PyTorch's `TripletMarginLoss`. Anchors without
//! another example of their class, or without one of another class, have no triplet and count in no mean.

use patchbay::{ops, plugin::prelude::*};

use crate::{
    classes::{floats, keep},
    distances::distances,
    info_nce::independent_features,
    pairs::mean,
    reduction::Reduction,
};

/// Which triplets of a batch are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Mining {
    /// One for each anchor: the farthest of its class, the nearest of another one.
    Hardest,
    /// Every triplet.
    All,
}

patchbay::config! {
    /// Settings of [`Triplet`].
    pub struct TripletConfig {
        /// By how much nearer; null: the soft margin ln(1 + e^x), which never ends.
        #[schemars(range(min = 0.0))]
        margin: Option<f64> = Some(1.0),
        /// Which triplets of a batch are taken.
        mining: Mining = Mining::Hardest,
        /// Whether features are brought to length 1 first.
        normalize: bool = false,
        /// Examples with this label do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean or sum over the triplets; none: the mean of each anchor's.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Triplets of features with labels.
pub struct Triplet {
    config: TripletConfig,
}

impl Component for Triplet {}

impl Define for Triplet {
    type Kind = dyn Loss;
    type Config = TripletConfig;
    const ID: &'static str = "loss/triplet";
    const SUMMARY: &'static str = "Anchors are nearer to their class than to others, by a margin";
    const DETAILS: Details = Details {
        formula: "max(0, |a - p| - |a - n| + margin),  or ln(1 + e^(|a - p| - |a - n|))",
        reference: "Schroff et al. 2015, FaceNet, arXiv 1503.03832, eq. 2; mining: Hermans et al. 2017, In Defense of the Triplet Loss, arXiv 1703.07737, eq. 5 and 6",
        shapes: "features [batch, width]; labels [batch] of an integer type; result [] or, not reduced, [batch]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/triplet", json!({"margin": 0.3}))?;
let features = Tensor::randn(0f32, 1.0, (4, 8), &device())?;
let labels = Tensor::new(&[0u32, 0, 1, 1], &device())?;
loss.forward(&features, &labels)?"#,
    };

    fn build(config: TripletConfig, _context: &Context) -> Result<Self> {
        Ok(Triplet { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let features = [
            [0.3f32, -1.2, 0.5],
            [2.0, 0.1, -0.4],
            [-0.6, 0.8, 0.3],
            [0.4, 0.9, -0.2],
            [1.1, -0.3, 0.8],
        ];
        Ok(Sample::new(json!({"mining": "all"}))
            .input("features", Tensor::new(&features, &Device::Cpu)?)
            .input("labels", Tensor::new(&[0i64, 1, 0, 1, 0], &Device::Cpu)?))
    }
}

/// Anchors, positives and negatives as places in the batch.
type Triplets = (Vec<u32>, Vec<u32>, Vec<u32>);

impl Loss for Triplet {
    fn forward(&self, features: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let dims = features.dims();
        if dims.len() != 2 || labels.dims() != [dims[0]] || !labels.dtype().is_int() {
            bail!(
                "expected features [batch, width] and labels [batch] of an integer type; got features {dims:?} and labels {} {:?}",
                labels.dtype().as_str(),
                labels.dims()
            );
        }
        let batch = dims[0];
        let mut features = floats("features", features)?;
        let ignored = config
            .ignore_index
            .map(|ignore| ops::ignored_value(labels.dtype(), ignore));
        let labels = labels.to_dtype(DType::I64)?.to_vec1::<i64>()?;
        let counts = |label: i64| Some(label) != ignored;
        if labels.iter().any(|&label| !counts(label)) {
            // NaN there, times 0, would still be NaN.
            let kept: Vec<u8> = labels.iter().map(|&l| u8::from(counts(l))).collect();
            let kept = Tensor::from_vec(kept, (batch, 1), features.device())?;
            features = keep(&features, &kept.broadcast_as(features.shape())?)?;
        }
        if config.normalize {
            features = ops::l2_normalize(&features, -1, 1e-12)?;
        }
        if batch == 0 {
            let values = ops::sum(&features, 1)?;
            return config.reduction.apply(&values, 0.0);
        }
        let distances = distances(&features)?;
        let on_host = distances.detach().to_dtype(DType::F64)?.to_vec2::<f64>()?;
        if on_host.iter().flatten().any(|distance| distance.is_nan()) {
            // No comparison finds NaN, and a margin would make 0 of it.
            let values = ops::sum(&distances, 1)?;
            return config.reduction.apply(&values, batch as f64);
        }
        let (anchors, positives, negatives) = match config.mining {
            Mining::Hardest => hardest(&on_host, &labels, counts),
            Mining::All => all(&labels, counts),
        };
        let count = anchors.len();
        if count == 0 {
            // Distances of the features to themselves, which keep the way back to them.
            let own = Tensor::arange(0u32, batch as u32, distances.device())?;
            let own = own.affine(batch as f64 + 1.0, 0.0)?;
            let values = ops::index_select(&distances.flatten_all()?, 0, &own)?;
            return config.reduction.apply(&values, 0.0);
        }
        let flat = distances.flatten_all()?;
        let of = |others: &[u32]| {
            let places = anchors.iter().zip(others);
            let places: Vec<u32> = places.map(|(a, o)| a * batch as u32 + o).collect();
            let places = Tensor::from_vec(places, count, flat.device())?;
            ops::index_select(&flat, 0, &places)
        };
        let gap = (of(&positives)? - of(&negatives)?)?;
        let values = match config.margin {
            Some(margin) => (gap + margin)?.relu()?,
            // ln(1 + e^x) is the binary cross entropy of -x.
            None => {
                let settings = ops::BinaryCrossEntropy {
                    reduction: ops::Reduction::None,
                    ..Default::default()
                };
                let logits = gap.neg()?;
                ops::binary_cross_entropy_with_logits_with(&logits, &gap.ones_like()?, &settings)?
            }
        };
        match config.reduction {
            Reduction::None => of_anchors(&values, &anchors, batch),
            reduction => reduction.apply(&values, count as f64),
        }
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        const BATCH: usize = 64;
        const CLASSES: i64 = 10;
        let features = independent_features(BATCH, 128, 0)?;
        let labels: Vec<i64> = (0..BATCH as i64).map(|at| at % CLASSES).collect();
        let value = self.forward(&features, &Tensor::new(labels, &Device::Cpu)?)?;
        Ok(vec![(
            format!("{BATCH} independent features of width 128, {CLASSES} classes"),
            mean(&value)?,
        )])
    }
}

/// Of each anchor the farthest example of its class, and the nearest of another; of equal ones the first.
fn hardest(distances: &[Vec<f64>], labels: &[i64], counts: impl Fn(i64) -> bool) -> Triplets {
    let mut triplets = Triplets::default();
    for (anchor, row) in distances.iter().enumerate() {
        if !counts(labels[anchor]) {
            continue;
        }
        let (mut far, mut near): (Option<usize>, Option<usize>) = (None, None);
        for (other, &distance) in row.iter().enumerate() {
            if other == anchor || !counts(labels[other]) {
                continue;
            }
            if labels[other] == labels[anchor] {
                if far.is_none_or(|far| distance > row[far]) {
                    far = Some(other);
                }
            } else if near.is_none_or(|near| distance < row[near]) {
                near = Some(other);
            }
        }
        if let (Some(far), Some(near)) = (far, near) {
            triplets.0.push(anchor as u32);
            triplets.1.push(far as u32);
            triplets.2.push(near as u32);
        }
    }
    triplets
}

fn all(labels: &[i64], counts: impl Fn(i64) -> bool) -> Triplets {
    let mut triplets = Triplets::default();
    let counted: Vec<usize> = (0..labels.len()).filter(|&i| counts(labels[i])).collect();
    for &anchor in &counted {
        for &positive in &counted {
            if positive == anchor || labels[positive] != labels[anchor] {
                continue;
            }
            for &negative in counted.iter().filter(|&&n| labels[n] != labels[anchor]) {
                triplets.0.push(anchor as u32);
                triplets.1.push(positive as u32);
                triplets.2.push(negative as u32);
            }
        }
    }
    triplets
}

/// The mean of each anchor's triplets, `[batch]`; 0 of an anchor without one. Those of an anchor stand together.
fn of_anchors(values: &Tensor, anchors: &[u32], batch: usize) -> Result<Tensor> {
    let zero = Tensor::zeros((), values.dtype(), values.device())?;
    let mut means = vec![zero; batch];
    let mut first = 0;
    for group in anchors.chunk_by(|a, b| a == b) {
        means[group[0] as usize] = ops::mean(&values.narrow(0, first, group.len())?, 0)?;
        first += group.len();
    }
    Tensor::stack(&means, 0)
}
