//! The way from a cell to the front ends: outputs, input requests and comm messages.
//!
//! The runtime connects the channel once, at its start. Code that runs without a host (a test of a
//! plugin, a notebook built as a program) finds no channel; outputs then go to stdout as text.
//! Under the evcxr engine, events are lines on stdout ([`patchbay_protocol::LINE_PREFIX`]).

use std::{
    io::{self, Write},
    os::unix::net::UnixStream,
    sync::{
        Condvar, LazyLock, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::lock::lock;
use patchbay_protocol::{
    CommMessage, Event, LINE_PREFIX, LINES_VARIABLE, MAX_FRAME_BYTES, MAX_VALUE_DEPTH, MimeBundle,
    Output, depth_of, readable_bytes,
};
use serde_json::{Map, Value};

static CHANNEL: OnceLock<Channel> = OnceLock::new();

/// Whether events are lines on stdout.
static PRINTS_LINES: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os(LINES_VARIABLE).is_some_and(|value| !value.is_empty()));

/// How long an output waits for the host before the cell goes on without the acknowledgement.
const ACK_PATIENCE: Duration = Duration::from_secs(10);

struct Channel {
    writer: Mutex<UnixStream>,
    sequence: AtomicU64,
    acknowledged: Mutex<u64>,
    ack_arrived: Condvar,
    input: Mutex<Option<Option<String>>>,
    input_arrived: Condvar,
}

/// What could not be sent since somebody asked last.
static LEFT_OUT: Mutex<Option<String>> = Mutex::new(None);

/// Connects the channel. Only the first call has an effect; the runtime makes it at its start.
pub fn connect(writer: UnixStream) {
    c_stdout::print_by_line();
    let _ = CHANNEL.set(Channel {
        writer: Mutex::new(writer),
        sequence: AtomicU64::new(0),
        acknowledged: Mutex::new(0),
        ack_arrived: Condvar::new(),
        input: Mutex::new(None),
        input_arrived: Condvar::new(),
    });
}

/// Whether there is a host that draws outputs.
pub fn is_connected() -> bool {
    CHANNEL.get().is_some() || *PRINTS_LINES
}

/// Sends an event to the host.
///
/// # Errors
///
/// Fails where no host is connected or the connection broke.
pub fn send(event: &Event) -> io::Result<()> {
    if *PRINTS_LINES {
        return print_line(event);
    }
    let channel = CHANNEL.get().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotConnected,
            "there is no host to send this to",
        )
    })?;
    let frame = patchbay_protocol::encode(event)?;
    lock(&channel.writer).write_all(&frame)
}

/// Sends an output and waits until the host has it in order with what was printed.
///
/// What is too large or nested too deeply for the way is left out; the cell that runs fails for it at its end.
#[doc(hidden)]
pub fn output(mut output: Output) {
    flush_standard_streams();
    if let Output::Result { bundle } | Output::Display { bundle, .. } = &mut output
        && !retain_sendable(bundle)
    {
        return;
    }
    let Some(channel) = CHANNEL.get() else {
        if *PRINTS_LINES {
            // Lines are in order by themselves. Where stdout is closed, nobody is there to see it.
            let _ = print_line(&Event::Output {
                sequence: 0,
                output,
            });
        } else {
            print_as_text(&output);
        }
        return;
    };
    let sequence = channel.sequence.fetch_add(1, Ordering::Relaxed) + 1;
    if let Err(error) = send(&Event::Output { sequence, output }) {
        if error.kind() == io::ErrorKind::InvalidData {
            note_left_out(&format!("an output: {error}"));
        }
        return;
    }
    let acknowledged = lock(&channel.acknowledged);
    drop(
        channel
            .ack_arrived
            .wait_timeout_while(acknowledged, ACK_PATIENCE, |seen| *seen < sequence),
    );
}

/// What had to be left out since the last call, as the error of the cell that runs.
pub fn take_left_out() -> Option<String> {
    lock(&LEFT_OUT).take()
}

fn note_left_out(what: &str) {
    let text = format!("left out {what}");
    lock(&LEFT_OUT).get_or_insert(text);
}

/// Removes the forms of an output that cannot be sent, and notes them. Returns whether any is left.
fn retain_sendable(bundle: &mut MimeBundle) -> bool {
    let retain = |entries: &mut Map<String, Value>, what: &str| {
        entries.retain(|mime, value| match why_not(value) {
            None => true,
            Some(why) => {
                note_left_out(&format!("the {what} {mime} of an output: {why}"));
                false
            }
        });
    };
    let had_any = !bundle.data.is_empty();
    retain(&mut bundle.data, "form");
    retain(&mut bundle.metadata, "metadata of the form");
    !had_any || !bundle.data.is_empty()
}

/// Why a value cannot be sent, if it cannot.
fn why_not(value: &Value) -> Option<String> {
    let depth = depth_of(value);
    if depth > MAX_VALUE_DEPTH {
        return Some(format!(
            "it is nested {depth} levels deep, at most {MAX_VALUE_DEPTH} can be shown"
        ));
    }
    let bytes = value.as_str().map_or(0, str::len);
    (bytes > MAX_FRAME_BYTES).then(|| {
        format!(
            "it has {}, at most {} can be shown; write it to a file, or show a part of it",
            readable_bytes(bytes),
            readable_bytes(MAX_FRAME_BYTES)
        )
    })
}

/// Notes that the host has the output with this sequence number, and all before it.
pub fn acknowledge(sequence: u64) {
    if let Some(channel) = CHANNEL.get() {
        let mut acknowledged = lock(&channel.acknowledged);
        *acknowledged = sequence.max(*acknowledged);
        channel.ack_arrived.notify_all();
    }
}

/// Asks the user for a line of text; `password` hides what is typed.
///
/// # Errors
///
/// Fails where the front end cannot ask, for instance when a notebook is executed by a program.
pub fn request_input(prompt: &str, password: bool) -> io::Result<String> {
    flush_standard_streams();
    if *PRINTS_LINES {
        return request_line(prompt, password);
    }
    let channel = CHANNEL.get().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotConnected,
            "there is no front end that could ask the user",
        )
    })?;
    *lock(&channel.input) = None;
    send(&Event::InputRequest {
        prompt: prompt.to_owned(),
        password,
    })?;
    let mut input = lock(&channel.input);
    loop {
        crate::interrupt::check();
        if let Some(value) = input.take() {
            return value.ok_or_else(no_input_allowed);
        }
        input = channel
            .input_arrived
            .wait_timeout(input, Duration::from_millis(50))
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
}

/// Hands the user's answer to the cell that waits for it.
pub fn answer_input(value: Option<String>) {
    if let Some(channel) = CHANNEL.get() {
        *lock(&channel.input) = Some(value);
        channel.input_arrived.notify_all();
    }
}

/// Sends a comm message to the front ends.
///
/// # Errors
///
/// Fails where no host is connected.
pub fn send_comm(message: CommMessage) -> io::Result<()> {
    let nested = why_not(&message.data).or_else(|| why_not(&message.metadata));
    let sent = match nested {
        Some(why) => Err(io::Error::new(io::ErrorKind::InvalidData, why)),
        None => send(&Event::Comm(message)),
    };
    if let Err(error) = &sent
        && error.kind() == io::ErrorKind::InvalidData
    {
        note_left_out(&format!("a comm message: {error}"));
    }
    sent
}

/// Writes out what Rust's stdout and stderr, and C's stdout, hold back.
pub fn flush_standard_streams() {
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    c_stdout::flush();
}

/// Takes each lock for a moment.
pub(crate) fn probe() {
    if let Some(channel) = CHANNEL.get() {
        drop(lock(&channel.writer));
        drop(lock(&channel.acknowledged));
        drop(lock(&channel.input));
    }
}

/// What C code prints: `printf` and `puts` hold back what they print until it fills a page.
mod c_stdout {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        #[cfg_attr(target_os = "macos", link_name = "__stdoutp")]
        static stdout: *mut c_void;
        fn setvbuf(
            file: *mut c_void,
            buffer: *mut std::ffi::c_char,
            mode: c_int,
            size: usize,
        ) -> c_int;
        fn ftrylockfile(file: *mut c_void) -> c_int;
        fn funlockfile(file: *mut c_void);
        fn fflush(file: *mut c_void) -> c_int;
    }

    /// Makes C print line by line, so that its lines stay in order with Rust's.
    pub(super) fn print_by_line() {
        /// `_IOLBF`: buffered by the line.
        const BY_LINE: c_int = 1;
        // SAFETY: as below; without a buffer of the caller's, only the mode is changed.
        unsafe {
            let file = stdout;
            if !file.is_null() {
                setvbuf(file, std::ptr::null_mut(), BY_LINE, 0);
            }
        }
    }

    /// Writes it out, unless a thread is printing: then it will be written the next time.
    pub(super) fn flush() {
        // SAFETY: the C library sets `stdout` before any code of ours runs, and its functions may be called from any thread. The lock
        // is let go of by the thread that has got it; `fflush` takes it once more, as it may.
        unsafe {
            let file = stdout;
            if !file.is_null() && ftrylockfile(file) == 0 {
                fflush(file);
                funlockfile(file);
            }
        }
    }
}

fn no_input_allowed() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "this front end does not allow input requests",
    )
}

fn print_line(event: &Event) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{LINE_PREFIX}{}", serde_json::to_string(event)?)?;
    stdout.flush()
}

/// Asks by evcxr's own line, which its engine answers on stdin: `+` and the text, or `-` where nobody
/// can be asked.
fn request_line(prompt: &str, password: bool) -> io::Result<String> {
    print_line(&Event::InputRequest {
        prompt: prompt.to_owned(),
        password,
    })?;
    println!("EVCXR_INPUT_REQUEST:");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let line = line.trim_end_matches(['\n', '\r']);
    line.strip_prefix('+')
        .map(str::to_owned)
        .ok_or_else(no_input_allowed)
}

fn print_as_text(output: &Output) {
    if let Output::Result { bundle } | Output::Display { bundle, .. } = output
        && let Some(text) = bundle.data.get("text/plain").and_then(|text| text.as_str())
    {
        println!("{text}");
    }
}
