//! The description of a kernel that the program gives to its server.

use serde_json::Value;

/// What a kernel says of itself and of its language.
#[derive(Clone, Debug)]
pub struct About {
    pub implementation: &'static str,
    pub implementation_version: &'static str,
    /// The field `language_info` of the reply.
    pub language: Value,
    pub banner: String,
    /// Titles and addresses for the front end's help menu.
    pub help_links: &'static [(&'static str, &'static str)],
}
