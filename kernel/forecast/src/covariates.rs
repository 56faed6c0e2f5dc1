//! Covariates of series: where they come from, their scale, and their values by row.

use candle_core::bail;

use super::{
    Frame, Frequency, Zone,
    scaler::{Scaler, scaled},
};
use patchbay_show::Result;

/// One call of `with_time_features`, `with_known` or `with_observed`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// The seven calendar features, which exist for any time.
    Calendar,
    /// Columns that all series share; the first value is of the data's first row, and there may be more than rows.
    Columns {
        names: Vec<String>,
        columns: Vec<Vec<f64>>,
        scaler: Scaler,
    },
    /// One covariate with a column for each series, and one scale.
    BySeries {
        name: String,
        columns: Vec<Vec<f64>>,
        scaler: Scaler,
    },
}

/// What a forecaster must find again: which covariates, in which order, in which scale.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SourceScale {
    /// `calendar`, `columns` or `by_series`.
    pub kind: &'static str,
    pub names: Vec<String>,
    pub scaler: Scaler,
}

impl Source {
    pub(super) fn count(&self) -> usize {
        match self {
            Source::Calendar => 7,
            Source::Columns { names, .. } => names.len(),
            Source::BySeries { .. } => 1,
        }
    }

    pub(super) fn scale(&self) -> SourceScale {
        match self {
            Source::Calendar => SourceScale {
                kind: "calendar",
                names: Vec::new(),
                scaler: Scaler {
                    means: Vec::new(),
                    deviations: Vec::new(),
                },
            },
            Source::Columns { names, scaler, .. } => SourceScale {
                kind: "columns",
                names: names.clone(),
                scaler: scaler.clone(),
            },
            Source::BySeries { name, scaler, .. } => SourceScale {
                kind: "by_series",
                names: vec![name.clone()],
                scaler: scaler.clone(),
            },
        }
    }

    /// The same values in another scale.
    fn in_scale(&self, scale: &SourceScale) -> Source {
        let mut source = self.clone();
        match &mut source {
            Source::Calendar => {}
            Source::Columns { scaler, .. } | Source::BySeries { scaler, .. } => {
                *scaler = scale.scaler.clone();
            }
        }
        source
    }

    /// How many rows it has values for; none: any number.
    fn rows(&self) -> Option<usize> {
        match self {
            Source::Calendar => None,
            Source::Columns { columns, .. } | Source::BySeries { columns, .. } => {
                columns.first().map(Vec::len)
            }
        }
    }

    fn label(&self) -> String {
        match self {
            Source::Calendar => "the calendar".to_owned(),
            Source::Columns { names, .. } => names.join(", "),
            Source::BySeries { name, .. } => name.clone(),
        }
    }

    /// Appends the values of a row for a series.
    fn push(&self, row: usize, series: usize, time: i64, zone: &Zone, values: &mut Vec<f32>) {
        match self {
            Source::Calendar => values.extend(zone.time_features(time)),
            Source::Columns {
                columns, scaler, ..
            } => {
                let scaled =
                    |(index, column): (usize, &Vec<f64>)| scaler.scale(index, column[row]) as f32;
                values.extend(columns.iter().enumerate().map(scaled));
            }
            Source::BySeries {
                columns, scaler, ..
            } => values.push(scaler.scale(0, columns[series][row]) as f32),
        }
    }
}

/// Covariates of all rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Covariates {
    pub sources: Vec<Source>,
    pub count: usize,
    /// Row by row: one table for all series, or one for each where they differ.
    tables: Vec<Vec<f32>>,
}

impl Covariates {
    /// Of these sources, for rows at these times.
    pub(super) fn new(
        sources: Vec<Source>,
        times: &[i64],
        zone: &Zone,
        series: usize,
    ) -> Result<Covariates> {
        let differ = sources
            .iter()
            .any(|source| matches!(source, Source::BySeries { .. }));
        for source in &sources {
            // The scale must give finite numbers for all rows.
            match source {
                Source::Calendar => {}
                Source::Columns {
                    names,
                    columns,
                    scaler,
                } => {
                    for (index, (name, column)) in names.iter().zip(columns).enumerate() {
                        scaled(scaler, index, name, column)?;
                    }
                }
                Source::BySeries {
                    name,
                    columns,
                    scaler,
                } => {
                    for column in columns {
                        scaled(scaler, 0, name, column)?;
                    }
                }
            }
        }
        let tables = (0..if differ { series } else { 1 })
            .map(|series| {
                let mut values = Vec::new();
                for (row, &time) in times.iter().enumerate() {
                    for source in &sources {
                        source.push(row, series, time, zone, &mut values);
                    }
                }
                values
            })
            .collect();
        Ok(Covariates {
            count: sources.iter().map(Source::count).sum(),
            sources,
            tables,
        })
    }

    pub(super) fn in_scale(
        &self,
        scales: &[SourceScale],
        times: &[i64],
        zone: &Zone,
        series: usize,
    ) -> Result<Covariates> {
        let sources = self
            .sources
            .iter()
            .zip(scales)
            .map(|(source, scale)| source.in_scale(scale))
            .collect();
        Covariates::new(sources, times, zone, series)
    }

    /// The table of a series: `count` values a row.
    pub(super) fn table(&self, series: usize) -> &[f32] {
        match &self.tables[..] {
            [] => &[],
            [shared] => shared,
            tables => &tables[series],
        }
    }

    /// The values of rows behind the last: `until` is the row before which they end.
    ///
    /// # Errors
    ///
    /// Fails where a covariate ends before, naming it.
    pub(super) fn beyond(
        &self,
        series: usize,
        until: usize,
        times: &[i64],
        frequency: Frequency,
        zone: &Zone,
    ) -> Result<Vec<f32>> {
        let Some(&last) = times.last() else {
            bail!("there are no rows");
        };
        let mut values = Vec::new();
        for row in times.len()..until {
            let Some(time) = frequency.advance(last, (row + 1 - times.len()) as i64, zone) else {
                bail!("row {row} is beyond the years that calendars have");
            };
            for source in &self.sources {
                if let Some(rows) = source.rows().filter(|&rows| rows <= row) {
                    let wanted = frequency.advance(last, (until - times.len()) as i64, zone);
                    bail!(
                        "the forecast needs the covariate {} up to {}, and it ends with row {rows}, at {}: give \
                         with_known a frame that goes on as far as the forecast",
                        source.label(),
                        zone.format(wanted.unwrap_or(time)),
                        zone.format(
                            frequency
                                .advance(last, rows as i64 - times.len() as i64, zone)
                                .unwrap_or(last)
                        )
                    );
                }
                source.push(row, series, time, zone, &mut values);
            }
        }
        Ok(values)
    }
}

/// The columns of a frame from the row that has the data's first time on.
///
/// # Errors
///
/// Fails where the frame begins after the data, ends before them, or has another step.
pub(super) fn aligned(
    frame: &Frame,
    times: &[i64],
    frequency: Frequency,
    zone: &Zone,
) -> Result<Vec<Vec<f64>>> {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else {
        bail!("there are no rows");
    };
    let (begin, end) = (frame.times().first(), frame.times().last());
    let (Some(&begin), Some(&end)) = (begin, end) else {
        bail!("the frame of covariates has no rows");
    };
    let place = frame
        .times()
        .iter()
        .position(|&time| time == first)
        .filter(|&place| {
            let known = &frame.times()[place..];
            known.len() >= times.len() && known[..times.len()] == *times
        });
    let Some(place) = place else {
        let reason = if !frame.frequency().is_like(&frequency) {
            format!(
                "its step is {}, that of the series {frequency}",
                frame.frequency()
            )
        } else if begin > first {
            "it begins later".to_owned()
        } else if end < last {
            "it ends earlier".to_owned()
        } else {
            "its times lie between those of the series".to_owned()
        };
        bail!(
            "covariates must have the {} times of the series; the frame has {} rows, {} to {}, the series go from {} to {}: \
             {reason} (more rows before and after are welcome)",
            times.len(),
            frame.rows(),
            zone.format(begin),
            zone.format(end),
            zone.format(first),
            zone.format(last)
        );
    };
    frame
        .names()
        .iter()
        .map(|name| Ok(frame.column(name)?[place..].to_vec()))
        .collect()
}

/// Mean and deviation of one covariate over the training rows of all series.
pub(super) fn pooled(
    name: &str,
    columns: &[Vec<f64>],
    train: std::ops::Range<usize>,
) -> Result<Scaler> {
    let all: Vec<f64> = columns
        .iter()
        .flat_map(|column| column[train.clone()].iter().copied())
        .collect();
    Scaler::fit(&[(name, &all)])
}
