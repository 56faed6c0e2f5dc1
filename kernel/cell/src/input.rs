//! Asking the user.

use std::io;

use patchbay_protocol::Output;

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

/// Puts a text into a new cell below the one that runs, once it has ended. Of several texts the last one counts; where no
/// front end shows the notebook, nothing happens.
pub fn set_next_input(text: impl Into<String>) {
    channel::output(Output::NextInput { text: text.into() });
}
