//! Cosine loss: one minus the cosine of two vectors; of pairs with labels, those that do not belong together are pushed apart.
//!
//! Of a prediction and a target of one shape the vectors are along axis 1, as in PyTorch's `cosine_similarity`. Of pairs
//! `[batch, 2, width]` with labels it is PyTorch's `CosineEmbeddingLoss`.

use patchbay::{ops, plugin::prelude::*};

use crate::{
    classes::{floats, keep},
    info_nce::independent_features,
    pairs::mean,
    reduction::Reduction,
};

patchbay::config! {
    /// Settings of [`Cosine`].
    pub struct CosineConfig {
        /// Pairs that do not belong together cost nothing below this cosine.
        #[schemars(range(min = -1.0, max = 1.0))]
        margin: f64 = 0.0,
        /// Pairs with this label do not count; null: all count.
        ignore_index: Option<i64> = Some(ops::IGNORE_INDEX),
        /// Mean, sum, or one value for each pair.
        reduction: Reduction = Reduction::Mean,
    }
}

/// One minus a cosine.
pub struct Cosine {
    config: CosineConfig,
}

impl Component for Cosine {}

impl Define for Cosine {
    type Kind = dyn Loss;
    type Config = CosineConfig;
    const ID: &'static str = "loss/cosine";
    const SUMMARY: &'static str = "One minus the cosine of two vectors, or of pairs with labels";
    const DETAILS: Details = Details {
        formula: "1 - cos(x, y);  of pairs that do not belong together max(0, cos(x, y) - margin)",
        reference: "Hadsell et al. 2006, Dimensionality Reduction by Learning an Invariant Mapping, CVPR; as torch.nn.CosineEmbeddingLoss",
        shapes: "features [batch, 2, width] and labels [batch] of an integer type, 1 where both belong together, else 0 or -1, \
                 result [] or, not reduced, [batch]; or prediction and target of one shape [batch, width, ...], result [] or, \
                 not reduced, [batch, ...]",
        trainable: false,
        example: r#"let loss = create::<dyn Loss>("loss/cosine", json!({}))?;
let prediction = Tensor::randn(0f32, 1.0, (4, 8), &device())?;
let target = Tensor::randn(0f32, 1.0, (4, 8), &device())?;
loss.forward(&prediction, &target)?"#,
    };

    fn build(config: CosineConfig, _context: &Context) -> Result<Self> {
        Ok(Cosine { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let pairs = [
            [[0.3f32, -1.2, 2.5], [2.0, 0.1, -0.4]],
            [[0.5, 0.4, 0.2], [1.9, -0.3, 1.0]],
            [[-0.6, 0.8, 0.3], [0.4, 0.9, -0.2]],
            [[1.1, -0.3, 0.8], [0.9, -0.5, 1.2]],
        ];
        Ok(Sample::new(json!({"margin": 0.1}))
            .dtypes(&[DType::F32, DType::F64, DType::BF16])
            .input("features", Tensor::new(&pairs, &Device::Cpu)?)
            .input("labels", Tensor::new(&[1i64, 0, -1, 1], &Device::Cpu)?))
    }
}

/// Below this the product of two lengths is taken as constant: no direction is known.
const LEAST: f64 = 1e-8;

impl Loss for Cosine {
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let dims = prediction.dims();
        if target.dtype().is_int() {
            return self.pairs(prediction, target);
        }
        if dims != target.dims() || dims.len() < 2 {
            bail!(
                "prediction and target have one shape [batch, width, ...], or these are pairs [batch, 2, width] with labels of an \
                 integer type; got a prediction {dims:?} and a target {:?}",
                target.dims()
            );
        }
        let prediction = floats("a prediction", prediction)?;
        let target = target.to_dtype(prediction.dtype())?;
        let values = cosine(&prediction, &target)?.affine(-1.0, 1.0)?;
        let count = values.elem_count() as f64;
        self.config.reduction.apply(&values, count)
    }

    fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
        const BATCH: usize = 64;
        let prediction = independent_features(BATCH, 128, 0)?;
        let target = independent_features(BATCH, 128, BATCH * 128)?;
        let value = self.forward(&prediction, &target)?;
        Ok(vec![(
            format!("{BATCH} pairs of independent features of width 128"),
            mean(&value)?,
        )])
    }
}

impl Cosine {
    fn pairs(&self, pairs: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let config = &self.config;
        let dims = pairs.dims();
        if dims.len() != 3 || dims[1] != 2 || labels.dims() != [dims[0]] {
            bail!(
                "labels of an integer type are of pairs: expected [batch, 2, width] and labels [batch]; got a prediction {dims:?} \
                 and a target {:?}",
                labels.dims()
            );
        }
        let pairs = floats("pairs", pairs)?;
        if dims[0] == 0 {
            let values = ops::sum(&pairs.flatten_from(1)?, 1)?;
            return config.reduction.apply(&values, 0.0);
        }
        let ignored = config
            .ignore_index
            .map(|ignore| ops::ignored_value(labels.dtype(), ignore));
        // -1 of a u32 is its largest number.
        let apart = ops::ignored_value(labels.dtype(), -1);
        let given = labels.to_dtype(DType::I64)?.to_vec1::<i64>()?;
        let (mut together, mut counts) = (Vec::new(), Vec::new());
        for (position, &label) in given.iter().enumerate() {
            let counted = Some(label) != ignored;
            if counted && label != 1 && label != 0 && label != apart {
                bail!(
                    "the label at position {position} of {:?} is {label}; it is 1 where a pair belongs together, else 0 or -1",
                    labels.dims()
                );
            }
            together.push(f64::from(u8::from(counted && label == 1)));
            counts.push(u8::from(counted));
        }
        let counted = counts.iter().filter(|&&count| count > 0).count();
        let batch = given.len();
        let counts = Tensor::from_vec(counts, batch, pairs.device())?;
        let kept = counts.reshape((batch, 1, 1))?.broadcast_as(pairs.shape())?;
        let pairs = keep(&pairs, &kept)?;
        let side = |at: usize| pairs.narrow(1, at, 1)?.squeeze(1);
        let cosines = cosine(&side(0)?, &side(1)?)?;
        let together =
            Tensor::from_vec(together, batch, pairs.device())?.to_dtype(pairs.dtype())?;
        let near = cosines.affine(-1.0, 1.0)?;
        let far = (cosines - config.margin)?.relu()?;
        let values = ((near * &together)? + (far * together.affine(-1.0, 1.0)?)?)?;
        let values = (values * counts.to_dtype(pairs.dtype())?)?;
        config.reduction.apply(&values, counted as f64)
    }
}

/// The cosines of vectors along axis 1.
fn cosine(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let product = |a: &Tensor, b: &Tensor| ops::sum(&(a * b)?, 1);
    let length = |a: &Tensor| -> Result<Tensor> {
        // The root has no slope at 0, and squares of 1e-30 are none of single precision.
        product(a, a)?.maximum(LEAST * LEAST)?.sqrt()
    };
    let (x_length, y_length) = (length(x)?, length(y)?);
    let unit = |a: &Tensor, length: &Tensor| a.broadcast_div(&length.unsqueeze(1)?);
    product(&unit(x, &x_length)?, &unit(y, &y_length)?)
}
