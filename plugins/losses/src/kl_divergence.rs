//! Kullback-Leibler divergence of a softmax from a target distribution, as in distillation.
//!
//! The target is probabilities, or with `target_logits` the teacher's logits. With a temperature T both are softened,
//! and the loss is multiplied with T squared, which keeps its gradients in scale. The mean is over positions
//! (PyTorch's "batchmean" on `[batch, classes]`), not over classes. The target gets no gradient.

use patchbay::{ops, plugin::prelude::*};

use crate::{
    classes::{check_probabilities, floats},
    pairs::mean,
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`KlDivergence`].
    pub struct KlDivergenceConfig {
        /// Number that the logits are divided by before the softmax.
        #[schemars(range(min = 1e-3))]
        temperature: f64 = 1.0,
        /// Whether the target is logits; otherwise it is probabilities, which the temperature does not change.
        target_logits: bool = false,
        /// Mean, sum, or one value for each target.
        reduction: Reduction = Reduction::Mean,
    }
}

/// Divergence of a softmax from a distribution.
pub struct KlDivergence {
    config: KlDivergenceConfig,
}

impl Component for KlDivergence {}

impl Define for KlDivergence {
    type Kind = dyn Loss;
    type Config = KlDivergenceConfig;
    const ID: &'static str = "loss/kl_divergence";
    const SUMMARY: &'static str =
        "Divergence of the softmax from a target distribution; distillation";
    const DETAILS: Details = Details {
        formula: "T^2 sum_c t_c (log t_c - log softmax(logits / T)_c)",
        reference: "Kullback and Leibler 1951; the temperature: Hinton et al. 2015, Distilling the Knowledge in a Neural Network, arXiv 1503.02531, eq. 2",
        shapes: "logits and target [batch, classes] or [batch, classes, height, width]; result [] or, not reduced, [batch] or [batch, height, width]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/kl_divergence", json!({"target_logits": true, "temperature": 4.0}))?;
let student = Tensor::new(&[[2f32, 0.5, -1.0], [0.1, 0.2, 3.0]], &device())?;
let teacher = Tensor::new(&[[3f32, 0.0, -2.0], [0.0, 0.5, 2.0]], &device())?;
loss.forward(&student, &teacher)?"#,
    };

    fn build(config: KlDivergenceConfig, _context: &Context) -> Result<Self> {
        Ok(KlDivergence { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let logits = [[0.3f32, -1.2, 0.5], [2.0, 0.1, -0.4]];
        let target = [[0.2f32, 0.5, 0.3], [0.7, 0.1, 0.2]];
        Ok(Sample::new(json!({}))
            .input("logits", Tensor::new(&logits, &Device::Cpu)?)
            .input("target", Tensor::new(&target, &Device::Cpu)?))
    }
}

impl Loss for KlDivergence {
    fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let temperature = self.config.temperature;
        let logits = floats("logits", logits)?;
        if logits.rank() < 2 || logits.dims() != target.dims() || !target.dtype().is_float() {
            bail!(
                "expected logits [batch, classes, ...] and a distribution of the same shape; got logits {:?} and a \
                 target {} {:?}",
                logits.dims(),
                target.dtype().as_str(),
                target.dims()
            );
        }
        let target = target.detach().to_dtype(logits.dtype())?;
        let (target, log_target) = if self.config.target_logits {
            let log_target = ops::log_softmax_dim(&(target / temperature)?, 1)?;
            (log_target.exp()?, log_target)
        } else {
            check_probabilities(&target)?;
            // 0 log 0 is 0: the smallest number has a finite logarithm.
            let log_target = target.maximum(f64::from(f32::MIN_POSITIVE))?.log()?;
            (target, log_target)
        };
        let log_p = ops::log_softmax_dim(&(logits / temperature)?, 1)?;
        let values = ops::sum(&(target * (log_target - log_p)?)?, 1)?;
        let values = (values * (temperature * temperature))?;
        self.config
            .reduction
            .apply(&values, values.elem_count() as f64)
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        const CLASSES: usize = 10;
        let logits = Tensor::zeros((CLASSES, CLASSES), DType::F32, &Device::Cpu)?;
        let target = Tensor::eye(CLASSES, DType::F32, &Device::Cpu)?;
        let (words, target) = if self.config.target_logits {
            ("a teacher whose logits are 10 and 0", (target * 10.0)?)
        } else {
            ("targets that are certain", target)
        };
        let value = self.forward(&logits, &target)?;
        Ok(vec![(
            format!("equal logits, {CLASSES} classes, {words}"),
            mean(&value)?,
        )])
    }
}
