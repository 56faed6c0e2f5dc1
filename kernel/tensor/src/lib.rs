//! The methods and functions of tensors that PyTorch and NumPy have and candle lacks.
//!
//! [`TensorMethods`] adds methods to candle's `Tensor`. candle's own methods win, so none of them changes. [`torch`] has the
//! functions that PyTorch has beside its tensors, on the default device and in the default dtype, f32.
//!
//! Each is named after torch's. Values, ties, NaN and gradients are torch's; what differs is said. Indices that are results
//! of an order are u32, as those of candle's `argmax`. Masks are u8, as those of candle's comparisons.

mod axis;
mod compare;
mod destination;
mod einsum;
mod elementwise;
mod methods;
mod order;
mod reduce;
mod select;
mod shape;
pub mod torch;
mod view;

pub use axis::Axis;
pub use destination::Destination;
pub use methods::TensorMethods;
pub use view::{Extent, ViewShape};
