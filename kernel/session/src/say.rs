//! What the session itself says between a cell's outputs.

use std::time::Duration;

use patchbay_contract::{SessionEvent, StreamName};
use tokio::sync::mpsc;

type Events = mpsc::UnboundedSender<SessionEvent>;

/// Prints on stdout.
pub(crate) fn print(events: &Events, text: &str) {
    let _ = events.send(SessionEvent::Stream {
        name: StreamName::Stdout,
        text: text.to_owned(),
    });
}

/// Prints on stderr, as notes are.
pub(crate) fn print_note(events: &Events, text: &str) {
    let _ = events.send(SessionEvent::Stream {
        name: StreamName::Stderr,
        text: text.to_owned(),
    });
}

/// Tells how long a cell took.
pub(crate) fn tell_time(events: &Events, duration: Duration, programs: usize) {
    let compiled = match programs {
        0 | 1 => String::new(),
        _ => format!(" ({programs} programs compiled, because of what borrows)"),
    };
    let text = format!(
        "Took {}{compiled}\n",
        describe_seconds(duration.as_secs_f64())
    );
    print(events, &text);
}

/// A time with three digits and a fitting unit.
pub(crate) fn describe_seconds(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}
