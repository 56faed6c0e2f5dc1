//! The Jupyter server: sockets, signed messages, the queue of cells, outputs, history. It knows no Rust: what runs the cells is a
//! [`Session`](patchbay_contract::Session).

pub mod server;
pub mod wire;
