//! Reading frames within bounds.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// The memory that a frame gets before any of it has come.
const PIECE: usize = 64 << 10;

/// What a frame counts beside its bytes, so that empty ones have a bound, too.
const FRAME_OVERHEAD: usize = 64;

/// The size of a message that every connection may send. Larger ones of connections that have not shown the key share
/// one account.
const FREE: usize = 1 << 20;

/// The environment variable with the largest message in bytes.
const SETTING: &str = "PATCHBAY_MAX_MESSAGE_BYTES";

/// The largest message where the setting is not set.
const LARGEST_MESSAGE: usize = 1 << 30;

/// How much peers may send.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The bytes of one message, all of its frames together.
    pub message: usize,
    /// What is left of the bytes that connections without a signed message may keep in unfinished messages.
    strangers: Arc<AtomicUsize>,
    /// The environment variable that sets them, if any does.
    setting: &'static str,
}

impl Limits {
    /// The limits that the environment sets, or 1 GiB.
    pub fn from_environment() -> Limits {
        let set = std::env::var(SETTING).ok().map(|text| {
            let number = text.trim().parse().ok().filter(|&bytes| bytes >= FREE);
            if number.is_none() {
                eprintln!(
                    "patchbay: {SETTING} is `{text}`, a number of bytes of at least {FREE} was expected; \
                     {LARGEST_MESSAGE} is used"
                );
            }
            number
        });
        Limits {
            setting: SETTING,
            ..Limits::new(set.flatten().unwrap_or(LARGEST_MESSAGE))
        }
    }

    /// Makes the limits for messages of at most this many bytes.
    pub fn new(message: usize) -> Limits {
        Limits {
            message,
            strangers: Arc::new(AtomicUsize::new(message)),
            setting: "",
        }
    }
}

/// One frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub is_command: bool,
    pub more: bool,
    pub body: Bytes,
}

/// What a peer sends once it is connected.
#[derive(Debug)]
pub enum Incoming {
    /// The frames of a message.
    Message(Vec<Bytes>),
    /// A command: `PING`, `SUBSCRIBE` and their like.
    Command(Bytes),
}

/// Reads the messages of one peer.
pub struct Reader<R> {
    stream: R,
    limits: Limits,
    /// Whether the peer has shown that it has the key.
    trusted: Arc<AtomicBool>,
    partial: Vec<Bytes>,
    /// The bytes of `partial`, about.
    size: usize,
    /// What this connection has taken from the account of strangers.
    taken: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads frames from a stream.
    pub fn new(stream: R, limits: Limits, trusted: Arc<AtomicBool>) -> Reader<R> {
        Reader {
            stream,
            limits,
            trusted,
            partial: Vec::new(),
            size: 0,
            taken: 0,
        }
    }

    /// Reads the next message or command. Not safe to give up half-way.
    ///
    /// # Errors
    ///
    /// Fails where the peer has gone, breaks the protocol or sends more than it may.
    pub async fn next(&mut self) -> io::Result<Incoming> {
        loop {
            let head = read_head(&mut self.stream).await?;
            let size = self.size.saturating_add(FRAME_OVERHEAD);
            let limit = self.limits.message;
            if size > limit || head.length > limit - size {
                let error = too_large(head.length, size, limit);
                return Err(match self.limits.setting {
                    "" => error,
                    setting => broken(format!("{error}; {setting} sets how many")),
                });
            }
            let mut body = Vec::new();
            while let Some(wanted) = head.missing(&body) {
                self.account(size + body.len() + wanted)?;
                read_piece(&mut self.stream, &head, &mut body, wanted).await?;
            }
            let body = Bytes::from(body);
            if head.is_command {
                return Ok(Incoming::Command(body));
            }
            self.size = size + body.len();
            self.partial.push(body);
            if !head.more {
                self.size = 0;
                self.give_back();
                return Ok(Incoming::Message(std::mem::take(&mut self.partial)));
            }
        }
    }

    /// Sees to it that all strangers together keep no more than one message of the largest size.
    fn account(&mut self, size: usize) -> io::Result<()> {
        if size <= FREE || self.trusted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let more = size.saturating_sub(self.taken);
        let taken =
            self.limits
                .strangers
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(more)
                });
        if taken.is_err() {
            return Err(broken(format!(
                "{size} bytes of a message came without a signed one before; others without the key have sent as much \
                 that is not complete"
            )));
        }
        self.taken += more;
        Ok(())
    }
}

impl<R> Reader<R> {
    fn give_back(&mut self) {
        self.limits
            .strangers
            .fetch_add(std::mem::take(&mut self.taken), Ordering::Relaxed);
    }
}

impl<R> Drop for Reader<R> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Reads one frame of at most so many bytes.
pub(super) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> io::Result<Frame> {
    let head = read_head(stream).await?;
    if head.length > limit {
        return Err(too_large(head.length, 0, limit));
    }
    let mut body = Vec::new();
    while let Some(wanted) = head.missing(&body) {
        read_piece(stream, &head, &mut body, wanted).await?;
    }
    Ok(Frame {
        is_command: head.is_command,
        more: head.more,
        body: body.into(),
    })
}

struct Head {
    is_command: bool,
    more: bool,
    length: usize,
}

impl Head {
    /// The memory to get next: as much as has come already.
    fn missing(&self, body: &[u8]) -> Option<usize> {
        let missing = self.length - body.len();
        (missing > 0).then(|| missing.min(body.len().max(PIECE)))
    }
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Head> {
    let flags = stream.read_u8().await?;
    if flags & !(MORE | LONG | COMMAND) != 0 {
        return Err(broken(format!("a frame has the flags {flags:#04x}")));
    }
    let length = if flags & LONG == 0 {
        u64::from(stream.read_u8().await?)
    } else {
        stream.read_u64().await?
    };
    Ok(Head {
        is_command: flags & COMMAND != 0,
        more: flags & MORE != 0,
        length: usize::try_from(length).unwrap_or(usize::MAX),
    })
}

async fn read_piece(
    stream: &mut (impl AsyncRead + Unpin),
    head: &Head,
    body: &mut Vec<u8>,
    wanted: usize,
) -> io::Result<()> {
    body.reserve_exact(wanted);
    let end = body.len() + wanted;
    while body.len() < end {
        let rest = (end - body.len()) as u64;
        if (&mut *stream).take(rest).read_buf(body).await? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "it ended after {} of a frame's {} bytes",
                    body.len(),
                    head.length
                ),
            ));
        }
    }
    Ok(())
}

fn too_large(length: usize, before: usize, limit: usize) -> io::Error {
    broken(format!(
        "it announces a frame of {length} bytes after {before} of the same message, at most {limit} are accepted"
    ))
}

pub(super) fn broken(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The bytes in front of a frame's body.
pub(super) fn head(length: usize, more: bool, is_command: bool) -> ([u8; 9], usize) {
    let flags = if more { MORE } else { 0 } | if is_command { COMMAND } else { 0 };
    let mut head = [0; 9];
    match u8::try_from(length) {
        Ok(length) => {
            head[..2].copy_from_slice(&[flags, length]);
            (head, 2)
        }
        Err(_) => {
            head[0] = flags | LONG;
            head[1..].copy_from_slice(&(length as u64).to_be_bytes());
            (head, 9)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader<'a>(bytes: &'a [u8], limits: &Limits) -> Reader<&'a [u8]> {
        Reader::new(bytes, limits.clone(), Arc::default())
    }

    fn encode(frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            let (head, length) = head(frame.len(), index + 1 < frames.len(), false);
            bytes.extend_from_slice(&head[..length]);
            bytes.extend_from_slice(frame);
        }
        bytes
    }

    #[tokio::test]
    async fn messages_of_short_and_long_frames_are_read() {
        let long = vec![7; 300_000];
        let bytes = [encode(&[b"a", &long, b""]), encode(&[b"b"])].concat();
        let limits = Limits::new(2 << 20);
        let mut reader = reader(&bytes, &limits);
        let Incoming::Message(frames) = reader.next().await.unwrap() else {
            panic!("a message was expected");
        };
        assert_eq!(frames, [&b"a"[..], &long, b""]);
        assert!(
            matches!(reader.next().await.unwrap(), Incoming::Message(frames) if frames == [&b"b"[..]])
        );
        assert!(reader.next().await.is_err());
    }

    #[tokio::test]
    async fn what_is_announced_is_not_allocated_and_has_a_bound() {
        let limits = Limits::new(2 << 20);
        for exponent in [22, 31, 32, 40, 62, 63] {
            let mut bytes = vec![LONG];
            bytes.extend_from_slice(&(1u64 << exponent).to_be_bytes());
            let error = reader(&bytes, &limits).next().await.unwrap_err();
            assert!(error.to_string().contains("announces a frame"), "{error}");
        }
        // Many frames count together, empty ones, too.
        let many = [MORE, 0].repeat(40_000);
        let error = reader(&many, &limits).next().await.unwrap_err();
        assert!(error.to_string().contains("announces a frame"), "{error}");
        let error = reader(&[0x80, 0], &limits).next().await.unwrap_err();
        assert!(error.to_string().contains("flags"), "{error}");
    }

    #[tokio::test]
    async fn strangers_share_one_account_and_give_it_back() {
        let limits = Limits::new(8 << 20);
        let unfinished = {
            let mut bytes = encode(&[&vec![0; 6 << 20]]);
            bytes.pop();
            bytes
        };
        let mut first = reader(&unfinished, &limits);
        assert!(first.next().await.is_err());
        let mut second = reader(&unfinished, &limits);
        let error = second.next().await.unwrap_err();
        assert!(
            error.to_string().contains("without a signed one"),
            "{error}"
        );
        let trusted = Arc::new(AtomicBool::new(true));
        let whole = encode(&[&vec![0; 6 << 20]]);
        let mut third = Reader::new(&whole[..], limits.clone(), trusted);
        assert!(third.next().await.is_ok());
        drop((first, second));
        assert_eq!(limits.strangers.load(Ordering::Relaxed), 8 << 20);
    }
}
