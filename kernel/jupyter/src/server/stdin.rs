//! Answers to the questions of cells.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::kernel::Kernel;
use crate::wire::Message;
use patchbay_contract::log;

/// Hands the answers to the cell that asked.
pub async fn serve(mut answers: mpsc::Receiver<Message>, kernel: Arc<Kernel>) {
    while let Some(message) = answers.recv().await {
        if message.header.msg_type == "input_reply" {
            let value = message.content["value"].as_str().map(str::to_owned);
            kernel.control.answer_input(value);
        } else {
            log(format_args!(
                "dropped a {} on stdin",
                message.header.msg_type
            ));
        }
    }
}
