//! What an error says, without the places in the program that `RUST_BACKTRACE=1` adds.

use candle_core::Error;

/// The message alone: it becomes part of another, or is kept.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::WithBacktrace { inner, .. } => reason(inner),
        error => error.to_string(),
    }
}
