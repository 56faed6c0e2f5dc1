//! How good a picture is: against the truth, or against what it was made from.

/// Peak signal-to-noise ratio in dB of values in 0..=1; infinite for equal pictures.
///
/// # Panics
///
/// Where the lengths differ.
pub fn psnr(image: &[f32], truth: &[f32]) -> f64 {
    assert_eq!(image.len(), truth.len(), "pictures of one size");
    let squares: f64 = image
        .iter()
        .zip(truth)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum();
    -10.0 * (squares / image.len() as f64).log10()
}

/// Half the side of SSIM's window, and its Gaussian's sigma.
const WINDOW_RADIUS: usize = 5;
const SIGMA: f64 = 1.5;

/// Structural similarity of one channel `[height, width]` in 0..=1.
///
/// Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004: a Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01,
/// K2 = 0.03, variances as of a population, the mean over the windows that lie inside. The same as
/// scikit-image's `structural_similarity` with `gaussian_weights=True, use_sample_covariance=False`.
/// For a picture of several channels take the mean. `None` below 11 pixels a side.
///
/// # Panics
///
/// Where the lengths differ.
pub fn ssim(image: &[f32], truth: &[f32], width: usize) -> Option<f64> {
    assert_eq!(image.len(), truth.len(), "pictures of one size");
    let height = image.len().checked_div(width)?;
    let side = 2 * WINDOW_RADIUS + 1;
    if width < side || height < side {
        return None;
    }
    let weights: Vec<f64> = (0..side)
        .map(|at| {
            let distance = at as f64 - WINDOW_RADIUS as f64;
            (-distance * distance / (2.0 * SIGMA * SIGMA)).exp()
        })
        .collect();
    let total: f64 = weights.iter().sum();
    let weights: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
    let blurred = |value: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let columns = width - side + 1;
        let mut rows = Vec::with_capacity(columns * height);
        for y in 0..height {
            rows.extend((0..columns).map(|x| {
                let window = weights.iter().enumerate();
                window
                    .map(|(at, weight)| weight * value(y * width + x + at))
                    .sum::<f64>()
            }));
        }
        let mut result = Vec::with_capacity(columns * (height - side + 1));
        for y in 0..=height - side {
            result.extend((0..columns).map(|x| {
                let window = weights.iter().enumerate();
                window
                    .map(|(at, weight)| weight * rows[(y + at) * columns + x])
                    .sum::<f64>()
            }));
        }
        result
    };
    let (a, b) = (
        |at: usize| f64::from(image[at]),
        |at: usize| f64::from(truth[at]),
    );
    let (mean_a, mean_b) = (blurred(&a), blurred(&b));
    let square_a = blurred(&|at| a(at) * a(at));
    let square_b = blurred(&|at| b(at) * b(at));
    let product = blurred(&|at| a(at) * b(at));
    let (c1, c2) = (0.01f64.powi(2), 0.03f64.powi(2));
    let sum: f64 = (0..mean_a.len())
        .map(|at| {
            let (a, b) = (mean_a[at], mean_b[at]);
            let (variance_a, variance_b) = (square_a[at] - a * a, square_b[at] - b * b);
            let covariance = product[at] - a * b;
            (2.0 * a * b + c1) * (2.0 * covariance + c2)
                / ((a * a + b * b + c1) * (variance_a + variance_b + c2))
        })
        .sum();
    Some(sum / mean_a.len() as f64)
}

/// What a restoration did to visible edges; no truth is needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VisibleEdges {
    /// Edges that have become visible, per edge that was: (after - before) / before. Infinite where
    /// none was.
    pub gained: f64,
    /// The geometric mean of the gradients' ratio after / before over the edges that are visible after.
    pub gradient_ratio: f64,
    /// The fraction of pixels that have become black or white.
    pub saturated: f64,
}

/// Hautiere, Tarel, Aubert, Dumont: Blind Contrast Enhancement Assessment by Gradient Ratioing at
/// Visible Edges, Image Analysis and Stereology 2008: e, r and sigma of luma `[height, width]` in 0..=1,
/// before and after.
///
/// An edge is visible where the contrast (largest - least) / (largest + least) of the 3 x 3
/// neighbors is at least 5 %, the paper's threshold; the paper finds the contrast by segmenting the
/// picture (Koehler's method). Gradients are Sobel's.
///
/// # Panics
///
/// Where the lengths differ.
pub fn visible_edges(before: &[f32], after: &[f32], width: usize) -> VisibleEdges {
    assert_eq!(before.len(), after.len(), "pictures of one size");
    const LEAST_CONTRAST: f32 = 0.05;
    // A gradient of one step of 8 bits: less is rounding.
    const LEAST_GRADIENT: f32 = 1.0 / 255.0;
    let height = before.len().checked_div(width).unwrap_or(0);
    let (mut edges_before, mut edges_after) = (0u64, 0u64);
    let mut logarithms = 0.0;
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let neighbors = |plane: &[f32]| -> [f32; 9] {
                std::array::from_fn(|at| plane[(y + at / 3 - 1) * width + x + at % 3 - 1])
            };
            let (before, after) = (neighbors(before), neighbors(after));
            edges_before += u64::from(contrast(&before) >= LEAST_CONTRAST);
            if contrast(&after) >= LEAST_CONTRAST {
                edges_after += 1;
                let ratio = sobel(&after).max(LEAST_GRADIENT) / sobel(&before).max(LEAST_GRADIENT);
                logarithms += f64::from(ratio.ln());
            }
        }
    }
    let is_saturated = |value: f32| !(0.5 / 255.0..=254.5 / 255.0).contains(&value);
    let newly = before
        .iter()
        .zip(after)
        .filter(|&(&a, &b)| is_saturated(b) && !is_saturated(a))
        .count();
    VisibleEdges {
        gained: (edges_after as f64 - edges_before as f64) / edges_before as f64,
        gradient_ratio: (logarithms / edges_after.max(1) as f64).exp(),
        saturated: newly as f64 / before.len().max(1) as f64,
    }
}

fn contrast(neighbors: &[f32; 9]) -> f32 {
    let high = neighbors.iter().copied().fold(0.0, f32::max);
    let low = neighbors.iter().copied().fold(f32::INFINITY, f32::min);
    if high > 0.0 {
        (high - low) / (high + low)
    } else {
        0.0
    }
}

fn sobel([a, b, c, d, _, e, f, g, h]: &[f32; 9]) -> f32 {
    let across = (c + 2.0 * e + h) - (a + 2.0 * d + f);
    let down = (f + 2.0 * g + h) - (a + 2.0 * b + c);
    (across * across + down * down).sqrt() / 4.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psnr_of_a_tenth_everywhere_is_twenty_decibels() {
        let truth = [0.1f32, 0.5, 0.9];
        let image = truth.map(|value| value - 0.1);
        assert!((psnr(&image, &truth) - 20.0).abs() < 1e-5);
        assert_eq!(psnr(&truth, &truth), f64::INFINITY);
    }

    #[test]
    fn doubling_the_contrast_doubles_the_gradients() {
        let (width, height) = (40, 30);
        let wave = |scale: f32| -> Vec<f32> {
            (0..width * height)
                .map(|at| 0.5 + scale * ((at % width) as f32 * 0.9).sin())
                .collect()
        };
        let found = visible_edges(&wave(0.1), &wave(0.2), width);
        assert!((found.gradient_ratio - 2.0).abs() < 0.05, "{found:?}");
        assert!(found.gained >= 0.0 && found.saturated == 0.0, "{found:?}");
        let faint = visible_edges(&wave(0.005), &wave(0.2), width);
        assert_eq!(faint.gained, f64::INFINITY);
        assert!(visible_edges(&wave(0.2), &wave(0.9), width).saturated > 0.2);
    }

    #[test]
    fn ssim_of_equal_pictures_is_one_and_small_ones_have_none() {
        let plane: Vec<f32> = (0..400).map(|at| (at * 37 % 100) as f32 / 100.0).collect();
        assert!((ssim(&plane, &plane, 20).unwrap() - 1.0).abs() < 1e-12);
        assert!(ssim(&plane, &plane, 40).is_none());
    }
}
