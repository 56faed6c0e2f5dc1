//! From the bytes of the runtime's pipes to what front ends show.

use patchbay_protocol::MimeBundle;
use serde_json::Value;

use patchbay_contract::{SessionEvent, StreamName};

/// How much text is gathered before it is sent without waiting for the timer.
const MOST_GATHERED: usize = 256 << 10;

/// The largest content between two marks.
const MOST_CONTENT: usize = 256 << 20;

const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "EVCXR_END_CONTENT";

/// Gathers text into chunks, replaces what is not UTF-8, and takes out the displays that types with
/// an `evcxr_display` method print between two marks.
#[derive(Default)]
pub struct Assembler {
    /// Bytes of an unfinished character, by stream.
    unfinished: [Vec<u8>; 2],
    /// Text that waits to be sent, all of one stream.
    pending: Option<(StreamName, String)>,
    marks: Marks,
    /// Whether the next content between marks is the cell's result.
    result_follows: bool,
    ready: Vec<SessionEvent>,
}

impl Assembler {
    /// Adds bytes that a pipe has given.
    pub fn push(&mut self, name: StreamName, bytes: &[u8]) {
        let slot = &mut self.unfinished[name as usize];
        slot.extend_from_slice(bytes);
        let (text, rest) = decode(slot);
        *slot = rest;
        self.push_text(name, text);
    }

    fn push_text(&mut self, name: StreamName, text: String) {
        if name == StreamName::Stderr {
            self.append(name, &text);
            return;
        }
        for piece in self.marks.push(&text) {
            match piece {
                Piece::Text(text) => self.append(name, &text),
                Piece::Display(bundle) => self.display(bundle),
            }
        }
    }

    /// Notes that the value of the cell's last expression prints itself between marks from here on.
    pub fn result_follows(&mut self) {
        self.result_follows = true;
    }

    fn display(&mut self, bundle: MimeBundle) {
        self.send_pending();
        let is_result = std::mem::take(&mut self.result_follows);
        self.ready.push(match is_result {
            true => SessionEvent::Result { bundle },
            false => SessionEvent::Display {
                bundle,
                display_id: None,
                update: false,
            },
        });
    }

    fn append(&mut self, name: StreamName, text: &str) {
        if text.is_empty() {
            return;
        }
        match &mut self.pending {
            Some((pending, gathered)) if *pending == name => gathered.push_str(text),
            _ => {
                self.send_pending();
                self.pending = Some((name, text.to_owned()));
            }
        }
        if self
            .pending
            .as_ref()
            .is_some_and(|(_, gathered)| gathered.len() >= MOST_GATHERED)
        {
            self.send_pending();
        }
    }

    fn send_pending(&mut self) {
        if let Some((name, text)) = self.pending.take() {
            self.ready.push(SessionEvent::Stream { name, text });
        }
    }

    /// Whether there is text that waits for the timer.
    pub fn is_waiting(&self) -> bool {
        self.pending.is_some() || !self.ready.is_empty()
    }

    /// What is to be sent when the timer fires; parts of a character or of a mark go on waiting.
    pub fn take(&mut self) -> Vec<SessionEvent> {
        self.send_pending();
        std::mem::take(&mut self.ready)
    }

    /// All that there is, before another output or at the end of a cell.
    pub fn take_all(&mut self) -> Vec<SessionEvent> {
        for name in [StreamName::Stdout, StreamName::Stderr] {
            let rest = std::mem::take(&mut self.unfinished[name as usize]);
            let text = String::from_utf8_lossy(&rest).into_owned();
            self.push_text(name, text);
        }
        for piece in self.marks.finish() {
            match piece {
                Piece::Text(text) => self.append(StreamName::Stdout, &text),
                Piece::Display(bundle) => self.display(bundle),
            }
        }
        self.result_follows = false;
        self.take()
    }
}

/// Splits bytes into text, with replacement characters for what is not UTF-8, and the beginning of
/// a character that is not complete yet.
fn decode(bytes: &[u8]) -> (String, Vec<u8>) {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return (text, Vec::new());
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                match error.error_len() {
                    Some(length) => {
                        text.push(char::REPLACEMENT_CHARACTER);
                        rest = &after[length..];
                    }
                    None => return (text, after.to_vec()),
                }
            }
        }
    }
}

enum Piece {
    Text(String),
    Display(MimeBundle),
}

/// The reader of the marks that evcxr's display convention prints.
#[derive(Default)]
struct Marks {
    /// A line that may turn out to be a mark.
    held: String,
    /// Whether the next character begins a line.
    inside_line: bool,
    /// The content that is being read: MIME type and text.
    content: Option<(String, String)>,
    /// Contents that follow each other are forms of one display.
    bundle: MimeBundle,
}

impl Marks {
    fn push(&mut self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for line in text.split_inclusive('\n') {
            self.push_line(line, &mut pieces);
        }
        pieces
    }

    fn push_line(&mut self, line: &str, pieces: &mut Vec<Piece>) {
        if self.content.is_none() && self.inside_line {
            self.inside_line = !line.ends_with('\n');
            pieces.push(Piece::Text(line.to_owned()));
            return;
        }
        self.held.push_str(line);
        let complete = self.held.ends_with('\n');
        if let Some((mime, content)) = &self.content
            && content.len() + self.held.len() > MOST_CONTENT
        {
            // A mark that nothing ends: it was text.
            pieces.push(Piece::Text(format!("{BEGIN}{mime}\n{content}")));
            self.content = None;
            self.end_display(pieces);
            self.inside_line = !complete;
            pieces.push(Piece::Text(std::mem::take(&mut self.held)));
            return;
        }
        if let Some((mime, mut content)) = self.content.take() {
            if !complete {
                self.content = Some((mime, content));
                return;
            }
            let line = std::mem::take(&mut self.held);
            if line.trim_end() == END {
                let content = content.strip_suffix('\n').unwrap_or(&content).to_owned();
                self.bundle.data.insert(mime, Value::String(content));
            } else {
                content.push_str(&line);
                self.content = Some((mime, content));
            }
            return;
        }
        if complete && let Some(mime) = self.held.strip_prefix(BEGIN) {
            let mime = mime.trim().to_owned();
            if self.bundle.data.contains_key(&mime) {
                self.end_display(pieces);
            }
            self.content = Some((mime, String::new()));
            self.held.clear();
        } else if complete || !BEGIN.starts_with(&self.held) && !self.held.starts_with(BEGIN) {
            self.end_display(pieces);
            self.inside_line = !complete;
            pieces.push(Piece::Text(std::mem::take(&mut self.held)));
        }
    }

    fn end_display(&mut self, pieces: &mut Vec<Piece>) {
        if !self.bundle.data.is_empty() {
            pieces.push(Piece::Display(std::mem::take(&mut self.bundle)));
        }
    }

    fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if let Some((mime, content)) = self.content.take() {
            pieces.push(Piece::Text(format!("{BEGIN}{mime}\n{content}")));
        }
        self.end_display(&mut pieces);
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            pieces.push(Piece::Text(held));
        }
        self.inside_line = false;
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(events: Vec<SessionEvent>) -> Vec<String> {
        events
            .into_iter()
            .map(|event| match event {
                SessionEvent::Stream {
                    name: StreamName::Stdout,
                    text,
                } => text,
                SessionEvent::Stream {
                    name: StreamName::Stderr,
                    text,
                } => format!("err:{text}"),
                SessionEvent::Display { bundle, .. } => {
                    serde_json::to_string(&bundle.data).unwrap()
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn text_is_gathered_and_streams_keep_their_order() {
        let mut assembler = Assembler::default();
        assembler.push(StreamName::Stdout, b"a\n");
        assembler.push(StreamName::Stdout, b"b");
        assembler.push(StreamName::Stderr, b"c");
        assembler.push(StreamName::Stdout, b"d");
        assert!(assembler.is_waiting());
        assert_eq!(texts(assembler.take_all()), ["a\nb", "err:c", "d"]);
        assert!(!assembler.is_waiting());
    }

    #[test]
    fn characters_may_be_cut_between_reads_and_bad_bytes_are_replaced() {
        let mut assembler = Assembler::default();
        assembler.push(StreamName::Stdout, &[b'x', 0xc3]);
        assert_eq!(texts(assembler.take()), ["x"]);
        assembler.push(StreamName::Stdout, &[0xa9, 0xff, b'y', 0xe2, 0x82]);
        assert_eq!(texts(assembler.take()), ["é\u{fffd}y"]);
        assert_eq!(texts(assembler.take_all()), ["\u{fffd}"]);
    }

    #[test]
    fn contents_between_marks_are_displays() {
        let mut assembler = Assembler::default();
        let text = "before\nEVCXR_BEGIN_CONTENT text/html\n<b>x</b>\nEVCXR_END_CONTENT\n\
                    EVCXR_BEGIN_CONTENT text/plain\nx\nEVCXR_END_CONTENT\nafter";
        for byte in text.as_bytes() {
            assembler.push(StreamName::Stdout, &[*byte]);
        }
        assert_eq!(
            texts(assembler.take_all()),
            [
                "before\n",
                r#"{"text/html":"<b>x</b>","text/plain":"x"}"#,
                "after"
            ]
        );
    }

    #[test]
    fn words_that_only_begin_like_a_mark_are_text() {
        let mut assembler = Assembler::default();
        assembler.push(StreamName::Stdout, b"EVCXR\nE");
        assert_eq!(texts(assembler.take()), ["EVCXR\n"]);
        assert_eq!(texts(assembler.take_all()), ["E"]);
    }
}
