//! Columns as tensors.

use candle_core::{Device, Tensor, bail};
use patchbay_show::{Result, device};

use super::{Column, Frame, Values};

impl Frame {
    /// These columns as a tensor `[rows, columns]` of f32, on the default device.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column, for texts, and at missing values.
    ///
    /// ```
    /// use patchbay::prelude::*;
    /// let frame = data::Frame::new(vec![data::Column::floats("x", vec![1.0, 2.0]), data::Column::integers("y", vec![3, 4])])?;
    /// assert_eq!(frame.to_tensor(&["x", "y"])?.to_vec2::<f32>()?, [[1.0, 3.0], [2.0, 4.0]]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    pub fn to_tensor(&self, names: &[&str]) -> Result<Tensor> {
        if names.is_empty() {
            bail!(
                "to_tensor needs a column, for instance &[\"{}\"]",
                self.names().first().copied().unwrap_or("x")
            );
        }
        let columns = names
            .iter()
            .map(|name| self.complete(name))
            .collect::<Result<Vec<_>>>()?;
        let values: Vec<f32> = (0..self.rows)
            .flat_map(|row| columns.iter().map(move |column| column[row] as f32))
            .collect();
        Tensor::from_vec(values, (self.rows, names.len()), &Device::Cpu)?.to_device(&device())
    }

    /// A column as a tensor `[rows]`: integers and times as i64, booleans as u8, floats as f32.
    ///
    /// # Errors
    ///
    /// Fails as [`Frame::to_tensor`].
    pub fn column_tensor(&self, name: &str) -> Result<Tensor> {
        let column: &Column = self.column(name)?;
        column.refuse_missing()?;
        let made = match column.values() {
            Values::Integer(values) | Values::Time(values) => {
                Tensor::from_slice(values, self.rows, &Device::Cpu)?
            }
            Values::Boolean(values) => {
                let bytes: Vec<u8> = values.iter().map(|&value| value.into()).collect();
                Tensor::from_vec(bytes, self.rows, &Device::Cpu)?
            }
            _ => {
                let values: Vec<f32> = self
                    .complete(name)?
                    .into_iter()
                    .map(|value| value as f32)
                    .collect();
                Tensor::from_vec(values, self.rows, &Device::Cpu)?
            }
        };
        made.to_device(&device())
    }

    fn complete(&self, name: &str) -> Result<Vec<f64>> {
        let column = self.column(name)?;
        let numbers = column.numbers()?;
        column.refuse_missing()?;
        Ok(numbers)
    }
}
