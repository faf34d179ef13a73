//! Decompresses response bodies. Quire does not request compression, but some servers compress anyway.

use std::io::{self, Write};
use std::time::Duration;

use flate2::write::{MultiGzDecoder, ZlibDecoder};

use super::transport_error::ReadError;

/// Maximum size of an answer, in bytes. No model generates nearly as much.
pub(super) const MAX_ANSWER: usize = 8 << 20;

/// The first bytes of every gzip stream. No text starts with them.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// The first bytes of a zlib stream (`deflate` in HTTP). No UTF-8 text starts with them.
const ZLIB_MAGIC: [&[u8]; 2] = [&[0x78, 0x9c], &[0x78, 0xda]];
/// Maximum number of compressed bytes processed at once. Their decompressed size is at most about a thousand times as
/// large.
const MAX_STEP_BYTES: usize = 256;

/// A source that returns a body piece by piece.
pub(super) trait PieceSource {
    /// Appends the bytes that have arrived to `piece`. Returns their number, or zero at the end.
    fn read_piece(
        &mut self,
        piece: &mut Vec<u8>,
    ) -> impl Future<Output = Result<usize, ReadError>> + Send;

    /// Sets the timeout for the next piece.
    fn allow(&mut self, time: Duration);
}

/// A body that is decompressed as it arrives, if it is compressed.
pub(super) struct PlainBody<S> {
    source: S,
    decompressor: Option<Decompressor>,
    /// Number of bytes that have arrived, before decompression.
    arrived_bytes: usize,
    is_over: bool,
}

impl<S: PieceSource> PlainBody<S> {
    pub fn new(source: S) -> Self {
        Self {
            source,
            decompressor: None,
            arrived_bytes: 0,
            is_over: false,
        }
    }

    /// Returns the underlying source.
    pub fn into_source(self) -> S {
        self.source
    }

    /// Sets the timeout for the next piece.
    pub fn allow(&mut self, time: Duration) {
        self.source.allow(time);
    }

    /// Replaces the content of `piece` with the next bytes. Returns their number, or zero at the end.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection breaks, a deadline passes, the compressed data is damaged, or the body is too
    /// large.
    pub async fn read_piece(&mut self, piece: &mut Vec<u8>) -> Result<usize, ReadError> {
        piece.clear();
        while piece.is_empty() && !self.is_over {
            let is_first = self.arrived_bytes == 0;
            let mut read = self.source.read_piece(piece).await?;
            if is_first && read == 1 && matches!(piece[0], 0x1f | 0x78) {
                // At least two bytes are required to detect compression.
                read += self.source.read_piece(piece).await?;
            }
            self.arrived_bytes += read;
            self.is_over = read == 0;
            if is_first && is_compressed(piece) {
                self.decompressor = Some(Decompressor::for_magic(piece));
            }
            if let Some(decompressor) = &mut self.decompressor {
                if self.arrived_bytes > MAX_ANSWER {
                    return Err(ReadError::TooLarge);
                }
                *piece = decompressor.push(piece)?;
            }
        }
        Ok(piece.len())
    }
}

fn is_compressed(first: &[u8]) -> bool {
    first.starts_with(GZIP_MAGIC) || ZLIB_MAGIC.iter().any(|mark| first.starts_with(mark))
}

enum Decompressor {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
}

impl Decompressor {
    fn for_magic(first: &[u8]) -> Self {
        match first.starts_with(GZIP_MAGIC) {
            true => Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            false => Self::Zlib(Box::new(ZlibDecoder::new(Vec::new()))),
        }
    }

    /// Decompresses a piece. An empty piece marks the end of the body.
    fn push(&mut self, packed: &[u8]) -> Result<Vec<u8>, ReadError> {
        for step in packed.chunks(MAX_STEP_BYTES) {
            let write_result = match self {
                Self::Gzip(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
                Self::Zlib(decoder) => {
                    write_until_end(decoder, step).and_then(|()| decoder.flush())
                }
            };
            write_result.map_err(|_| ReadError::Broken)?;
            if self.plain_buffer().len() > MAX_ANSWER {
                return Err(ReadError::TooLarge);
            }
        }
        if packed.is_empty() {
            let finish_result = match self {
                Self::Gzip(decoder) => decoder.try_finish(),
                Self::Zlib(decoder) => decoder.try_finish(),
            };
            finish_result.map_err(|_| ReadError::Broken)?;
        }
        Ok(std::mem::take(self.plain_buffer()))
    }

    fn plain_buffer(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zlib(decoder) => decoder.get_mut(),
        }
    }
}

/// Writes all bytes, except for those after the end of the compressed data, which are ignored.
fn write_until_end(decoder: &mut impl Write, mut packed: &[u8]) -> io::Result<()> {
    while !packed.is_empty() {
        match decoder.write(packed)? {
            0 => return Ok(()),
            written => packed = &packed[written..],
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    /// A source that returns a body in pieces of this many bytes.
    struct PiecewiseReader<'a>(&'a [u8], usize);

    impl PieceSource for PiecewiseReader<'_> {
        async fn read_piece(&mut self, piece: &mut Vec<u8>) -> Result<usize, ReadError> {
            let read = self.0.len().min(self.1);
            piece.extend_from_slice(&self.0[..read]);
            self.0 = &self.0[read..];
            Ok(read)
        }

        fn allow(&mut self, _time: Duration) {}
    }

    async fn read_all(body: &[u8], size: usize) -> (Vec<u8>, Result<usize, ReadError>) {
        let mut body = PlainBody::new(PiecewiseReader(body, size));
        let (mut all, mut piece) = (Vec::new(), Vec::new());
        loop {
            match body.read_piece(&mut piece).await {
                Ok(0) => return (all, Ok(0)),
                Ok(_) => all.extend_from_slice(&piece),
                failed => return (all, failed),
            }
        }
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn compressed_bodies_are_read_whatever_their_pieces() {
        let plain = b"data: {\"a\": 1}\n\n".repeat(100);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain).unwrap();
        let twice = [gzip(&plain[..500]), gzip(&plain[500..])].concat();
        let zlib = encoder.finish().unwrap();
        // Some servers send more bytes after the end of the compressed data.
        let followed = [&zlib, b"\r\n".as_slice()].concat();
        for packed in [&plain, &gzip(&plain), &zlib, &followed, &twice] {
            for size in [1, 2, 7, 10_000] {
                assert_eq!(read_all(packed, size).await, (plain.clone(), Ok(0)));
            }
        }
        assert_eq!(read_all(b"", 1).await, (Vec::new(), Ok(0)));
        assert_eq!(read_all(b"x", 1).await, (b"x".to_vec(), Ok(0)));
    }

    #[tokio::test]
    async fn events_in_a_compressed_stream_are_not_held_back() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"data: 1\n\n").unwrap();
        encoder.flush().unwrap();
        let first = encoder.get_ref().clone();
        let mut body = PlainBody::new(PiecewiseReader(&first, 10_000));
        let mut piece = Vec::new();
        assert_eq!(body.read_piece(&mut piece).await, Ok(9));
        assert_eq!(piece, b"data: 1\n\n");
    }

    #[tokio::test]
    async fn damaged_and_endless_data_is_an_error() {
        let plain = vec![b'x'; MAX_ANSWER + 1];
        let packed = gzip(&plain);
        let (_, failed) = read_all(&packed, packed.len()).await;
        assert_eq!(failed, Err(ReadError::TooLarge));
        let packed = gzip(b"some text that is cut off");
        let (_, failed) = read_all(&packed[..packed.len() / 2], 10_000).await;
        assert_eq!(failed, Err(ReadError::Broken));
        let (_, failed) = read_all(b"\x1f\x8b\x08 not compressed at all", 10_000).await;
        assert_eq!(failed, Err(ReadError::Broken));
    }
}
