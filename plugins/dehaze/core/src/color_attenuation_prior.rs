//! The color attenuation prior's maps.
//!
//! Zhu, Mai, Shao: A Fast Single Image Haze Removal Algorithm Using Color Attenuation Prior, IEEE TIP
//! 2015. Where haze is dense a pixel is bright and has little color; depth is taken as linear in
//! HSV's value and saturation (equation 8). The random term of equation 8 is left out: its mean is 0.

use crate::{sample::Sample, simd::multiversion};

/// theta 0, 1, 2 of equation 8, as the authors trained them.
pub const COEFFICIENTS: [f32; 3] = [0.121_779, 0.959_710, -0.780_245];

multiversion! {
    /// Equation 8: depth = theta0 + theta1 * value + theta2 * saturation; a black pixel has
    /// saturation 0.
    pub fn depth<T: Sample>(planes: [&[T]; 3], coefficients: [f32; 3], output: &mut [f32]) {
        let [red, green, blue] = planes;
        let [constant, of_value, of_saturation] = coefficients;
        for (((to, &r), &g), &b) in output.iter_mut().zip(red).zip(green).zip(blue) {
            let (r, g, b) = (r.float(), g.float(), b.float());
            let low = r.least(g).least(b);
            let high = -(-r).least(-g).least(-b);
            let saturation = if high > 0.0 { (high - low) / high } else { 0.0 };
            *to = constant + of_value * (high / T::WHITE) + of_saturation * saturation;
        }
    }
}

multiversion! {
    /// Transmission exp(-beta * depth), in place (equation 2).
    pub fn transmission(depth: &mut [f32], beta: f32) {
        for value in depth {
            *value = exp(-beta * *value);
        }
    }
}

/// e^x to 2 units in the last place, in operations that vectorize: 2^n times a polynomial on
/// +-ln(2)/2, where n is the nearest integer to x / ln 2. Beyond +-87 it is e^+-87.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // ln 2 in two parts, the first exact in few bits, so that n times it is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5 * 2^23 rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 87.0 { 87.0 } else { x };
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    // Taylor's series to the seventh power: the rest is below 2^-24 for |r| < 0.35.
    let tail = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let tail = 0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * tail));
    let series = 1.0 + (r + r * r * tail);
    series * f32::from_bits(((n as i32 + 127) << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_exact_to_two_units() {
        for step in -8700..=8700 {
            let x = step as f32 * 0.01;
            let (got, expected) = (f64::from(exp(x)), f64::from(x).exp());
            let error = (got - expected).abs() / expected;
            assert!(
                error < 2.0 * f64::from(f32::EPSILON),
                "exp({x}) = {got}, not {expected}"
            );
        }
        assert_eq!(exp(-1e9), exp(-87.0));
    }
}
