//! Outputs as broadcast messages.

use patchbay_contract::{SessionEvent, StreamName};
use serde_json::{Value, json};

/// Returns the type and the content of an output's message; `None` where it has no message of its own.
pub fn broadcast(
    event: &SessionEvent,
    execution_count: Option<u32>,
) -> Option<(&'static str, Value)> {
    Some(match event {
        SessionEvent::Stream { name, text } => {
            let name = match name {
                StreamName::Stdout => "stdout",
                StreamName::Stderr => "stderr",
            };
            ("stream", json!({ "name": name, "text": text }))
        }
        SessionEvent::Display {
            bundle,
            display_id,
            update,
        } => {
            let transient = match display_id {
                Some(id) => json!({ "display_id": id }),
                None => json!({}),
            };
            let msg_type = if *update {
                "update_display_data"
            } else {
                "display_data"
            };
            let content =
                json!({ "data": bundle.data, "metadata": bundle.metadata, "transient": transient });
            (msg_type, content)
        }
        SessionEvent::Result { bundle } => (
            "execute_result",
            json!({
                "data": bundle.data,
                "metadata": bundle.metadata,
                "execution_count": execution_count.unwrap_or_default(),
            }),
        ),
        SessionEvent::Clear { wait } => ("clear_output", json!({ "wait": wait })),
        SessionEvent::NextInput { .. }
        | SessionEvent::InputRequest { .. }
        | SessionEvent::Comm(_)
        | SessionEvent::CommsLost
        | SessionEvent::Barrier(_) => return None,
    })
}
