//! Showing values in the middle of a cell, and changing what was shown.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::{Engine, engine::general_purpose::STANDARD};
use patchbay_protocol::{MimeBundle, Output};
use serde_json::Value;

use crate::show::{self, Show};
use patchbay_cell::{channel, interrupt};

/// Shows a value, or what a reference points to, here and now. An interrupt stops the cell here.
///
/// A tensor that is used afterwards is given by reference: `display(&x)`. What was printed before stands above it. The handle
/// changes the display in place, from later cells, too.
pub fn display(value: impl Show) -> DisplayHandle {
    interrupt::check();
    display_always(&value)
}

/// [`display`] for what is drawn while an interrupted cell ends.
pub(crate) fn display_always<T: Show + ?Sized>(value: &T) -> DisplayHandle {
    static SHOWN: AtomicU64 = AtomicU64::new(0);
    // The process id keeps the displays of a restarted runtime apart.
    let number = SHOWN.fetch_add(1, Ordering::Relaxed);
    let handle = DisplayHandle {
        id: format!("patchbay-{}-{number}", std::process::id()),
    };
    handle.send(value.show(), false);
    handle
}

/// Removes what the cell has shown so far; with `wait`, once the next output arrives, so that
/// nothing flickers.
pub fn clear_output(wait: bool) {
    channel::output(Output::Clear { wait });
}

/// A display that can be changed.
#[derive(Clone, Debug)]
pub struct DisplayHandle {
    id: String,
}

impl DisplayHandle {
    /// Puts another value into the place of the one that is shown. An interrupt stops the cell here.
    pub fn update<T: Show + ?Sized>(&self, value: &T) {
        interrupt::check();
        self.update_always(value);
    }

    /// [`DisplayHandle::update`] for what is drawn while an interrupted cell ends.
    pub(crate) fn update_always<T: Show + ?Sized>(&self, value: &T) {
        self.send(value.show(), true);
    }

    /// The id that front ends know the display by.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn send(&self, bundle: MimeBundle, update: bool) {
        channel::output(Output::Display {
            bundle,
            display_id: Some(self.id.clone()),
            update,
        });
    }
}

/// Content of one MIME type, ready to be shown.
#[derive(Clone, Debug)]
pub struct Content {
    mime: &'static str,
    content: Value,
    plain: String,
}

impl Show for Content {
    fn show(&self) -> MimeBundle {
        show::bundle(self.plain.clone(), self.mime, self.content.clone())
    }
}

fn text_content(mime: &'static str, text: impl Into<String>) -> Content {
    let text = text.into();
    Content {
        mime,
        plain: text.clone(),
        content: Value::String(text),
    }
}

/// HTML to show.
pub fn html(text: impl Into<String>) -> Content {
    text_content("text/html", text)
}

/// Markdown to show.
pub fn markdown(text: impl Into<String>) -> Content {
    text_content("text/markdown", text)
}

/// LaTeX to show, with its dollar signs.
pub fn latex(text: impl Into<String>) -> Content {
    text_content("text/latex", text)
}

/// An SVG picture to show.
pub fn svg(text: impl Into<String>) -> Content {
    Content {
        plain: "an SVG picture".to_owned(),
        ..text_content("image/svg+xml", text)
    }
}

/// A PNG picture to show, as the bytes of its file.
pub fn png(bytes: &[u8]) -> Content {
    Content {
        mime: "image/png",
        content: Value::String(STANDARD.encode(bytes)),
        plain: format!("a PNG picture of {} bytes", bytes.len()),
    }
}

/// A JSON value to show as a tree.
pub fn json_tree(value: Value) -> Content {
    Content {
        mime: "application/json",
        plain: value.to_string(),
        content: value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_carry_their_type_and_a_plain_text() {
        let bundle = html("<b>x</b>").show();
        assert_eq!(bundle.data["text/html"], "<b>x</b>");
        assert_eq!(bundle.data["text/plain"], "<b>x</b>");
        let bundle = png(&[1, 2, 3]).show();
        assert_eq!(bundle.data["image/png"], "AQID");
        assert_eq!(bundle.data["text/plain"], "a PNG picture of 3 bytes");
    }
}
