//! Files of changed pages in Litestream's format, LTX version 3 (github.com/superfly/ltx), so that its tools can
//! also restore a replica. Pages are compressed one by one; a checksum covers the whole file. Omits the optional
//! rolling checksum of the database, as Litestream does.

use std::io::{self, BufRead, Read, Write};
use std::sync::LazyLock;

use crc::{CRC_64_GO_ISO, Crc, Digest, Table};
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};

const LTX_MAGIC: &[u8; 4] = b"LTX1";
/// Size of the file's header, in bytes.
const HEADER_BYTES: usize = 100;
/// Size of a page's header, in bytes.
const PAGE_HEADER_BYTES: usize = 6;
/// Header flag: no rolling checksum.
const NO_ROLLING_CHECKSUM: u32 = 1 << 1;
/// Page flag: the compressed size follows.
const SIZE_FOLLOWS: u16 = 1;
/// Bit that is set in every checksum.
const CHECKSUM_FLAG: u64 = 1 << 63;
/// Largest page size of SQLite, in bytes.
const MAX_PAGE_SIZE: u32 = 65_536;
// Offset of SQLite's lock byte; the page that contains it is never used.
const LOCK_BYTE: u64 = 0x4000_0000;

// This table takes 32 KB, so it is computed on first use: only servers with a replica need it.
static CRC_ENGINE: LazyLock<Crc<u64, Table<16>>> =
    LazyLock::new(|| Crc::<u64, Table<16>>::new(&CRC_64_GO_ISO));

/// Header of an LTX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LtxHeader {
    /// Size of a page, in bytes.
    pub page_size: u32,
    /// Size of the database after these changes, in pages.
    pub commit: u32,
    /// Number of the first change; if it is 1, the file is a snapshot with every page.
    pub min: u64,
    /// Number of the last change.
    pub max: u64,
    /// Time of creation, in ms since the Unix epoch.
    pub at: i64,
}

/// Returns the number of the page that is never written, because it contains SQLite's lock byte.
pub fn lock_page(page_size: u32) -> u32 {
    u32::try_from(LOCK_BYTE / u64::from(page_size) + 1).unwrap_or(u32::MAX)
}

fn invalid_data(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an LTX file {why}"))
}

/// Writes an LTX file. Pages must be written in ascending order; a snapshot must contain every page.
pub struct LtxEncoder<W> {
    to: W,
    header: LtxHeader,
    digest: Digest<'static, u64, Table<16>>,
    written_bytes: u64,
    last_page: u32,
    index: Vec<u8>,
    compressed: Vec<u8>,
}

impl<W: Write> LtxEncoder<W> {
    /// Starts a file by writing its header.
    ///
    /// # Errors
    /// Returns an error if writing fails.
    pub fn new(to: W, header: LtxHeader) -> io::Result<Self> {
        let mut encoder = Self {
            to,
            header,
            digest: CRC_ENGINE.digest(),
            written_bytes: 0,
            last_page: 0,
            index: Vec::new(),
            compressed: vec![0; get_maximum_output_size(header.page_size as usize)],
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(LTX_MAGIC);
        bytes[4..8].copy_from_slice(&NO_ROLLING_CHECKSUM.to_be_bytes());
        bytes[8..12].copy_from_slice(&header.page_size.to_be_bytes());
        bytes[12..16].copy_from_slice(&header.commit.to_be_bytes());
        bytes[16..24].copy_from_slice(&header.min.to_be_bytes());
        bytes[24..32].copy_from_slice(&header.max.to_be_bytes());
        bytes[32..40].copy_from_slice(&header.at.to_be_bytes());
        encoder.write_bytes(&bytes)?;
        Ok(encoder)
    }

    /// Writes a page.
    ///
    /// # Errors
    /// `InvalidData` if the page is out of order or has the wrong size; another error if writing fails.
    pub fn write_page(&mut self, number: u32, page: &[u8]) -> io::Result<()> {
        let lock = lock_page(self.header.page_size);
        let is_valid_order =
            number > self.last_page && number <= self.header.commit && number != lock;
        if !is_valid_order || page.len() != self.header.page_size as usize {
            return Err(invalid_data("cannot take this page here"));
        }
        let begin = self.written_bytes;
        let length =
            compress_into(page, &mut self.compressed).map_err(|_| invalid_data("is too small"))?;
        self.write_bytes(&number.to_be_bytes())?;
        self.write_bytes(&SIZE_FOLLOWS.to_be_bytes())?;
        let size = u32::try_from(length).map_err(|_| invalid_data("has a page too large"))?;
        self.write_bytes(&size.to_be_bytes())?;
        // The checksum covers the uncompressed page.
        self.to.write_all(&self.compressed[..length])?;
        self.digest.update(page);
        self.written_bytes += length as u64;
        self.last_page = number;
        for value in [u64::from(number), begin, self.written_bytes - begin] {
            write_varint(&mut self.index, value);
        }
        Ok(())
    }

    /// Writes the index and the trailer. Returns the file's size in bytes.
    ///
    /// # Errors
    /// Returns an error if writing fails.
    pub fn finish(mut self) -> io::Result<u64> {
        self.write_bytes(&[0; PAGE_HEADER_BYTES])?;
        let mut index = std::mem::take(&mut self.index);
        write_varint(&mut index, 0);
        self.write_bytes(&index)?;
        self.write_bytes(&(index.len() as u64).to_be_bytes())?;
        self.write_bytes(&[0; 8])?;
        let sum = CHECKSUM_FLAG | self.digest.clone().finalize();
        self.to.write_all(&sum.to_be_bytes())?;
        self.to.flush()?;
        Ok(self.written_bytes + 8)
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.digest.update(bytes);
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }
}

fn write_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Reads a whole file and passes every page with its number to `page`. Discard the pages unless this succeeds:
/// the checksum comes last.
///
/// # Errors
/// `InvalidData` if the file is damaged; another error if reading fails, or the error of `page`.
pub fn read(
    from: impl Read,
    mut page: impl FnMut(&LtxHeader, u32, &[u8]) -> io::Result<()>,
) -> io::Result<LtxHeader> {
    let mut from = ChecksumWriter::new(io::BufReader::with_capacity(64 * 1024, from));
    let header = parse_header(&from.read_array::<HEADER_BYTES>()?)?;
    let mut packed = vec![0; get_maximum_output_size(header.page_size as usize)];
    let mut plain = vec![0; header.page_size as usize];
    let mut last = 0;
    loop {
        let [a, b, c, d, e, f] = from.read_array::<PAGE_HEADER_BYTES>()?;
        let (number, flags) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]));
        if number == 0 {
            break;
        }
        if flags != SIZE_FOLLOWS || number <= last || number > header.commit {
            return Err(invalid_data("has an invalid page"));
        }
        last = number;
        let size = u32::from_be_bytes(from.read_array()?) as usize;
        let packed = packed
            .get_mut(..size)
            .ok_or(invalid_data("has a page too large"))?;
        from.inner.read_exact(packed)?;
        match decompress_into(packed, &mut plain) {
            Ok(length) if length == plain.len() => from.digest.update(&plain),
            _ => return Err(invalid_data("has a page that cannot be decompressed")),
        }
        page(&header, number, &plain)?;
    }
    let size = from.skip_index()?;
    if u64::from_be_bytes(from.read_array()?) != size {
        return Err(invalid_data("has an index of the wrong size"));
    }
    let _: [u8; 8] = from.read_array()?;
    let sum = CHECKSUM_FLAG | from.digest.clone().finalize();
    if u64::from_be_bytes(from.read_array()?) != sum {
        return Err(invalid_data("has a wrong checksum"));
    }
    match from.inner.fill_buf()?.is_empty() {
        true => Ok(header),
        false => Err(invalid_data("has data after its end")),
    }
}

fn parse_header(bytes: &[u8; HEADER_BYTES]) -> io::Result<LtxHeader> {
    let u32_at =
        |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) << 32 | u64::from(u32_at(at + 4));
    let header = LtxHeader {
        page_size: u32_at(8),
        commit: u32_at(12),
        min: u64_at(16),
        max: u64_at(24),
        at: u64_at(32).cast_signed(),
    };
    let size = header.page_size;
    if &bytes[..4] != LTX_MAGIC {
        return Err(invalid_data("has a wrong beginning"));
    }
    if !(size.is_power_of_two() && (512..=MAX_PAGE_SIZE).contains(&size)) {
        return Err(invalid_data("has an invalid page size"));
    }
    if header.min == 0 || header.min > header.max || u32_at(4) & !NO_ROLLING_CHECKSUM != 0 {
        return Err(invalid_data("has an invalid header"));
    }
    Ok(header)
}

struct ChecksumWriter<R> {
    inner: R,
    digest: Digest<'static, u64, Table<16>>,
}

impl<R: BufRead> ChecksumWriter<R> {
    fn new(inner: R) -> Self {
        let digest = CRC_ENGINE.digest();
        Self { inner, digest }
    }

    fn read_array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.digest.update(&bytes);
        Ok(bytes)
    }

    /// Reads past the index, which ends with page number 0. Returns the index's size in bytes.
    fn skip_index(&mut self) -> io::Result<u64> {
        let mut size = 0;
        let mut value = || -> io::Result<u64> {
            let mut value = 0;
            for shift in (0..63).step_by(7) {
                let [byte] = self.read_array::<1>()?;
                size += 1;
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    return Ok(value);
                }
            }
            Err(invalid_data("has an index that cannot be read"))
        };
        while value()? != 0 {
            value()?;
            value()?;
        }
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(min: u64, commit: u32, pages: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let header = LtxHeader {
            page_size: 512,
            commit,
            min,
            max: min + 1,
            at: 7,
        };
        let mut bytes = Vec::new();
        let mut encoder = LtxEncoder::new(&mut bytes, header).expect("a header");
        for (number, page) in pages {
            encoder.write_page(*number, page).expect("a page");
        }
        let length = encoder.finish().expect("an end");
        assert_eq!(length, bytes.len() as u64);
        bytes
    }

    type Pages = (LtxHeader, Vec<(u32, Vec<u8>)>);

    fn pages(bytes: &[u8]) -> io::Result<Pages> {
        let mut pages = Vec::new();
        let header = read(bytes, |_, number, page| {
            pages.push((number, page.to_vec()));
            Ok(())
        })?;
        Ok((header, pages))
    }

    #[test]
    fn files_round_trip() {
        let noise: Vec<u8> = (0..512_u32).map(|n| ((n * n * 7919) >> 5) as u8).collect();
        let some = vec![(2, vec![0; 512]), (3, noise), (900, vec![b'a'; 512])];
        let (header, parsed) = pages(&file(5, 900, &some)).expect("a file");
        assert_eq!(
            (header.min, header.max, header.commit, header.at),
            (5, 6, 900, 7)
        );
        assert_eq!(parsed, some);
        assert_eq!(pages(&file(9, 1, &[])).expect("a file").1, []);
    }

    #[test]
    fn pages_are_in_order_without_the_lock_page() {
        let header = LtxHeader {
            page_size: 65_536,
            commit: 20_000,
            min: 2,
            max: 2,
            at: 0,
        };
        let page = vec![0; 65_536];
        let mut encoder = LtxEncoder::new(Vec::new(), header).expect("a header");
        assert_eq!(lock_page(65_536), 16_385);
        assert_eq!(lock_page(4096), 262_145);
        for (number, expected) in [
            (3, true),
            (3, false),
            (2, false),
            (16_384, true),
            (16_385, false),
            (20_001, false),
        ] {
            assert_eq!(
                encoder.write_page(number, &page).is_ok(),
                expected,
                "{number}"
            );
        }
        assert!(encoder.write_page(16_386, &page[1..]).is_err());
    }

    proptest! {
        #[test]
        fn damage_is_detected(at in 0_usize..700, bit in 0_u8..8, cut in 0_usize..700) {
            let complete_file = file(5, 9, &[(1, vec![1; 512]), (4, (0..=255).chain(0..=255).collect())]);
            let mut damaged = complete_file.clone();
            let at = at % complete_file.len();
            damaged[at] ^= 1 << bit;
            // Damage to the compressed bytes may still decompress to the same pages.
            prop_assert!(pages(&damaged).map_or(true, |found| found == pages(&complete_file).expect("a file")));
            prop_assert!(pages(&complete_file[..cut % complete_file.len()]).is_err());
        }
    }
}
