//! Messages and their frames.

use std::{fmt, time::SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PROTOCOL_VERSION, Refusal, Signer};

const DELIMITER: &[u8] = b"<IDS|MSG>";

/// The header of a message. Fields that are not known here are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub msg_id: String,
    pub msg_type: String,
    #[serde(default)]
    pub session: String,
    #[serde(default)]
    pub username: String,
    #[serde(default)]
    pub date: String,
    #[serde(default)]
    pub version: String,
    #[serde(flatten)]
    pub other: serde_json::Map<String, Value>,
}

/// A message as it goes over a socket.
#[derive(Clone, Debug)]
pub struct Message {
    /// The routing prefix of a request, or the topic of a broadcast.
    pub identities: Vec<Bytes>,
    /// The connection on which a request came, or that of the request that this answers.
    pub connection: Option<u64>,
    /// The message's own header.
    pub header: Header,
    /// The header of the request that this answers, or an empty object.
    pub parent: Value,
    /// What is said about the content.
    pub metadata: Value,
    /// The content, by the message's type.
    pub content: Value,
    /// Bytes beside the JSON.
    pub buffers: Vec<Bytes>,
}

/// Why frames are not a message.
#[derive(Debug)]
pub enum WireError {
    NoDelimiter,
    TooFewFrames(usize),
    WrongSignature,
    Repeated,
    NotJson(&'static str, serde_json::Error),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::NoDelimiter => f.write_str("there is no <IDS|MSG> frame"),
            WireError::TooFewFrames(count) => {
                write!(f, "{count} frames after <IDS|MSG>, at least 5 expected")
            }
            WireError::WrongSignature => f.write_str("the signature is wrong"),
            WireError::Repeated => f.write_str("a message with its signature has come before"),
            WireError::NotJson(part, error) => write!(f, "the {part} is not as expected: {error}"),
        }
    }
}

impl Message {
    /// A message that answers, or is caused by, `parent`.
    pub fn new(msg_type: &str, session: &str, parent: Option<&Message>, content: Value) -> Message {
        Message {
            identities: parent
                .map(|parent| parent.identities.clone())
                .unwrap_or_default(),
            connection: parent.and_then(|parent| parent.connection),
            header: Header {
                msg_id: uuid::Uuid::new_v4().to_string(),
                msg_type: msg_type.to_owned(),
                session: session.to_owned(),
                username: "kernel".to_owned(),
                date: humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
                version: PROTOCOL_VERSION.to_owned(),
                other: serde_json::Map::new(),
            },
            parent: parent.map_or_else(
                || json!({}),
                |parent| serde_json::to_value(&parent.header).unwrap_or_else(|_| json!({})),
            ),
            metadata: json!({}),
            content,
            buffers: Vec::new(),
        }
    }

    /// Takes frames apart, checking the signature before anything is parsed.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the frames.
    pub fn decode(frames: Vec<Bytes>, signer: &Signer) -> Result<Message, WireError> {
        let delimiter = frames
            .iter()
            .position(|frame| &frame[..] == DELIMITER)
            .ok_or(WireError::NoDelimiter)?;
        let (identities, rest) = frames.split_at(delimiter);
        let [
            _,
            signature,
            header,
            parent,
            metadata,
            content,
            buffers @ ..,
        ] = rest
        else {
            return Err(WireError::TooFewFrames(rest.len() - 1));
        };
        signer
            .admit(&[header, parent, metadata, content], signature)
            .map_err(|refusal| match refusal {
                Refusal::Wrong => WireError::WrongSignature,
                Refusal::Repeated => WireError::Repeated,
            })?;
        let value = |part: &'static str, frame: &Bytes| {
            serde_json::from_slice::<Value>(frame).map_err(|error| WireError::NotJson(part, error))
        };
        Ok(Message {
            identities: identities.to_vec(),
            connection: None,
            header: serde_json::from_slice(header)
                .map_err(|error| WireError::NotJson("header", error))?,
            parent: value("parent header", parent)?,
            metadata: value("metadata", metadata)?,
            content: value("content", content)?,
            buffers: buffers.to_vec(),
        })
    }

    /// The frames of the message, signed.
    ///
    /// # Errors
    ///
    /// Fails where a part cannot be written as JSON.
    pub fn encode(&self, signer: &Signer) -> Result<Vec<Bytes>, serde_json::Error> {
        let parts = [
            serde_json::to_vec(&self.header)?,
            serde_json::to_vec(&self.parent)?,
            serde_json::to_vec(&self.metadata)?,
            serde_json::to_vec(&self.content)?,
        ];
        let signature = signer.sign(&parts);
        let mut frames: Vec<Bytes> = self.identities.clone();
        frames.push(Bytes::from_static(DELIMITER));
        frames.push(Bytes::from(signature));
        frames.extend(parts.into_iter().map(Bytes::from));
        frames.extend(self.buffers.iter().cloned());
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        let mut message =
            Message::new("execute_request", "session", None, json!({"code": "1 + 1"}));
        message.identities = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        message.buffers = vec![Bytes::from_static(b"\0\xff")];
        message
            .header
            .other
            .insert("subshell_id".into(), json!("s"));
        message
    }

    #[test]
    fn messages_round_trip_with_identities_and_buffers() {
        let signer = Signer::new("key");
        let sent = message();
        let got = Message::decode(sent.encode(&signer).unwrap(), &signer).unwrap();
        assert_eq!(got.identities, sent.identities);
        assert_eq!(got.header, sent.header);
        assert_eq!(got.content, sent.content);
        assert_eq!(got.buffers, sent.buffers);
    }

    #[test]
    fn a_message_is_taken_once() {
        let signer = Signer::new("key");
        let frames = message().encode(&signer).unwrap();
        assert!(Message::decode(frames.clone(), &signer).is_ok());
        assert!(matches!(
            Message::decode(frames.clone(), &signer),
            Err(WireError::Repeated)
        ));
        // The same signature in other letters is the same signature.
        let mut shouted = frames;
        shouted[3] = shouted[3].to_ascii_uppercase().into();
        assert!(matches!(
            Message::decode(shouted, &signer),
            Err(WireError::Repeated)
        ));
    }

    #[test]
    fn what_is_no_message_is_told() {
        let signer = Signer::new("key");
        let wrong = message().encode(&Signer::new("other")).unwrap();
        assert!(matches!(
            Message::decode(wrong, &signer),
            Err(WireError::WrongSignature)
        ));
        let bare = vec![Bytes::from_static(b"hello")];
        assert!(matches!(
            Message::decode(bare, &signer),
            Err(WireError::NoDelimiter)
        ));
        let short = vec![Bytes::from_static(DELIMITER), Bytes::new()];
        assert!(matches!(
            Message::decode(short, &signer),
            Err(WireError::TooFewFrames(1))
        ));
        let unsigned = Signer::new("");
        let frames: Vec<Bytes> = [DELIMITER, b"", b"[]", b"{}", b"{}", b"{}"]
            .map(Bytes::from_static)
            .into();
        assert!(matches!(
            Message::decode(frames, &unsigned),
            Err(WireError::NotJson("header", _))
        ));
    }
}
