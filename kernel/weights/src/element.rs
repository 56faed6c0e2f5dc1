//! The elements of tensors in files.

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    /// Of elements of this size, which are no floats.
    Other(usize),
}

impl Kind {
    pub(crate) fn of(class: &str) -> Option<Kind> {
        let (_, class) = class.rsplit_once(' ')?;
        Some(match class {
            "FloatStorage" => Kind::F32,
            "DoubleStorage" => Kind::F64,
            "HalfStorage" => Kind::F16,
            "BFloat16Storage" => Kind::Bf16,
            "ComplexDoubleStorage" => Kind::Other(16),
            "LongStorage" | "ComplexFloatStorage" => Kind::Other(8),
            "IntStorage" | "QInt32Storage" => Kind::Other(4),
            "ShortStorage" => Kind::Other(2),
            "ByteStorage" | "CharStorage" | "BoolStorage" | "QInt8Storage" | "QUInt8Storage"
            | "UntypedStorage" => Kind::Other(1),
            _ => return None,
        })
    }

    pub(crate) fn size(self) -> usize {
        match self {
            Kind::F16 | Kind::Bf16 => 2,
            Kind::F32 => 4,
            Kind::F64 => 8,
            Kind::Other(size) => size,
        }
    }
}

pub(crate) fn element(bytes: &[u8], kind: Kind) -> f32 {
    match (kind, bytes) {
        (Kind::F32, &[a, b, c, d, ..]) => f32::from_le_bytes([a, b, c, d]),
        (Kind::F64, &[a, b, c, d, e, f, g, h, ..]) => {
            f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
        }
        (Kind::Bf16, &[a, b, ..]) => f32::from_le_bytes([0, 0, a, b]),
        (Kind::F16, &[a, b, ..]) => half(u16::from_le_bytes([a, b])),
        _ => f32::NAN,
    }
}

/// IEEE half precision.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        assert_eq!(
            [0x3c00, 0xc000, 0x0001, 0x7bff].map(half),
            [1.0, -2.0, 2f32.powi(-24), 65504.0]
        );
        assert!(half(0x7e00).is_nan() && half(0xfc00) == f32::NEG_INFINITY);
    }
}
