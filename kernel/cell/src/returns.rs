//! What a `return` at the top level of a cell gives back. The engine writes the calls.

use std::error::Error;

use crate::cell::CellError;

/// A value that a cell may return: nothing, or a result.
#[diagnostic::on_unimplemented(
    message = "a cell returns nothing, or a `Result<(), E>`, not `{Self}`",
    note = "to show a value, write it as the last expression of the cell"
)]
pub trait Returned {
    /// The end of the cell.
    ///
    /// # Errors
    ///
    /// Returns the error that the cell ends with.
    fn end(self) -> Result<(), CellError>;
}

impl Returned for () {
    fn end(self) -> Result<(), CellError> {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error>>> Returned for Result<(), E> {
    #[track_caller]
    fn end(self) -> Result<(), CellError> {
        match self {
            Ok(()) => Ok(()),
            Err(error) => Err(CellError::from(error)),
        }
    }
}

/// Ends a cell with what `return` was given.
///
/// # Errors
///
/// Returns the error that the cell ends with.
#[track_caller]
pub fn value(returned: impl Returned) -> Result<(), CellError> {
    returned.end()
}
