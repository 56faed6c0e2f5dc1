//! Losses of many elements whose values are known: a block of elements again and again, of which every mean is that of the
//! block.

use patchbay::{
    Result,
    plugin::{Loss, create},
    prelude::{DType, Device, Tensor, json},
    serde_json::Value,
};

/// Elements of a block.
pub const BLOCK: usize = 1000;

/// Losses that are means over elements, with settings. `info_nce`, `siglip`, `triplet` and `supervised_contrastive` compare all with
/// all and do not take so many.
pub fn cases() -> Vec<(&'static str, Value)> {
    let counts = json!({"class_counts": [900, 100]});
    vec![
        ("cross_entropy", json!({})),
        ("label_smoothing", json!({})),
        ("poly1", json!({})),
        ("focal", json!({})),
        ("focal", json!({"activation": "sigmoid"})),
        ("asymmetric", json!({})),
        ("balanced_cross_entropy", json!({})),
        ("balanced_cross_entropy", json!({"activation": "sigmoid"})),
        ("class_balanced", counts.clone()),
        ("ldam", counts.clone()),
        ("seesaw", counts),
        ("binary_cross_entropy", json!({"pos_weight": [3.0]})),
        ("dice", json!({})),
        ("iou", json!({})),
        ("tversky", json!({"activation": "sigmoid"})),
        ("focal_tversky", json!({})),
        ("lovasz_hinge", json!({})),
        ("lovasz_softmax", json!({})),
        ("kl_divergence", json!({})),
        ("cosine", json!({})),
        ("mse", json!({})),
        ("mae", json!({})),
        ("huber", json!({})),
        ("quantile", json!({"levels": [0.1, 0.9]})),
    ]
}

/// Numbers from -1.5 to 1.5 without a pattern.
fn number(at: usize, salt: u32) -> f32 {
    let mixed = (at as u32)
        .wrapping_mul(2_654_435_761)
        .wrapping_add(salt.wrapping_mul(40_503));
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
    (mixed >> 8) as f32 / (1 << 24) as f32 * 3.0 - 1.5
}

/// `count` numbers, a block again and again.
pub fn numbers(count: usize, salt: u32) -> Vec<f32> {
    let block: Vec<f32> = (0..BLOCK).map(|at| number(at, salt)).collect();
    (0..count).map(|at| block[at % BLOCK]).collect()
}

/// A prediction of `count` elements (a multiple of twice [`BLOCK`], or [`BLOCK`]) in `dtype`, and its target.
fn input(name: &str, count: usize, dtype: DType) -> Result<(Tensor, Tensor)> {
    let cpu = &Device::Cpu;
    let half = count / 2;
    // Two values for each position, on axis `axis`.
    let pairs = |axis: usize| -> Result<Tensor> {
        let part = |salt| Tensor::from_vec(numbers(half, salt), half, cpu);
        let both = Tensor::stack(&[part(1)?, part(2)?], axis)?;
        both.to_dtype(dtype)
    };
    Ok(match name {
        "mse" | "mae" | "huber" => (
            Tensor::from_vec(numbers(count, 1), count, cpu)?.to_dtype(dtype)?,
            Tensor::from_vec(numbers(count, 3), count, cpu)?,
        ),
        "cosine" => {
            let part = |salt| Tensor::from_vec(numbers(half, salt), half, cpu);
            let target = Tensor::stack(&[part(3)?, part(4)?], 1)?;
            (pairs(1)?, target.to_dtype(dtype)?)
        }
        "quantile" => (pairs(1)?, Tensor::from_vec(numbers(half, 3), half, cpu)?),
        "lovasz_hinge" => {
            let truth = numbers(count, 3)
                .into_iter()
                .map(|x| u8::from(x > 0.7))
                .collect();
            (
                Tensor::from_vec(numbers(count, 1), (1, 1, count), cpu)?.to_dtype(dtype)?,
                Tensor::from_vec::<_, u8>(truth, (1, 1, count), cpu)?,
            )
        }
        "kl_divergence" => {
            let logits = pairs(0)?.unsqueeze(0)?;
            let share = Tensor::from_vec(numbers(half, 3), half, cpu)?.affine(0.3, 0.5)?;
            let both = Tensor::stack(&[share.clone(), share.affine(-1.0, 1.0)?], 0)?;
            (logits, both.unsqueeze(0)?.to_dtype(dtype)?)
        }
        _ => {
            let classes = numbers(half, 3)
                .into_iter()
                .map(|x| u8::from(x > 0.7))
                .collect();
            (
                pairs(0)?.unsqueeze(0)?,
                Tensor::from_vec::<_, u8>(classes, (1, half), cpu)?,
            )
        }
    })
}

/// The loss of `count` elements in f32, and what it is in f64.
pub fn found_and_expected(name: &str, config: &Value, count: usize) -> Result<(f64, f64)> {
    let loss = create::<dyn Loss>(&format!("loss/{name}"), config.clone())?;
    let of = |count, dtype| -> Result<f64> {
        let (prediction, target) = input(name, count, dtype)?;
        loss.forward(&prediction, &target)?
            .to_dtype(DType::F64)?
            .to_scalar()
    };
    Ok((of(count, DType::F32)?, of(2 * BLOCK, DType::F64)?))
}
