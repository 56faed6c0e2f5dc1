//! State that training keeps besides the parameters, and layers of which a clone is cheap.

use std::any::Any;

use candle_nn::{VarBuilder, VarMap};
use patchbay_cell::{
    keep::Clones,
    parts::{Part, TensorBytes},
    shared_clones,
};
use patchbay_show::memory::bytes_of;

use crate::{Adam, AdamW, Ema, MixedPrecision, Optimizer, OptimizerState, SGD};

/// Additions of this crate to every cell.
pub static PART: Part = Part {
    tensors: Some(tensors_of),
    clones: Some(clones),
    ..Part::NONE
};

/// The bytes of a model's variables, or of what training keeps besides them; `None` for other values.
fn tensors_of(value: &dyn Any) -> Option<TensorBytes> {
    if let Some(variables) = value.downcast_ref::<VarMap>() {
        let variables = variables.all_vars();
        return Some(bytes_of(variables.iter().map(|var| var.as_tensor())));
    }
    if let Some(average) = value.downcast_ref::<Ema>() {
        return Some(bytes_of(&average.averages()));
    }
    of_optimizer::<AdamW>(value)
        .or_else(|| of_optimizer::<Adam>(value))
        .or_else(|| of_optimizer::<SGD>(value))
}

/// The bytes of the moments of an optimizer of type `O`, by itself or in mixed precision; `None` for other values.
fn of_optimizer<O: OptimizerState + Optimizer + 'static>(value: &dyn Any) -> Option<TensorBytes> {
    if let Some(optimizer) = value.downcast_ref::<O>() {
        return Some(bytes_of(&optimizer.moments()));
    }
    let mixed = value.downcast_ref::<MixedPrecision<O>>()?;
    let (copies, moments) = (
        bytes_of(mixed.copies().map(|copy| copy.as_tensor())),
        bytes_of(&mixed.optimizer.moments()),
    );
    Some(TensorBytes {
        all: copies.all + moments.all,
        gpu: copies.gpu + moments.gpu,
    })
}

fn clones(clones: &mut Clones) {
    shared_clones!(clones;
        VarMap,
        VarBuilder<'static>,
        candle_nn::BatchNorm,
        candle_nn::Conv1d,
        candle_nn::Conv2d,
        candle_nn::ConvTranspose1d,
        candle_nn::ConvTranspose2d,
        candle_nn::Embedding,
        candle_nn::GroupNorm,
        candle_nn::LayerNorm,
        candle_nn::Linear,
        candle_nn::PReLU,
        candle_nn::RmsNorm,
        candle_nn::LSTM,
        candle_nn::GRU,
        Vec<candle_nn::Linear>,
        Vec<candle_nn::Conv2d>,
        crate::BatchNorm,
        crate::Conv1d,
        crate::Conv2d,
        crate::ConvTranspose1d,
        crate::ConvTranspose2d,
        crate::PReLU,
        crate::LSTM,
        crate::GRU,
        crate::GroupNorm,
        crate::Dropout,
        Vec<crate::Conv2d>,
        crate::Adam,
        crate::AdamW,
        crate::SGD,
        crate::Ema,
        crate::Embedding,
        crate::FeedForward,
        crate::LayerNorm,
        crate::Linear,
        crate::MultiheadAttention,
        crate::PatchEmbedding,
        crate::RmsNorm,
        crate::TransformerEncoder,
        crate::TransformerEncoderLayer,
        Vec<crate::Linear>,
        Vec<crate::TransformerEncoderLayer>,
    );
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;
    use crate as nn;

    #[test]
    fn what_training_keeps_is_counted_besides_the_parameters() {
        let gpu = 0;
        let f32s = |count: usize| {
            Some(TensorBytes {
                all: 4 * count,
                gpu,
            })
        };
        let var = Var::ones(10, DType::F32, &Device::Cpu).unwrap();
        let loss = || var.sqr().unwrap().sum_all().unwrap();
        let vars = || vec![var.clone()];
        let adam = |vars| nn::AdamW::new_lr(vars, 0.1);

        let mut adamw = adam(vars()).unwrap();
        assert_eq!(tensors_of(&adamw), f32s(0));
        adamw.backward_step(&loss()).unwrap();
        assert_eq!(tensors_of(&adamw), f32s(20));
        let mut plain = nn::SGD::new(vars(), 0.1).unwrap();
        plain.backward_step(&loss()).unwrap();
        assert_eq!(tensors_of(&plain), f32s(0));
        let settings = nn::ParamsSgd {
            momentum: 0.9,
            ..0.1.into()
        };
        let mut momentum = nn::SGD::with_settings(vars(), settings);
        momentum.backward_step(&loss()).unwrap();
        assert_eq!(tensors_of(&momentum), f32s(10));
        assert_eq!(tensors_of(&nn::Ema::new(vars(), 0.9).unwrap()), f32s(10));

        // In mixed precision a copy in f32 of what is in half precision, and none of what is not.
        let mut mixed = nn::MixedPrecision::new(vars(), nn::LossScale::none(), adam).unwrap();
        mixed.backward_step(&loss()).unwrap();
        assert_eq!(tensors_of(&mixed), f32s(20));
        let half = Var::ones(10, DType::BF16, &Device::Cpu).unwrap();
        let mut mixed =
            nn::MixedPrecision::new(vec![half.clone()], nn::LossScale::none(), adam).unwrap();
        mixed.backward_step(&half.sum_all().unwrap()).unwrap();
        assert_eq!(tensors_of(&mixed), f32s(30));
    }
}
