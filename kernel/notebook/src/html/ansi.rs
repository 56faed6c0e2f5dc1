//! Terminal text with ANSI colors as HTML. Reference: ECMA-48, "Select graphic rendition".

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};

use super::escape::escape_into;

/// How many characters of a line can be overwritten. What is before them is written out, so that a line of any length
/// takes little more memory than its text.
const LONGEST_LINE: usize = 1 << 16;

/// Appends the text as HTML: colors and styles as spans, carriage returns and backspaces applied, other
/// escape sequences dropped.
pub fn write_html(text: &str, html: &mut String) {
    let mut parser = Parser::<DefaultCharAccumulator>::new();
    let mut screen = Screen {
        html,
        line: Vec::new(),
        column: 0,
        style: Style::default(),
    };
    for &byte in text.as_bytes() {
        parser.advance(&mut screen, byte);
    }
    screen.end_line();
}

#[cfg(test)]
pub fn to_html(text: &str) -> String {
    let mut html = String::new();
    write_html(text, &mut html);
    html
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Color {
    /// One of the 16 colors that the page's theme defines.
    Named(u8),
    Rgb(u8, u8, u8),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Style {
    foreground: Option<Color>,
    background: Option<Color>,
    bold: bool,
    faint: bool,
    italic: bool,
    underlined: bool,
    struck: bool,
    inverse: bool,
}

/// One line at a time, so that a carriage return can overwrite it.
struct Screen<'a> {
    html: &'a mut String,
    line: Vec<(char, Style)>,
    column: usize,
    style: Style,
}

impl Perform for Screen<'_> {
    fn print(&mut self, character: char) {
        match self.line.get_mut(self.column) {
            Some(place) => *place = (character, self.style),
            None => self.line.push((character, self.style)),
        }
        self.column += 1;
        if self.line.len() >= LONGEST_LINE {
            self.end_line();
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                self.end_line();
                self.html.push('\n');
            }
            b'\r' => self.column = 0,
            b'\t' => self.print('\t'),
            0x08 => self.column = self.column.saturating_sub(1),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, _intermediates: &[u8], _ignore: bool, action: u8) {
        match action {
            b'm' => self.style.apply(params),
            b'K' => match params.iter().next().and_then(|group| group.first()) {
                Some(2) => self.line.clear(),
                Some(1) => {}
                _ => self.line.truncate(self.column),
            },
            _ => {}
        }
        // A cleared line may be shorter than the column at which writing goes on.
        self.column = self.column.min(self.line.len());
    }
}

impl Screen<'_> {
    fn end_line(&mut self) {
        let mut open = Style::default();
        for (character, style) in self.line.drain(..) {
            if style != open {
                close(self.html, open);
                style.open(self.html);
                open = style;
            }
            escape_into(self.html, character);
        }
        close(self.html, open);
        self.column = 0;
    }
}

fn close(html: &mut String, style: Style) {
    if style != Style::default() {
        html.push_str("</span>");
    }
}

impl Style {
    fn apply(&mut self, params: &Params) {
        // `38:5:1` comes as one group, `38;5;1` as three.
        let values: Vec<u16> = params.iter().flatten().copied().collect();
        let mut values = values.into_iter();
        while let Some(value) = values.next() {
            match value {
                0 => *self = Style::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.underlined = true,
                7 => self.inverse = true,
                9 => self.struck = true,
                22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.underlined = false,
                27 => self.inverse = false,
                29 => self.struck = false,
                30..=37 => self.foreground = named(value - 30),
                38 => self.foreground = extended(&mut values).or(self.foreground),
                39 => self.foreground = None,
                40..=47 => self.background = named(value - 40),
                48 => self.background = extended(&mut values).or(self.background),
                49 => self.background = None,
                90..=97 => self.foreground = named(value - 90 + 8),
                100..=107 => self.background = named(value - 100 + 8),
                _ => {}
            }
        }
    }

    fn open(self, html: &mut String) {
        if self == Style::default() {
            return;
        }
        let mut classes = Vec::new();
        let mut css = String::new();
        for (on, class) in [
            (self.bold, "ansi-bold"),
            (self.faint, "ansi-faint"),
            (self.italic, "ansi-italic"),
            (self.underlined, "ansi-underlined"),
            (self.struck, "ansi-struck"),
        ] {
            if on {
                classes.push(class.to_owned());
            }
        }
        let (foreground, background) = match self.inverse {
            true => (self.background, self.foreground),
            false => (self.foreground, self.background),
        };
        if self.inverse && foreground.is_none() {
            classes.push("ansi-inverse-fg".to_owned());
        }
        if self.inverse && background.is_none() {
            classes.push("ansi-inverse-bg".to_owned());
        }
        for (color, property, suffix) in [
            (foreground, "color", "fg"),
            (background, "background-color", "bg"),
        ] {
            match color {
                Some(Color::Named(number)) => classes.push(format!("ansi-{suffix}-{number}")),
                Some(Color::Rgb(red, green, blue)) => {
                    css.push_str(&format!("{property}:rgb({red},{green},{blue});"));
                }
                None => {}
            }
        }
        html.push_str("<span");
        if !classes.is_empty() {
            html.push_str(&format!(" class=\"{}\"", classes.join(" ")));
        }
        if !css.is_empty() {
            html.push_str(&format!(" style=\"{css}\""));
        }
        html.push('>');
    }
}

fn named(number: u16) -> Option<Color> {
    u8::try_from(number).ok().map(Color::Named)
}

/// The color after 38 or 48: `5;n` or `2;r;g;b`.
fn extended(values: &mut impl Iterator<Item = u16>) -> Option<Color> {
    let byte = |values: &mut dyn Iterator<Item = u16>| {
        values.next().and_then(|value| u8::try_from(value).ok())
    };
    match values.next()? {
        5 => byte(values).map(palette),
        2 => Some(Color::Rgb(byte(values)?, byte(values)?, byte(values)?)),
        _ => None,
    }
}

/// The 256 colors of xterm: 16 named ones, a cube of 6 x 6 x 6, 24 greys.
fn palette(number: u8) -> Color {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match number {
        0..=15 => Color::Named(number),
        16..=231 => {
            let cube = number - 16;
            Color::Rgb(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (number - 232);
            Color::Rgb(grey, grey, grey)
        }
    }
}
