//! Fusion of an image with other data of the same place: visits by the hour, text, any sequence. One component a file.
//!
//! All are encoders: `values` are the image's features or tokens, `context` those of the other data, and `pooled` is what a
//! classifier reads. They stand in one slot, so one is exchanged for another while encoders and classifier stay. A modality
//! that is missing for an example has a mask (`mask`, `context_mask`) of zeros there, and any values; what takes its place is
//! each component's affair ([`modalities`]).

pub mod concat;
pub mod cross_attention;
pub mod gated;
pub mod late_average;
pub mod modalities;

pub use concat::FusionConcat;
pub use cross_attention::FusionCrossAttention;
pub use gated::FusionGated;
pub use late_average::FusionLateAverage;

patchbay::export_plugin!(
    FusionConcat,
    FusionGated,
    FusionCrossAttention,
    FusionLateAverage
);
