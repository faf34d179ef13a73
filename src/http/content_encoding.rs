//! Request bodies under a `Content-Encoding`: unpacked within the limit of the route, so that a decompression
//! bomb costs no more than a body of that size.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::app::{Error, Kind};

/// The body as its client wrote it.
///
/// # Errors
/// `UnsupportedType` for an encoding other than gzip and deflate, `TooLarge` when more than `most` bytes come
/// out, `BadRequest` when the bytes are not in that encoding.
pub fn unpack(bytes: Vec<u8>, encoding: Option<&str>, most: u64) -> Result<Vec<u8>, Error> {
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => Ok(bytes),
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(bytes.as_slice()), &encoding, most),
        "deflate" => read(ZlibDecoder::new(bytes.as_slice()), &encoding, most),
        _ => {
            let shown: String = encoding.chars().take(40).collect();
            let why = format!("the content encoding {shown:?} is not supported");
            Err(Error::new(Kind::UnsupportedType, why)
                .resolve("send the body uncompressed, or with gzip or deflate"))
        }
    }
}

fn read(packed: impl Read, encoding: &str, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match packed.take(most + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > most => {
            let why = format!(
                "the unpacked body is larger than {}",
                super::body::size(most)
            );
            Err(Error::new(Kind::TooLarge, why))
        }
        Ok(_) => Ok(bytes),
        Err(fault) => Err(damaged(&fault, encoding)),
    }
}

fn damaged(fault: &io::Error, encoding: &str) -> Error {
    let why = format!("the body is not valid {encoding}: {fault}");
    Error::new(Kind::BadRequest, why).resolve("send the body as its content-encoding says")
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
    fn bodies_are_unpacked_within_their_limit() {
        let bomb = gzip(&vec![b' '; 1 << 20]);
        for (bytes, encoding, expected) in [
            (b"{}".to_vec(), None, Ok(2)),
            (b"{}".to_vec(), Some("identity"), Ok(2)),
            (gzip(b"{}"), Some("GZip"), Ok(2)),
            (bomb.clone(), Some("gzip"), Err(Kind::TooLarge)),
            (b"{}".to_vec(), Some("gzip"), Err(Kind::BadRequest)),
            (b"{}".to_vec(), Some("br"), Err(Kind::UnsupportedType)),
        ] {
            let found = unpack(bytes, encoding, 1 << 10);
            let found = found.map(|bytes| bytes.len()).map_err(|error| error.kind);
            assert_eq!(found, expected, "{encoding:?}");
        }
    }
}
