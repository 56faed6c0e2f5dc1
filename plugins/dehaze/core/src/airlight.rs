//! The color of the haze itself.
//!
//! He, Sun, Tang: Single Image Haze Removal Using Dark Channel Prior, CVPR 2009, section 4.4: of the
//! 0.1 % of pixels with the largest dark channel, the one that is brightest in the input. Ties with
//! the last of the 0.1 % all count, so that the result does not depend on how a sort orders them; of
//! several brightest pixels the first in row-major order is taken. Pixels without data are none of these, and do not count for
//! the 0.1 %.

use crate::{picture::Picture, sample::Sample, simd::multiversion};

/// The fraction of pixels that are candidates, 1 / this; at least one pixel.
pub const FRACTION: usize = 1000;

/// What is looked at in one go: most pixels are no candidates.
const BLOCK: usize = 256;

/// The index of the airlight's pixel. `score` `[height, width]` is large where there is haze, and nowhere smaller than where
/// there is no data.
pub fn find<T: Sample, S: Sample>(
    picture: &Picture<'_, T>,
    score: &[S],
    copy: &mut Vec<S>,
) -> usize {
    let count = (picture.data_pixels() / FRACTION).max(1);
    let threshold = S::nth_largest(score, count, copy);
    let (mut best, mut brightness) = (0, None);
    for (block, scores) in score.chunks(BLOCK).enumerate() {
        if !any_reaches(scores, threshold) {
            continue;
        }
        for (at, &score) in scores.iter().enumerate() {
            let pixel = block * BLOCK + at;
            if score >= threshold && picture.is_data(pixel) {
                let sum: u64 = picture
                    .color(pixel)
                    .iter()
                    .map(|sample| sample.integer())
                    .sum();
                if brightness.is_none_or(|brightest| sum > brightest) {
                    (best, brightness) = (pixel, Some(sum));
                }
            }
        }
    }
    best
}

multiversion! {
    fn any_reaches<S: Sample>(scores: &[S], threshold: S) -> bool {
        scores.iter().fold(false, |any, &score| any | (score >= threshold))
    }
}
