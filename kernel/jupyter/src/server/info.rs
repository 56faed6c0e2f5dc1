//! The answer to `kernel_info_request`.

use serde_json::{Value, json};

use super::kernel::Kernel;
use crate::wire::PROTOCOL_VERSION;

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
