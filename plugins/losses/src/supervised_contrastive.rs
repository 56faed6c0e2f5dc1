//! Supervised contrastive loss: examples of one class attract each other, all others repel.
//!
//! As the authors' program (`L_out`, every view an anchor): features are `[batch, width]` or `[batch, views, width]`,
//! normalized here. An anchor without another example of its class counts as 0, as there; the mean is over all anchors.
//! Examples whose label is ignored are no anchors, and attract and repel nobody; that program has no such labels.

use patchbay::{ops, plugin::prelude::*};

use crate::{
    classes::{floats, keep},
    info_nce::independent_features,
    pairs::mean,
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`SupervisedContrastive`].
    pub struct SupervisedContrastiveConfig {
        /// Number that similarities are divided by.
        #[schemars(range(min = 1e-4))]
        temperature: f64 = 0.07,
        /// The loss is multiplied with temperature / base_temperature.
        #[schemars(range(min = 1e-4))]
        base_temperature: f64 = 0.07,
        /// Examples with this label do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each anchor (views of an example are its mean).
        reduction: Reduction = Reduction::Mean,
    }
}

/// Contrastive loss with labels.
pub struct SupervisedContrastive {
    config: SupervisedContrastiveConfig,
}

impl Component for SupervisedContrastive {}

impl Define for SupervisedContrastive {
    type Kind = dyn Loss;
    type Config = SupervisedContrastiveConfig;
    const ID: &'static str = "loss/supervised_contrastive";
    const SUMMARY: &'static str = "Features of one class attract each other, others repel";
    const DETAILS: Details = Details {
        formula: "-(T / T_base) mean_{j in P(i)} log (e^(z_i z_j / T) / sum_{k != i} e^(z_i z_k / T))",
        reference: "Khosla et al. 2020, Supervised Contrastive Learning, arXiv 2004.11362, eq. 2; as SupContrast",
        shapes: "features [batch, width] or [batch, views, width]; labels [batch] of an integer type; result [] or, not reduced, [batch]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/supervised_contrastive", json!({}))?;
let features = Tensor::randn(0f32, 1.0, (4, 8), &device())?;
let labels = Tensor::new(&[0u32, 0, 1, 1], &device())?;
loss.forward(&features, &labels)?"#,
    };

    fn build(config: SupervisedContrastiveConfig, _context: &Context) -> Result<Self> {
        Ok(SupervisedContrastive { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let features = [
            [0.3f32, -1.2, 0.5],
            [2.0, 0.1, -0.4],
            [-0.6, 0.8, 0.3],
            [0.4, 0.9, -0.2],
        ];
        Ok(Sample::new(json!({"temperature": 0.5}))
            .input("features", Tensor::new(&features, &Device::Cpu)?)
            .input("labels", Tensor::new(&[0i64, 1, 0, 1], &Device::Cpu)?))
    }
}

impl Loss for SupervisedContrastive {
    fn forward(&self, features: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let dims = features.dims();
        if !(2..=3).contains(&dims.len()) || labels.dims() != [dims[0]] || labels.dtype().is_float()
        {
            bail!(
                "expected features [batch, width] or [batch, views, width] and labels [batch] of an integer type; got \
                 features {dims:?} and labels {} {:?}",
                labels.dtype().as_str(),
                labels.dims()
            );
        }
        let features = floats("features", features)?;
        let (batch, views) = (dims[0], if dims.len() == 3 { dims[1] } else { 1 });
        let anchors = batch * views;
        if anchors == 0 {
            // As that of other losses: nothing counts, so the loss is 0.
            let values = ops::sum(&features.flatten_from(1)?, 1)?;
            return config.reduction.apply(&values, 0.0);
        }
        let ignored = config
            .ignore_index
            .map(|ignore| ops::ignored_value(labels.dtype(), ignore));
        let labels = labels.to_dtype(DType::I64)?.to_vec1::<i64>()?;
        let label = |anchor: usize| labels[anchor / views];
        let counts = |anchor: usize| Some(label(anchor)) != ignored;
        let counted = labels
            .iter()
            .filter(|&&label| Some(label) != ignored)
            .count();
        let mut features = features.reshape((anchors, ()))?;
        if counted < batch {
            // NaN there, times 0, would still be NaN.
            let kept: Vec<u8> = (0..anchors)
                .map(|anchor| u8::from(counts(anchor)))
                .collect();
            let kept = Tensor::from_vec(kept, (anchors, 1), features.device())?;
            features = keep(&features, &kept.broadcast_as(features.shape())?)?;
        }
        let z = ops::l2_normalize(&features, -1, 1e-12)?;
        let similarity = (ops::matmul(&z, &z.t()?)? / config.temperature)?;
        // An anchor is not compared with itself: e^-inf is 0, and a large number stays finite in the gradient.
        let mut own = vec![0f32; anchors * anchors];
        let mut positives = vec![0f32; anchors * anchors];
        for i in 0..anchors {
            let is_positive = |&j: &usize| j != i && label(j) == label(i) && counts(i);
            let count = (0..anchors).filter(is_positive).count();
            for j in 0..anchors {
                if j == i || !counts(j) {
                    own[i * anchors + j] = -1e9;
                }
                if is_positive(&j) {
                    positives[i * anchors + j] = 1.0 / count as f32;
                }
            }
        }
        let matrix = |values: Vec<f32>| {
            Tensor::from_vec(values, (anchors, anchors), z.device())?.to_dtype(z.dtype())
        };
        let log_probabilities = ops::log_softmax((similarity + matrix(own)?)?.as_ref())?;
        let scale = -config.temperature / config.base_temperature;
        let values = (ops::sum(&(log_probabilities * matrix(positives)?)?, 1)? * scale)?;
        let values = ops::mean(&values.reshape((batch, views))?, 1)?;
        config.reduction.apply(&values, counted as f64)
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
