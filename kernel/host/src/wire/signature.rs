//! Signatures of messages: HMAC-SHA256 over the four JSON frames.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Signs and verifies with a session's key.
#[derive(Clone)]
pub struct Signer {
    /// `None` where the connection file has an empty key: messages are not signed then.
    mac: Option<Hmac<Sha256>>,
}

impl Signer {
    pub fn new(key: &str) -> Signer {
        let mac = match key {
            "" => None,
            // HMAC takes keys of any length.
            key => Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok(),
        };
        Signer { mac }
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

    /// Whether `signature` is that of `frames`, compared in constant time.
    pub fn verify(&self, frames: &[impl AsRef<[u8]>], signature: &[u8]) -> bool {
        let Some(mac) = &self.mac else { return true };
        let Some(signature) = decode_hex(signature) else {
            return false;
        };
        let mut mac = mac.clone();
        for frame in frames {
            mac.update(frame.as_ref());
        }
        mac.verify_slice(&signature).is_ok()
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
        assert!(signer.verify(&frames, signature.as_bytes()));
    }

    #[test]
    fn any_change_is_noticed() {
        let signer = Signer::new("secret");
        let signature = signer.sign(&["a", "b", "c", "d"]);
        assert!(!signer.verify(&["a", "b", "c", "e"], signature.as_bytes()));
        assert!(!Signer::new("other").verify(&["a", "b", "c", "d"], signature.as_bytes()));
        for bad in ["", "zz", "abc", "é"] {
            assert!(
                !signer.verify(&["a", "b", "c", "d"], bad.as_bytes()),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_empty_key_means_no_signatures() {
        let signer = Signer::new("");
        assert_eq!(signer.sign(&["a"]), "");
        assert!(signer.verify(&["a"], b""));
    }
}
