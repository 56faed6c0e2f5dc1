//! Images of another size.

mod composed;
mod cpu;
mod settings;
mod taps;
#[cfg(test)]
pub(crate) mod tests;

pub use settings::{Interpolate, Interpolation};

use candle_core::{Result, Tensor};

use self::taps::all_taps;
use crate::{dispatch::dispatch, op::apply};

/// `x`, [batch, channels, height, width], brought to the height and width of `size`.
///
/// The same as torch's `interpolate` with `align_corners=False` and `antialias=False`: pixels are areas, and
/// beyond the edge the outermost pixel goes on.
///
/// # Errors
///
/// Fails where the rank is not 4 or one of the sizes is empty.
pub fn interpolate(x: &Tensor, size: (usize, usize), how: Interpolation) -> Result<Tensor> {
    interpolate_with(x, size, &how.into())
}

/// As [`interpolate`], with a low-pass filter or another scale than that of the sizes.
///
/// # Errors
///
/// Fails as [`interpolate`], for an antialiased [`Interpolation::Nearest`], and for scale factors that are not above 0 and
/// finite.
pub fn interpolate_with(
    x: &Tensor,
    size: (usize, usize),
    settings: &Interpolate,
) -> Result<Tensor> {
    let [_, _, height, width] = *x.dims() else {
        candle_core::bail!(
            "interpolate: the input is {:?}: must be [batch, channels, height, width]",
            x.dims()
        )
    };
    if height * width * size.0 * size.1 == 0 {
        candle_core::bail!(
            "interpolate: from {:?} to {size:?}: must not be empty",
            x.dims()
        )
    }
    if settings.antialias && settings.how == Interpolation::Nearest {
        candle_core::bail!(
            "interpolate: a nearest pixel has no antialiasing: use Interpolation::Bilinear or Interpolation::Bicubic"
        )
    }
    if let Some((vertical, horizontal)) = settings.scale_factor
        && [vertical, horizontal]
            .iter()
            .any(|factor| !factor.is_finite() || *factor <= 0.0)
    {
        candle_core::bail!(
            "interpolate: the scale factors are {vertical} and {horizontal}: must be above 0 and finite"
        )
    }
    let taps = all_taps((height, width), size, settings);
    dispatch! {
        x;
        composed => composed::interpolate(x, taps);
        cpu(x) => apply(cpu::Separable::new((height, width), taps), [x])
    }
}
