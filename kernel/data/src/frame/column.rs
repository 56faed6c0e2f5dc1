//! A column of a frame.

use candle_core::bail;
use patchbay_show::Result;

use crate::time::Zone;

/// What a column's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Numbers.
    Float,
    /// Whole numbers.
    Integer,
    /// True or false.
    Boolean,
    /// Points in time, in seconds since 1970.
    Time,
    /// Texts.
    Text,
}

impl ColumnType {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Float => "float",
            ColumnType::Integer => "integer",
            ColumnType::Boolean => "boolean",
            ColumnType::Time => "time",
            ColumnType::Text => "text",
        }
    }
}

/// The values of a column. Where one is missing, a float is NaN, and the others are what [`Column::is_missing`] says is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers.
    Float(Vec<f64>),
    /// Whole numbers.
    Integer(Vec<i64>),
    /// True or false.
    Boolean(Vec<bool>),
    /// Seconds since 1970.
    Time(Vec<i64>),
    /// Texts.
    Text(Vec<String>),
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    name: String,
    values: Values,
    /// Which are missing, where some are that are no floats.
    missing: Option<Vec<bool>>,
    /// The clock of times.
    zone: Zone,
}

impl Column {
    /// Of numbers, of which NaN is missing.
    pub fn floats(name: impl Into<String>, values: Vec<f64>) -> Column {
        Column::new(name, Values::Float(values))
    }

    /// Of whole numbers.
    pub fn integers(name: impl Into<String>, values: Vec<i64>) -> Column {
        Column::new(name, Values::Integer(values))
    }

    /// Of texts.
    pub fn texts<T: Into<String>>(name: impl Into<String>, values: Vec<T>) -> Column {
        Column::new(
            name,
            Values::Text(values.into_iter().map(Into::into).collect()),
        )
    }

    /// Of seconds since 1970, shown in UTC.
    pub fn times(name: impl Into<String>, values: Vec<i64>) -> Column {
        Column::new(name, Values::Time(values))
    }

    /// Of values of which none is missing but NaN.
    pub fn new(name: impl Into<String>, values: Values) -> Column {
        Column {
            name: name.into(),
            values,
            missing: None,
            zone: Zone::utc(),
        }
    }

    pub(super) fn with_missing(mut self, missing: Vec<bool>) -> Column {
        self.missing = missing.contains(&true).then_some(missing);
        self
    }

    /// The same times by another clock.
    pub fn in_zone(mut self, zone: Zone) -> Column {
        self.zone = zone;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same column by another name.
    pub fn renamed(mut self, name: impl Into<String>) -> Column {
        self.name = name.into();
        self
    }

    /// Its values.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// What its values are.
    pub fn column_type(&self) -> ColumnType {
        match &self.values {
            Values::Float(_) => ColumnType::Float,
            Values::Integer(_) => ColumnType::Integer,
            Values::Boolean(_) => ColumnType::Boolean,
            Values::Time(_) => ColumnType::Time,
            Values::Text(_) => ColumnType::Text,
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Float(values) => values.len(),
            Values::Integer(values) | Values::Time(values) => values.len(),
            Values::Boolean(values) => values.len(),
            Values::Text(values) => values.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The clock by which times are shown.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether the value of a row is missing.
    pub fn is_missing(&self, row: usize) -> bool {
        match &self.values {
            Values::Float(values) => values[row].is_nan(),
            _ => self.missing.as_ref().is_some_and(|missing| missing[row]),
        }
    }

    /// How many values are missing.
    pub fn missing(&self) -> usize {
        (0..self.len()).filter(|&row| self.is_missing(row)).count()
    }

    pub(super) fn refuse_missing(&self) -> Result<()> {
        match (0..self.len()).find(|&row| self.is_missing(row)) {
            Some(row) => bail!(
                "the column {} misses {} values, the first in row {row}: frame.drop_missing(&[\"{0}\"])? leaves such rows out{}",
                self.name,
                self.missing(),
                match self.values {
                    Values::Text(_) | Values::Time(_) => String::new(),
                    _ => format!(
                        ", frame.fill_missing(\"{}\", 0.0)? puts a number there",
                        self.name
                    ),
                }
            ),
            None => Ok(()),
        }
    }

    /// The values as numbers, NaN where one is missing: booleans as 0 and 1, times as seconds since 1970.
    ///
    /// # Errors
    ///
    /// Fails for texts.
    pub fn numbers(&self) -> Result<Vec<f64>> {
        let missing = |row: usize| self.missing.as_ref().is_some_and(|missing| missing[row]);
        let present = |row: usize, value: f64| if missing(row) { f64::NAN } else { value };
        Ok(match &self.values {
            Values::Float(values) => values.clone(),
            Values::Integer(values) | Values::Time(values) => {
                let numbers = values.iter().enumerate();
                numbers
                    .map(|(row, &value)| present(row, value as f64))
                    .collect()
            }
            Values::Boolean(values) => {
                let numbers = values.iter().enumerate();
                numbers
                    .map(|(row, &value)| present(row, f64::from(u8::from(value))))
                    .collect()
            }
            Values::Text(_) => bail!(
                "the column {} has texts, no numbers: data::Categories::of(&frame, \"{0}\")? gives each text an index",
                self.name
            ),
        })
    }

    /// The value of a row as a text; empty where it is missing.
    pub fn text(&self, row: usize) -> String {
        if self.is_missing(row) {
            return String::new();
        }
        match &self.values {
            Values::Float(values) => values[row].to_string(),
            Values::Integer(values) => values[row].to_string(),
            Values::Boolean(values) => values[row].to_string(),
            Values::Time(values) => self.zone.format_with_offset(values[row]),
            Values::Text(values) => values[row].clone(),
        }
    }

    pub(super) fn shown(&self, row: usize) -> String {
        const LONGEST: usize = 60;
        match &self.values {
            _ if self.is_missing(row) => "-".to_owned(),
            Values::Float(values) => super::shown_number(values[row]),
            Values::Text(values) if values[row].chars().count() > LONGEST => {
                let begin: String = values[row].chars().take(LONGEST).collect();
                format!("{begin}...")
            }
            _ => self.text(row),
        }
    }

    pub(super) fn take(&self, rows: &[usize]) -> Column {
        fn taken<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| values[row].clone()).collect()
        }
        Column {
            name: self.name.clone(),
            values: match &self.values {
                Values::Float(values) => Values::Float(taken(values, rows)),
                Values::Integer(values) => Values::Integer(taken(values, rows)),
                Values::Time(values) => Values::Time(taken(values, rows)),
                Values::Boolean(values) => Values::Boolean(taken(values, rows)),
                Values::Text(values) => Values::Text(taken(values, rows)),
            },
            missing: self
                .missing
                .as_ref()
                .map(|missing| taken(missing, rows))
                .filter(|missing| missing.contains(&true)),
            zone: self.zone.clone(),
        }
    }
}
