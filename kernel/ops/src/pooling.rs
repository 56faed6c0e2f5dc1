//! Pooling over windows of images, with any stride.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, backend::BackendStorage};
use rayon::prelude::*;

use super::{
    composed,
    real::Real,
    storage::{by_dtype, output, read, tensor, values, widened},
};

/// The largest value of each window: torch's `max_pool2d`.
///
/// `x` is [batch, channels, height, width]; the result has `(size + 2 padding - kernel) / stride + 1` values in
/// each direction. Of equal values the first in row-major order gets the gradient. What is not a number wins.
///
/// # Errors
///
/// Fails where the rank is not 4, or the kernel does not fit into the padded image or is less than twice the
/// padding.
pub fn max_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed::max_pool2d(x, kernel, stride, padding);
    }
    let windows = Windows::regular("max-pool2d", x, kernel, stride, padding)?;
    widened(x, |x| {
        x.apply_op1(MaxPool {
            windows,
            chosen: OnceLock::new(),
        })
    })
}

/// The mean of each window: torch's `avg_pool2d`, whose padding counts as zeros.
///
/// # Errors
///
/// As [`max_pool2d`].
pub fn avg_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed::avg_pool2d(x, kernel, stride, padding);
    }
    let windows = Windows::regular("avg-pool2d", x, kernel, stride, padding)?;
    let area = Some(kernel.0 * kernel.1);
    widened(x, |x| x.apply_op1(AvgPool { windows, area }))
}

/// The mean of `size` windows that cover the image: torch's `adaptive_avg_pool2d`.
///
/// # Errors
///
/// Fails where the rank is not 4 or the image or the size is empty.
pub fn adaptive_avg_pool2d(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed::adaptive_avg_pool2d(x, size);
    }
    let windows = Windows::adaptive(x, size)?;
    widened(x, |x| {
        x.apply_op1(AvgPool {
            windows,
            area: None,
        })
    })
}

fn rank_4(op: &'static str, x: &Tensor) -> Result<(usize, usize, usize, usize)> {
    x.dims4().map_err(|_| {
        candle_core::Error::Msg(format!(
            "{op}: the input is {:?}: must be [batch, channels, height, width]",
            x.dims()
        ))
        .bt()
    })
}

/// The windows over one plane: for each row and column of the result, where it begins and ends.
pub(super) struct Windows {
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
    height: usize,
    width: usize,
}

impl Windows {
    pub(super) fn regular(
        op: &'static str,
        x: &Tensor,
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: (usize, usize),
    ) -> Result<Windows> {
        let (_, _, height, width) = rank_4(op, x)?;
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
        let (_, _, height, width) = rank_4("adaptive-avg-pool2d", x)?;
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

    fn shape(&self, input: &Shape) -> Shape {
        Shape::from((
            input.dims()[0],
            input.dims()[1],
            self.rows.len(),
            self.columns.len(),
        ))
    }

    /// How many values a plane has before and after, at least 1 for the sake of empty batches.
    fn planes(&self) -> (usize, usize) {
        (
            (self.height * self.width).max(1),
            (self.rows.len() * self.columns.len()).max(1),
        )
    }

    fn each(&self) -> impl Iterator<Item = ((usize, usize), (usize, usize))> + '_ {
        self.rows
            .iter()
            .flat_map(|&rows| self.columns.iter().map(move |&columns| (rows, columns)))
    }
}

struct MaxPool {
    windows: Windows,
    /// Which value of its plane each result is.
    chosen: OnceLock<Vec<u32>>,
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = values::<T>(storage, layout)?;
            let shape = self.windows.shape(layout.shape());
            let (from, to) = self.windows.planes();
            let mut y = vec![<T as Real>::ZERO; shape.elem_count()];
            let mut chosen = vec![0u32; y.len()];
            y.par_chunks_mut(to).zip(chosen.par_chunks_mut(to)).zip(x.par_chunks(from)).for_each(
                |((y, chosen), x)| {
                    let results = y.iter_mut().zip(chosen);
                    for ((y, chosen), (rows, columns)) in results.zip(self.windows.each()) {
                        let mut best = rows.0 * self.windows.width + columns.0;
                        for row in rows.0..rows.1 {
                            for index in row * self.windows.width + columns.0..row * self.windows.width + columns.1 {
                                let (value, top) = (x[index], x[best]);
                                let top_is_number = top.partial_cmp(&top).is_some();
                                if top_is_number && (value > top || value.partial_cmp(&value).is_none()) {
                                    best = index;
                                }
                            }
                        }
                        *y = x[best];
                        *chosen = best as u32;
                    }
                },
            );
            // The pass runs once for each op, so the cell is empty.
            let _ = self.chosen.set(chosen);
            Ok(output(y, shape))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        by_dtype!(x.dtype(), self.name(), T => {
            read!(grad: T = grad, self.name());
            let mut out = vec![<T as Real>::ZERO; x.elem_count()];
            let (from, to) = self.windows.planes();
            let chosen = self.chosen.get().map_or(&[][..], Vec::as_slice);
            out.par_chunks_mut(from).zip(grad.par_chunks(to)).zip(chosen.par_chunks(to)).for_each(
                |((out, grad), chosen)| {
                    for (&grad, &index) in grad.iter().zip(chosen) {
                        out[index as usize] += grad;
                    }
                },
            );
            Ok(Some(tensor(out, x.shape())?))
        })
    }
}

struct AvgPool {
    windows: Windows,
    /// What sums are divided by; the window's own number of values where nothing is said.
    area: Option<usize>,
}

impl AvgPool {
    fn count(&self, rows: (usize, usize), columns: (usize, usize)) -> f64 {
        let inside = (rows.1 - rows.0) * (columns.1 - columns.0);
        self.area.unwrap_or(inside) as f64
    }
}

impl CustomOp1 for AvgPool {
    fn name(&self) -> &'static str {
        "avg-pool2d"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = values::<T>(storage, layout)?;
            let shape = self.windows.shape(layout.shape());
            let (from, to) = self.windows.planes();
            let mut y = vec![<T as Real>::ZERO; shape.elem_count()];
            y.par_chunks_mut(to).zip(x.par_chunks(from)).for_each(|(y, x)| {
                for (y, (rows, columns)) in y.iter_mut().zip(self.windows.each()) {
                    let mut sum = 0.0;
                    for row in rows.0..rows.1 {
                        for &value in &x[row * self.windows.width..][columns.0..columns.1] {
                            sum += value.as_f64();
                        }
                    }
                    *y = <T as Real>::of(sum / self.count(rows, columns));
                }
            });
            Ok(output(y, shape))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        by_dtype!(x.dtype(), self.name(), T => {
            read!(grad: T = grad, self.name());
            let mut out = vec![<T as Real>::ZERO; x.elem_count()];
            let (from, to) = self.windows.planes();
            out.par_chunks_mut(from).zip(grad.par_chunks(to)).for_each(|(out, grad)| {
                for (&grad, (rows, columns)) in grad.iter().zip(self.windows.each()) {
                    let share = <T as Real>::of(grad.as_f64() / self.count(rows, columns));
                    for row in rows.0..rows.1 {
                        for out in &mut out[row * self.windows.width..][columns.0..columns.1] {
                            *out += share;
                        }
                    }
                }
            });
            Ok(Some(tensor(out, x.shape())?))
        })
    }
}
