//! Text on stdout and stderr as a front end keeps it.

/// What remains of a text after its carriage returns and backspaces, as JupyterLab stores it: a
/// progress bar leaves its last state, not all of them.
pub fn settle(text: &str) -> String {
    if !text.contains(['\r', '\x08']) {
        return text.to_owned();
    }
    let mut lines = text.split('\n').peekable();
    let mut settled = String::with_capacity(text.len());
    while let Some(line) = lines.next() {
        // A carriage return before the line's end moves nothing.
        let line = line.trim_end_matches('\r');
        settled.push_str(&settle_line(line));
        if lines.peek().is_some() {
            settled.push('\n');
        }
    }
    settled
}

fn settle_line(line: &str) -> String {
    if !line.contains(['\r', '\x08']) {
        return line.to_owned();
    }
    // Escape sequences have no width, so columns are not to be counted where there are any.
    if line.contains('\x1b') {
        let last = line.rsplit('\r').next().unwrap_or(line);
        return last.replace('\x08', "");
    }
    let mut columns: Vec<char> = Vec::new();
    let mut position = 0_usize;
    for character in line.chars() {
        match character {
            '\r' => position = 0,
            '\x08' => position = position.saturating_sub(1),
            _ => {
                match columns.get_mut(position) {
                    Some(column) => *column = character,
                    None => columns.push(character),
                }
                position += 1;
            }
        }
    }
    columns.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_bar_leaves_its_last_state() {
        assert_eq!(settle("a\n 10%\r 50%\r100%\nb\n"), "a\n100%\nb\n");
        assert_eq!(settle("long text\rshort"), "shorttext");
        assert_eq!(
            settle("\x1b[32m10%\x1b[0m\r\x1b[32m99%\x1b[0m"),
            "\x1b[32m99%\x1b[0m"
        );
    }

    #[test]
    fn windows_line_ends_and_backspaces() {
        assert_eq!(settle("one\r\ntwo\r\n"), "one\ntwo\n");
        assert_eq!(settle("abc\x08\x08X"), "aXc");
        assert_eq!(settle("\x08a"), "a");
        assert_eq!(settle("no control"), "no control");
    }
}
