//! Text as HTML.

/// Text as HTML, fit for the inside of elements and of attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    escape_to(text, &mut escaped);
    escaped
}

/// [`escape`], appended.
pub fn escape_to(text: &str, html: &mut String) {
    html.reserve(text.len());
    for character in text.chars() {
        escape_into(html, character);
    }
}

pub fn escape_into(html: &mut String, character: char) {
    match character {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        // Control characters have no place in HTML.
        '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f' => html.push('\u{fffd}'),
        _ => html.push(character),
    }
}
