//! Which pixels a pixel of the result is made of.

use super::settings::{Interpolate, Interpolation};

/// The pixels that a value of the result is made of, along one direction, with their weights.
pub(super) type Taps = Vec<(usize, f64)>;

/// The taps of each row and of each column of the result.
pub(super) fn all_taps(
    from: (usize, usize),
    to: (usize, usize),
    settings: &Interpolate,
) -> (Vec<Taps>, Vec<Taps>) {
    let scale = |from: usize, to: usize, factor: Option<f64>| {
        factor.map_or(from as f64 / to as f64, |factor| 1.0 / factor)
    };
    let factors = settings.scale_factor;
    let (vertical, horizontal) = (
        scale(from.0, to.0, factors.map(|factors| factors.0)),
        scale(from.1, to.1, factors.map(|factors| factors.1)),
    );
    let taps = match settings.antialias {
        true => antialiased_taps,
        false => taps,
    };
    (
        taps(from.0, to.0, vertical, settings.how),
        taps(from.1, to.1, horizontal, settings.how),
    )
}

/// `scale` is how many pixels of the input one of the result is.
fn taps(from: usize, to: usize, scale: f64, how: Interpolation) -> Vec<Taps> {
    let inside = |index: f64| index.clamp(0.0, from as f64 - 1.0) as usize;
    (0..to)
        .map(|i| {
            let center = (i as f64 + 0.5) * scale - 0.5;
            match how {
                Interpolation::Nearest => vec![(inside((i as f64 * scale).floor()), 1.0)],
                Interpolation::Bilinear => {
                    let center = center.max(0.0);
                    let (low, t) = (center.floor(), center.fract());
                    vec![(inside(low), 1.0 - t), (inside(low + 1.0), t)]
                }
                Interpolation::Bicubic => {
                    let low = center.floor();
                    let t = center - low;
                    [-1.0, 0.0, 1.0, 2.0]
                        .map(|step| (inside(low + step), keys(t - step, -0.75)))
                        .to_vec()
                }
            }
        })
        .collect()
}

/// The kernel is stretched to the pixels of the result where those are the larger ones, and is cut at the edge; torch's
/// `_compute_indices_min_size_weights_aa`.
fn antialiased_taps(from: usize, to: usize, scale: f64, how: Interpolation) -> Vec<Taps> {
    let stretch = scale.max(1.0);
    let reach = match how {
        Interpolation::Nearest => 0.5,
        Interpolation::Bilinear => 1.0,
        Interpolation::Bicubic => 2.0,
    };
    let kernel = |distance: f64| match how {
        Interpolation::Nearest => 1.0,
        Interpolation::Bilinear => (1.0 - distance.abs()).max(0.0),
        Interpolation::Bicubic => keys(distance, -0.5),
    };
    // The last pixel is there for a scale that leads beyond the input.
    let inside = |index: f64, end: usize| index.clamp(0.0, end as f64) as usize;
    (0..to)
        .map(|i| {
            let center = (i as f64 + 0.5) * scale;
            let first = inside((center - reach * stretch + 0.5).floor(), from - 1);
            let end = inside((center + reach * stretch + 0.5).floor(), from).max(first + 1);
            let weights: Vec<f64> = (first..end)
                .map(|index| kernel((index as f64 - center + 0.5) / stretch))
                .collect();
            let sum: f64 = weights.iter().sum();
            (first..end)
                .zip(weights)
                .map(|(index, weight)| (index, if sum == 0.0 { 0.0 } else { weight / sum }))
                .collect()
        })
        .collect()
}

/// Keys' kernel.
fn keys(distance: f64, a: f64) -> f64 {
    let d = distance.abs();
    if d <= 1.0 {
        ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
    } else {
        0.0
    }
}
