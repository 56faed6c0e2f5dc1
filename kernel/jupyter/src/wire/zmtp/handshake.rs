//! Greeting and handshake with the mechanism `NULL`.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::frame::{broken, head, read_frame};

/// The largest command of a handshake. Identities have 255 bytes at most.
const LARGEST_COMMAND: usize = 4 << 10;

/// The sockets of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketType {
    /// Answers go to the peer that has asked.
    Router,
    /// Sends to all that subscribe.
    XPub,
    /// Answers in turn; the heartbeat.
    Rep,
}

impl SocketType {
    fn name(self) -> &'static str {
        match self {
            SocketType::Router => "ROUTER",
            SocketType::XPub => "XPUB",
            SocketType::Rep => "REP",
        }
    }

    fn accepts(self, peer: &[u8]) -> bool {
        match self {
            SocketType::Router => matches!(peer, b"DEALER" | b"REQ" | b"ROUTER"),
            SocketType::XPub => matches!(peer, b"SUB" | b"XSUB"),
            SocketType::Rep => matches!(peer, b"REQ" | b"DEALER"),
        }
    }
}

/// Greets a peer and agrees with it on what both are. Returns the peer's identity, which may be empty.
///
/// # Errors
///
/// Fails where the peer has gone or does not keep to the protocol.
pub async fn handshake(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    socket: SocketType,
) -> io::Result<Bytes> {
    stream.write_all(&greeting()).await?;
    let mut greeting = [0; 64];
    // What is no ZMTP is known by its beginning, however little has come.
    let no_zmtp = || broken("it does not speak ZMTP".to_owned());
    stream.read_exact(&mut greeting[..1]).await?;
    if greeting[0] != 0xff {
        return Err(no_zmtp());
    }
    stream.read_exact(&mut greeting[1..10]).await?;
    if greeting[9] & 1 == 0 {
        return Err(no_zmtp());
    }
    stream.read_exact(&mut greeting[10..]).await?;
    if greeting[10] < 3 {
        return Err(broken(format!(
            "it speaks ZMTP {}, 3 was expected",
            greeting[10]
        )));
    }
    if greeting[12..32] != mechanism() {
        return Err(broken(format!(
            "it asks for the mechanism {}, NULL was expected",
            String::from_utf8_lossy(&greeting[12..32]).trim_end_matches('\0')
        )));
    }
    let ready = ready(socket);
    let (head, length) = head(ready.len(), false, true);
    stream
        .write_all(&[&head[..length], &ready].concat())
        .await?;
    let frame = read_frame(stream, LARGEST_COMMAND).await?;
    let properties = frame
        .body
        .strip_prefix(b"\x05READY")
        .filter(|_| frame.is_command && !frame.more)
        .ok_or_else(|| broken("it does not say READY".to_owned()))?;
    let (mut identity, mut peer) = (Bytes::new(), Bytes::new());
    let mut rest = frame.body.slice_ref(properties);
    while !rest.is_empty() {
        let (name, value) = property(&mut rest)
            .ok_or_else(|| broken("the properties of its READY are cut".to_owned()))?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            peer = value;
        } else if name.eq_ignore_ascii_case(b"Identity") {
            identity = value;
        }
    }
    if !socket.accepts(&peer) {
        return Err(broken(format!(
            "it is a {} socket, which does not go with {}",
            String::from_utf8_lossy(&peer),
            socket.name()
        )));
    }
    if identity.len() > 255 {
        return Err(broken(format!("its identity has {} bytes", identity.len())));
    }
    Ok(identity)
}

fn mechanism() -> [u8; 20] {
    let mut name = [0; 20];
    name[..4].copy_from_slice(b"NULL");
    name
}

fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..32].copy_from_slice(&mechanism());
    greeting
}

fn ready(socket: SocketType) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    for (name, value) in [("Socket-Type", socket.name()), ("Identity", "")] {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    body
}

fn property(rest: &mut Bytes) -> Option<(Bytes, Bytes)> {
    let name_length = usize::from(*rest.first()?);
    let value_at = 1 + name_length + 4;
    let length: [u8; 4] = rest.get(1 + name_length..value_at)?.try_into().ok()?;
    let end = value_at.checked_add(usize::try_from(u32::from_be_bytes(length)).ok()?)?;
    if rest.len() < end {
        return None;
    }
    let found = rest.split_to(end);
    Some((found.slice(1..1 + name_length), found.slice(value_at..)))
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What the socket says to a peer that sends these bytes.
    async fn meet(bytes: Vec<u8>) -> io::Result<Bytes> {
        let (mut near, mut far) = duplex(1 << 16);
        far.write_all(&bytes).await.unwrap();
        far.shutdown().await.unwrap();
        handshake(&mut near, SocketType::Rep).await
    }

    fn with_ready(body: &[u8]) -> Vec<u8> {
        let (head, length) = head(body.len(), false, true);
        [&greeting()[..], &head[..length], body].concat()
    }

    #[tokio::test]
    async fn a_peer_is_known_by_its_identity() {
        let ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08identity\x00\x00\x00\x02me";
        assert_eq!(meet(with_ready(ready)).await.unwrap(), "me");
    }

    #[tokio::test]
    async fn whatever_is_wrong_is_told() {
        let mut old = greeting();
        old[10] = 1;
        let mut other = greeting();
        other[12..17].copy_from_slice(b"CURVE");
        let long = [&greeting()[..], &[6], &(1u64 << 40).to_be_bytes()].concat();
        for (bytes, expected) in [
            (
                b"GET / HTTP/1.1\r\nHost: localhost\r\n".repeat(3),
                "does not speak ZMTP",
            ),
            (old.to_vec(), "speaks ZMTP 1"),
            (other.to_vec(), "mechanism CURVE"),
            (long, "announces a frame of 1099511627776 bytes"),
            (with_ready(b"\x05READY\xff"), "are cut"),
            (with_ready(b"\x05READY\x01a\xff\xff\xff\xff"), "are cut"),
            (
                with_ready(b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"),
                "it is a SUB socket",
            ),
            (with_ready(b"\x05ERROR"), "does not say READY"),
            (greeting()[..40].to_vec(), "early eof"),
        ] {
            let error = meet(bytes).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
