//! Encoders: one component a file or folder.
//!
//! Parameters have the names of the implementation that most checkpoints come from: timm's for
//! [`vit`], those of Hugging Face's `transformers` for [`bert`] and [`multimodal`]. What they share
//! (attention with maps, masks, first values, stochastic depth) is in [`attention`], [`initial`] and
//! [`stochastic_depth`]. [`word_piece`] makes the token ids that text encoders read.

pub mod attention;
pub mod bert;
pub mod initial;
pub mod multimodal;
pub mod sequence;
pub mod stochastic_depth;
pub mod vit;
pub mod word_piece;

pub use bert::Bert;
pub use multimodal::Multimodal;
pub use sequence::Sequence;
pub use vit::Vit;
pub use word_piece::WordPiece;

patchbay::export_plugin!(Vit, Bert, Multimodal, Sequence, WordPiece);
