//! The description of a kernel that the program gives to its server.

use serde_json::Value;

/// What a kernel says of itself and of its language.
#[derive(Clone, Debug)]
pub struct About {
    /// The kernel's name.
    pub implementation: &'static str,
    /// The kernel's version.
    pub implementation_version: &'static str,
    /// The field `language_info` of the reply.
    pub language: Value,
    /// The text that consoles show first.
    pub banner: String,
    /// Titles and addresses for the front end's help menu.
    pub help_links: &'static [(&'static str, &'static str)],
}
