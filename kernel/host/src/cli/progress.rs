//! The progress of a notebook: a bar on a terminal, a line a cell elsewhere.

use std::{
    io::{IsTerminal, Write, stderr, stdout},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use patchbay_protocol::MimeBundle;

use patchbay_contract::{SessionEvent, StreamName};
use patchbay_notebook::Progress;

/// How much of a line of code or output is shown.
const SHOWN: usize = 60;

/// Progress on stderr.
pub struct Terminal {
    bar: Option<ProgressBar>,
    total: usize,
    done: usize,
    title: String,
    /// What the cells print goes to stdout and stderr, instead of a bar or a line for each cell.
    prints: bool,
}

impl Terminal {
    pub fn new(total: usize, prints: bool) -> Terminal {
        let bar = (stderr().is_terminal() && !prints).then(|| {
            let bar = ProgressBar::new(total as u64);
            let template = "{spinner} [{pos}/{len}] {wide_bar:.cyan/blue} {elapsed}\n  {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Terminal {
            bar,
            total,
            done: 0,
            title: String::new(),
            prints,
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Terminal {
    fn begin(&mut self, _number: usize, source: &str) {
        let first = source
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with("//"));
        self.title = shorten(first.unwrap_or_default());
        if let Some(bar) = &self.bar {
            bar.set_message(self.title.clone());
        }
    }

    fn output(&mut self, event: &SessionEvent) {
        if self.prints {
            print(event);
        }
        let (Some(bar), SessionEvent::Stream { text, .. }) = (&self.bar, event) else {
            return;
        };
        let visible = anstream::adapter::strip_str(text).to_string();
        if let Some(line) = visible
            .split(['\n', '\r'])
            .map(str::trim)
            .rfind(|line| !line.is_empty())
        {
            bar.set_message(shorten(line));
        }
    }

    fn end(&mut self, _number: usize, duration: Duration, failed: bool) {
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.prints => {}
            None => {
                let width = self.total.to_string().len();
                let result = if failed { "FAIL" } else { "ok" };
                eprintln!(
                    "[{:>width$}/{}] {result:4} {:>7.2} s  {}",
                    self.done,
                    self.total,
                    duration.as_secs_f64(),
                    self.title
                );
            }
        }
    }
}

/// Prints what a cell shows, as far as it is text. A pipe that nobody reads ends no training.
fn print(event: &SessionEvent) {
    let plain = |bundle: &MimeBundle| {
        let text = bundle.data.get("text/plain")?.as_str()?;
        Some(format!("{text}\n"))
    };
    let (text, is_error) = match event {
        SessionEvent::Stream { name, text } => (Some(text.clone()), *name == StreamName::Stderr),
        SessionEvent::Result { bundle } => (plain(bundle), false),
        SessionEvent::Display {
            bundle,
            update: false,
            ..
        } => (plain(bundle), false),
        _ => return,
    };
    let text = text.unwrap_or_default();
    let _ = if is_error {
        write!(stderr(), "{text}").and_then(|()| stderr().flush())
    } else {
        write!(stdout(), "{text}").and_then(|()| stdout().flush())
    };
}

fn shorten(line: &str) -> String {
    let line = line.replace('\t', " ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
