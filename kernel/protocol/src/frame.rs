//! Length-prefixed JSON frames.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

/// The largest frame that is accepted. A picture of this size would not reach a browser either.
pub const MAX_FRAME_BYTES: usize = 1 << 30;

/// Serializes `message` with its length in front.
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - 4)
        .ok()
        .filter(|&length| length as usize <= MAX_FRAME_BYTES)
        .ok_or_else(|| too_long(bytes.len() - 4))?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// Parses the body of a frame.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(body)?)
}

/// Writes one frame with a single call to `write_all`.
pub fn write<T: Serialize>(writer: &mut impl Write, message: &T) -> io::Result<()> {
    writer.write_all(&encode(message)?)?;
    writer.flush()
}

/// Reads one frame, or `None` where the stream ends between two frames.
pub fn read<T: DeserializeOwned>(reader: &mut impl Read) -> io::Result<Option<T>> {
    match read_body(reader)? {
        Some(body) => decode(&body).map(Some),
        None => Ok(None),
    }
}

/// Reads the body of one frame, to be decoded; `None` where the stream ends between two frames.
///
/// # Errors
///
/// Fails where the stream does; there is no next frame then.
pub fn read_body(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match reader.read(&mut length)? {
        0 => return Ok(None),
        got => reader.read_exact(&mut length[got..])?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(too_long(length));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(body))
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a frame of {length} bytes: at most {MAX_FRAME_BYTES} are accepted"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_the_end_is_none() {
        let mut stream = Vec::new();
        write(&mut stream, &"first").unwrap();
        write(&mut stream, &vec![1, 2, 3]).unwrap();
        let mut reader = stream.as_slice();
        assert_eq!(
            read::<String>(&mut reader).unwrap().as_deref(),
            Some("first")
        );
        assert_eq!(read::<Vec<u8>>(&mut reader).unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(read::<String>(&mut reader).unwrap(), None);
    }

    #[test]
    fn a_cut_frame_is_an_error() {
        let mut stream = Vec::new();
        write(&mut stream, &"text").unwrap();
        stream.pop();
        let error = read::<String>(&mut stream.as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_absurd_length_is_refused_before_it_is_allocated() {
        let error = read::<String>(&mut u32::MAX.to_le_bytes().as_slice()).unwrap_err();
        assert!(error.to_string().contains("4294967295 bytes"), "{error}");
    }
}
