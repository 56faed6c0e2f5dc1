//! Texts as indices.

use std::collections::{BTreeSet, HashMap};

use candle_core::bail;
use patchbay_show::Result;
use serde::{Deserialize, Serialize};

use super::{ColumnType, Frame};

/// Which index each text of a column has: learned of one frame, used for others, and kept in a file by serde.
///
/// ```
/// use patchbay::prelude::*;
/// let frame = data::Frame::new(vec![data::Column::texts("eyes", vec!["brown", "blue", "brown"])])?;
/// let eyes = data::Categories::of(&frame, "eyes")?;
/// assert_eq!((eyes.names(), eyes.encode(&frame)?), (&["blue".to_owned(), "brown".to_owned()][..], vec![1, 0, 1]));
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Categories {
    column: String,
    names: Vec<String>,
    unknown: bool,
}

impl Categories {
    /// Of the texts (or whole numbers) of a column, in their order.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, at missing values, and for floats.
    pub fn of(frame: &Frame, column: &str) -> Result<Categories> {
        let values = frame.column(column)?;
        let names: Vec<String> = match values.column_type() {
            ColumnType::Float => bail!("the column {column} has floats, which are no categories"),
            ColumnType::Integer => {
                let numbers: BTreeSet<i64> = values
                    .numbers()?
                    .into_iter()
                    .map(|number| number as i64)
                    .collect();
                values.refuse_missing()?;
                numbers
                    .into_iter()
                    .map(|number| number.to_string())
                    .collect()
            }
            _ => {
                let texts: BTreeSet<String> = frame.texts(column)?.into_iter().collect();
                texts.into_iter().collect()
            }
        };
        Ok(Categories {
            column: column.to_owned(),
            names,
            unknown: false,
        })
    }

    /// What is not among the texts gets one more index, behind the others, in place of an error; missing values, too.
    pub fn with_unknown(mut self) -> Categories {
        self.unknown = true;
        self
    }

    /// The texts in the order of their indices.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many indices there are.
    pub fn len(&self) -> usize {
        self.names.len() + usize::from(self.unknown)
    }

    /// Whether there are no indices.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The indices of the column of the same name.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, and at a text that was not learned, unless [`Categories::with_unknown`] was asked for.
    pub fn encode(&self, frame: &Frame) -> Result<Vec<u32>> {
        let indices: HashMap<&str, u32> = self.names.iter().map(String::as_str).zip(0..).collect();
        let column = frame.column(&self.column)?;
        if !self.unknown {
            column.refuse_missing()?;
        }
        (0..frame.rows())
            .map(|row| match indices.get(column.text(row).as_str()) {
                Some(&index) => Ok(index),
                None if self.unknown => Ok(self.names.len() as u32),
                None => bail!(
                    "the column {} has \"{}\" in row {row}, which is not among {}; .with_unknown() gives such texts an index of their own",
                    self.column,
                    column.text(row),
                    short(&self.names)
                ),
            })
            .collect()
    }

    /// The text of an index; none for one beyond the texts.
    pub fn decode(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(String::as_str)
    }
}

/// Up to ten names.
fn short(names: &[String]) -> String {
    match names.len() {
        0..=10 => names.join(", "),
        count => format!("{} and {} more", names[..10].join(", "), count - 10),
    }
}
