//! Structural similarity of two planes.

/// A Gaussian window, and the constants that keep quotients finite.
pub(super) struct Window {
    weights: Vec<f64>,
    c1: f64,
    c2: f64,
}

/// Means over a plane.
#[derive(Clone, Copy)]
pub(super) struct Similarity {
    /// Of luminance, contrast and structure.
    pub whole: f64,
    /// Of contrast and structure.
    pub contrast: f64,
}

impl Window {
    /// Of this many pixels a side, whose weights have this standard deviation, for values in a range of this width.
    pub(super) fn new(size: usize, sigma: f64, data_range: f64) -> Window {
        let middle = (size as f64 - 1.0) / 2.0;
        let weight = |at: usize| (-(at as f64 - middle).powi(2) / (2.0 * sigma * sigma)).exp();
        let weights: Vec<f64> = (0..size).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        Window {
            weights: weights.iter().map(|weight| weight / sum).collect(),
            c1: (0.01 * data_range).powi(2),
            c2: (0.03 * data_range).powi(2),
        }
    }

    pub(super) fn size(&self) -> usize {
        self.weights.len()
    }

    /// The similarity of planes `[height, width]`, over all places where the window is within them.
    pub(super) fn similarity(&self, a: &[f64], b: &[f64], width: usize) -> Similarity {
        let products =
            |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x * y).collect() };
        let mean_a = self.blurred(a, width);
        let mean_b = self.blurred(b, width);
        let squares_a = self.blurred(&products(a, a), width);
        let squares_b = self.blurred(&products(b, b), width);
        let products_ab = self.blurred(&products(a, b), width);
        let (mut whole, mut contrast) = (0.0, 0.0);
        for at in 0..mean_a.len() {
            let (ma, mb) = (mean_a[at], mean_b[at]);
            let variance_a = (squares_a[at] - ma * ma).max(0.0);
            let variance_b = (squares_b[at] - mb * mb).max(0.0);
            let covariance = products_ab[at] - ma * mb;
            let structure = (2.0 * covariance + self.c2) / (variance_a + variance_b + self.c2);
            contrast += structure;
            whole += structure * (2.0 * ma * mb + self.c1) / (ma * ma + mb * mb + self.c1);
        }
        let count = mean_a.len() as f64;
        Similarity {
            whole: whole / count,
            contrast: contrast / count,
        }
    }

    /// The weighted mean of the window at each place, along rows and then along columns.
    fn blurred(&self, plane: &[f64], width: usize) -> Vec<f64> {
        let size = self.weights.len();
        let inner = width - (size - 1);
        let height = plane.len() / width;
        let mut rows = vec![0.0; height * inner];
        for (row, out) in plane.chunks_exact(width).zip(rows.chunks_exact_mut(inner)) {
            for (at, &weight) in self.weights.iter().enumerate() {
                for (out, value) in out.iter_mut().zip(&row[at..at + inner]) {
                    *out += weight * value;
                }
            }
        }
        let lines = height - (size - 1);
        let mut out = vec![0.0; lines * inner];
        for (line, out) in out.chunks_exact_mut(inner).enumerate() {
            for (at, &weight) in self.weights.iter().enumerate() {
                let row = &rows[(line + at) * inner..][..inner];
                for (out, value) in out.iter_mut().zip(row) {
                    *out += weight * value;
                }
            }
        }
        out
    }
}

/// The means of squares of two by two pixels; a last odd row or column is left out.
pub(super) fn halved(plane: &[f64], width: usize) -> Vec<f64> {
    let rows = plane.chunks_exact(width);
    let pairs: Vec<&[f64]> = rows.collect();
    let mut out = Vec::with_capacity(plane.len() / 4);
    for pair in pairs.chunks_exact(2) {
        for at in 0..width / 2 {
            let sum = pair[0][2 * at] + pair[0][2 * at + 1] + pair[1][2 * at] + pair[1][2 * at + 1];
            out.push(sum / 4.0);
        }
    }
    out
}
