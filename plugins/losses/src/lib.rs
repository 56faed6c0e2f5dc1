//! Losses: one component a file.
//!
//! Those of classification work on logits `[batch, classes]` and `[batch, classes, height, width]`, stay finite at logits
//! of +-1e4, and compute in `f32` where the logits are half precision. What they share is in modules of its own: targets
//! ([`classes`], [`binary`], [`pairs`]), distances ([`distances`]), class frequencies ([`class_counts`]), regions ([`overlap`], [`region`],
//! [`lovasz`]) and reductions ([`reduction`]).

pub mod binary;
pub mod class_counts;
pub mod classes;
pub mod distances;
pub mod lovasz;
pub mod overlap;
pub mod pairs;
pub mod reduction;
pub mod region;

patchbay::components! {
    asymmetric::Asymmetric,
    balanced_cross_entropy::BalancedCrossEntropy,
    binary_cross_entropy::BinaryCrossEntropy,
    class_balanced::ClassBalanced,
    cosine::Cosine,
    cross_entropy::CrossEntropy,
    dice::Dice,
    focal::Focal,
    focal_tversky::FocalTversky,
    huber::Huber,
    info_nce::InfoNce,
    iou::Iou,
    kl_divergence::KlDivergence,
    label_smoothing::LabelSmoothing,
    ldam::Ldam,
    lovasz_hinge::LovaszHinge,
    lovasz_softmax::LovaszSoftmax,
    mae::Mae,
    mse::Mse,
    poly1::Poly1,
    quantile::Quantile,
    seesaw::Seesaw,
    siglip::Siglip,
    supervised_contrastive::SupervisedContrastive,
    triplet::Triplet,
    tversky::Tversky,
}
