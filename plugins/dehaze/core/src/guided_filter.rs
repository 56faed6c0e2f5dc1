//! The guided filter, gray and color guide.
//!
//! He, Sun, Tang: Guided Image Filtering, ECCV 2010 and PAMI 2013: equations 5, 6 and 8 for a gray
//! guide, 14 to 16 for a color guide. In each window of `2 * radius + 1` squared the output is a
//! linear function of the guide; the functions of all windows that hold a pixel are averaged.
//! Windows are cut at the border, as in the paper (OpenCV's `ximgproc` repeats the image in a
//! mirror there, which differs up to `2 * radius` from the border).
//!
//! Where there is no data, a pixel counts in no window, as if the image ended there; no window is centered on it.
//!
//! The guide is `C` planes, 1 or 3. The subsampled form is in `subsampled.rs`.

use crate::{
    bands::{Parts, Rows, in_bands},
    box_filter::{ColumnSums, Step, column_shares, padded, rows_before},
    simd::multiversion,
};

/// Window and smoothness. `eps` is in units of the guide squared, for a guide in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuidedFilter {
    /// Half the side of the window, in pixels: a window is `2 * radius + 1` squared.
    pub radius: usize,
    /// Regularization, in units of the guide squared, above 0: windows whose variance is well below it are smoothed,
    /// others keep their edges.
    pub eps: f32,
}

/// The guide `[C, height, width]` and what is filtered `[height, width]`.
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a, const C: usize> {
    /// Planes of the guide in 0..=1, one for each channel: `[height, width]` each.
    pub guide: [&'a [f32]; C],
    /// Plane to be filtered, `[height, width]`.
    pub source: &'a [f32],
    /// Length of a row, in pixels; the height follows from `source`.
    pub width: usize,
    /// 1 where there is data, 0 where there is none and guide and source are 0, too; none where all is data.
    pub data: Option<&'a [f32]>,
}

impl<const C: usize> Problem<'_, C> {
    fn height(&self) -> usize {
        self.source.len() / self.width.max(1)
    }
}

/// The planes of the linear functions: a slope a channel of the guide, and an offset.
#[derive(Debug)]
pub(crate) struct Coefficients<const C: usize> {
    /// Factor of each channel of the guide, `[height, width]` each.
    pub slopes: [Vec<f32>; C],
    /// Constant term, `[height, width]`.
    pub offset: Vec<f32>,
}

impl<const C: usize> Default for Coefficients<C> {
    fn default() -> Self {
        Coefficients {
            slopes: [const { Vec::new() }; C],
            offset: Vec::new(),
        }
    }
}

/// Buffers of one band.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    sums: Vec<ColumnSums>,
    means: Vec<Vec<f32>>,
    shares: Vec<f64>,
    zeros: Vec<f32>,
}

impl Scratch {
    fn fit(&mut self, planes: usize, width: usize, radius: usize) {
        self.sums
            .resize_with(planes.max(self.sums.len()), ColumnSums::default);
        self.means
            .resize_with(planes.max(self.means.len()), Vec::new);
        for (sums, means) in self.sums.iter_mut().zip(&mut self.means).take(planes) {
            sums.reset(width, radius);
            means.resize(padded(width), 0.0);
        }
        column_shares(width, radius, &mut self.shares);
        self.zeros.resize(width, 0.0);
    }
}

/// The number of planes that are averaged: guide, source, their products, products of the guide.
const fn statistics(channels: usize) -> usize {
    channels + 1 + channels + channels * (channels + 1) / 2
}

impl GuidedFilter {
    /// The linear function of each window (equations 5, 6 and 14, 15).
    pub(crate) fn fit<const C: usize, R: Send>(
        &self,
        problem: &Problem<'_, C>,
        coefficients: &mut Coefficients<C>,
        scratch: &mut [(Scratch, R)],
    ) {
        let (width, height) = (problem.width, problem.height());
        let (radius, eps) = (self.radius, self.eps);
        for plane in coefficients
            .slopes
            .iter_mut()
            .chain([&mut coefficients.offset])
        {
            plane.resize(problem.source.len(), 0.0);
        }
        let slopes = coefficients.slopes.each_mut();
        let parts = (
            slopes.map(|plane| Rows::new(plane, width)),
            Rows::new(&mut coefficients.offset, width),
        );
        let work = |first: usize,
                    rows: usize,
                    (slopes, offset): ([Rows<'_, f32>; C], Rows<'_, f32>),
                    (scratch, _): &mut (Scratch, R)| {
            // One more for the data.
            let planes = statistics(C) + usize::from(problem.data.is_some());
            scratch.fit(planes, width, radius);
            let Scratch {
                sums,
                means,
                shares,
                zeros,
            } = scratch;
            let (sums, means) = (&mut sums[..planes], &mut means[..planes]);
            let mut slopes = slopes.map(Rows::into_slice);
            let offset = offset.into_slice();
            for number in rows_before(first, radius, height) {
                slide_statistics(sums, problem, zeros, Some(number), None);
            }
            for index in 0..rows {
                let step = Step::to(first + index, radius, height);
                slide_statistics(sums, problem, zeros, step.comes, step.goes);
                for (sums, means) in sums.iter_mut().zip(means.iter_mut()) {
                    sums.means(shares, step.share, means);
                }
                if problem.data.is_some() {
                    among_data(means);
                }
                let here = index * width..(index + 1) * width;
                let offset = &mut offset[here.clone()];
                let mut slopes = slopes.each_mut().map(|plane| &mut plane[here.clone()]);
                match &mut slopes[..] {
                    [slope] => solve_gray(means, eps, slope, offset),
                    [red, green, blue] => solve_color(means, eps, red, green, blue, offset),
                    _ => unreachable!("a guide has 1 or 3 channels"),
                }
                if let Some(data) = problem.data {
                    let data = &data[(first + index) * width..][..width];
                    for plane in slopes.into_iter().chain([offset]) {
                        multiply(plane, data);
                    }
                }
            }
        };
        in_bands(height, parts, scratch, &work);
    }

    /// Averages the functions of all windows that hold a pixel, and hands the rows in `kept` over one
    /// by one: averaged slopes and offset (equations 8 and 16 without the guide), and where they
    /// belong.
    pub(crate) fn average<const C: usize, P: Parts, R: Send>(
        &self,
        problem: &Problem<'_, C>,
        coefficients: &Coefficients<C>,
        kept: std::ops::Range<usize>,
        parts: P,
        scratch: &mut [(Scratch, R)],
        take: &(impl Fn(BandRow, [&[f32]; C], &[f32], &mut P, &mut R) + Sync),
    ) {
        let (width, data) = (problem.width, problem.data);
        let height = coefficients.offset.len() / width.max(1);
        let radius = self.radius;
        let work = |first: usize, rows: usize, mut parts: P, scratch: &mut (Scratch, R)| {
            let (scratch, own) = scratch;
            let first = first + kept.start;
            let count = C + 1 + usize::from(data.is_some());
            scratch.fit(count, width, radius);
            let Scratch {
                sums,
                means,
                shares,
                zeros,
            } = scratch;
            let (sums, means) = (&mut sums[..count], &mut means[..count]);
            let slide = |sums: &mut [ColumnSums], comes: Option<usize>, goes: Option<usize>| {
                if (comes, goes) == (None, None) {
                    return;
                }
                let planes = coefficients.slopes.iter().chain([&coefficients.offset]);
                let planes = planes.map(Vec::as_slice).chain(data);
                for (sums, plane) in sums.iter_mut().zip(planes) {
                    let row = |number| row_or(plane, width, number, zeros);
                    sums.slide(row(comes), row(goes));
                }
            };
            for number in rows_before(first, radius, height) {
                slide(sums, Some(number), None);
            }
            for index in 0..rows {
                let row = first + index;
                let step = Step::to(row, radius, height);
                slide(sums, step.comes, step.goes);
                for (sums, means) in sums.iter_mut().zip(means.iter_mut()) {
                    sums.means(shares, step.share, means);
                }
                if data.is_some() {
                    among_data(means);
                }
                let slopes = std::array::from_fn(|channel| &means[channel][..width]);
                take(
                    BandRow { row, index },
                    slopes,
                    &means[C][..width],
                    &mut parts,
                    own,
                );
            }
        };
        in_bands(kept.len(), parts, scratch, &work);
    }
}

/// The number of a row, and its index in the parts of its band.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BandRow {
    /// Number of the row in the planes, counted from the top.
    pub row: usize,
    /// Number of the row within the band, counted from the band's first row that is kept.
    pub index: usize,
}

fn row_or<'a>(
    plane: &'a [f32],
    width: usize,
    number: Option<usize>,
    zeros: &'a [f32],
) -> &'a [f32] {
    number.map_or(zeros, |number| &plane[number * width..][..width])
}

/// One row comes into all sums and one goes. Order of the sums: guide, source, guide x source,
/// guide x guide (upper triangle).
fn slide_statistics<'a, const C: usize>(
    sums: &mut [ColumnSums],
    problem: &Problem<'a, C>,
    zeros: &'a [f32],
    comes: Option<usize>,
    goes: Option<usize>,
) {
    if (comes, goes) == (None, None) {
        return;
    }
    let both = |plane| {
        let row = |number| row_or(plane, problem.width, number, zeros);
        (row(comes), row(goes))
    };
    let source = both(problem.source);
    let guide = problem.guide.map(both);
    let (plain, products) = sums.split_at_mut(C + 1);
    for (sums, plane) in plain.iter_mut().zip(guide.iter().chain([&source])) {
        sums.slide(plane.0, plane.1);
    }
    if let Some((sums, data)) = products.last_mut().zip(problem.data) {
        let (comes, goes) = both(data);
        sums.slide(comes, goes);
    }
    let with_source = guide.iter().map(|plane| (plane, &source));
    let with_guide = (0..C).flat_map(|i| (i..C).map(move |j| (i, j)));
    let with_guide = with_guide.map(|(i, j)| (&guide[i], &guide[j]));
    for (sums, (a, b)) in products.iter_mut().zip(with_source.chain(with_guide)) {
        sums.slide_product((a.0, b.0), (a.1, b.1));
    }
}

/// Means over whole windows become those over their data; the last is the part of the window that is data. 0 where there is
/// none.
fn among_data(means: &mut [Vec<f32>]) {
    if let Some((data, means)) = means.split_last_mut() {
        for mean in means {
            divide(mean, data);
        }
    }
}

multiversion! {
    fn divide(means: &mut [f32], data: &[f32]) {
        for (mean, &data) in means.iter_mut().zip(data) {
            // The part is a whole number of pixels of at most 8193 squared; below that it is the rounding of 0.
            *mean = if data > 1e-9 { *mean / data } else { 0.0 };
        }
    }
}

multiversion! {
    fn multiply(plane: &mut [f32], data: &[f32]) {
        for (to, &data) in plane.iter_mut().zip(data) {
            *to *= data;
        }
    }
}

multiversion! {
    /// Equations 5 and 6. Means: guide, source, guide x source, guide x guide.
    fn solve_gray(means: &[Vec<f32>], eps: f32, slope: &mut [f32], offset: &mut [f32]) {
        let width = slope.len();
        let [guide, source, product, square] = [0, 1, 2, 3].map(|plane| &means[plane][..width]);
        let offset = &mut offset[..width];
        for x in 0..width {
            let covariance = product[x] - guide[x] * source[x];
            let variance = square[x] - guide[x] * guide[x];
            // A variance is not negative; its rounding may be.
            let a = covariance / (variance.max(0.0) + eps);
            slope[x] = a;
            offset[x] = source[x] - a * guide[x];
        }
    }
}

multiversion! {
    /// Equations 14 and 15: the 3 x 3 system by L D L^T, which keeps its precision where the guide's
    /// channels nearly depend on each other.
    fn solve_color(
        means: &[Vec<f32>],
        eps: f32,
        red: &mut [f32],
        green: &mut [f32],
        blue: &mut [f32],
        offset: &mut [f32],
    ) {
        let width = red.len();
        let plane = |number: usize| &means[number][..width];
        let (r, g, b, p) = (plane(0), plane(1), plane(2), plane(3));
        let (rp, gp, bp) = (plane(4), plane(5), plane(6));
        let (rr, rg, rb, gg, gb, bb) = (plane(7), plane(8), plane(9), plane(10), plane(11), plane(12));
        let (green, blue, offset) = (&mut green[..width], &mut blue[..width], &mut offset[..width]);
        for x in 0..width {
            let (r, g, b, p) = (r[x], g[x], b[x], p[x]);
            let (y0, y1, y2) = (rp[x] - r * p, gp[x] - g * p, bp[x] - b * p);
            let s00 = (rr[x] - r * r).max(0.0) + eps;
            let s01 = rg[x] - r * g;
            let s02 = rb[x] - r * b;
            let s11 = (gg[x] - g * g).max(0.0) + eps;
            let s12 = gb[x] - g * b;
            let s22 = (bb[x] - b * b).max(0.0) + eps;
            let i0 = 1.0 / s00;
            let (l10, l20) = (s01 * i0, s02 * i0);
            // Pivots of a positive matrix are not below eps; their rounding may be.
            let i1 = 1.0 / (s11 - l10 * s01).max(eps);
            let e = s12 - l10 * s02;
            let l21 = e * i1;
            let i2 = 1.0 / (s22 - l20 * s02 - l21 * e).max(eps);
            let z1 = y1 - l10 * y0;
            let z2 = y2 - l20 * y0 - l21 * z1;
            let a2 = z2 * i2;
            let a1 = z1 * i1 - l21 * a2;
            let a0 = y0 * i0 - l10 * a1 - l20 * a2;
            red[x] = a0;
            green[x] = a1;
            blue[x] = a2;
            offset[x] = p - a0 * r - a1 * g - a2 * b;
        }
    }
}

multiversion! {
    /// The filter's result of one row: averaged slope x guide + averaged offset.
    pub(crate) fn combine_gray(slope: &[f32], guide: &[f32], offset: &[f32], output: &mut [f32]) {
        for (((to, &a), &i), &b) in output.iter_mut().zip(slope).zip(guide).zip(offset) {
            *to = a * i + b;
        }
    }
}

multiversion! {
    /// As [`combine_gray`], for a color guide.
    pub(crate) fn combine_color(slopes: [&[f32]; 3], guide: [&[f32]; 3], offset: &[f32], output: &mut [f32]) {
        let width = output.len();
        let [r, g, b] = slopes.map(|plane| &plane[..width]);
        let [i, j, k] = guide.map(|plane| &plane[..width]);
        let offset = &offset[..width];
        for x in 0..width {
            output[x] = r[x] * i[x] + g[x] * j[x] + b[x] * k[x] + offset[x];
        }
    }
}
