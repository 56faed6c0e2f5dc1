//! Asking the user.

use std::io;

use crate::channel;

/// Asks the user for a line of text.
///
/// # Errors
///
/// Fails where nobody can be asked, as when a notebook is executed by a program.
pub fn input(prompt: &str) -> io::Result<String> {
    channel::request_input(prompt, false)
}

/// Asks the user for a password; what is typed is not shown.
///
/// # Errors
///
/// As [`input`].
pub fn password(prompt: &str) -> io::Result<String> {
    channel::request_input(prompt, true)
}
