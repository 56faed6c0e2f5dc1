//! Dehazing: one component a file.
//!
//! [`dark_channel_prior`], [`colour_attenuation_prior`] and [`aod_net`] are image transforms.
//! [`read_image`], [`haze`], [`image_quality`] and [`dehaze_folder`] are tools for notebooks. What works
//! on plain buffers is in the crate `patchbay-dehaze-core`, which the command line links, too.

pub mod aod_net;
pub mod colour_attenuation_prior;
pub mod dark_channel_prior;
pub mod dehaze_folder;
pub mod haze;
pub mod image_quality;
pub mod on_device;
pub mod prior;
pub mod read_image;

pub use aod_net::AodNet;
pub use colour_attenuation_prior::ColourAttenuationPrior;
pub use dark_channel_prior::DarkChannelPrior;
pub use dehaze_folder::DehazeFolder;
pub use haze::Haze;
pub use image_quality::ImageQuality;
pub use patchbay_dehaze_core as core;
pub use read_image::ReadImage;

patchbay::export_plugin!(
    DarkChannelPrior,
    ColourAttenuationPrior,
    AodNet,
    ReadImage,
    Haze,
    ImageQuality,
    DehazeFolder
);
