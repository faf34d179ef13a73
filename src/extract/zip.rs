//! The ZIP container of office files, e-books, and archives: finds the entries and unpacks one at a time, within
//! limits. Trusts no size, offset, or count in the file. Writes nothing to disk, so a path in it is only a name.
//! Refuses encrypted entries and compression methods other than deflate.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use flate2::{Crc, bufread::DeflateDecoder};

/// Maximum number of entries to read.
const MAX_ENTRIES: usize = 20_000;
/// Maximum number of bytes inflated per container; limits the time that a decompression bomb can take.
const MAX_INFLATED_BYTES: u64 = 1 << 30;
/// Minimum size of an entry, in bytes, for its compression ratio to be checked.
const MIN_RATIO_CHECK_BYTES: u64 = 16 << 20;
/// Maximum compression ratio: real spreadsheets reach 60; the limit of deflate itself is 1,032.
const MAX_RATIO: u64 = 300;

/// Number of bytes of an entry to scan at a time.
const SCAN_BYTES: usize = 64 << 10;

/// Signature of a local file header.
const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
/// Signature of a central directory entry.
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
/// Signature of the end of the central directory.
const DIRECTORY_END: &[u8] = b"PK\x05\x06";

/// Why an entry could not be read completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZipError {
    /// The entry is encrypted.
    Locked,
    /// The entry is compressed, but not with deflate.
    Method,
    /// The entry's bytes are missing, do not match their checksum, or cannot be unpacked.
    Damaged,
    /// The entry exceeds a limit on its size or compression ratio, or the container its limit.
    TooLarge,
}

impl ZipError {
    /// Returns the reason, worded for the user.
    pub fn message(self) -> &'static str {
        match self {
            Self::Locked => "it is encrypted",
            Self::Method => "it is compressed by an unsupported method",
            Self::Damaged => "it is damaged",
            Self::TooLarge => "it is too large once unpacked",
        }
    }
}

/// A file in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path, as written in the container.
    pub name: String,
    /// Unpacked size in bytes, as given by the container; 0 if it is not given. Used only as a hint for progress.
    pub size: usize,
    start: usize,
    packed_size: usize,
    method: u16,
    is_encrypted: bool,
    checksum: Option<u32>,
}

/// An opened container.
pub struct Zip<'a> {
    bytes: &'a [u8],
    /// The entries in directory order.
    pub entries: Vec<Entry>,
    /// Whether the directory is missing and the entries were found by their local headers.
    pub is_repaired: bool,
    inflated_bytes: Cell<u64>,
}

/// Returns whether the bytes start like a ZIP container.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL_HEADER) || bytes.starts_with(DIRECTORY_END)
}

impl<'a> Zip<'a> {
    /// Locates the entries through the central directory, or by scanning for local headers if it is missing or
    /// unusable.
    pub fn open(bytes: &'a [u8]) -> Self {
        let listed_entries = read_directory(bytes).filter(|entries| !entries.is_empty());
        let is_repaired = listed_entries.is_none() && !bytes.starts_with(DIRECTORY_END);
        Self {
            bytes,
            entries: listed_entries.unwrap_or_else(|| entries_by_local_headers(bytes)),
            is_repaired,
            inflated_bytes: Cell::new(0),
        }
    }

    /// Returns the entry with this path. If none has exactly this path, ignores case, as the programs that write such
    /// files do.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let exact = self.entries.iter().find(|entry| entry.name == name);
        exact.or_else(|| {
            self.entries
                .iter()
                .find(|entry| entry.name.eq_ignore_ascii_case(name))
        })
    }

    /// Returns the entry's unpacked bytes as a stream.
    ///
    /// # Errors
    /// Returns [`ZipError::Locked`] for an encrypted entry, [`ZipError::Method`] for an unsupported compression method,
    /// or [`ZipError::Damaged`] if the entry's data is outside the file.
    pub fn stream(&self, entry: &Entry) -> Result<Inflated<'_>, ZipError> {
        if entry.is_encrypted {
            return Err(ZipError::Locked);
        }
        let end = entry.start.saturating_add(entry.packed_size);
        let packed = self
            .bytes
            .get(entry.start..end.min(self.bytes.len()))
            .ok_or(ZipError::Damaged)?;
        let source = match entry.method {
            0 => Source::Stored(packed),
            8 => Source::Deflated(Box::new(DeflateDecoder::new(packed))),
            _ => return Err(ZipError::Method),
        };
        Ok(Inflated {
            source,
            packed_size: packed.len() as u64,
            checksum: entry.checksum,
            crc: Crc::new(),
            output_bytes: 0,
            inflated_bytes: &self.inflated_bytes,
            error: None,
        })
    }

    /// Passes an entry's unpacked bytes to `take` in chunks that overlap by `overlap` bytes, and whether each is the
    /// last one. They do not count toward the container's limit, because the entry is read again later.
    pub fn scan(&self, entry: &Entry, overlap: usize, take: &mut dyn FnMut(&[u8], bool)) {
        let bytes_before = self.inflated_bytes.get();
        let Ok(mut stream) = self.stream(entry) else {
            return;
        };
        let mut piece = Vec::with_capacity(SCAN_BYTES + overlap);
        loop {
            let missing = (SCAN_BYTES + overlap - piece.len()) as u64;
            // An error ends the scan like the end of the entry does; the reader that follows reports it.
            let read = (&mut stream)
                .take(missing)
                .read_to_end(&mut piece)
                .unwrap_or(0);
            let is_last = (read as u64) < missing;
            take(&piece, is_last);
            if is_last {
                break;
            }
            piece.drain(..piece.len() - overlap);
        }
        self.inflated_bytes.set(bytes_before);
    }

    /// Returns the entry's unpacked bytes, at most `limit`. If it is longer or damaged, returns the bytes up to there,
    /// together with the error.
    pub fn read(&self, entry: &Entry, limit: usize) -> (Vec<u8>, Option<ZipError>) {
        let mut stream = match self.stream(entry) {
            Ok(stream) => stream,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let mut bytes = Vec::new();
        let outcome = (&mut stream).take(limit as u64).read_to_end(&mut bytes);
        let error = match (stream.error, outcome) {
            (Some(error), _) => Some(error),
            (None, Err(_)) => Some(ZipError::Damaged),
            (None, Ok(length)) if length == limit && has_more(&mut stream) => {
                Some(ZipError::TooLarge)
            }
            // If exactly `limit` bytes were read, the check for more may have reached the end, where the checksum is
            // compared.
            (None, Ok(_)) => stream.error,
        };
        (bytes, error)
    }
}

fn has_more(stream: &mut Inflated<'_>) -> bool {
    matches!(stream.read(&mut [0]), Ok(1))
}

enum Source<'a> {
    Stored(&'a [u8]),
    Deflated(Box<DeflateDecoder<&'a [u8]>>),
}

/// The inflated bytes of one entry.
pub struct Inflated<'a> {
    source: Source<'a>,
    packed_size: u64,
    checksum: Option<u32>,
    crc: Crc,
    output_bytes: u64,
    inflated_bytes: &'a Cell<u64>,
    /// The first failure, if any.
    pub error: Option<ZipError>,
}

impl Inflated<'_> {
    fn fail(&mut self, error: ZipError) -> io::Error {
        self.error = Some(error);
        io::Error::new(io::ErrorKind::InvalidData, error.message())
    }
}

impl Read for Inflated<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.source {
            Source::Stored(rest) => rest.read(buffer),
            Source::Deflated(decoder) => decoder.read(buffer),
        };
        let count = match read {
            Ok(count) => count,
            Err(_) => return Err(self.fail(ZipError::Damaged)),
        };
        if count == 0 && !buffer.is_empty() {
            let is_corrupt = self.checksum.is_some_and(|check| check != self.crc.sum());
            return if is_corrupt {
                Err(self.fail(ZipError::Damaged))
            } else {
                Ok(0)
            };
        }
        self.crc.update(&buffer[..count]);
        self.output_bytes += count as u64;
        self.inflated_bytes
            .set(self.inflated_bytes.get() + count as u64);
        let is_bomb = self.output_bytes > MIN_RATIO_CHECK_BYTES
            && self.output_bytes / self.packed_size.max(1) > MAX_RATIO;
        if is_bomb || self.inflated_bytes.get() > MAX_INFLATED_BYTES {
            return Err(self.fail(ZipError::TooLarge));
        }
        Ok(count)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let unit = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes([unit[0], unit[1]])))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let unit = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]]) as usize)
}

/// Reads the entries from the central directory at the end of the file. Returns `None` if it is missing or unusable.
fn read_directory(bytes: &[u8]) -> Option<Vec<Entry>> {
    // The comment after the end record is at most 64 KiB long; some garbage after it is tolerated.
    let from = bytes.len().saturating_sub(80 * 1024);
    let end = from
        + bytes[from..]
            .windows(4)
            .rposition(|mark| mark == DIRECTORY_END)?;
    let (size, declared_offset) = (u32_at(bytes, end + 12)?, u32_at(bytes, end + 16)?);
    // Any data before the container shifts all offsets by the same amount.
    let begins = |at: &usize| {
        bytes
            .get(*at..)
            .is_some_and(|rest| rest.starts_with(DIRECTORY_ENTRY))
    };
    let start = end
        .checked_sub(size)
        .filter(begins)
        .or(Some(declared_offset).filter(begins))?;
    let shift = start.wrapping_sub(declared_offset);
    let mut entries = Vec::new();
    let mut at = start;
    while begins(&at) && entries.len() < MAX_ENTRIES {
        let (name_length, extra) = (u16_at(bytes, at + 28)?, u16_at(bytes, at + 30)?);
        let comment = u16_at(bytes, at + 32)?;
        let name = bytes.get(at + 46..at + 46 + name_length)?;
        let extras = bytes.get(at + 46 + name_length..at + 46 + name_length + extra)?;
        let [packed_size, offset] = zip64_values(
            extras,
            u32_at(bytes, at + 24)?,
            [u32_at(bytes, at + 20)?, u32_at(bytes, at + 42)?],
        );
        let flags = u16_at(bytes, at + 8)?;
        let local = offset.wrapping_add(shift);
        if let Some(start) = data_offset(bytes, local) {
            entries.push(Entry {
                name: decode_name(name, flags),
                size: u32_at(bytes, at + 24)?,
                start,
                packed_size,
                method: u16_at(bytes, at + 10)? as u16,
                is_encrypted: flags & 1 != 0,
                checksum: u32_at(bytes, at + 16).map(|check| check as u32),
            });
        }
        at += 46 + name_length + extra + comment;
    }
    Some(entries)
}

/// Replaces values that do not fit in 32 bits by their ZIP64 values. These are in an extra field, which contains only
/// the values that are needed.
fn zip64_values(extras: &[u8], unpacked: usize, mut values: [usize; 2]) -> [usize; 2] {
    // Marks a 32-bit value as stored in the extra field.
    const IN_EXTRA_FIELD: usize = u32::MAX as usize;
    let mut at = 0;
    while let (Some(id), Some(length)) = (u16_at(extras, at), u16_at(extras, at + 2)) {
        if id == 1 {
            let mut field = at + 4 + if unpacked == IN_EXTRA_FIELD { 8 } else { 0 };
            for value in values.iter_mut().filter(|value| **value == IN_EXTRA_FIELD) {
                // The upper half is zero in any file that fits in memory.
                *value = u32_at(extras, field).unwrap_or(*value);
                field += 8;
            }
        }
        at += 4 + length;
    }
    values
}

/// Returns the offset of an entry's data, after its local header.
fn data_offset(bytes: &[u8], local: usize) -> Option<usize> {
    let header = bytes
        .get(local..)
        .filter(|rest| rest.starts_with(LOCAL_HEADER))?;
    Some(local + 30 + u16_at(header, 26)? + u16_at(header, 28)?)
}

/// Finds the entries by their local headers, in a file without a usable directory.
fn entries_by_local_headers(bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut at = 0;
    while entries.len() < MAX_ENTRIES {
        let Some(header_start) = find_bytes(&bytes[at..], LOCAL_HEADER).map(|offset| at + offset)
        else {
            break;
        };
        at = header_start + 4;
        let Some(entry) = entry_from_local_header(bytes, header_start) else {
            continue;
        };
        at = (entry.start + entry.packed_size).min(bytes.len());
        entries.push(entry);
    }
    entries
}

fn entry_from_local_header(bytes: &[u8], at: usize) -> Option<Entry> {
    let header = &bytes[at..];
    let flags = u16_at(header, 6)?;
    let name_length = u16_at(header, 26)?;
    let start = at + 30 + name_length + u16_at(header, 28)?;
    let rest = bytes.get(start..)?;
    let declared_size = u32_at(header, 18)?;
    // In a streamed entry, the size follows the data, so the data extends to the next header.
    let streamed = flags & 8 != 0;
    let packed_size = if streamed || declared_size > rest.len() {
        let next = [LOCAL_HEADER, DIRECTORY_ENTRY]
            .iter()
            .filter_map(|mark| find_bytes(rest, mark))
            .min();
        next.unwrap_or(rest.len())
    } else {
        declared_size
    };
    Some(Entry {
        name: decode_name(header.get(30..30 + name_length)?, flags),
        size: u32_at(header, 22).unwrap_or(0),
        start,
        packed_size,
        method: u16_at(header, 8)? as u16,
        is_encrypted: flags & 1 != 0,
        checksum: (!streamed).then(|| u32_at(header, 14).unwrap_or(0) as u32),
    })
}

fn find_bytes(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

/// The upper half of DOS code page 437, the encoding of names that are not flagged as UTF-8.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{A0}";

fn decode_name(bytes: &[u8], flags: usize) -> String {
    let name = match std::str::from_utf8(bytes) {
        // Many programs write UTF-8 without the flag, and other encodings are practically never valid UTF-8.
        Ok(name) => name.to_owned(),
        Err(_) if flags & 0x800 != 0 => String::from_utf8_lossy(bytes).into_owned(),
        Err(_) => bytes
            .iter()
            .map(|&byte| match byte.checked_sub(128) {
                None => char::from(byte),
                Some(upper) => CP437.chars().nth(usize::from(upper)).unwrap_or('?'),
            })
            .collect(),
    };
    name.replace('\\', "/")
        .chars()
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .take(500)
        .collect()
}

/// A buffered reader that allows only a limited number of bytes to be read between two refills. This bounds the size of
/// a single piece of markup in memory.
pub struct MeteredReader<R> {
    inner: R,
    remaining_bytes: usize,
}

impl<R> MeteredReader<R> {
    /// Creates a reader that returns nothing before the first `refill`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            remaining_bytes: 0,
        }
    }

    /// Allows `bytes` more bytes to be read until the next refill.
    pub fn refill(&mut self, bytes: usize) {
        self.remaining_bytes = bytes;
    }
}

impl<R: BufRead> Read for MeteredReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl<R: BufRead> BufRead for MeteredReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.remaining_bytes == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "one piece of markup is too long",
            ));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.remaining_bytes = self.remaining_bytes.saturating_sub(count);
        self.inner.consume(count);
    }
}

/// Builds a container for tests, with deflated entries and a directory.
#[cfg(any(test, feature = "testing"))]
pub fn pack(entries: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let (mut bytes, mut listing) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).expect("memory");
        let packed = encoder.finish().expect("memory");
        let mut crc = Crc::new();
        crc.update(content);
        let offset = bytes.len() as u32;
        let mut fields = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
        for number in [crc.sum(), packed.len() as u32, content.len() as u32] {
            fields.extend(number.to_le_bytes());
        }
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        bytes.extend([LOCAL_HEADER, &fields, name.as_bytes(), &packed].concat());
        listing.extend([DIRECTORY_ENTRY, &[20, 0], &fields, &[0; 10]].concat());
        listing.extend(offset.to_le_bytes());
        listing.extend(name.as_bytes());
    }
    let (start, count) = (bytes.len() as u32, entries.len() as u16);
    let size = listing.len() as u32;
    bytes.extend(listing);
    bytes.extend(DIRECTORY_END);
    bytes.extend([0; 4]);
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    bytes.extend([0, 0]);
    bytes
}

#[cfg(test)]
mod tests;
