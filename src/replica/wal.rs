//! Incremental reader of SQLite's write-ahead log: returns the pages of complete transactions, verified frame by frame
//! (sqlite.org/fileformat2.html, section 4). Does not modify the log; detects when the log has been replaced since it
//! was last read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Size of the log's header, in bytes.
const HEADER_BYTES: u64 = 32;
/// Size of a frame's header, in bytes.
const FRAME_HEADER_BYTES: usize = 24;
/// First word of the log with little-endian checksums; the lowest bit is set if they are big-endian.
const WAL_MAGIC: u32 = 0x377f_0682;

/// How far the log has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WalPosition {
    salts: (u32, u32),
    sums: (u32, u32),
    /// Byte offset; 0 for the beginning of any log.
    offset: u64,
}

impl WalPosition {
    /// Returns whether nothing of the current log has been read yet.
    pub fn is_fresh(&self) -> bool {
        self.offset == 0
    }
}

/// Result of reading on from a position in the log.
#[derive(Debug, PartialEq, Eq)]
pub enum WalChanges {
    /// There are no new transactions.
    None,
    /// Complete transactions were added.
    Changes {
        /// Byte offset of the newest version of each changed page, by page number.
        pages: BTreeMap<u32, u64>,
        /// Size of the database after these transactions, in pages.
        commit: u32,
        /// Size of a page, in bytes.
        page_size: u32,
        /// Position after these transactions.
        next: WalPosition,
    },
    /// The log was restarted, and may have contained changes that were not read.
    Lost,
}

/// Reads the complete transactions after a position in the log; `None` stands for a log that does not exist. The log
/// must not change while it is read.
///
/// # Errors
/// Returns an error if the log cannot be read.
pub fn read(log: Option<&File>, from: WalPosition) -> io::Result<WalChanges> {
    let length = log.map_or(Ok(0), |log| log.metadata().map(|data| data.len()))?;
    let Some(log) = log.filter(|_| length >= HEADER_BYTES) else {
        return Ok(if from.is_fresh() {
            WalChanges::None
        } else {
            WalChanges::Lost
        });
    };
    let mut bytes = [0; HEADER_BYTES as usize];
    log.read_exact_at(&mut bytes, 0)?;
    let u32_at =
        |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let is_big_endian = u32_at(0) & 1 == 1;
    let sums = checksum((0, 0), &bytes[..24], is_big_endian);
    let (page_size, salts) = (u32_at(8), (u32_at(16), u32_at(20)));
    if u32_at(0) & !1 != WAL_MAGIC || sums != (u32_at(24), u32_at(28)) {
        // A crash can leave an incomplete header; the log then counts as empty.
        return Ok(if from.is_fresh() {
            WalChanges::None
        } else {
            WalChanges::Lost
        });
    }
    if !from.is_fresh() && (from.salts != salts || length < from.offset) {
        return Ok(WalChanges::Lost);
    }
    let start = match from.is_fresh() {
        true => WalPosition {
            salts,
            sums,
            offset: HEADER_BYTES,
        },
        false => from,
    };
    read_frames(log, start, page_size, length, is_big_endian)
}

fn read_frames(
    log: &File,
    start: WalPosition,
    page_size: u32,
    length: u64,
    is_big_endian: bool,
) -> io::Result<WalChanges> {
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_size as usize];
    let (mut pages, mut waiting) = (BTreeMap::new(), Vec::new());
    let (mut at, mut commit, mut next) = (start, 0, start);
    while at.offset + frame.len() as u64 <= length {
        log.read_exact_at(&mut frame, at.offset)?;
        let (head, page) = frame.split_at(FRAME_HEADER_BYTES);
        let u32_at =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if (u32_at(8), u32_at(12)) != at.salts {
            break;
        }
        at.sums = checksum(
            checksum(at.sums, &head[..8], is_big_endian),
            page,
            is_big_endian,
        );
        if (u32_at(16), u32_at(20)) != at.sums {
            break;
        }
        waiting.push((u32_at(0), at.offset + FRAME_HEADER_BYTES as u64));
        at.offset += frame.len() as u64;
        if u32_at(4) > 0 {
            commit = u32_at(4);
            pages.extend(waiting.drain(..));
            next = at;
        }
    }
    if commit == 0 {
        return Ok(WalChanges::None);
    }
    // Pages beyond the end were truncated by a later transaction in the log.
    pages.retain(|number, _| *number <= commit);
    Ok(WalChanges::Changes {
        pages,
        commit,
        page_size,
        next,
    })
}

/// Computes the checksum of section 4.2 of the file format: over pairs of words, in the byte order that the log's magic
/// number specifies.
fn checksum((mut a, mut b): (u32, u32), bytes: &[u8], is_big_endian: bool) -> (u32, u32) {
    let u32_at = |bytes: [u8; 4]| {
        if is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    };
    let (pairs, _) = bytes.as_chunks::<8>();
    for &[p, q, r, s, t, u, v, w] in pairs {
        a = a.wrapping_add(u32_at([p, q, r, s])).wrapping_add(b);
        b = b.wrapping_add(u32_at([t, u, v, w])).wrapping_add(a);
    }
    (a, b)
}
