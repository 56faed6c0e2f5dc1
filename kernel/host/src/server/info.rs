//! What the kernel says of itself.

use serde_json::{Value, json};

use super::Kernel;
use crate::wire::PROTOCOL_VERSION;

/// The content of a `kernel_info_reply`.
pub fn content(kernel: &Kernel) -> Value {
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "patchbay",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": {
            "name": "rust",
            "version": kernel.language_version,
            "mimetype": "text/x-rustsrc",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
            "nbconvert_exporter": "rust",
        },
        "banner": format!(
            "Patchbay {}: Rust cells on candle tensors. %help lists the magics.",
            env!("CARGO_PKG_VERSION")
        ),
        "debugger": false,
        "help_links": [
            { "text": "The Rust book", "url": "https://doc.rust-lang.org/book/" },
            { "text": "Rust's standard library", "url": "https://doc.rust-lang.org/std/" },
            { "text": "candle", "url": "https://docs.rs/candle-core" },
            { "text": "plotters", "url": "https://docs.rs/plotters" },
        ],
        "supported_features": ["iopub_welcome", "kernel subshells"],
    })
}
