//! Values that are nested deeply.
//!
//! The parser of a message takes so many levels and no more, and a value stands some levels below the message's top. So one
//! that is nested deeply travels as text, which is parsed by itself: whatever a front end may send, and this host takes,
//! reaches the runtime, and the other way round.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    ser::{Error as _, SerializeMap},
};
use serde_json::{Map, Value, json};

/// How deeply a value may be nested: as deeply as the parser takes it.
pub const MAX_VALUE_DEPTH: usize = 127;

/// How deeply a value is nested at most that travels as it is.
const PLAIN_DEPTH: usize = 64;

/// The key of the only entry of an object that stands for a text of JSON.
const MARK: &str = "\u{1e}json";

/// How deeply a value is nested, counted without recursion: a plain one 0 levels.
pub fn depth_of(value: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        match value {
            Value::Array(values) => open.extend(values.iter().map(|value| (value, depth + 1))),
            Value::Object(entries) => {
                open.extend(entries.values().map(|value| (value, depth + 1)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                deepest = deepest.max(depth);
                continue;
            }
        }
        deepest = deepest.max(depth + 1);
    }
    deepest
}

/// A value on its way out.
struct Outgoing<'a>(&'a Value);

impl Serialize for Outgoing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let depth = depth_of(self.0);
        if depth > MAX_VALUE_DEPTH {
            return Err(S::Error::custom(format!(
                "a value nested {depth} levels deep, at most {MAX_VALUE_DEPTH} can be sent"
            )));
        }
        if depth <= PLAIN_DEPTH && text_of(self.0).is_none() {
            return self.0.serialize(serializer);
        }
        json!({ MARK: self.0.to_string() }).serialize(serializer)
    }
}

/// The text for which a value stands, if it stands for one.
fn text_of(value: &Value) -> Option<&str> {
    let entries = value.as_object().filter(|entries| entries.len() == 1)?;
    entries.get(MARK)?.as_str()
}

fn incoming<E: serde::de::Error>(value: Value) -> Result<Value, E> {
    match text_of(&value) {
        Some(text) => serde_json::from_str(text).map_err(E::custom),
        None => Ok(value),
    }
}

/// For fields that are a value.
pub mod value {
    use super::*;

    pub fn serialize<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
        Outgoing(value).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        incoming(Value::deserialize(deserializer)?)
    }
}

/// For fields that are values by name.
pub mod map {
    use super::*;

    pub fn serialize<S: Serializer>(
        values: &Map<String, Value>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(values.len()))?;
        for (name, value) in values {
            map.serialize_entry(name, &Outgoing(value))?;
        }
        map.end()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Map<String, Value>, D::Error> {
        let values = Map::<String, Value>::deserialize(deserializer)?;
        values
            .into_iter()
            .map(|(name, value)| Ok((name, incoming(value)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CommMessage, Command, Event, MimeBundle, Output, decode, encode};

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, level| match level % 2 {
            0 => json!([inner]),
            _ => json!({ "]}\\\"": inner }),
        })
    }

    #[test]
    fn whatever_a_front_end_may_send_arrives() {
        let hostile = json!({ MARK: "[1" });
        let values = [0, 1, 63, 64, 65, 124, 126, MAX_VALUE_DEPTH].map(nested);
        for value in values.into_iter().chain([hostile]) {
            let message = CommMessage {
                kind: "comm_msg".to_owned(),
                comm_id: "id".to_owned(),
                target_name: None,
                data: value.clone(),
                metadata: value.clone(),
                buffers: Vec::new(),
            };
            let frame = encode(&Command::Comm(message)).unwrap();
            let Command::Comm(read) = decode(&frame[4..]).unwrap() else {
                panic!("a comm message was sent");
            };
            assert_eq!((&read.data, &read.metadata), (&value, &value));
            let mut bundle = MimeBundle::default();
            bundle.data.insert("a".to_owned(), value.clone());
            bundle.metadata.insert("a".to_owned(), value.clone());
            let output = Output::Result { bundle };
            let frame = encode(&Event::Output {
                sequence: 1,
                output,
            })
            .unwrap();
            let Event::Output {
                output: Output::Result { bundle },
                ..
            } = decode(&frame[4..]).unwrap()
            else {
                panic!("a result was sent");
            };
            assert_eq!((&bundle.data["a"], &bundle.metadata["a"]), (&value, &value));
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_not_sent() {
        let mut bundle = MimeBundle::default();
        bundle
            .data
            .insert("a".to_owned(), nested(MAX_VALUE_DEPTH + 1));
        let error = encode(&Output::Result { bundle }).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert!(
            error.to_string().contains("nested 128 levels deep"),
            "{error}"
        );
        assert_eq!(depth_of(&nested(1000)), 1000);
    }
}
