//! Answers to the questions of cells.

use std::sync::Arc;

use zeromq::RouterRecvHalf;

use super::{Kernel, log, receive};

/// Hands the answers to the cell that asked.
pub async fn serve(mut socket: RouterRecvHalf, kernel: Arc<Kernel>) {
    loop {
        let message = receive(&mut socket, &kernel, "stdin").await;
        if message.header.msg_type == "input_reply" {
            let value = message.content["value"].as_str().map(str::to_owned);
            kernel.control.answer_input(value);
        } else {
            log(&format!("dropped a {} on stdin", message.header.msg_type));
        }
    }
}
