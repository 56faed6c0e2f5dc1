//! The answer to `kernel_info_request`.

use serde_json::{Value, json};

use super::Kernel;
use crate::wire::PROTOCOL_VERSION;

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

/// Returns the content of a `kernel_info_reply`.
pub fn content(kernel: &Kernel) -> Value {
    let about = &kernel.about;
    let links: Vec<Value> = about
        .help_links
        .iter()
        .map(|(text, url)| json!({ "text": text, "url": url }))
        .collect();
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": about.implementation,
        "implementation_version": about.implementation_version,
        "language_info": about.language,
        "banner": about.banner,
        "debugger": false,
        "help_links": links,
        "supported_features": ["iopub_welcome", "kernel subshells"],
    })
}
