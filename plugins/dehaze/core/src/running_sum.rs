//! The running sum along a row, in vectors.
//!
//! A running sum waits for the sum before it. Here what comes and goes is first summed over the last
//! 4 or 8 positions, by adding a vector to itself shifted by 1, 2 and 4 places; then as many running
//! sums go on side by side, and each step waits for the one 4 or 8 positions before.

use crate::simd::{Level, level};

/// The longest vector of any level: rows of sums are padded to a multiple of it.
pub const LANES: usize = 8;

/// Means of windows along a row. `columns` are `radius + 1` zeros, the sums of the columns, and zeros up
/// to `radius` more than the next multiple of [`LANES`]; `shares` and `share` are what a sum is multiplied
/// by. `shares` and `output` are padded, too.
pub fn means(columns: &[f64], radius: usize, shares: &[f64], share: f64, output: &mut [f32]) {
    let row = Row {
        comes: &columns[2 * radius + 1..],
        goes: columns,
        first: sum(&columns[radius + 1..2 * radius + 1]),
        shares,
        share,
    };
    assert!(
        row.comes.len() >= output.len()
            && shares.len() == output.len()
            && output.len().is_multiple_of(LANES),
        "rows of sums and means are padded"
    );
    match level() {
        // SAFETY: the processor was found to have these instructions.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::avx512(&row, output) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::avx2(&row, output) },
        _ => plain(&row, output),
    }
}

struct Row<'a> {
    comes: &'a [f64],
    goes: &'a [f64],
    /// The sum of the window before the first.
    first: f64,
    shares: &'a [f64],
    share: f64,
}

fn plain(row: &Row<'_>, output: &mut [f32]) {
    let mut sum = row.first;
    let moves = row.comes.iter().zip(row.goes);
    for ((to, (comes, goes)), share) in output.iter_mut().zip(moves).zip(row.shares) {
        sum += comes - goes;
        *to = (sum * (share * row.share)) as f32;
    }
}

#[inline]
fn sum(values: &[f64]) -> f64 {
    let (vectors, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for vector in vectors {
        for lane in 0..LANES {
            sums[lane] += vector[lane];
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *sum += value;
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Row;

    #[target_feature(enable = "avx512f,avx512vl")]
    pub(super) fn avx512(row: &Row<'_>, output: &mut [f32]) {
        const LANES: usize = 8;
        // SAFETY: an array of eight is as long as the vector, and no alignment is asked for.
        let load = |values: &[f64; LANES]| unsafe { _mm512_loadu_pd(values.as_ptr()) };
        let share = _mm512_set1_pd(row.share);
        let mut running = _mm512_set1_pd(row.first);
        let mut before = [_mm512_setzero_pd(); 3];
        let mut step = |comes: &[f64; LANES], goes: &[f64; LANES]| {
            let one = _mm512_sub_pd(load(comes), load(goes));
            let two = _mm512_add_pd(one, shifted_by::<7>(before[0], one));
            let four = _mm512_add_pd(two, shifted_by::<6>(before[1], two));
            let eight = _mm512_add_pd(four, shifted_by::<4>(before[2], four));
            before = [one, two, four];
            running = _mm512_add_pd(running, eight);
            running
        };
        let comes = row.comes.as_chunks().0;
        let goes = row.goes.as_chunks().0;
        let shares = row.shares.as_chunks().0;
        let vectors = output.as_chunks_mut::<LANES>().0;
        for (((to, comes), goes), shares) in vectors.iter_mut().zip(comes).zip(goes).zip(shares) {
            let mean = _mm512_mul_pd(step(comes, goes), _mm512_mul_pd(load(shares), share));
            // SAFETY: as for `load`; eight doubles become eight floats.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), _mm512_cvtpd_ps(mean)) };
        }
    }

    /// The eight values that begin with value `FROM` of `before`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn shifted_by<const FROM: i32>(before: __m512d, now: __m512d) -> __m512d {
        _mm512_castsi512_pd(_mm512_alignr_epi64::<FROM>(
            _mm512_castpd_si512(now),
            _mm512_castpd_si512(before),
        ))
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(row: &Row<'_>, output: &mut [f32]) {
        const LANES: usize = 4;
        // SAFETY: an array of four is as long as the vector, and no alignment is asked for.
        let load = |values: &[f64; LANES]| unsafe { _mm256_loadu_pd(values.as_ptr()) };
        let share = _mm256_set1_pd(row.share);
        let mut running = _mm256_set1_pd(row.first);
        let mut before = [_mm256_setzero_pd(); 2];
        let mut step = |comes: &[f64; LANES], goes: &[f64; LANES]| {
            let one = _mm256_sub_pd(load(comes), load(goes));
            let middle = _mm256_permute2f128_pd::<0x21>(before[0], one);
            let two = _mm256_add_pd(one, _mm256_shuffle_pd::<0b0101>(middle, one));
            let four = _mm256_add_pd(two, _mm256_permute2f128_pd::<0x21>(before[1], two));
            before = [one, two];
            running = _mm256_add_pd(running, four);
            running
        };
        let comes = row.comes.as_chunks().0;
        let goes = row.goes.as_chunks().0;
        let shares = row.shares.as_chunks().0;
        let vectors = output.as_chunks_mut::<LANES>().0;
        for (((to, comes), goes), shares) in vectors.iter_mut().zip(comes).zip(goes).zip(shares) {
            let mean = _mm256_mul_pd(step(comes, goes), _mm256_mul_pd(load(shares), share));
            // SAFETY: as for `load`; four doubles become four floats.
            unsafe { _mm_storeu_ps(to.as_mut_ptr(), _mm256_cvtpd_ps(mean)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_gives_the_plain_sums() {
        for (width, radius) in [(1usize, 0), (3, 5), (8, 1), (20, 3), (101, 60)] {
            let mut columns = vec![0.0; width.next_multiple_of(LANES) + 2 * radius + 1];
            for x in 0..width {
                columns[radius + 1 + x] = ((x * 7919) % 1000) as f64 * 0.125;
            }
            let padded = width.next_multiple_of(LANES);
            let shares: Vec<f64> = (0..padded).map(|x| 1.0 / (x + 1) as f64).collect();
            let (mut got, mut expected) = (vec![0.0; padded], vec![0.0; padded]);
            means(&columns, radius, &shares, 0.25, &mut got);
            let row = Row {
                comes: &columns[2 * radius + 1..],
                goes: &columns,
                first: columns[radius + 1..2 * radius + 1].iter().sum(),
                shares: &shares,
                share: 0.25,
            };
            plain(&row, &mut expected);
            assert_eq!(got, expected, "{width} {radius}");
            #[cfg(target_arch = "x86_64")]
            if level() >= Level::Avx2 {
                // SAFETY: the processor has these instructions.
                unsafe { x86::avx2(&row, &mut got) };
                assert_eq!(got, expected, "{width} {radius}");
            }
        }
    }
}
