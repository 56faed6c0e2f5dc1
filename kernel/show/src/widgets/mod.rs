//! Sliders, buttons and bars in the notebook that a running cell can read.
//!
//! They speak the protocol of ipywidgets 8 (models of `@jupyter-widgets/controls` 2.0), so JupyterLab and notebooks show
//! them where the package `ipywidgets` (or `jupyterlab_widgets`) is installed beside it; other front ends show the text.
//! A widget's value is read with `get()` at any time, in the middle of a training loop for instance:
//!
//! ```no_run
//! use patchbay::widgets;
//! let rate = widgets::slider("learning rate", 1e-5, 1e-1).logarithmic().value(1e-3);
//! patchbay::display(&rate);
//! for step in patchbay::progress(0..1000) {
//!     let learning_rate = rate.get();
//!     # let _ = (step, learning_rate);
//! }
//! ```

mod button;
mod choice;
mod model;
mod progress_bar;
mod slider;

pub use button::{Button, button};
pub use choice::{Checkbox, Dropdown, checkbox, dropdown};
pub use progress_bar::{ProgressBar, progress_bar};
pub use slider::{Slider, slider};

#[doc(hidden)]
pub use model::listen_for_front_ends;
pub(crate) use model::{probe, send_held};
