//! Windows on series: places, and batches of values that are copied when they are wanted.

use std::ops::Range;

use candle_core::{Tensor, bail};

use super::{Dataset, Part, covariates::Covariates};
use patchbay_ops::Stream;
use patchbay_plugin::Window;
use patchbay_show::Result;

/// All windows of a part, of all series, whose past and future have a measured value each.
#[derive(Clone, Debug)]
pub struct Windows<'a> {
    data: &'a Dataset,
    lookback: usize,
    horizon: usize,
    /// Rows at which a forecast may begin.
    begins: Range<usize>,
    /// The places among all, row by row, that are windows; none: all are.
    kept: Option<Vec<usize>>,
}

/// For each row how many values before it were measured.
fn counts(measured: &[bool]) -> Vec<usize> {
    let mut counts = Vec::with_capacity(measured.len() + 1);
    let mut count = 0;
    counts.push(0);
    for &measured in measured {
        count += usize::from(measured);
        counts.push(count);
    }
    counts
}

impl Dataset {
    /// The windows of a part whose future has a measured value, and whose past has one.
    ///
    /// # Errors
    ///
    /// Fails where there is none.
    pub fn windows(&self, part: Part, lookback: usize, horizon: usize) -> Result<Windows<'_>> {
        Windows::new(self, part, lookback, horizon)
    }
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
        let windows = Windows {
            data,
            lookback,
            horizon,
            begins: first..last,
            kept: None,
        };
        let windows = windows.filter(|past, future| past > 0 && future > 0);
        if windows.is_empty() {
            bail!(
                "no window of {lookback} + {horizon} steps whose future lies in the rows {rows:?} ({part:?}) has a measured \
                 value in its past and its future: the series' values are interpolated there"
            );
        }
        Ok(windows)
    }

    /// Those of which the numbers of measured values in past and future are accepted.
    fn filter(mut self, accept: impl Fn(usize, usize) -> bool) -> Windows<'a> {
        if self.data.measured.iter().all(Option::is_none) {
            return self;
        }
        let measured: Vec<Option<Vec<usize>>> = self
            .data
            .measured
            .iter()
            .map(|measured| measured.as_deref().map(counts))
            .collect();
        let kept = (0..self.len()).filter_map(|index| {
            let place = self.flat(index);
            let (row, series) = self.place(index);
            let (past, future) = match &measured[series] {
                None => (self.lookback, self.horizon),
                Some(counts) => (
                    counts[row] - counts[row - self.lookback],
                    counts[row + self.horizon] - counts[row],
                ),
            };
            accept(past, future).then_some(place)
        });
        self.kept = Some(kept.collect());
        self
    }

    /// Windows for a fit in closed form, which knows no masks: those whose future was measured entirely. Where these are fewer
    /// than a tenth, those with the fewest interpolated values that make up a tenth, and the share of interpolated values.
    pub(super) fn for_closed_form(&self) -> (Windows<'a>, f64) {
        if self.kept.is_none() {
            return (self.clone(), 0.0);
        }
        let horizon = self.horizon;
        for missing in 0..=horizon {
            // Few steps from none to all; the first is none.
            if missing > 0 && !missing.is_power_of_two() && missing != horizon {
                continue;
            }
            let found = self.clone().filter(|_, future| future + missing >= horizon);
            if 10 * found.len() >= self.len() {
                let share = match missing {
                    0 => 0.0,
                    _ => {
                        let measured: usize =
                            (0..found.len()).map(|index| found.measured(index)).sum();
                        1.0 - measured as f64 / (found.len() * horizon) as f64
                    }
                };
                return (found, share);
            }
        }
        (self.clone(), 0.0)
    }

    /// How many values of a window's future were measured.
    fn measured(&self, index: usize) -> usize {
        let (row, series) = self.place(index);
        match &self.data.measured[series] {
            None => self.horizon,
            Some(measured) => measured[row..row + self.horizon]
                .iter()
                .filter(|&&measured| measured)
                .count(),
        }
    }

    /// For windows at places that the caller has checked, beyond any part.
    pub(super) fn anywhere(data: &'a Dataset, lookback: usize, horizon: usize) -> Windows<'a> {
        Windows {
            data,
            lookback,
            horizon,
            begins: 0..0,
            kept: None,
        }
    }

    /// How many there are. Where nothing was interpolated, window `i` begins at the `i / series`-th row and is of series
    /// `i % series`.
    pub fn len(&self) -> usize {
        match &self.kept {
            Some(kept) => kept.len(),
            None => self.begins.len() * self.data.names.len(),
        }
    }

    /// Never: a part without windows is an error.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn flat(&self, index: usize) -> usize {
        self.kept.as_ref().map_or(index, |kept| kept[index])
    }

    /// The row at which a window's forecast begins, and its series.
    pub fn place(&self, index: usize) -> (usize, usize) {
        let (place, series) = (self.flat(index), self.data.names.len());
        (self.begins.start + place / series, place % series)
    }

    /// How many rows the windows begin at, up to the last.
    pub(super) fn beginnings(&self) -> usize {
        match self.len() {
            0 => 0,
            count => self.place(count - 1).0 + 1 - self.place(0).0,
        }
    }

    /// Windows with their futures `[batch, horizon]`, which have interpolated values where none were measured:
    /// [`Windows::masked_batch`] says where.
    ///
    /// # Errors
    ///
    /// Fails where there is no window of such an index.
    pub fn batch(&self, indices: &[usize]) -> Result<(Window, Tensor)> {
        let (window, future, _) = self.masked_batch(indices)?;
        Ok((window, future))
    }

    /// As [`Windows::batch`], with a mask `[batch, horizon]` (`u8`) that is 1 where the future was measured; none where all of
    /// it was.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn masked_batch(&self, indices: &[usize]) -> Result<(Window, Tensor, Option<Tensor>)> {
        if let Some(&index) = indices.iter().find(|&&index| index >= self.len()) {
            bail!("there is no window {index}; there are {}", self.len());
        }
        let places: Vec<(usize, usize)> = indices.iter().map(|&index| self.place(index)).collect();
        let future = self.tensor(&places, self.horizon, |row, series| {
            &self.data.values[series][row..row + self.horizon]
        })?;
        let mask = self.mask(&places)?;
        Ok((self.window(&places)?, future, mask))
    }

    fn mask(&self, places: &[(usize, usize)]) -> Result<Option<Tensor>> {
        if self.kept.is_none() {
            return Ok(None);
        }
        let mut mask = Vec::with_capacity(places.len() * self.horizon);
        for &(row, series) in places {
            match &self.data.measured[series] {
                None => mask.extend(std::iter::repeat_n(1u8, self.horizon)),
                Some(measured) => {
                    mask.extend(
                        measured[row..row + self.horizon]
                            .iter()
                            .map(|&one| u8::from(one)),
                    );
                }
            }
        }
        if mask.iter().all(|&measured| measured == 1) {
            return Ok(None);
        }
        Tensor::from_vec(mask, (places.len(), self.horizon), &patchbay_show::device()).map(Some)
    }

    /// Windows before these rows of these series.
    pub(super) fn window(&self, places: &[(usize, usize)]) -> Result<Window> {
        let data = self.data;
        let past = self.tensor(places, self.lookback, |row, series| {
            &data.values[series][row - self.lookback..row]
        })?;
        let covariates = |covariates: &Covariates, future: usize| {
            let count = covariates.count;
            if count == 0 {
                return Ok(None);
            }
            let (steps, rows) = (self.lookback + future, data.times.len());
            let mut values = Vec::with_capacity(places.len() * steps * count);
            for &(row, series) in places {
                let end = row + future;
                let known = (row - self.lookback) * count..end.min(rows) * count;
                values.extend_from_slice(&covariates.table(series)[known]);
                if end > rows {
                    let (times, step, zone) = (&data.times, data.frequency, &data.zone);
                    values.extend(covariates.beyond(series, end, times, step, zone)?);
                }
            }
            Tensor::from_vec(
                values,
                (places.len(), steps, count),
                &patchbay_show::device(),
            )
            .map(Some)
        };
        let width = data.attributes.first().map_or(0, Vec::len);
        let attributes = (width > 0)
            .then(|| self.tensor(places, width, |_, series| &data.attributes[series]))
            .transpose()?;
        let series: Vec<u32> = places
            .iter()
            .map(|&(_, series)| data.indices[series])
            .collect();
        Ok(Window {
            past,
            known: covariates(&data.known, self.horizon)?,
            observed: covariates(&data.observed, 0)?,
            attributes,
            series: Some(Tensor::from_vec(
                series,
                places.len(),
                &patchbay_show::device(),
            )?),
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
        Tensor::from_vec(all, (places.len(), width), &patchbay_show::device())
    }

    /// All windows in order, in batches. An interrupt stops the cell between two of them.
    pub fn batches(&self, size: usize) -> impl Iterator<Item = Result<(Window, Tensor)>> {
        self.masked_batches(size)
            .map(|batch| batch.map(|(window, future, _)| (window, future)))
    }

    /// All windows in order, in batches as [`Windows::masked_batch`] makes them.
    pub fn masked_batches(
        &self,
        size: usize,
    ) -> impl Iterator<Item = Result<(Window, Tensor, Option<Tensor>)>> {
        let size = size.max(1);
        (0..self.len()).step_by(size).map(move |first| {
            patchbay_cell::interrupt::check();
            let indices: Vec<usize> = (first..(first + size).min(self.len())).collect();
            self.masked_batch(&indices)
        })
    }

    /// All indices in an order that follows [`patchbay_nn::seed_all`].
    pub fn shuffled(&self) -> Vec<usize> {
        shuffle((0..self.len()).collect())
    }

    /// All indices in batches for an epoch, in an order that follows [`patchbay_nn::seed_all`]: `size` windows to a batch,
    /// or with `all_series` those of every series at `size` rows. With `drop_last` a last batch that is not full is left out,
    /// unless it is the only one.
    pub fn epoch(&self, size: usize, all_series: bool, drop_last: bool) -> Vec<Vec<usize>> {
        let size = size.max(1);
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut last = None;
        for index in 0..self.len() {
            let row = all_series.then(|| self.place(index).0);
            match groups.last_mut() {
                Some(group) if row.is_some() && row == last => group.push(index),
                _ => groups.push(vec![index]),
            }
            last = row;
        }
        let order = shuffle((0..groups.len()).collect());
        let mut batches: Vec<Vec<usize>> = order
            .chunks(size)
            .map(|chunk| {
                chunk
                    .iter()
                    .flat_map(|&group| groups[group].clone())
                    .collect()
            })
            .collect();
        if drop_last && batches.len() > 1 && !order.len().is_multiple_of(size) {
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
