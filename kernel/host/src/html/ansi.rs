//! Terminal colours as HTML.

use super::escape;

/// Turns the colour sequences of a text into spans with classes; other sequences are dropped.
pub fn to_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    let mut style = Style::default();
    let mut rest = text;
    while let Some(start) = rest.find('\u{1b}') {
        push(&mut html, &rest[..start], &style);
        rest = &rest[start + 1..];
        let Some(body) = rest.strip_prefix('[') else {
            continue;
        };
        let Some(end) = body.find(|last: char| ('@'..='~').contains(&last)) else {
            return html;
        };
        if body.as_bytes()[end] == b'm' {
            style.apply(&body[..end]);
        }
        rest = &body[end + 1..];
    }
    push(&mut html, rest, &style);
    html
}

#[derive(Default)]
struct Style {
    bold: bool,
    colour: Option<u8>,
}

impl Style {
    fn apply(&mut self, codes: &str) {
        let mut codes = codes.split(';').map(|code| code.parse::<u8>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Style::default(),
                1 => self.bold = true,
                22 => self.bold = false,
                30..=37 => self.colour = Some(code - 30),
                90..=97 => self.colour = Some(code - 90),
                39 => self.colour = None,
                // Colours of the 256-colour palette; the first sixteen are the plain ones.
                38 | 48 => match codes.next() {
                    Some(5) => {
                        let index = codes.next().unwrap_or(0);
                        if code == 38 {
                            self.colour = (index < 16).then_some(index % 8);
                        }
                    }
                    Some(2) => {
                        codes.nth(2);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

fn push(html: &mut String, text: &str, style: &Style) {
    if text.is_empty() {
        return;
    }
    let mut classes = Vec::new();
    if style.bold {
        classes.push("bold".to_owned());
    }
    if let Some(colour) = style.colour {
        classes.push(format!("ansi{colour}"));
    }
    if classes.is_empty() {
        html.push_str(&escape(text));
    } else {
        html.push_str(&format!(
            "<span class=\"{}\">{}</span>",
            classes.join(" "),
            escape(text)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_classes_and_the_rest_is_escaped() {
        assert_eq!(
            to_html("a<\u{1b}[1;31mred\u{1b}[0m>\u{1b}[38;5;12mx\u{1b}[2K\u{1b}[39my"),
            "a&lt;<span class=\"bold ansi1\">red</span>&gt;<span class=\"ansi4\">x</span>y"
        );
        assert_eq!(to_html("cut \u{1b}[1"), "cut ");
    }
}
