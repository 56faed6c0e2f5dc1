//! Outputs after the end of a cell: of comm handlers and of threads that go on.
//!
//! The events of a cell come over a channel of their own, which is read on until the next cell has another. What waits in the channel
//! of an earlier cell came before all that is in a later one's, and is published before it.

use std::{future::poll_fn, sync::Arc, task::Poll};

use parking_lot::Mutex;
use patchbay_contract::SessionEvent;
use tokio::sync::mpsc;

use super::{broadcast::broadcast, comm_messages, kernel::Kernel, waiting::Waiting};
use crate::wire::Message;

/// The channel of a cell that has ended.
struct Late {
    /// Locked while an event is taken and published, so that events are published in their order.
    events: Mutex<mpsc::UnboundedReceiver<SessionEvent>>,
    request: Option<Message>,
    silent: bool,
    kernel: Arc<Kernel>,
}

impl Waiting for Late {
    fn publish_waiting(&self) {
        let mut events = self.events.lock();
        while let Ok(event) = events.try_recv() {
            self.publish(event);
        }
    }
}

impl Late {
    /// Publishes what comes until the channel ends.
    async fn publish_all(&self) {
        poll_fn(|context| {
            let mut events = self.events.lock();
            loop {
                match events.poll_recv(context) {
                    Poll::Ready(Some(event)) => self.publish(event),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    fn publish(&self, event: SessionEvent) {
        let (request, kernel) = (self.request.as_ref(), &self.kernel);
        match &event {
            SessionEvent::Comm(message) => comm_messages::publish(message, request, kernel),
            SessionEvent::CommsLost => comm_messages::close_all(request, kernel),
            SessionEvent::Barrier(barrier) => hold(barrier.clone(), kernel),
            event if !self.silent => {
                if let Some((msg_type, content)) = broadcast(event, None) {
                    kernel.publish(msg_type, request, content);
                }
            }
            _ => {}
        }
    }
}

/// Publishes the events of a cell that has ended, as they come. After a `silent` cell these are comm messages only.
pub fn publish_late(
    events: mpsc::UnboundedReceiver<SessionEvent>,
    request: Option<&Message>,
    silent: bool,
    kernel: &Arc<Kernel>,
) {
    let late = Arc::new(Late {
        events: Mutex::new(events),
        request: request.cloned(),
        silent,
        kernel: kernel.clone(),
    });
    let waiting: Arc<dyn Waiting> = late.clone();
    kernel.late.add(&waiting);
    tokio::spawn(async move { late.publish_all().await });
}

/// Keeps a barrier until the subscribers have taken what was published before it.
pub fn hold(barrier: mpsc::Sender<()>, kernel: &Kernel) {
    let iopub = kernel.iopub.clone();
    tokio::spawn(async move {
        iopub.room().await;
        drop(barrier);
    });
}
