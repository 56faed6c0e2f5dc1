//! Which pictures are left as they are: black, white, clear.

use crate::{picture::Picture, sample::Sample, simd::multiversion};

/// A picture is black where [`SkipRule::share`] of its pixels have all channels below `black`, white where
/// as many have all channels above `white`, and clear where `clear_share` of its dark channel (patch
/// 15) is below `clear`.
///
/// The rule for clear pictures is what He, Sun, Tang (PAMI 2011, section 3) found in 5,000 pictures
/// without haze: 90 % of the dark channel's pixels are below 25 of 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SkipRule {
    /// Share of the pixels, 0 to 1, that must be black or white.
    pub share: f64,
    /// Bound in 0..=1: in a black pixel all channels are below it.
    pub black: f32,
    /// Bound in 0..=1: in a white pixel all channels are above it.
    pub white: f32,
    /// Share of the dark channel's pixels, 0 to 1, that must be below `clear`.
    pub clear_share: f64,
    /// Bound of the dark channel, in 0..=1, below which a pixel has no haze.
    pub clear: f32,
}

impl Default for SkipRule {
    /// 99 % below 8 / 255, 99 % above 247 / 255, 90 % of the dark channel below 25 / 255.
    fn default() -> Self {
        SkipRule {
            share: 0.99,
            black: 8.0 / 255.0,
            white: 247.0 / 255.0,
            clear_share: 0.9,
            clear: 25.0 / 255.0,
        }
    }
}

impl SkipRule {
    /// Why this picture is left as it is, in one word, or `None`. `dark` is its dark channel.
    pub fn reason<T: Sample>(&self, picture: &Picture<'_, T>, dark: &[T]) -> Option<&'static str> {
        let (all, pixels) = (picture.shape.pixels(), picture.data_pixels());
        let without = all - pixels;
        let reaches = |count: usize, share: f64| count as f64 >= share * pixels as f64;
        let below = |value: f32| move |sample: &T| sample.float() < value * T::WHITE;
        // The dark channel is 0 where there is no data.
        let clear =
            count_below(dark, self.clear * T::WHITE) - if self.clear > 0.0 { without } else { 0 };
        // A black picture is clear by its dark channel, a white one has a bright one: only where the
        // dark channel allows it are the pixels looked at.
        if reaches(clear, self.clear_share) {
            let black = (0..all)
                .filter(|&pixel| picture.is_data(pixel))
                .filter(|&pixel| picture.color(pixel).iter().all(below(self.black)));
            return Some(if reaches(black.count(), self.share) {
                "black"
            } else {
                "clear"
            });
        }
        // Pixels whose least channel is dark are at least those whose window's least is, over the
        // window's size; where many are, the picture is not white and its pixels need no look.
        let window = 15 * 15;
        let dim = pixels - count_above(dark, self.white * T::WHITE);
        if dim as f64 > (1.0 - self.share) * (pixels * window) as f64 {
            return None;
        }
        let above = |sample: &T| sample.float() > self.white * T::WHITE;
        let white = (0..all)
            .filter(|&pixel| picture.is_data(pixel))
            .filter(|&pixel| picture.color(pixel).iter().all(above));
        reaches(white.count(), self.share).then_some("white")
    }
}

multiversion! {
    fn count_below<T: Sample>(samples: &[T], limit: f32) -> usize {
        let chunks = samples.chunks(1 << 16);
        let count = |chunk: &[T]| chunk.iter().map(|sample| u32::from(sample.float() < limit)).sum::<u32>();
        chunks.map(|chunk| count(chunk) as usize).sum()
    }
}

multiversion! {
    fn count_above<T: Sample>(samples: &[T], limit: f32) -> usize {
        let chunks = samples.chunks(1 << 16);
        let count = |chunk: &[T]| chunk.iter().map(|sample| u32::from(sample.float() > limit)).sum::<u32>();
        chunks.map(|chunk| count(chunk) as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dehazer, Order, Shape, Workspace};

    fn reason(bytes: &[u8]) -> Option<&'static str> {
        let shape = Shape {
            width: 40,
            height: 30,
            channels: 3,
        };
        let picture = Picture::new(bytes, shape, Order::Interleaved).unwrap();
        let mut workspace = Workspace::new(1);
        Dehazer::dark_channel_prior().dark_channel(&picture, &mut workspace);
        SkipRule::default().reason(&picture, workspace.dark())
    }

    #[test]
    fn the_rules_are_as_stated() {
        let all = |value: u8| vec![value; 40 * 30 * 3];
        assert_eq!(reason(&all(7)), Some("black"));
        assert_eq!(reason(&all(20)), Some("clear"));
        assert_eq!(reason(&all(120)), None);
        assert_eq!(reason(&all(248)), Some("white"));
        assert_eq!(reason(&all(247)), None);
        // One percent of the pixels may be otherwise.
        let mut nearly = all(255);
        nearly[..12 * 3].fill(0);
        assert_eq!(reason(&nearly), Some("white"));
        nearly[..13 * 3].fill(0);
        assert_eq!(reason(&nearly), None);
        // Colorful: one channel of every pixel is dark.
        let colorful: Vec<u8> = (0..40 * 30)
            .flat_map(|n| [200, 10 + (n % 10) as u8, 90])
            .collect();
        assert_eq!(reason(&colorful), Some("clear"));
    }
}
