//! The progress of a notebook: a bar on a terminal, a line a cell elsewhere.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::notebook::Progress;

/// How much of a line of code or output is shown.
const SHOWN: usize = 60;

/// Progress on stderr.
pub struct Terminal {
    bar: Option<ProgressBar>,
    total: usize,
    done: usize,
    title: String,
}

impl Terminal {
    pub fn new(total: usize) -> Terminal {
        let bar = stderr().is_terminal().then(|| {
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

    fn output(&mut self, text: &str) {
        let Some(bar) = &self.bar else { return };
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

fn shorten(line: &str) -> String {
    let line = line.replace('\t', " ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
