//! How images are brought to another size.

/// How [`crate::interpolate`] finds the values between pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel at the rounded-down position.
    Nearest,
    /// Between the 2 x 2 nearest pixels.
    Bilinear,
    /// Keys' cubic convolution over 4 x 4 pixels with a = -0.75 (Keys, 1981), as in PyTorch and OpenCV.
    Bicubic,
}

/// Settings of [`crate::interpolate_with`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interpolate {
    /// The way of interpolation.
    pub how: Interpolation,
    /// Whether a low-pass filter as wide as the pixels of the result is part of it, as torch's `antialias=True` and Pillow
    /// do. Bicubic then has a = -0.5, and at the edge the weights of the pixels that are there are scaled to a sum of 1, so
    /// that the result is another one also where the image grows.
    pub antialias: bool,
    /// How many pixels of the result one of the input becomes, in height and width, where that is not the quotient of the
    /// sizes: torch's `scale_factor` with `recompute_scale_factor=False`.
    pub scale_factor: Option<(f64, f64)>,
}

impl From<Interpolation> for Interpolate {
    fn from(how: Interpolation) -> Interpolate {
        Interpolate {
            how,
            antialias: false,
            scale_factor: None,
        }
    }
}
