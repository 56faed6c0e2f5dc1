//! What waits for one peer, and the task that writes it.

use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt, BufWriter},
    sync::Notify,
};

use super::frame::head;

/// How much is written at once: how finely progress is seen.
const PIECE: usize = 128 << 10;

/// A message on its way, shared by all whom it is for.
type Frames = Arc<Vec<Bytes>>;

enum Item {
    Message(Frames),
    Command(Vec<u8>),
}

/// The messages that wait for one peer.
pub struct Queue {
    state: Mutex<State>,
    arrived: Notify,
    /// Told whenever something was written.
    progress: Arc<Notify>,
}

struct State {
    items: VecDeque<Item>,
    /// The bytes that wait, those that are half written included.
    bytes: usize,
    /// What the peer has taken since `since`.
    taken: usize,
    since: Instant,
}

impl Queue {
    /// Makes an empty queue, which says on `progress` that something was written.
    pub fn new(progress: Arc<Notify>) -> Queue {
        Queue {
            state: Mutex::new(State {
                items: VecDeque::new(),
                bytes: 0,
                taken: 0,
                since: Instant::now(),
            }),
            arrived: Notify::new(),
            progress,
        }
    }

    /// Adds a message.
    pub fn push(&self, frames: Frames) {
        let mut state = self.lock();
        state.bytes += size(&frames);
        state.items.push_back(Item::Message(frames));
        drop(state);
        self.arrived.notify_one();
    }

    /// Adds the answer to a `PING` with this context.
    pub fn pong(&self, context: &[u8]) {
        let command = [b"\x04PONG", context].concat();
        let mut state = self.lock();
        // A peer that asks and does not read has no use for more.
        if state.items.len() < 1000 || state.bytes < PIECE {
            state.bytes += command.len();
            state.items.push_back(Item::Command(command));
            self.arrived.notify_one();
        }
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Begins to count anew what the peer takes.
    pub fn watch(&self) {
        let mut state = self.lock();
        state.taken = 0;
        state.since = Instant::now();
    }

    /// Whether the peer has taken less than `least` bytes since it was watched, though more waited; `None` where that was
    /// less than `patience` ago.
    pub fn is_stalled(&self, least: usize, patience: Duration) -> Option<bool> {
        let mut state = self.lock();
        if state.since.elapsed() < patience {
            return None;
        }
        let stalled = state.bytes > 0 && state.taken < least;
        state.taken = 0;
        state.since = Instant::now();
        Some(stalled)
    }

    /// Writes what waits and what comes, until the peer has gone.
    ///
    /// # Errors
    ///
    /// Returns the error of the connection.
    pub async fn write_to(&self, stream: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut stream = BufWriter::with_capacity(64 << 10, stream);
        loop {
            let next = self.lock().items.pop_front();
            match next {
                Some(Item::Message(frames)) => {
                    let last = frames.len() - 1;
                    for (index, body) in frames.iter().enumerate() {
                        self.write_frame(&mut stream, body, index < last, false)
                            .await?;
                    }
                }
                Some(Item::Command(body)) => {
                    self.write_frame(&mut stream, &body, false, true).await?;
                }
                None => {
                    stream.flush().await?;
                    self.arrived.notified().await;
                }
            }
        }
    }

    async fn write_frame(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        body: &[u8],
        more: bool,
        is_command: bool,
    ) -> io::Result<()> {
        let (head, length) = head(body.len(), more, is_command);
        stream.write_all(&head[..length]).await?;
        for piece in body.chunks(PIECE) {
            stream.write_all(piece).await?;
            let mut state = self.lock();
            state.bytes = state.bytes.saturating_sub(piece.len());
            state.taken += piece.len();
            drop(state);
            self.progress.notify_waiters();
        }
        Ok(())
    }

    /// A poisoned lock guards numbers and a list here, which are valid at every step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// The bytes of a message's frames.
pub fn size(frames: &[Bytes]) -> usize {
    frames.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    #[tokio::test]
    async fn messages_are_written_in_order_and_counted() {
        let queue = Queue::new(Arc::default());
        queue.push(Arc::new(vec![
            Bytes::from_static(b"a"),
            Bytes::from(vec![1; 300]),
        ]));
        queue.pong(b"x");
        assert_eq!(queue.bytes(), 301 + 6);
        let (near, mut far) = duplex(1 << 16);
        let mut read = vec![0; 3 + 9 + 300 + 8];
        tokio::select! {
            result = queue.write_to(near) => panic!("{result:?}"),
            result = far.read_exact(&mut read) => assert!(result.is_ok()),
        }
        assert_eq!(read[..3], *b"\x01\x01a");
        assert_eq!(read[3..12], *b"\x02\0\0\0\0\0\0\x01\x2c");
        assert_eq!(read[312..], *b"\x04\x06\x04PONGx");
        assert_eq!(queue.bytes(), 0);
    }

    #[tokio::test]
    async fn who_takes_nothing_is_stalled() {
        let queue = Queue::new(Arc::default());
        let now = Duration::ZERO;
        assert_eq!(queue.is_stalled(1, now), Some(false));
        queue.push(Arc::new(vec![Bytes::from_static(b"abc")]));
        assert_eq!(queue.is_stalled(1, Duration::from_secs(3600)), None);
        assert_eq!(queue.is_stalled(1, now), Some(true));
    }
}
