//! Values that a notebook takes from whoever runs it.

use std::{env, sync::OnceLock};

use patchbay_protocol::PARAMETERS_VARIABLE;
use serde_json::{Map, Value};

use crate::Result;
use candle_core::bail;

/// A type that a parameter can have.
pub trait Parameter: Sized {
    /// Description of an expected value, for errors.
    const EXPECTED: &'static str;

    /// The value that was given, if it is one of this type.
    fn read(given: &Value) -> Option<Self>;
}

macro_rules! numbers {
    ($($type:ty: $read:ident),*) => { $(
        impl Parameter for $type {
            const EXPECTED: &'static str = stringify!($type);

            fn read(given: &Value) -> Option<Self> {
                given.$read()?.try_into().ok()
            }
        }
    )* };
}

numbers!(
    i8: as_i64, i16: as_i64, i32: as_i64, i64: as_i64, isize: as_i64, u8: as_u64, u16: as_u64,
    u32: as_u64, u64: as_u64, usize: as_u64, f64: as_f64
);

impl Parameter for f32 {
    const EXPECTED: &'static str = "f32";

    fn read(given: &Value) -> Option<Self> {
        Some(given.as_f64()? as f32)
    }
}

impl Parameter for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(given: &Value) -> Option<Self> {
        given.as_bool()
    }
}

impl Parameter for String {
    const EXPECTED: &'static str = "a text";

    fn read(given: &Value) -> Option<Self> {
        given.as_str().map(str::to_owned)
    }
}

impl Parameter for &'static str {
    const EXPECTED: &'static str = "a text";

    fn read(given: &Value) -> Option<Self> {
        // The few texts that a run is given live as long as its process.
        given.as_str().map(|text| &*text.to_owned().leak())
    }
}

/// The value of a parameter, `default` where none was given: what `let name = default;` becomes in
/// the cell with the tag `parameters` when a notebook is run with `-p name=value`.
///
/// # Errors
///
/// Fails where the value that was given is not of the default's type.
pub fn parameter<T: Parameter>(name: &str, default: T) -> Result<T> {
    static GIVEN: OnceLock<Map<String, Value>> = OnceLock::new();
    let given = GIVEN.get_or_init(|| {
        let text = env::var(PARAMETERS_VARIABLE).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    });
    match given.get(name) {
        None => Ok(default),
        Some(value) => match T::read(value) {
            Some(value) => Ok(value),
            None => bail!(
                "the parameter {name} is {}; it was given {value}",
                T::EXPECTED
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_must_be_of_the_type() {
        assert_eq!(i32::read(&json!(3)), Some(3));
        assert_eq!(u8::read(&json!(300)), None);
        assert_eq!(usize::read(&json!(-1)), None);
        assert_eq!(f64::read(&json!(3)), Some(3.0));
        assert_eq!(f32::read(&json!("3")), None);
        assert_eq!(bool::read(&json!(true)), Some(true));
        assert_eq!(<&str>::read(&json!("a")), Some("a"));
        assert_eq!(parameter("no such", 5).unwrap(), 5);
    }
}
