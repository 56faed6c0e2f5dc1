//! The messages between the host (the Jupyter side) and the runtime (the process that owns the
//! variables), and their framing.
//!
//! A frame is a little-endian `u32` length followed by that many bytes of JSON. Both directions
//! share one Unix stream socket; what a cell prints does not travel here but over the pipes that
//! are the runtime's stdout and stderr.
//!
//! Outputs carry a sequence number, and the runtime waits for the host's [`Command::Ack`] before
//! it goes on. The host empties the pipes before it acknowledges, so text printed before a
//! picture is shown before it and text printed after is shown after it.

mod completion;
mod deep;
mod frame;
mod message;
pub mod question;
mod size;

pub use completion::{Completion, Completions};
pub use deep::{MAX_VALUE_DEPTH, depth_of};
pub use frame::{MAX_FRAME_BYTES, decode, encode, read, read_body, write};
pub use message::{
    CommMessage, Command, Event, Failure, FailureKind, LineMap, LineRange, Location, MimeBundle,
    Outcome, Output, StoredVariable, StreamName, TensorFacts,
};
pub use question::{Ask, Question};
pub use size::readable_bytes;

/// The environment variable that names the socket on which the host listens for its runtime.
pub const SOCKET_VARIABLE: &str = "PATCHBAY_SOCKET";

/// The environment variable with the values of a notebook's parameters: a JSON object by name.
pub const PARAMETERS_VARIABLE: &str = "PATCHBAY_PARAMETERS";

/// The environment variable that makes the SDK print its events as lines on stdout, where they are in
/// order with what the cell prints. The evcxr engine sets it: its child has no socket of its own.
pub const LINES_VARIABLE: &str = "PATCHBAY_LINES";

/// How such a line begins; an event as JSON follows.
pub const LINE_PREFIX: &str = "\u{1e}patchbay ";

/// Settings of processes that compute: environment variables and their values.
///
/// The C library's allocator by default gives the memory of large tensors back to the system whenever one is
/// dropped, and every new tensor is cleared page by page: the forward and backward pass of an activation on 2.4
/// million values takes 35 ms instead of 7. Here it keeps freed memory up to a GiB, in one arena, on large pages.
///
/// Each thread keeps freed blocks in lists of its own, by default up to 1 KiB each. What a thread of cells that was given
/// up has in them is never used again: with blocks up to 256 bytes, such a thread costs 17 kB of the heap instead of 21.
///
/// candle's own threads by default spin for a millisecond after each operation, on the cores that the threads of the
/// ops need. Here they spin for some microseconds: a training step of TiDE takes 24 ms instead of 30.
pub const COMPUTING: [(&str, &str); 2] = [
    (
        "GLIBC_TUNABLES",
        "glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1073741824:\
         glibc.malloc.trim_threshold=1073741824:glibc.malloc.tcache_max=256",
    ),
    ("CANDLE_BARRIER_POOL_SPIN_LIMIT", "100"),
];
