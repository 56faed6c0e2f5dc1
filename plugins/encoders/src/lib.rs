//! Encoders: one component a file or folder.
//!
//! Parameters have the names of the implementation that most checkpoints come from: timm's for
//! [`vit`], those of Hugging Face's `transformers` for [`bert`] and [`multimodal`]. What they share
//! (attention with maps, masks, first values, stochastic depth) is in [`attention`], [`initial`] and
//! [`stochastic_depth`]. [`word_piece`] makes the token ids that text encoders read.

pub mod attention;
pub mod initial;
pub mod stochastic_depth;

patchbay::components! {
    bert::Bert,
    multimodal::Multimodal,
    sequence::Sequence,
    vit::Vit,
    word_piece::WordPiece,
}
