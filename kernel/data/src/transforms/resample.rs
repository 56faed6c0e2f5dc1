//! Pictures at another size, each pixel being a weighted mean of those that it covers.
//!
//! Bytes are computed as Pillow does (fixed-point weights, a rounding between rows and columns), floats as PyTorch does; so results are
//! torchvision's with `antialias=True`.

/// How values between pixels are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest pixel's value.
    Nearest,
    /// On the line between neighbors; where the picture becomes smaller, a mean with weights of a triangle.
    #[default]
    Bilinear,
    /// By cubic polynomials (Keys, a = -0.5).
    Bicubic,
}

impl Interpolation {
    fn support(self) -> f64 {
        match self {
            Interpolation::Nearest => 0.5,
            Interpolation::Bilinear => 1.0,
            Interpolation::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Interpolation::Nearest => f64::from(u8::from(x <= 0.5)),
            Interpolation::Bilinear => (1.0 - x).max(0.0),
            Interpolation::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Interpolation::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Interpolation::Bicubic => 0.0,
        }
    }
}

/// Which pixels make one of the result, and with which weights.
struct Taps {
    /// The first pixel and where its weights begin and how many there are.
    places: Vec<(usize, usize, usize)>,
    weights: Vec<f64>,
}

impl Taps {
    fn new(from: usize, to: usize, interpolation: Interpolation) -> Taps {
        let scale = from as f64 / to as f64;
        let filter_scale = scale.max(1.0);
        let support = interpolation.support() * filter_scale;
        let mut taps = Taps {
            places: Vec::with_capacity(to),
            weights: Vec::new(),
        };
        for at in 0..to {
            let center = (at as f64 + 0.5) * scale;
            let first = ((center - support + 0.5) as i64).max(0) as usize;
            let last = ((center + support + 0.5) as usize).min(from);
            let begin = taps.weights.len();
            let of_pixel = (first..last)
                .map(|x| interpolation.weight((x as f64 - center + 0.5) / filter_scale));
            taps.weights.extend(of_pixel);
            let sum: f64 = taps.weights[begin..].iter().sum();
            if sum != 0.0 {
                taps.weights[begin..]
                    .iter_mut()
                    .for_each(|weight| *weight /= sum);
            }
            taps.places.push((first, begin, taps.weights.len() - begin));
        }
        taps
    }
}

/// A rectangle of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Rows above it.
    pub top: usize,
    /// Pixels left of it.
    pub left: usize,
    /// Its rows.
    pub height: usize,
    /// Its pixels in a row.
    pub width: usize,
}

/// The nearest pixels: PyTorch's `interpolate(mode="nearest")`.
pub fn nearest<T: Copy>(
    samples: &[T],
    bands: usize,
    stride: usize,
    region: Region,
    height: usize,
    width: usize,
) -> Vec<T> {
    // As PyTorch, in f32.
    let source = |at: usize, from: usize, to: usize| {
        ((at as f32 * (from as f32 / to as f32)) as usize).min(from - 1)
    };
    let columns: Vec<usize> = (0..width)
        .map(|x| region.left + source(x, region.width, width))
        .collect();
    let mut out = Vec::with_capacity(height * width * bands);
    for y in 0..height {
        let row = (region.top + source(y, region.height, height)) * stride;
        for &x in &columns {
            out.extend_from_slice(&samples[(row + x) * bands..(row + x + 1) * bands]);
        }
    }
    out
}

/// Fractional bits of Pillow's weights: 8 are those of the sample, 2 are kept free.
const BITS: u32 = 32 - 8 - 2;

fn byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

fn fixed(taps: &Taps) -> Vec<i32> {
    let one = f64::from(1u32 << BITS);
    taps.weights
        .iter()
        .map(|weight| (weight * one + 0.5f64.copysign(*weight)) as i32)
        .collect()
}

const HALF: i32 = 1 << (BITS - 1);

/// Bytes, as Pillow: columns first where the picture becomes wider and lower, else rows.
pub fn bytes(
    samples: &[u8],
    bands: usize,
    stride: usize,
    region: Region,
    height: usize,
    width: usize,
    interpolation: Interpolation,
) -> Vec<u8> {
    let columns_first = width > region.width && height < region.height;
    if columns_first {
        let lower = bytes_down(samples, bands, stride, region, height, interpolation);
        let whole = Region {
            top: 0,
            left: 0,
            height,
            width: region.width,
        };
        return bytes_across(&lower, bands, region.width, whole, width, interpolation);
    }
    let rows = bytes_across(samples, bands, stride, region, width, interpolation);
    if region.height == height {
        return rows;
    }
    let whole = Region {
        top: 0,
        left: 0,
        height: region.height,
        width,
    };
    bytes_down(&rows, bands, width, whole, height, interpolation)
}

/// The rows of a region at another width.
fn bytes_across(
    samples: &[u8],
    bands: usize,
    stride: usize,
    region: Region,
    width: usize,
    interpolation: Interpolation,
) -> Vec<u8> {
    let across = Taps::new(region.width, width, interpolation);
    let weights = fixed(&across);
    let mut rows = vec![0u8; region.height * width * bands];
    for (y, row) in rows.chunks_exact_mut((width * bands).max(1)).enumerate() {
        let begin = ((region.top + y) * stride + region.left) * bands;
        let from = &samples[begin..begin + region.width * bands];
        if region.width == width {
            row.copy_from_slice(from);
        } else if bands == 3 {
            let (of_row, _) = row.as_chunks_mut::<3>();
            for (to, &(first, begin, count)) in of_row.iter_mut().zip(&across.places) {
                let (pixels, _) = from[first * 3..(first + count) * 3].as_chunks::<3>();
                let mut sum = [HALF; 3];
                for (pixel, &weight) in pixels.iter().zip(&weights[begin..begin + count]) {
                    sum[0] += i32::from(pixel[0]) * weight;
                    sum[1] += i32::from(pixel[1]) * weight;
                    sum[2] += i32::from(pixel[2]) * weight;
                }
                *to = sum.map(byte);
            }
        } else {
            for (to, &(first, begin, count)) in row.chunks_exact_mut(bands).zip(&across.places) {
                for (band, to) in to.iter_mut().enumerate() {
                    let sum = (0..count).fold(HALF, |sum, tap| {
                        sum + i32::from(from[(first + tap) * bands + band]) * weights[begin + tap]
                    });
                    *to = byte(sum);
                }
            }
        }
    }
    rows
}

/// The columns of a region at another height.
fn bytes_down(
    samples: &[u8],
    bands: usize,
    stride: usize,
    region: Region,
    height: usize,
    interpolation: Interpolation,
) -> Vec<u8> {
    let down = Taps::new(region.height, height, interpolation);
    let weights = fixed(&down);
    let length = region.width * bands;
    let mut out = vec![0u8; height * length];
    let mut sums = vec![0i32; length];
    for (to, &(first, begin, count)) in out.chunks_exact_mut(length.max(1)).zip(&down.places) {
        sums.fill(HALF);
        for tap in 0..count {
            let weight = weights[begin + tap];
            let start = ((region.top + first + tap) * stride + region.left) * bands;
            for (sum, &sample) in sums.iter_mut().zip(&samples[start..start + length]) {
                *sum += i32::from(sample) * weight;
            }
        }
        for (to, &sum) in to.iter_mut().zip(&sums) {
            *to = byte(sum);
        }
    }
    out
}

/// Floats, as PyTorch.
pub fn floats(
    samples: &[f32],
    bands: usize,
    stride: usize,
    region: Region,
    height: usize,
    width: usize,
    interpolation: Interpolation,
) -> Vec<f32> {
    let across = Taps::new(region.width, width, interpolation);
    let mut rows = vec![0f32; region.height * width * bands];
    for (y, row) in rows.chunks_exact_mut((width * bands).max(1)).enumerate() {
        let begin = ((region.top + y) * stride + region.left) * bands;
        let from = &samples[begin..begin + region.width * bands];
        if region.width == width {
            row.copy_from_slice(from);
            continue;
        }
        for (to, &(first, begin, count)) in row.chunks_exact_mut(bands).zip(&across.places) {
            for (band, to) in to.iter_mut().enumerate() {
                *to = (0..count).fold(0.0, |sum, tap| {
                    sum + from[(first + tap) * bands + band] * across.weights[begin + tap] as f32
                });
            }
        }
    }
    if region.height == height {
        return rows;
    }
    let down = Taps::new(region.height, height, interpolation);
    let mut out = vec![0f32; height * width * bands];
    for (to, &(first, begin, count)) in out
        .chunks_exact_mut((width * bands).max(1))
        .zip(&down.places)
    {
        for tap in 0..count {
            let weight = down.weights[begin + tap] as f32;
            let row = &rows[(first + tap) * width * bands..(first + tap + 1) * width * bands];
            for (to, &sample) in to.iter_mut().zip(row) {
                *to += sample * weight;
            }
        }
    }
    out
}
