//! Signatures of messages: HMAC-SHA256 over the four JSON frames.

use parking_lot::Mutex;
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How many signatures are remembered, as by ipykernel.
const MOST_REMEMBERED: usize = 1 << 16;

/// Signs and verifies with a session's key.
#[derive(Clone)]
pub struct Signer {
    /// `None` where the connection file has an empty key: messages are not signed then.
    mac: Option<Hmac<Sha256>>,
    /// The signatures of the messages that have come, on whichever socket.
    seen: Arc<Mutex<Seen>>,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its signature is not of this key.
    Wrong,
    /// It has come before: somebody has recorded it and sends it again.
    Repeated,
}

/// The newest signatures.
#[derive(Default)]
struct Seen {
    known: HashSet<Arc<[u8]>>,
    order: VecDeque<Arc<[u8]>>,
}

impl Seen {
    /// Returns whether the signature is new.
    fn note(&mut self, signature: &[u8]) -> bool {
        let signature: Arc<[u8]> = signature.into();
        if !self.known.insert(signature.clone()) {
            return false;
        }
        self.order.push_back(signature);
        if self.order.len() > MOST_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

impl Signer {
    /// Makes a signer with the connection file's key; an empty one signs nothing.
    pub fn new(key: &str) -> Signer {
        let mac = match key {
            "" => None,
            // HMAC takes keys of any length.
            key => Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok(),
        };
        Signer {
            mac,
            seen: Arc::default(),
        }
    }

    /// The signature as lower-case hex; empty where messages are not signed.
    pub fn sign(&self, frames: &[impl AsRef<[u8]>]) -> String {
        let Some(mac) = &self.mac else {
            return String::new();
        };
        let mut mac = mac.clone();
        for frame in frames {
            mac.update(frame.as_ref());
        }
        mac.finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Admits frames whose signature is this one, compared in constant time, and has not come before.
    ///
    /// # Errors
    ///
    /// Says which of the two it is.
    pub fn admit(&self, frames: &[impl AsRef<[u8]>], signature: &[u8]) -> Result<(), Refusal> {
        let Some(mac) = &self.mac else {
            return Ok(());
        };
        let signature = decode_hex(signature).ok_or(Refusal::Wrong)?;
        let mut mac = mac.clone();
        for frame in frames {
            mac.update(frame.as_ref());
        }
        mac.verify_slice(&signature).map_err(|_| Refusal::Wrong)?;
        let mut seen = self.seen.lock();
        match seen.note(&signature) {
            true => Ok(()),
            false => Err(Refusal::Repeated),
        }
    }
}

fn decode_hex(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_agree_with_pythons_hmac_module() {
        // hmac.new(b"secret", b'{"a":1}{}{}{}', hashlib.sha256).hexdigest()
        let frames = [r#"{"a":1}"#, "{}", "{}", "{}"];
        let signer = Signer::new("secret");
        let signature = signer.sign(&frames);
        assert_eq!(
            signature,
            "5439160579203ae5952244a353b0f81b6ca58a3fb44727217799b393ee79601c"
        );
        assert_eq!(signer.admit(&frames, signature.as_bytes()), Ok(()));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut seen = Seen::default();
        for number in 0..MOST_REMEMBERED + 10 {
            assert!(seen.note(&number.to_be_bytes()));
        }
        assert_eq!(seen.known.len(), MOST_REMEMBERED);
        assert!(!seen.note(&MOST_REMEMBERED.to_be_bytes()));
        assert!(seen.note(&3usize.to_be_bytes()));
    }

    #[test]
    fn any_change_is_noticed() {
        let signer = Signer::new("secret");
        let signature = signer.sign(&["a", "b", "c", "d"]);
        let wrong = Err(Refusal::Wrong);
        let changed = ["a", "b", "c", "e"];
        assert_eq!(signer.admit(&changed, signature.as_bytes()), wrong);
        let frames = ["a", "b", "c", "d"];
        let other = Signer::new("other");
        assert_eq!(other.admit(&frames, signature.as_bytes()), wrong);
        for bad in ["", "zz", "abc", "é"] {
            assert_eq!(signer.admit(&frames, bad.as_bytes()), wrong, "{bad}");
        }
    }

    #[test]
    fn an_empty_key_means_no_signatures() {
        let signer = Signer::new("");
        assert_eq!(signer.sign(&["a"]), "");
        assert_eq!(signer.admit(&["a"], b""), Ok(()));
        assert_eq!(signer.admit(&["a"], b""), Ok(()));
    }
}
