//! The dark channel prior's maps.
//!
//! He, Sun, Tang: Single Image Haze Removal Using Dark Channel Prior, CVPR 2009 and PAMI 2011. In an
//! outdoor picture without haze nearly every patch has a pixel with a channel near 0; what is there
//! with haze is the haze's own light.

use crate::{sample::Sample, simd::multiversion};

multiversion! {
    /// The least channel of each pixel: equation 5 without the window.
    pub fn least_channel<T: Sample>(planes: [&[T]; 3], output: &mut [T]) {
        let [red, green, blue] = planes;
        for (((to, &r), &g), &b) in output.iter_mut().zip(red).zip(green).zip(blue) {
            *to = r.least(g).least(b);
        }
    }
}

/// Factors for [`least_scaled_channel`] and what to multiply its result by, so that the product is the
/// least of I / A over the channels.
///
/// For bytes the factor of a channel is the product of the other two airlights: whole numbers below
/// 2^24, which floats hold exactly, so the only rounding is that of the last product.
pub fn scales<T: Sample>(airlight: [T; 3]) -> ([f32; 3], f32) {
    // A channel without any light would need a division by 0; one step above black stands for it.
    let [r, g, b] = airlight.map(|sample| sample.float().max(T::WHITE / 255.0));
    if T::WHITE == <u8 as Sample>::WHITE {
        ([g * b, r * b, r * g], 1.0 / (r * g * b))
    } else {
        ([1.0 / r, 1.0 / g, 1.0 / b], 1.0)
    }
}

multiversion! {
    /// The least of `factor * sample` over the channels.
    pub fn least_scaled_channel<T: Sample>(planes: [&[T]; 3], factors: [f32; 3], output: &mut [f32]) {
        let [red, green, blue] = planes;
        for (((to, &r), &g), &b) in output.iter_mut().zip(red).zip(green).zip(blue) {
            let (r, g, b) = (r.float() * factors[0], g.float() * factors[1], b.float() * factors[2]);
            *to = r.least(g).least(b);
        }
    }
}

multiversion! {
    /// Equation 12: 1 - omega * dark channel of I / A, in place; `scale` as from [`scales`].
    pub fn raw_transmission(plane: &mut [f32], omega: f32, scale: f32) {
        let scale = omega * scale;
        for value in plane {
            *value = 1.0 - *value * scale;
        }
    }
}
