//! Decodes request bodies that have a `Content-Encoding`. The route's body limit also applies to the decoded size, so a
//! decompression bomb costs no more than a body of that size.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::app::{Error, Kind};

/// Decodes a body with this `Content-Encoding`.
///
/// # Errors
/// `UnsupportedType` for an encoding other than gzip and deflate; `TooLarge` if the result exceeds `max_bytes`;
/// `BadRequest` if the body is not valid in its encoding.
pub fn decode(bytes: Vec<u8>, encoding: Option<&str>, max_bytes: u64) -> Result<Vec<u8>, Error> {
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => Ok(bytes),
        "gzip" | "x-gzip" => {
            read_decoded(MultiGzDecoder::new(bytes.as_slice()), &encoding, max_bytes)
        }
        "deflate" => read_decoded(ZlibDecoder::new(bytes.as_slice()), &encoding, max_bytes),
        _ => {
            let excerpt: String = encoding.chars().take(40).collect();
            let why = format!("the content encoding {excerpt:?} is not supported");
            Err(Error::new(Kind::UnsupportedType, why)
                .resolve("send the body uncompressed, or with gzip or deflate"))
        }
    }
}

fn read_decoded(decoder: impl Read, encoding: &str, max_bytes: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match decoder.take(max_bytes + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > max_bytes => {
            let why = format!(
                "the decompressed body is larger than {}",
                super::body::format_size(max_bytes)
            );
            Err(Error::new(Kind::TooLarge, why))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(damaged_error(&error, encoding)),
    }
}

fn damaged_error(error: &io::Error, encoding: &str) -> Error {
    let why = format!("the body is not valid {encoding}: {error}");
    Error::new(Kind::BadRequest, why).resolve("encode the body as its Content-Encoding header says")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn bodies_are_decompressed_within_their_limit() {
        let bomb = gzip(&vec![b' '; 1 << 20]);
        for (bytes, encoding, expected) in [
            (b"{}".to_vec(), None, Ok(2)),
            (b"{}".to_vec(), Some("identity"), Ok(2)),
            (gzip(b"{}"), Some("GZip"), Ok(2)),
            (bomb.clone(), Some("gzip"), Err(Kind::TooLarge)),
            (b"{}".to_vec(), Some("gzip"), Err(Kind::BadRequest)),
            (b"{}".to_vec(), Some("br"), Err(Kind::UnsupportedType)),
        ] {
            let decoded = decode(bytes, encoding, 1 << 10);
            let decoded = decoded.map(|bytes| bytes.len()).map_err(|error| error.kind);
            assert_eq!(decoded, expected, "{encoding:?}");
        }
    }
}
