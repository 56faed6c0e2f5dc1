//! Completion and inspection, as the protocol has them: places are counted in characters.

use std::sync::Arc;

use patchbay_contract::Completions;
use serde_json::{Value, json};

use super::{kernel::Kernel, sockets::Channel};
use crate::wire::Message;
use patchbay_contract::panics::caught_content;

/// Answers a `complete_request` or an `inspect_request`.
pub async fn answer(request: Message, channel: Channel, kernel: Arc<Kernel>) {
    kernel.status(&request, "busy");
    let code = request.content["code"].as_str().unwrap_or_default();
    let cursor = byte_of(code, request.content["cursor_pos"].as_u64());
    let content = caught_content(async {
        if request.header.msg_type == "complete_request" {
            matches(code, &kernel.control.complete(code, cursor).await)
        } else {
            description(kernel.control.inspect(code, cursor).await)
        }
    });
    let content = content.await;
    channel.send(&kernel.reply(&request, content)).await;
    kernel.status(&request, "idle");
    kernel.repeat_busy();
}

fn matches(code: &str, found: &Completions) -> Value {
    let start = character_of(code, found.start);
    let end = character_of(code, found.end);
    let matches: Vec<&str> = found.items.iter().map(|item| item.text.as_str()).collect();
    let types: Vec<Value> = found
        .items
        .iter()
        .map(|item| {
            json!({
                "text": item.text, "type": item.kind, "signature": item.signature,
                "start": start, "end": end,
            })
        })
        .collect();
    json!({
        "status": "ok", "matches": matches, "cursor_start": start, "cursor_end": end,
        "metadata": { "_jupyter_types_experimental": types },
    })
}

fn description(markdown: Option<String>) -> Value {
    match markdown {
        Some(text) => json!({
            "status": "ok", "found": true,
            "data": { "text/plain": text, "text/markdown": text }, "metadata": {},
        }),
        None => json!({ "status": "ok", "found": false, "data": {}, "metadata": {} }),
    }
}

/// The byte of a character; the end where there is no such character.
fn byte_of(text: &str, character: Option<u64>) -> usize {
    character
        .and_then(|character| usize::try_from(character).ok())
        .and_then(|character| text.char_indices().nth(character))
        .map_or(text.len(), |(byte, _)| byte)
}

fn character_of(text: &str, byte: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < byte).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let text = "größe.l";
        assert_eq!(byte_of(text, Some(6)), 8);
        assert_eq!(character_of(text, 8), 6);
        assert_eq!(byte_of(text, Some(99)), text.len());
        assert_eq!(byte_of(text, None), text.len());
    }
}
