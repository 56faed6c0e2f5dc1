//! ZMTP 3, the transport of ZeroMQ, as far as a kernel needs it: sockets that are bound, without encryption.
//!
//! Whoever reaches a port can write to it, with or without the key. So nothing is allocated because a peer announces it,
//! nothing waits without an end for a peer that says nothing, and what a peer does not read waits in a queue of its own.

mod frame;
mod handshake;
mod listener;
mod queue;

pub use frame::{Incoming, Limits, Reader};
pub use handshake::{SocketType, handshake};
pub use listener::{Endpoint, Full, Listener, Peer};
pub use queue::Queue;
