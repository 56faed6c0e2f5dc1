//! The floating-point types that kernels compute in, and the functions that the vectorizer can use.
//!
//! The standard library's `exp` is a call that no loop is vectorized across. The f32 functions here are
//! branch-free arithmetic, with relative errors below 3e-7 wherever the result is a normal number; f64 takes
//! the standard library's and libm's, which are exact to the last places. `mul_add` is one instruction on every
//! processor since 2013; on older ones it is a call, and these functions are right but slow.

use candle_core::{CpuStorage, WithDType};

/// f32 or f64, with what the kernels need of them.
pub(crate) trait Real: WithDType + Send + Sync + Default + 'static {
    const ZERO: Self;
    const ONE: Self;
    const NEG_INFINITY: Self;

    fn of(value: f64) -> Self;
    fn as_f64(self) -> f64;
    /// The values of a storage of this type.
    fn of_storage(storage: &mut CpuStorage) -> Option<&mut [Self]>;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;
    /// `self * factor + term`, rounded once.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// `ln(1 + exp(self))`, without overflow.
    fn softplus(self) -> Self;
    /// The standard normal distribution at `self`: its cumulative distribution function, exact in both tails,
    /// and its density.
    fn normal(self) -> (Self, Self);

    /// `1 / (1 + exp(-self))`.
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (Self::ZERO - self).exp())
    }

    /// The larger of two numbers; `self` where it is not a number.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        if other < self { other } else { self }
    }
}

const INVERSE_SQRT_2PI: f64 = 0.398_942_280_401_432_7;

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const NEG_INFINITY: f32 = f32::NEG_INFINITY;

    fn of_storage(storage: &mut CpuStorage) -> Option<&mut [f32]> {
        match storage {
            CpuStorage::F32(values) => Some(values),
            _ => None,
        }
    }

    #[inline(always)]
    fn of(value: f64) -> f32 {
        value as f32
    }

    #[inline(always)]
    fn as_f64(self) -> f64 {
        f64::from(self)
    }

    /// exp(x) = 2^n exp(r) with |r| <= ln(2) / 2 and the Taylor polynomial of degree 7. Results below the
    /// smallest normal number are zero.
    #[inline(always)]
    fn exp(self) -> f32 {
        // Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the mantissa.
        const ROUND: f32 = 12_582_912.0;
        const LN_2_HIGH: f32 = 0.693_359_4;
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        // Within these the exponent of the result is that of a normal number.
        const LOWEST: f32 = -87.336;
        const HIGHEST: f32 = 88.722_8;
        let clamped = self.larger(LOWEST).smaller(HIGHEST);
        let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, clamped));
        let polynomial = 1.984_127e-4_f32;
        let polynomial = polynomial.mul_add(r, 1.388_888_9e-3);
        let polynomial = polynomial.mul_add(r, 8.333_334e-3);
        let polynomial = polynomial.mul_add(r, 4.166_666_8e-2);
        let polynomial = polynomial.mul_add(r, 0.166_666_67);
        let polynomial = polynomial.mul_add(r, 0.5);
        let polynomial = (polynomial * r).mul_add(r, r) + 1.0;
        // Adding n to the exponent multiplies by 2^n, also by 2^128, which is no number of this type.
        let value = f32::from_bits(polynomial.to_bits().wrapping_add(shifted.to_bits() << 23));
        let value = if self > HIGHEST { f32::INFINITY } else { value };
        if self < LOWEST { 0.0 } else { value }
    }

    #[inline(always)]
    fn ln(self) -> f32 {
        // In two parts whose first has zeros at its end, so that the exponent times it is exact.
        const LN_2_HIGH: f32 = 0.693_359_4;
        const LN_2_LOW: f32 = -2.121_944_4e-4;
        const SCALE: f32 = 33_554_432.0;
        const SCALE_EXPONENT: f32 = 25.0;
        let small = self < f32::MIN_POSITIVE;
        let normal = if small { self * SCALE } else { self };
        let bits = normal.to_bits();
        let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
        let above = mantissa > std::f32::consts::SQRT_2;
        let mantissa = if above { 0.5 * mantissa } else { mantissa };
        let exponent = ((bits >> 23) as i32 - 127) as f32;
        let exponent = if above { exponent + 1.0 } else { exponent };
        let exponent = if small {
            exponent - SCALE_EXPONENT
        } else {
            exponent
        };
        // ln m = 2 atanh((m - 1) / (m + 1)), |s| < 0.172.
        let s = (mantissa - 1.0) / (mantissa + 1.0);
        let q = s * s;
        let series = 1.0_f32 / 11.0;
        let series = series.mul_add(q, 1.0 / 9.0);
        let series = series.mul_add(q, 1.0 / 7.0);
        let series = series.mul_add(q, 1.0 / 5.0);
        let series = series.mul_add(q, 1.0 / 3.0);
        let series = (series * q).mul_add(2.0 * s, 2.0 * s);
        let value = exponent.mul_add(LN_2_HIGH, exponent.mul_add(LN_2_LOW, series));
        let value = if self == f32::INFINITY {
            f32::INFINITY
        } else {
            value
        };
        let value = if self == 0.0 {
            f32::NEG_INFINITY
        } else {
            value
        };
        if self >= 0.0 { value } else { f32::NAN }
    }

    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn mul_add(self, factor: f32, term: f32) -> f32 {
        f32::mul_add(self, factor, term)
    }

    /// max(x, 0) + ln(1 + u) with u = exp(-|x|), and ln(1 + u) = 2 atanh(u / (2 + u)) by its series.
    #[inline(always)]
    fn softplus(self) -> f32 {
        let u = Real::exp(-f32::abs(self));
        let s = u / (2.0 + u);
        let q = s * s;
        let series = 1.0_f32 / 15.0;
        let series = series.mul_add(q, 1.0 / 13.0);
        let series = series.mul_add(q, 1.0 / 11.0);
        let series = series.mul_add(q, 1.0 / 9.0);
        let series = series.mul_add(q, 1.0 / 7.0);
        let series = series.mul_add(q, 1.0 / 5.0);
        let series = series.mul_add(q, 1.0 / 3.0);
        let series = series.mul_add(q, 1.0);
        self.larger(0.0) + 2.0 * s * series
    }

    /// The upper tail is exp(-x^2 / 2) t P(u) with t = 1 / (1 + 0.3275911 |x| / sqrt(2)) and u an affine image of
    /// it; `erfc_coefficients.py` among the tests fits P, with a relative error of 1.7e-7.
    #[inline(always)]
    fn normal(self) -> (f32, f32) {
        const SLOPE: f32 = 0.231_641_89;
        let t = 1.0 / f32::abs(self).mul_add(SLOPE, 1.0);
        let u = t.mul_add(2.581_445, -1.581_445);
        let polynomial = -9.141_112e-5_f32;
        let polynomial = polynomial.mul_add(u, -1.835_377e-4);
        let polynomial = polynomial.mul_add(u, 1.339_806_8e-3);
        let polynomial = polynomial.mul_add(u, 9.800_174e-3);
        let polynomial = polynomial.mul_add(u, 3.490_657e-2);
        let polynomial = polynomial.mul_add(u, 8.506_016e-2);
        let polynomial = polynomial.mul_add(u, 0.154_472_98);
        let polynomial = polynomial.mul_add(u, 0.214_695_34);
        let bell = Real::exp(-0.5 * self * self);
        let tail = bell * t * polynomial;
        let below = if self < 0.0 { tail } else { 1.0 - tail };
        (below, bell * INVERSE_SQRT_2PI as f32)
    }
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const NEG_INFINITY: f64 = f64::NEG_INFINITY;

    fn of_storage(storage: &mut CpuStorage) -> Option<&mut [f64]> {
        match storage {
            CpuStorage::F64(values) => Some(values),
            _ => None,
        }
    }

    #[inline(always)]
    fn of(value: f64) -> f64 {
        value
    }

    #[inline(always)]
    fn as_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn exp(self) -> f64 {
        f64::exp(self)
    }

    #[inline(always)]
    fn ln(self) -> f64 {
        f64::ln(self)
    }

    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }

    #[inline(always)]
    fn mul_add(self, factor: f64, term: f64) -> f64 {
        f64::mul_add(self, factor, term)
    }

    #[inline(always)]
    fn softplus(self) -> f64 {
        self.larger(0.0) + f64::exp(-self.abs()).ln_1p()
    }

    #[inline(always)]
    fn normal(self) -> (f64, f64) {
        let below = 0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2);
        (below, f64::exp(-0.5 * self * self) * INVERSE_SQRT_2PI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest_relative_error(
        low: f64,
        high: f64,
        ours: impl Fn(f32) -> f32,
        exact: impl Fn(f64) -> f64,
    ) -> f64 {
        let steps = 200_000;
        let errors: Vec<f64> = (0..=steps)
            .map(|step| (low + (high - low) * f64::from(step) / f64::from(steps)) as f32)
            .map(|x| f64::from(ours(x)) / exact(f64::from(x)) - 1.0)
            .collect();
        patchbay_compare::largest(&errors)
    }

    #[test]
    fn the_f32_functions_are_close_to_the_f64_ones_over_their_range() {
        let error = largest_relative_error(-87.3, 88.7, Real::exp, f64::exp);
        assert!(error < 3e-7, "exp: {error}");
        // The argument's own rounding, x^2 / 2 at x = -9, is 40 units times 6e-8.
        let error = largest_relative_error(-9.0, 9.0, |x| x.normal().0, |x| Real::normal(x).0);
        assert!(error < 4e-6, "normal: {error}");
        let error = largest_relative_error(-80.0, 80.0, Real::softplus, Real::softplus);
        assert!(error < 5e-7, "softplus: {error}");
        let powers = |ours: fn(f32) -> f32| move |x: f32| ours(f32::exp2(x));
        let exact = |x: f64| f64::from(f32::exp2(x as f32)).ln();
        let error = largest_relative_error(-148.9, -1e-3, powers(Real::ln), exact);
        assert!(error < 3e-7, "ln below 1: {error}");
        let error = largest_relative_error(1e-3, 127.9, powers(Real::ln), exact);
        assert!(error < 3e-7, "ln above 1: {error}");
    }

    #[test]
    fn the_ends_of_the_range_and_what_is_not_a_number() {
        assert_eq!(Real::exp(-100f32), 0.0);
        assert_eq!(Real::exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(Real::exp(0f32), 1.0);
        assert_eq!(Real::exp(1000f32), f32::INFINITY);
        assert!(Real::exp(f32::NAN).is_nan());
        assert_eq!(Real::ln(1f32), 0.0);
        assert_eq!(Real::ln(0f32), f32::NEG_INFINITY);
        assert_eq!(Real::ln(f32::INFINITY), f32::INFINITY);
        assert!(Real::ln(-1f32).is_nan() && Real::ln(f32::NAN).is_nan());
        assert_eq!(Real::softplus(1e4f32), 1e4);
        assert_eq!(Real::softplus(-1e4f32), 0.0);
        assert_eq!(Real::sigmoid(-1e4f32), 0.0);
        assert_eq!(Real::normal(-1e4f32), (0.0, 0.0));
        assert_eq!(Real::normal(1e4f32), (1.0, 0.0));
    }
}
