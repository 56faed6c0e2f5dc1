//! Losses: one component a file.
//!
//! Those of classification work on logits `[batch, classes]` and `[batch, classes, height, width]`, stay finite at logits
//! of +-1e4, and compute in `f32` where the logits are half precision. What they share is in modules of its own: targets
//! ([`classes`], [`binary`], [`pairs`]), class frequencies ([`class_counts`]), regions ([`overlap`], [`region`],
//! [`lovasz`]) and reductions ([`reduction`]).

pub mod asymmetric;
pub mod balanced_cross_entropy;
pub mod binary;
pub mod class_balanced;
pub mod class_counts;
pub mod classes;
pub mod cross_entropy;
pub mod dice;
pub mod focal;
pub mod focal_tversky;
pub mod huber;
pub mod info_nce;
pub mod kl_divergence;
pub mod label_smoothing;
pub mod ldam;
pub mod lovasz;
pub mod lovasz_hinge;
pub mod lovasz_softmax;
pub mod mae;
pub mod mse;
pub mod overlap;
pub mod pairs;
pub mod poly1;
pub mod quantile;
pub mod reduction;
pub mod region;
pub mod seesaw;
pub mod supervised_contrastive;
pub mod tversky;

pub use asymmetric::Asymmetric;
pub use balanced_cross_entropy::BalancedCrossEntropy;
pub use class_balanced::ClassBalanced;
pub use cross_entropy::CrossEntropy;
pub use dice::Dice;
pub use focal::Focal;
pub use focal_tversky::FocalTversky;
pub use huber::Huber;
pub use info_nce::InfoNce;
pub use kl_divergence::KlDivergence;
pub use label_smoothing::LabelSmoothing;
pub use ldam::Ldam;
pub use lovasz_hinge::LovaszHinge;
pub use lovasz_softmax::LovaszSoftmax;
pub use mae::Mae;
pub use mse::Mse;
pub use poly1::Poly1;
pub use quantile::Quantile;
pub use seesaw::Seesaw;
pub use supervised_contrastive::SupervisedContrastive;
pub use tversky::Tversky;

patchbay::export_plugin!(
    Asymmetric,
    BalancedCrossEntropy,
    ClassBalanced,
    CrossEntropy,
    Dice,
    Focal,
    FocalTversky,
    Huber,
    InfoNce,
    KlDivergence,
    LabelSmoothing,
    Ldam,
    LovaszHinge,
    LovaszSoftmax,
    Mae,
    Mse,
    Poly1,
    Quantile,
    Seesaw,
    SupervisedContrastive,
    Tversky,
);
