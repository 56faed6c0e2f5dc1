//! How often values occur.

use candle_core::bail;
use plotters::{element::Rectangle, style::Color};

use super::{
    Figure, Numbers,
    axes::{Axes, axes_setters, limits_setters, range_of},
    color,
    figure::drawing_error,
};
use crate::Result;
use patchbay_cell::interrupt;

/// A histogram that is being put together.
#[derive(Debug)]
pub struct Histogram {
    axes: Axes,
    values: Result<Vec<f64>>,
    bins: Option<usize>,
}

/// A histogram: `plot::histogram(&weights).bins(40).draw()?`.
pub fn histogram(values: impl Numbers) -> Histogram {
    Histogram {
        axes: Axes {
            y_label: "count".to_owned(),
            ..Axes::default()
        },
        values: values.numbers(),
        bins: None,
    }
}

axes_setters!(Histogram);
limits_setters!(Histogram);

impl Histogram {
    /// The number of bins; without it, Sturges' rule decides: log2 n + 1.
    pub fn bins(mut self, bins: usize) -> Histogram {
        self.bins = Some(bins.max(1));
        self
    }

    /// Draws the plot. Values that are not finite are left out.
    ///
    /// # Errors
    ///
    /// Fails where no value is finite.
    pub fn draw(self) -> Result<Figure> {
        interrupt::check();
        let values: Vec<f64> = self
            .values?
            .into_iter()
            .filter(|value| value.is_finite())
            .collect();
        if values.is_empty() {
            bail!("a histogram needs at least one finite value");
        }
        let bins = self
            .bins
            .unwrap_or((values.len() as f64).log2().ceil() as usize + 1);
        let range = range_of(values.iter().copied(), 0.0);
        let width = (range.end - range.start) / bins as f64;
        let counts = count(&values, range.start, width, bins);
        let most = counts.iter().copied().max().unwrap_or(1) as f64;
        let axes = self.axes;
        axes.check()?;
        let x = axes.x_range(range.clone());
        let y = axes.y_range(0.0..most * 1.05);
        let figure = Figure::with(axes.size_or_default(), |area| {
            let mut chart = axes.draw(area, x.clone(), y.clone())?;
            let bars = counts.iter().enumerate().filter_map(|(index, &count)| {
                let left = range.start + width * index as f64;
                let gap = width * 0.04;
                let from = (left + gap).max(x.start);
                let to = (left + width - gap).min(x.end);
                let (low, high) = (y.start.max(0.0), (count as f64).min(y.end));
                let bar = Rectangle::new([(from, low), (to, high)], color(0).mix(0.85).filled());
                (from < to && low <= high).then_some(bar)
            });
            chart.draw_series(bars).map_err(drawing_error)?;
            Ok::<(), candle_core::Error>(())
        })?;
        Ok(figure.described(format!(
            "a histogram of {} values in {bins} bins",
            values.len()
        )))
    }
}

/// The number of values in each bin; the last bin has its upper end in it.
fn count(values: &[f64], start: f64, width: f64, bins: usize) -> Vec<usize> {
    let mut counts = vec![0; bins];
    for value in values {
        let index = ((value - start) / width) as usize;
        counts[index.min(bins - 1)] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once() {
        assert_eq!(count(&[0.0, 0.4, 0.5, 1.0], 0.0, 0.5, 2), [2, 2]);
        assert!(histogram([f64::NAN]).draw().is_err());
        assert!(histogram([3, 3, 3]).draw().is_ok());
    }
}
