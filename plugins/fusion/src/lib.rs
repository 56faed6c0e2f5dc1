//! Fusion of an image with other data of the same place: visits by the hour, text, any sequence. One component a file.
//!
//! All are encoders: `values` are the image's features or tokens, `context` those of the other data, and `pooled` is what a
//! classifier reads. They stand in one slot, so one is exchanged for another while encoders and classifier stay. A modality
//! that is missing for an example has a mask (`mask`, `context_mask`) of zeros there, and any values; what takes its place is
//! each component's affair ([`modalities`]).

pub mod modalities;

patchbay::components! {
    concat::FusionConcat,
    cross_attention::FusionCrossAttention,
    gated::FusionGated,
    late_average::FusionLateAverage,
}
