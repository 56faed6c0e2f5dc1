//! Errors of plugins. One type for the whole module.

use std::fmt;

/// An error of the plugin system. Its text says what was expected, what came, and what to do.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<str>);

impl Error {
    #[doc(hidden)]
    pub fn new(message: impl Into<String>) -> Self {
        Error(message.into().into_boxed_str())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The same text as `Display`: this is what `unwrap` in a test prints.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Lets functions that return candle's `Result` use `?` on plugin calls.
impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        candle_core::Error::Msg(error.0.into_string())
    }
}

/// `candle`'s message without the backtrace that its `Display` appends.
pub(crate) fn candle_text(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => candle_text(inner),
        candle_core::Error::Context { inner, context } => {
            format!("{context}: {}", candle_text(inner))
        }
        other => other.to_string(),
    }
}

/// The nearest of `known` to `given`, where one is near enough to be what was meant.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| *distance <= 1 + given.len().max(name.len()) / 3)
        .min()
        .map(|(_, name)| name)
}
