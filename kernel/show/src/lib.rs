//! How values are shown: text, tables, pictures, plots, progress and widgets; tensors and their device among them.
//!
//! Users see all of it as `patchbay::...`.

pub mod device;
pub mod display;
#[doc(hidden)]
pub mod evcxr;
pub mod image;
pub mod live;
pub mod memory;
pub mod parameter;
#[doc(hidden)]
pub mod part;
pub mod plot;
pub mod progress;
pub mod show;
pub mod table;
pub mod tensor;
pub mod timing;
pub mod widgets;

pub use device::device;
pub use display::{
    DisplayHandle, clear_output, display, html, json_tree, latex, markdown, png, svg,
};
#[allow(deprecated)]
pub use image::image_normalised;
pub use image::{BeforeAfter, Image, ImageGrid, before_after, image, image_grid, image_normalized};
pub use live::LivePlot;
pub use parameter::parameter;
pub use plot::Figure;
pub use progress::{Progress, progress};
pub use show::{MimeBundle, Show};
pub use table::Table;

/// `std::result::Result` with candle's error where none is given.
pub type Result<T, E = candle_core::Error> = std::result::Result<T, E>;
