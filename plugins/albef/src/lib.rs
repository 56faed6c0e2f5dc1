//! ALBEF: image and text aligned before they are fused (Li et al. 2021, arXiv 2107.07651).
//!
//! [`objective`] is the pre-training, [`classification`] what follows it where pairs have classes. Each part of the paper is a
//! module of its own: the encoders ([`encoders`]) and their momentum copies ([`momentum`]), queues of features
//! ([`queue`]), the targets of the contrastive loss ([`contrastive`]), hard negatives ([`negatives`]), masked words
//! ([`masking`]) and their head ([`word_head`]). Encoders and losses are other plugins' components, made by name.

pub mod contrastive;
pub mod encoders;
pub mod inputs;
pub mod masking;
pub mod momentum;
pub mod negatives;
pub mod passes;
pub mod queue;
pub mod word_head;

patchbay::components! {
    classification::AlbefClassification,
    objective::Albef,
}
