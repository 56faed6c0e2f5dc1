//! The number that a channel of a pixel is: 8 bit, 16 bit, or a float in 0..=1.

/// A channel's value. Everything is computed from the sample as a float, [`Sample::float`], which is
/// exact; [`Sample::WHITE`] of them are 1.
pub trait Sample: Copy + PartialOrd + Default + Send + Sync + 'static {
    /// The largest sample as a float: 255, 65535 or 1.
    const WHITE: f32;
    /// Not below any sample; what a minimum begins with.
    const MAXIMUM: Self;

    /// Returns the sample as a float in 0..=[`Sample::WHITE`], exactly.
    fn float(self) -> f32;
    /// The nearest sample of a value in 0..=[`Sample::WHITE`]; what lies outside is clipped.
    fn nearest(value: f32) -> Self;
    /// Proportional to the value, as an integer: sums of these compare exactly.
    fn integer(self) -> u64;
    /// Returns the lesser of two samples.
    fn least(self, other: Self) -> Self;
    /// The `count`-th largest of `values`; `copy` is a buffer.
    fn nth_largest(values: &[Self], count: usize, copy: &mut Vec<Self>) -> Self;
}

/// The nearest integer of a value that is clipped to 0..=white; NaN gives 0. A cast would saturate
/// by itself, but not in vectors.
#[inline(always)]
fn rounded(value: f32, white: f32) -> u32 {
    // Above 2^23 a float's last bit counts 1: the low bits are those of the integer.
    const ROUND: f32 = 8_388_608.0;
    let value = if value > 0.0 { value } else { 0.0 };
    (value.least(white) + ROUND).to_bits()
}

impl Sample for u8 {
    const WHITE: f32 = 255.0;
    const MAXIMUM: u8 = u8::MAX;

    #[inline(always)]
    fn float(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn nearest(value: f32) -> u8 {
        rounded(value, 255.0) as u8
    }

    #[inline(always)]
    fn integer(self) -> u64 {
        u64::from(self)
    }

    #[inline(always)]
    fn least(self, other: u8) -> u8 {
        self.min(other)
    }

    fn nth_largest(values: &[u8], count: usize, _copy: &mut Vec<u8>) -> u8 {
        // Four tables, because neighbors are often equal and would wait for each other's count.
        let mut tables = [[0u32; 256]; 4];
        let mut chunks = values.chunks_exact(4);
        for chunk in &mut chunks {
            for (table, &value) in tables.iter_mut().zip(chunk) {
                table[usize::from(value)] += 1;
            }
        }
        for &value in chunks.remainder() {
            tables[0][usize::from(value)] += 1;
        }
        let mut left = count;
        for value in (1..=u8::MAX).rev() {
            let here: u32 = tables.iter().map(|table| table[usize::from(value)]).sum();
            if left <= here as usize {
                return value;
            }
            left -= here as usize;
        }
        0
    }
}

impl Sample for u16 {
    const WHITE: f32 = 65535.0;
    const MAXIMUM: u16 = u16::MAX;

    #[inline(always)]
    fn float(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn nearest(value: f32) -> u16 {
        rounded(value, 65535.0) as u16
    }

    #[inline(always)]
    fn integer(self) -> u64 {
        u64::from(self)
    }

    #[inline(always)]
    fn least(self, other: u16) -> u16 {
        self.min(other)
    }

    fn nth_largest(values: &[u16], count: usize, copy: &mut Vec<u16>) -> u16 {
        copy.clear();
        copy.extend_from_slice(values);
        *copy.select_nth_unstable(values.len() - count).1
    }
}

impl Sample for f32 {
    const WHITE: f32 = 1.0;
    const MAXIMUM: f32 = f32::INFINITY;

    #[inline(always)]
    fn float(self) -> f32 {
        self
    }

    #[inline(always)]
    fn nearest(value: f32) -> f32 {
        value.clamp(0.0, 1.0)
    }

    #[inline(always)]
    fn integer(self) -> u64 {
        // The cast saturates, so negative values count as 0.
        (f64::from(self) * (255.0 * 65536.0)).round() as u64
    }

    #[inline(always)]
    fn least(self, other: f32) -> f32 {
        // As the processor's instruction; `f32::min` would take care of NaN as well.
        if self < other { self } else { other }
    }

    fn nth_largest(values: &[f32], count: usize, copy: &mut Vec<f32>) -> f32 {
        copy.clear();
        copy.extend_from_slice(values);
        *copy
            .select_nth_unstable_by(values.len() - count, f32::total_cmp)
            .1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_largest_is_the_sorted_ones() {
        let bytes: Vec<u8> = (0..1003u32).map(|n| (n * 7919 % 251) as u8).collect();
        let words: Vec<u16> = bytes.iter().map(|&byte| u16::from(byte) * 257).collect();
        let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let mut sorted = bytes.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        for count in [1, 2, 10, 500, 1003] {
            let expected = sorted[count - 1];
            assert_eq!(u8::nth_largest(&bytes, count, &mut Vec::new()), expected);
            assert_eq!(
                u16::nth_largest(&words, count, &mut Vec::new()),
                u16::from(expected) * 257
            );
            assert_eq!(
                f32::nth_largest(&floats, count, &mut Vec::new()),
                f32::from(expected) / 255.0
            );
        }
    }

    #[test]
    fn rounding_clips_and_is_to_the_nearest() {
        assert_eq!(
            [-3.0, 0.49, 0.51, 254.6, 300.0, f32::NAN].map(u8::nearest),
            [0, 0, 1, 255, 255, 0]
        );
        assert_eq!([-1.0, 65534.4, 7e4].map(u16::nearest), [0, 65534, 65535]);
    }
}
