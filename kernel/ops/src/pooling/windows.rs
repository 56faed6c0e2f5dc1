//! Which values of a plane each result is made of.

use candle_core::{Result, Shape, Tensor};

use crate::dims::images;

/// The windows over one plane: for each row and column of the result, where it begins and ends.
pub(super) struct Windows {
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
    height: usize,
    pub width: usize,
}

impl Windows {
    pub(super) fn regular(
        op: &'static str,
        x: &Tensor,
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: (usize, usize),
    ) -> Result<Windows> {
        let (_, _, height, width) = images(op, x)?;
        let axis = |size: usize, kernel: usize, stride: usize, padding: usize| {
            if kernel == 0 || stride == 0 || 2 * padding > kernel || size + 2 * padding < kernel {
                candle_core::bail!(
                    "{op}: kernel {kernel}, stride {stride} and padding {padding} over {size} values: kernel and \
                     stride must be positive, the padding at most half the kernel, and the kernel must fit"
                )
            }
            let count = (size + 2 * padding - kernel) / stride + 1;
            Ok((0..count)
                .map(|i| {
                    let end = (i * stride + kernel).saturating_sub(padding).min(size);
                    ((i * stride).saturating_sub(padding).min(end), end)
                })
                .collect())
        };
        Ok(Windows {
            rows: axis(height, kernel.0, stride.0, padding.0)?,
            columns: axis(width, kernel.1, stride.1, padding.1)?,
            height,
            width,
        })
    }

    /// Windows of about one size that cover the image.
    pub(super) fn adaptive(x: &Tensor, size: (usize, usize)) -> Result<Windows> {
        let (_, _, height, width) = images("adaptive-avg-pool2d", x)?;
        if height * width * size.0 * size.1 == 0 {
            candle_core::bail!(
                "adaptive-avg-pool2d: from {:?} to {size:?}: must not be empty",
                x.dims()
            )
        }
        let axis = |from: usize, to: usize| {
            (0..to)
                .map(|i| (i * from / to, ((i + 1) * from).div_ceil(to)))
                .collect()
        };
        Ok(Windows {
            rows: axis(height, size.0),
            columns: axis(width, size.1),
            height,
            width,
        })
    }

    /// Height and width of the result.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }

    /// The places in their plane of each window's values, as many as the kernel has; the last ones of a window that is cut
    /// at the border come several times.
    pub(super) fn places(&self, kernel: (usize, usize)) -> Vec<u32> {
        let inside = |(from, to): (usize, usize), i: usize| (from + i).min(to - 1);
        self.each()
            .flat_map(|(rows, columns)| {
                (0..kernel.0).flat_map(move |i| {
                    (0..kernel.1)
                        .map(move |j| (inside(rows, i) * self.width + inside(columns, j)) as u32)
                })
            })
            .collect()
    }

    /// The means as a map of the rows, [rows of the result, rows], and one of the columns; over `kernel` values, or over
    /// those that the window has.
    pub(super) fn means(&self, kernel: Option<(usize, usize)>) -> (Vec<f64>, Vec<f64>) {
        let axis = |windows: &[(usize, usize)], length: usize, count: Option<usize>| {
            let mut shares = vec![0.0; windows.len() * length];
            for (row, &(from, to)) in shares.chunks_mut(length.max(1)).zip(windows) {
                row[from..to].fill(1.0 / count.unwrap_or(to - from) as f64);
            }
            shares
        };
        (
            axis(&self.rows, self.height, kernel.map(|kernel| kernel.0)),
            axis(&self.columns, self.width, kernel.map(|kernel| kernel.1)),
        )
    }

    pub(super) fn shape(&self, input: &Shape) -> Shape {
        Shape::from((
            input.dims()[0],
            input.dims()[1],
            self.rows.len(),
            self.columns.len(),
        ))
    }

    /// How many values a plane has before and after, at least 1 for the sake of empty batches.
    pub(super) fn planes(&self) -> (usize, usize) {
        (
            (self.height * self.width).max(1),
            (self.rows.len() * self.columns.len()).max(1),
        )
    }

    pub(super) fn each(&self) -> impl Iterator<Item = ((usize, usize), (usize, usize))> + '_ {
        self.rows
            .iter()
            .flat_map(|&rows| self.columns.iter().map(move |&columns| (rows, columns)))
    }
}
