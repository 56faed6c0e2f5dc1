//! How tensors are shown: values as in NumPy, with shape, type, device and statistics.

use std::ops::Deref;

use candle_core::{CpuStorage, DType, Device, Storage, Tensor, Var};
use patchbay_protocol::MimeBundle;

use crate::{
    show::{self, Show},
    table::escape,
};

/// Findings of one pass over a tensor. Minimum, maximum and mean are over the finite values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// The least finite value.
    pub min: f64,
    /// The largest finite value.
    pub max: f64,
    /// The mean of the finite values.
    pub mean: f64,
    /// The number of values that are not numbers.
    pub nan: usize,
    /// The number of infinite values.
    pub infinite: usize,
    /// The number of finite values.
    pub finite: usize,
}

impl Statistics {
    /// The statistics of a tensor of any shape.
    ///
    /// # Errors
    ///
    /// Fails where the values cannot be brought to the CPU.
    pub fn of(tensor: &Tensor) -> crate::Result<Statistics> {
        let tensor = tensor.detach().to_device(&Device::Cpu)?.contiguous()?;
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cpu(storage) = storage.deref() else {
            candle_core::bail!("a tensor on the CPU has storage of another device");
        };
        let range = layout.start_offset()..layout.start_offset() + layout.shape().elem_count();
        Ok(match storage {
            CpuStorage::U8(values) => scan(values[range].iter().map(|&value| f64::from(value))),
            CpuStorage::U32(values) => scan(values[range].iter().map(|&value| f64::from(value))),
            CpuStorage::I64(values) => scan(values[range].iter().map(|&value| value as f64)),
            CpuStorage::F32(values) => scan(values[range].iter().map(|&value| f64::from(value))),
            CpuStorage::F64(values) => scan(values[range].iter().copied()),
            CpuStorage::F16(values) => scan(values[range].iter().map(|value| value.to_f64())),
            CpuStorage::BF16(values) => scan(values[range].iter().map(|value| value.to_f64())),
            _ => {
                let values = tensor
                    .to_dtype(DType::F64)?
                    .flatten_all()?
                    .to_vec1::<f64>()?;
                scan(values.into_iter())
            }
        })
    }
}

fn scan(values: impl Iterator<Item = f64>) -> Statistics {
    let mut found = Statistics {
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        ..Statistics::default()
    };
    let mut sum = 0.0;
    for value in values {
        if value.is_finite() {
            found.finite += 1;
            sum += value;
            found.min = found.min.min(value);
            found.max = found.max.max(value);
        } else if value.is_nan() {
            found.nan += 1;
        } else {
            found.infinite += 1;
        }
    }
    found.mean = sum / found.finite as f64;
    found
}

impl Show for Tensor {
    fn show(&self) -> MimeBundle {
        let tensor = self.detach();
        let values = values_text(&tensor);
        let summary = summary(&tensor);
        let html = format!(
            "<pre style=\"margin:0\">{}</pre><div style=\"opacity:.7;font-size:90%\">{}</div>",
            escape(&values),
            escape(&summary)
        );
        show::bundle(format!("{values}\n{summary}"), "text/html", html)
    }
}

impl Show for Var {
    fn show(&self) -> MimeBundle {
        self.as_tensor().show()
    }
}

/// The values as candle prints them, which is how NumPy does it, without candle's last line: it is
/// what the summary says.
fn values_text(tensor: &Tensor) -> String {
    if tensor.elem_count() == 0 {
        return "[]".to_owned();
    }
    let text = tensor.to_string();
    match text.rsplit_once('\n') {
        Some((values, last)) if last.starts_with("Tensor[") => values.to_owned(),
        _ => text,
    }
}

/// Shape, type, device and statistics in one line, for instance
/// `Tensor [2, 3] f32 on cpu, min 0, max 5, mean 2.5`.
fn summary(tensor: &Tensor) -> String {
    let device = match tensor.device() {
        Device::Cpu => "cpu".to_owned(),
        device => format!("{:?}", device.location()).to_lowercase(),
    };
    let mut text = format!(
        "Tensor {:?} {} on {device}",
        tensor.dims(),
        tensor.dtype().as_str()
    );
    let Ok(found) = Statistics::of(tensor) else {
        return text;
    };
    if found.finite > 0 && tensor.rank() > 0 {
        text.push_str(&format!(
            ", min {}, max {}, mean {}",
            number(found.min),
            number(found.max),
            number(found.mean)
        ));
    }
    if found.nan > 0 {
        text.push_str(&format!(", {} NaN", found.nan));
    }
    if found.infinite > 0 {
        text.push_str(&format!(", {} infinite", found.infinite));
    }
    text
}

/// A number with at most five significant digits.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e6).contains(&size) {
        format!("{value:.3e}")
    } else {
        let decimals = usize::try_from((4.0 - size.log10().floor()).max(0.0) as i64).unwrap_or(0);
        let text = format!("{value:.decimals$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(tensor: &Tensor) -> String {
        tensor.show().data["text/plain"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_matrix_is_shown_with_its_statistics() {
        let tensor = Tensor::arange(0f32, 6., &Device::Cpu)
            .unwrap()
            .reshape((2, 3))
            .unwrap();
        assert_eq!(
            plain(&tensor),
            "[[0., 1., 2.],\n [3., 4., 5.]]\nTensor [2, 3] f32 on cpu, min 0, max 5, mean 2.5"
        );
    }

    #[test]
    fn views_are_scanned_where_they_begin() {
        let tensor = Tensor::arange(0i64, 10, &Device::Cpu)
            .unwrap()
            .narrow(0, 4, 3)
            .unwrap();
        let found = Statistics::of(&tensor).unwrap();
        assert_eq!((found.min, found.max, found.mean), (4.0, 6.0, 5.0));
        let transposed = Tensor::arange(0f64, 6., &Device::Cpu)
            .unwrap()
            .reshape((2, 3))
            .unwrap()
            .t()
            .unwrap();
        assert_eq!(Statistics::of(&transposed).unwrap().mean, 2.5);
    }

    #[test]
    fn what_is_not_finite_is_counted_and_left_out_of_the_mean() {
        let tensor = Tensor::new(&[1f32, f32::NAN, f32::INFINITY, 3.0], &Device::Cpu).unwrap();
        let found = Statistics::of(&tensor).unwrap();
        assert_eq!((found.mean, found.nan, found.infinite), (2.0, 1, 1));
        assert!(plain(&tensor).ends_with("min 1, max 3, mean 2, 1 NaN, 1 infinite"));
    }

    #[test]
    fn scalars_and_empty_tensors_and_other_types() {
        let scalar = Tensor::new(2.5f64, &Device::Cpu).unwrap();
        assert!(
            plain(&scalar).starts_with("[2.5") && plain(&scalar).ends_with("Tensor [] f64 on cpu")
        );
        let empty = Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(plain(&empty), "[]\nTensor [0, 3] f32 on cpu");
        for dtype in [DType::F16, DType::BF16, DType::U8, DType::U32] {
            let tensor = Tensor::ones(3, DType::F32, &Device::Cpu)
                .unwrap()
                .to_dtype(dtype)
                .unwrap();
            assert_eq!(Statistics::of(&tensor).unwrap().mean, 1.0, "{dtype:?}");
        }
    }

    #[test]
    fn numbers_have_five_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1234.5678, "1234.6"),
            (0.00012345678, "0.00012346"),
            (1e7, "1.000e7"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
