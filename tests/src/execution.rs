//! What a cell has shown, to be asserted piece by piece.

use std::collections::VecDeque;

use serde_json::Value;

/// A broadcast of a cell.
#[derive(Clone, Debug)]
pub struct Output {
    pub msg_type: String,
    pub content: Value,
}

/// A cell that has ended. Every output must be asserted before this is dropped.
#[derive(Debug)]
pub struct Execution {
    pub reply: Value,
    pub metadata: Value,
    outputs: VecDeque<Output>,
}

impl Execution {
    pub fn new(reply: Value, metadata: Value, outputs: VecDeque<Output>) -> Execution {
        Execution {
            reply,
            metadata,
            outputs,
        }
    }

    #[track_caller]
    fn next(&mut self, msg_type: &str) -> Value {
        let output = self
            .outputs
            .pop_front()
            .unwrap_or_else(|| panic!("expected {msg_type}, there is nothing more"));
        assert_eq!(output.msg_type, msg_type, "{}", output.content);
        output.content
    }

    /// The next outputs are this text on this stream, in one message or several.
    #[track_caller]
    pub fn stream(mut self, name: &str, text: &str) -> Execution {
        assert_eq!(self.take_stream(name), text);
        self
    }

    /// The next outputs are text on this stream that has these parts in it.
    #[track_caller]
    pub fn stream_with(mut self, name: &str, parts: &[&str]) -> Execution {
        let text = self.take_stream(name);
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        self
    }

    /// All text on a stream, wherever it stands among the outputs.
    pub fn text(&self, name: &str) -> String {
        let texts = self
            .outputs
            .iter()
            .filter(|output| output.msg_type == "stream" && output.content["name"] == name);
        texts
            .filter_map(|output| output.content["text"].as_str())
            .collect()
    }

    /// The traceback of the error that it ended with, without colors.
    pub fn traceback(&self) -> String {
        let lines = self.reply["traceback"].as_array();
        let lines = lines.into_iter().flatten().filter_map(Value::as_str);
        without_colors(&lines.collect::<Vec<_>>().join("\n"))
    }

    #[track_caller]
    fn take_stream(&mut self, name: &str) -> String {
        let mut text = String::new();
        while self
            .outputs
            .front()
            .is_some_and(|next| next.msg_type == "stream" && next.content["name"] == name)
        {
            text.push_str(self.next("stream")["text"].as_str().unwrap());
        }
        text
    }

    /// The next output is a result with this plain text.
    #[track_caller]
    pub fn result(mut self, text: &str) -> Execution {
        let content = self.next("execute_result");
        assert_eq!(content["data"]["text/plain"], text);
        self
    }

    /// The next output is a display with this content of this type.
    #[track_caller]
    pub fn display(mut self, mime: &str, text: &str) -> Execution {
        let content = self.next("display_data");
        assert_eq!(content["data"][mime], text);
        self
    }

    /// The next output is of this type; returns its content.
    #[track_caller]
    pub fn output(&mut self, msg_type: &str) -> Value {
        self.next(msg_type)
    }

    /// The last output is an error with this name, and these parts in its traceback, colors left out.
    #[track_caller]
    pub fn error(mut self, name: &str, parts: &[&str]) {
        let content = self.next("error");
        let lines: Vec<&str> = content["traceback"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let text = without_colors(&lines.join("\n"));
        assert_eq!(content["ename"], name, "{text}");
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        for field in ["ename", "evalue", "traceback"] {
            assert_eq!(
                self.reply[field], content[field],
                "the reply repeats {field}"
            );
        }
        self.nothing_more();
    }

    /// The cell succeeded and there is nothing that was not asserted.
    #[track_caller]
    pub fn ok(self) {
        assert_eq!(self.reply["status"], "ok", "{}", self.reply);
        self.nothing_more();
    }

    /// There is nothing that was not asserted.
    #[track_caller]
    pub fn nothing_more(self) {
        assert!(self.outputs.is_empty(), "not asserted: {:?}", self.outputs);
    }

    /// Whatever it has shown.
    pub fn any_end(mut self) {
        self.rest();
    }

    /// The outputs that were not asserted yet.
    pub fn rest(&mut self) -> Vec<Output> {
        self.outputs.drain(..).collect()
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.outputs.is_empty(), "not asserted: {:?}", self.outputs);
        }
    }
}

/// A text without the sequences that color it in a terminal.
pub fn without_colors(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('\u{1b}') {
        plain.push_str(&rest[..start]);
        let end = rest[start..]
            .find('m')
            .map_or(rest.len(), |end| start + end + 1);
        rest = &rest[end..];
    }
    plain + rest
}
