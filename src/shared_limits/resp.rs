//! Redis's protocol (RESP2): writes commands and reads replies. Pure: bytes in, values out.

/// Maximum length of a string in a reply, in bytes. The longest reply that Quire requests is INFO's, a few kilobytes.
const MAX_STRING_BYTES: usize = 64 * 1024;
/// Maximum number of elements of an array.
const MAX_ELEMENTS: usize = 64;
/// Maximum depth of arrays in arrays.
const MAX_DEPTH: usize = 4;
/// Maximum length of a status, error, or length line, in bytes; a longer line is too large.
const MAX_LINE_BYTES: usize = 1024;

/// A value in a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisValue {
    /// No value: a null string or a null array.
    Nil,
    /// An integer.
    Integer(i64),
    /// A string or a status.
    Text(Vec<u8>),
    /// An error, such as `NOSCRIPT No matching script`.
    Refusal(String),
    /// An array.
    Array(Vec<RedisValue>),
}

/// Why bytes cannot be read as a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RespError {
    /// The bytes are not in Redis's protocol.
    Malformed,
    /// A value is longer or more deeply nested than any reply that Quire requests.
    TooLarge,
}

/// Appends an encoded command to `to`.
pub fn write_command<T: AsRef<[u8]>>(parts: &[T], to: &mut Vec<u8>) {
    to.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        let part = part.as_ref();
        to.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        to.extend_from_slice(part);
        to.extend_from_slice(b"\r\n");
    }
}

/// Reads the first reply. Returns it with its length in bytes, or `None` if it is not complete yet.
///
/// # Errors
/// Returns an error if the bytes are not the start of a reply, or if the reply is too large.
pub fn read_reply(bytes: &[u8]) -> Result<Option<(RedisValue, usize)>, RespError> {
    let mut reader = ReplyReader { bytes, at: 0 };
    let value = reader.value(0)?;
    Ok(value.map(|value| (value, reader.at)))
}

/// Reads a reply from bytes, starting at a position.
struct ReplyReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ReplyReader<'a> {
    /// Reads a value; `None` if more bytes are needed.
    fn value(&mut self, depth: usize) -> Result<Option<RedisValue>, RespError> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        let Some((kind, rest)) = line.split_first() else {
            return Err(RespError::Malformed);
        };
        match kind {
            b'+' => Ok(Some(RedisValue::Text(rest.to_vec()))),
            b'-' => Ok(Some(RedisValue::Refusal(
                String::from_utf8_lossy(rest).into_owned(),
            ))),
            b':' => Ok(Some(RedisValue::Integer(integer(rest)?))),
            b'$' => self.string(integer(rest)?),
            b'*' => self.array(integer(rest)?, depth),
            _ => Err(RespError::Malformed),
        }
    }

    /// Reads up to the next line break; `None` if it has not arrived yet.
    fn line(&mut self) -> Result<Option<&'a [u8]>, RespError> {
        let rest = &self.bytes[self.at..];
        let window = &rest[..rest.len().min(MAX_LINE_BYTES + 2)];
        match window.windows(2).position(|two| two == b"\r\n") {
            Some(end) => {
                self.at += end + 2;
                Ok(Some(&rest[..end]))
            }
            None if window.len() < MAX_LINE_BYTES + 2 => Ok(None),
            None => Err(RespError::TooLarge),
        }
    }

    fn string(&mut self, length: i64) -> Result<Option<RedisValue>, RespError> {
        let Some(length) = size(length, MAX_STRING_BYTES)? else {
            return Ok(Some(RedisValue::Nil));
        };
        let rest = &self.bytes[self.at..];
        let Some(text) = rest.get(..length + 2) else {
            return Ok(None);
        };
        let (text, end) = text.split_at(length);
        if end != b"\r\n" {
            return Err(RespError::Malformed);
        }
        self.at += length + 2;
        Ok(Some(RedisValue::Text(text.to_vec())))
    }

    fn array(&mut self, length: i64, depth: usize) -> Result<Option<RedisValue>, RespError> {
        let Some(length) = size(length, MAX_ELEMENTS)? else {
            return Ok(Some(RedisValue::Nil));
        };
        if depth >= MAX_DEPTH {
            return Err(RespError::TooLarge);
        }
        let mut values = Vec::with_capacity(length);
        for _ in 0..length {
            match self.value(depth + 1)? {
                Some(value) => values.push(value),
                None => return Ok(None),
            }
        }
        Ok(Some(RedisValue::Array(values)))
    }
}

fn integer(digits: &[u8]) -> Result<i64, RespError> {
    let text = std::str::from_utf8(digits).map_err(|_| RespError::Malformed)?;
    text.parse().map_err(|_| RespError::Malformed)
}

/// Converts a length from a reply; `None` for -1, which represents nil.
fn size(length: i64, max: usize) -> Result<Option<usize>, RespError> {
    match usize::try_from(length) {
        Ok(length) if length <= max => Ok(Some(length)),
        Ok(_) => Err(RespError::TooLarge),
        Err(_) if length == -1 => Ok(None),
        Err(_) => Err(RespError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::RedisValue::{Array, Integer, Nil, Refusal, Text};
    use super::*;

    fn written(value: &RedisValue, to: &mut Vec<u8>) {
        match value {
            Nil => to.extend(b"$-1\r\n"),
            Integer(number) => to.extend(format!(":{number}\r\n").bytes()),
            Refusal(text) => to.extend(format!("-{text}\r\n").bytes()),
            Text(bytes) => {
                to.extend(format!("${}\r\n", bytes.len()).bytes());
                to.extend(bytes);
                to.extend(b"\r\n");
            }
            Array(values) => {
                to.extend(format!("*{}\r\n", values.len()).bytes());
                values.iter().for_each(|value| written(value, to));
            }
        }
    }

    fn any_value() -> impl Strategy<Value = RedisValue> {
        let leaf = prop_oneof![
            Just(Nil),
            any::<i64>().prop_map(Integer),
            "[A-Z]{1,8} [a-z ]{0,20}".prop_map(Refusal),
            prop::collection::vec(any::<u8>(), 0..50).prop_map(Text),
        ];
        leaf.prop_recursive(3, 40, 8, |inner| {
            prop::collection::vec(inner, 0..8).prop_map(Array)
        })
    }

    #[test]
    fn replies_are_read() {
        for (bytes, expected) in [
            (&b"+PONG\r\n"[..], Ok(Some((Text(b"PONG".to_vec()), 7)))),
            (b"$0\r\n\r\n:1\r\n", Ok(Some((Text(Vec::new()), 6)))),
            (b"*-1\r\n", Ok(Some((Nil, 5)))),
            (b"$5\r\nab", Ok(None)),
            (b"*2\r\n:1\r\n", Ok(None)),
            (b"", Ok(None)),
            (b"$1\r\nabc", Err(RespError::Malformed)),
            (b"\r\n", Err(RespError::Malformed)),
            (b":1x\r\n", Err(RespError::Malformed)),
            (b"$-2\r\n", Err(RespError::Malformed)),
            (b"HTTP/1.1 400 Bad Request\r\n", Err(RespError::Malformed)),
            (b"$99999999\r\n", Err(RespError::TooLarge)),
            (b"*65\r\n", Err(RespError::TooLarge)),
            (
                b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
                Err(RespError::TooLarge),
            ),
            (&[b'+'; 2 * MAX_LINE_BYTES], Err(RespError::TooLarge)),
        ] {
            assert_eq!(read_reply(bytes), expected, "{:?}", bytes.escape_ascii());
        }
    }

    #[test]
    fn commands_are_written_with_lengths() {
        let mut bytes = Vec::new();
        write_command(&["SET", "a\r\n", ""], &mut bytes);
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$3\r\na\r\n\r\n$0\r\n\r\n");
    }

    proptest! {
        #[test]
        fn a_reply_is_read_once_it_is_complete(value in any_value(), rest in prop::collection::vec(any::<u8>(), 0..9)) {
            let mut bytes = Vec::new();
            written(&value, &mut bytes);
            for end in 0..bytes.len() {
                prop_assert_eq!(read_reply(&bytes[..end]), Ok(None));
            }
            let length = bytes.len();
            bytes.extend(rest);
            prop_assert_eq!(read_reply(&bytes), Ok(Some((value, length))));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some((_, length))) = read_reply(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
