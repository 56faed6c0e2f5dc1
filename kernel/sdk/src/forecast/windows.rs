//! Windows on series: places, and batches of values that are copied when they are wanted.

use std::ops::Range;

use candle_core::{Tensor, bail};

use super::{Dataset, Part, dataset::Covariates};
use crate::{Result, ops::Stream, plugin::Window};

/// All windows of a part, of all series.
#[derive(Clone, Debug)]
pub struct Windows<'a> {
    data: &'a Dataset,
    lookback: usize,
    horizon: usize,
    /// Rows at which a forecast may begin.
    begins: Range<usize>,
}

impl<'a> Windows<'a> {
    pub(super) fn new(
        data: &'a Dataset,
        part: Part,
        lookback: usize,
        horizon: usize,
    ) -> Result<Windows<'a>> {
        let rows = data.split.rows(part);
        let first = rows.start.max(lookback);
        let last = (rows.end + 1).saturating_sub(horizon);
        if lookback == 0 || horizon == 0 || first >= last {
            bail!(
                "there is no window of {lookback} + {horizon} steps whose future lies in the rows {rows:?} ({part:?}): \
                 a shorter horizon or lookback fits, or a longer part"
            );
        }
        Ok(Windows {
            data,
            lookback,
            horizon,
            begins: first..last,
        })
    }

    /// For windows at places that the caller has checked, beyond any part.
    pub(super) fn anywhere(data: &'a Dataset, lookback: usize, horizon: usize) -> Windows<'a> {
        Windows {
            data,
            lookback,
            horizon,
            begins: 0..0,
        }
    }

    /// How many there are; window `i` begins at the `i / series`-th row and is of series `i % series`.
    pub fn len(&self) -> usize {
        self.begins.len() * self.data.names.len()
    }

    pub(super) fn series(&self) -> usize {
        self.data.names.len()
    }

    /// Never: a part without windows is an error.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row at which a window's forecast begins, and its series.
    pub fn place(&self, index: usize) -> (usize, usize) {
        let series = self.data.names.len();
        (self.begins.start + index / series, index % series)
    }

    /// Windows with their futures `[batch, horizon]`.
    ///
    /// # Errors
    ///
    /// Fails where there is no window of such an index.
    pub fn batch(&self, indices: &[usize]) -> Result<(Window, Tensor)> {
        if let Some(&index) = indices.iter().find(|&&index| index >= self.len()) {
            bail!("there is no window {index}; there are {}", self.len());
        }
        let places: Vec<(usize, usize)> = indices.iter().map(|&index| self.place(index)).collect();
        let future = self.tensor(&places, self.horizon, |row, series| {
            &self.data.values[series][row..row + self.horizon]
        })?;
        Ok((self.window(&places)?, future))
    }

    /// Windows before these rows of these series.
    pub(super) fn window(&self, places: &[(usize, usize)]) -> Result<Window> {
        let data = self.data;
        let past = self.tensor(places, self.lookback, |row, series| {
            &data.values[series][row - self.lookback..row]
        })?;
        let covariates = |covariates: &Covariates, future: usize| {
            let count = covariates.count;
            (count > 0)
                .then(|| {
                    let steps = self.lookback + future;
                    self.tensor(places, steps * count, |row, _| {
                        &covariates.values[(row - self.lookback) * count..(row + future) * count]
                    })?
                    .reshape((places.len(), steps, count))
                })
                .transpose()
        };
        let width = data.attributes.first().map_or(0, Vec::len);
        let attributes = (width > 0)
            .then(|| self.tensor(places, width, |_, series| &data.attributes[series]))
            .transpose()?;
        let series: Vec<u32> = places.iter().map(|&(_, series)| series as u32).collect();
        Ok(Window {
            past,
            known: covariates(&data.known, self.horizon)?,
            observed: covariates(&data.observed, 0)?,
            attributes,
            series: Some(Tensor::from_vec(series, places.len(), &crate::device())?),
        })
    }

    fn tensor<'b>(
        &self,
        places: &[(usize, usize)],
        width: usize,
        values: impl Fn(usize, usize) -> &'b [f32],
    ) -> Result<Tensor> {
        let mut all = Vec::with_capacity(places.len() * width);
        for &(row, series) in places {
            all.extend_from_slice(values(row, series));
        }
        Tensor::from_vec(all, (places.len(), width), &crate::device())
    }

    /// All windows in order, in batches. An interrupt stops the cell between two of them.
    pub fn batches(&self, size: usize) -> impl Iterator<Item = Result<(Window, Tensor)>> {
        let size = size.max(1);
        (0..self.len()).step_by(size).map(move |first| {
            crate::interrupt::check();
            let indices: Vec<usize> = (first..(first + size).min(self.len())).collect();
            self.batch(&indices)
        })
    }

    /// All indices in an order that follows [`crate::nn::seed_all`].
    pub fn shuffled(&self) -> Vec<usize> {
        shuffle((0..self.len()).collect())
    }

    /// All indices in batches for an epoch, in an order that follows [`crate::nn::seed_all`]: `size` windows to a batch,
    /// or with `all_series` those of every series at `size` rows. With `drop_last` a last batch that is not full is left out,
    /// unless it is the only one.
    pub fn epoch(&self, size: usize, all_series: bool, drop_last: bool) -> Vec<Vec<usize>> {
        let size = size.max(1);
        let series = if all_series {
            self.data.names.len()
        } else {
            1
        };
        let order = shuffle((0..self.len() / series.max(1)).collect());
        let mut batches: Vec<Vec<usize>> = order
            .chunks(size)
            .map(|chunk| {
                chunk
                    .iter()
                    .flat_map(|&row| row * series..(row + 1) * series)
                    .collect()
            })
            .collect();
        if drop_last && batches.len() > 1 && order.len() % size != 0 {
            batches.pop();
        }
        batches
    }
}

/// The same numbers in a random order.
fn shuffle(mut order: Vec<usize>) -> Vec<usize> {
        let random = Stream::next().uniform(order.len());
        // Fisher and Yates's shuffle, as Durstenfeld has it.
        for last in (1..order.len()).rev() {
            let other = (random[last] * (last + 1) as f64) as usize;
            order.swap(last, other.min(last));
        }
        order
}
