//! Dehazing: one component a file.
//!
//! [`dark_channel_prior`], [`color_attenuation_prior`] and [`aod_net`] are image transforms.
//! [`read_image`], [`haze`], [`image_quality`] and [`dehaze_folder`] are tools for notebooks. What works
//! on plain buffers is in the crate `patchbay-dehaze-core`, which the command line links, too.

pub mod on_device;
pub mod prior;

pub use patchbay_dehaze_core as core;

patchbay::components! {
    aod_net::AodNet,
    color_attenuation_prior::ColorAttenuationPrior,
    dark_channel_prior::DarkChannelPrior,
    dehaze_folder::DehazeFolder,
    haze::Haze,
    image_quality::ImageQuality,
    read_image::ReadImage,
}
