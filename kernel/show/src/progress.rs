//! Progress bars over iterators.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use patchbay_protocol::{MimeBundle, readable_bytes};

use crate::{
    display::{DisplayHandle, display_always},
    memory, show,
    table::escape,
};
use patchbay_cell::{channel, interrupt};

/// How often a bar is redrawn at most.
const INTERVAL: Duration = Duration::from_millis(100);

/// An iterator that shows how far it is: `for batch in progress(batches) { ... }`.
///
/// The bar lives in the cell, with rate and time left, and ends as one line. Bars inside of bars stand
/// below them and go when they are done. An interrupt ends the loop between two steps.
pub fn progress<I: IntoIterator>(items: I) -> Progress<I::IntoIter> {
    let items = items.into_iter();
    let total = match items.size_hint() {
        (low, Some(high)) if low == high => Some(low),
        _ => None,
    };
    Progress {
        items,
        bar: Bar {
            total,
            done: 0,
            title: String::new(),
            values: Vec::new(),
            start: Instant::now(),
        },
        drawn: None,
        row: None,
    }
}

/// See [`progress`].
pub struct Progress<I> {
    items: I,
    bar: Bar,
    drawn: Option<Instant>,
    row: Option<BarRow>,
}

struct Bar {
    /// The number of steps, if the iterator knows it.
    total: Option<usize>,
    done: usize,
    title: String,
    values: Vec<(String, String)>,
    start: Instant,
}

thread_local! {
    /// The bars that are running, the outermost first, each with the display of its inner bars.
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
struct Running {
    /// The place of an inner bar that is done, for the next one.
    inner: Option<DisplayHandle>,
}

/// A bar's place among those that are running.
struct BarRow {
    depth: usize,
    display: DisplayHandle,
}

impl<I> Progress<I> {
    /// Sets the text in front of the bar.
    pub fn title(mut self, title: impl Into<String>) -> Progress<I> {
        self.bar.title = title.into();
        self
    }

    /// The number of steps, for iterators that do not know it.
    pub fn total(mut self, total: usize) -> Progress<I> {
        self.bar.total = Some(total);
        self
    }

    /// Shows a value behind the bar, the loss for instance. Use it in a `while let` loop, which leaves
    /// the bar within reach: `while let Some(batch) = bar.next() { bar.set("loss", loss); }`.
    pub fn set(&mut self, name: impl Into<String>, value: impl std::fmt::Display) {
        let (name, value) = (name.into(), value.to_string());
        match self.bar.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.bar.values.push((name, value)),
        }
    }

    fn draw(&mut self) {
        if !channel::is_connected() {
            return;
        }
        let bundle = self.bar.running();
        match &self.row {
            Some(row) => row.display.update_always(&bundle),
            None => self.row = Some(take_row(&bundle)),
        }
        self.drawn = Some(Instant::now());
    }
}

/// Shows a new bar below those that are running.
fn take_row(bundle: &MimeBundle) -> BarRow {
    let reused =
        RUNNING.with_borrow_mut(|running| running.last_mut().and_then(|outer| outer.inner.take()));
    let display = match reused {
        Some(row) => {
            row.update_always(bundle);
            row
        }
        None => display_always(bundle),
    };
    RUNNING.with_borrow_mut(|running| {
        running.push(Running::default());
        BarRow {
            depth: running.len() - 1,
            display,
        }
    })
}

impl<I: Iterator> Iterator for Progress<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        interrupt::check();
        if self.drawn.is_none() {
            self.bar.start = Instant::now();
            self.draw();
        }
        let item = self.items.next()?;
        if self.drawn.is_some_and(|drawn| drawn.elapsed() >= INTERVAL) {
            self.draw();
        }
        self.bar.done += 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<I> Drop for Progress<I> {
    fn drop(&mut self) {
        let Some(row) = self.row.take() else {
            return;
        };
        let inner = RUNNING.with_borrow_mut(|running| {
            let own = (running.len() > row.depth).then(|| running.swap_remove(row.depth));
            running.truncate(row.depth);
            if let Some(outer) = running.last_mut() {
                outer.inner = Some(row.display.clone());
            }
            own.and_then(|own| own.inner)
        });
        if let Some(inner) = inner {
            inner.update_always(&nothing());
        }
        if row.depth > 0 {
            row.display.update_always(&nothing());
        } else {
            row.display.update_always(&self.bar.ended());
        }
    }
}

/// The memory of the GPU that is taken, on a GPU.
fn gpu_text() -> String {
    memory::gpu_memory().map_or_else(String::new, |gpu| {
        format!(
            ", GPU {} of {}",
            readable_bytes(gpu.used),
            readable_bytes(gpu.total)
        )
    })
}

/// An empty place.
fn nothing() -> MimeBundle {
    show::bundle("", "text/html", "")
}

impl Bar {
    fn title_text(&self) -> String {
        if self.title.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.title)
        }
    }

    fn count_text(&self) -> String {
        match self.total {
            Some(total) => format!("{}/{total}", self.done),
            None => self.done.to_string(),
        }
    }

    fn values_text(&self) -> String {
        self.values
            .iter()
            .map(|(name, value)| format!(", {name} {value}"))
            .collect()
    }

    fn rate(&self) -> f64 {
        self.done as f64 / self.start.elapsed().as_secs_f64().max(1e-9)
    }

    fn running(&self) -> MimeBundle {
        let rate = self.rate();
        let left = self.total.filter(|_| self.done > 0).map(|total| {
            let seconds = total.saturating_sub(self.done) as f64 / rate;
            format!(", {} left", clock(seconds))
        });
        let text = format!(
            "{}{} [{}{}, {}{}{}]",
            self.title_text(),
            self.count_text(),
            clock(self.start.elapsed().as_secs_f64()),
            left.unwrap_or_default(),
            rate_text(rate),
            self.values_text(),
            gpu_text()
        );
        let bar = match self.total {
            Some(total) => format!("<progress value=\"{}\" max=\"{}\"", self.done, total.max(1)),
            None => "<progress".to_owned(),
        };
        let html = format!(
            "<div style=\"font-family:monospace\">{bar} style=\"width:16em;vertical-align:middle\"></progress> {}</div>",
            escape(&text)
        );
        show::bundle(text, "text/html", html)
    }

    /// The line that stays. Its plain text has no times, so that equal runs give equal notebooks.
    fn ended(&self) -> MimeBundle {
        let plain = format!(
            "{}{}{}",
            self.title_text(),
            self.count_text(),
            self.values_text()
        );
        let html = format!(
            "<div style=\"font-family:monospace\">{} [{}, {}]</div>",
            escape(&plain),
            clock(self.start.elapsed().as_secs_f64()),
            rate_text(self.rate())
        );
        show::bundle(plain, "text/html", html)
    }
}

/// Minutes and seconds, with hours in front if there are any.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{:02}", seconds % 60)
    } else {
        format!("{minutes:02}:{:02}", seconds % 60)
    }
}

fn rate_text(rate: f64) -> String {
    if rate >= 1.0 || rate == 0.0 {
        format!("{rate:.1}/s")
    } else {
        format!("{:.1} s each", 1.0 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_pass_through_unchanged() {
        assert_eq!(progress(vec![1, 2, 3]).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(progress((0..10).filter(|n| n % 2 == 0)).count(), 5);
    }

    #[test]
    fn the_texts_of_a_bar() {
        let mut bar = progress(0..4).title("train");
        bar.next();
        bar.set("loss", format_args!("{:.2}", 0.123));
        bar.set("loss", format_args!("{:.2}", 0.456));
        let ended = bar.bar.ended();
        assert_eq!(ended.data["text/plain"], "train: 1/4, loss 0.46");
        let running = bar.bar.running();
        assert!(
            running.data["text/html"]
                .as_str()
                .unwrap()
                .contains("<progress value=\"1\" max=\"4\"")
        );
        assert_eq!(clock(3725.0), "1:02:05");
        assert_eq!(clock(65.2), "01:05");
        assert_eq!(rate_text(0.5), "2.0 s each");
    }
}
