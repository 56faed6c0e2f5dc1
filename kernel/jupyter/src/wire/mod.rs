//! Jupyter's wire protocol: connection files, signed messages, their framing.

mod connection;
mod message;
mod signature;
pub mod zmtp;

pub use connection::ConnectionInfo;
pub use message::Message;
pub use signature::{Refusal, Signer};

/// The version of the messaging protocol.
pub const PROTOCOL_VERSION: &str = "5.5";
