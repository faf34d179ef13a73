//! Unpacks and repacks ZIP archives, so that their content can be damaged. Flipping a bit in compressed bytes would
//! test nothing but decompression.

use std::io::{Read, Write};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// An entry of an archive: its path and content.
pub type Entry = (String, Vec<u8>);

fn read_number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let field = bytes.get(at..at + width)?;
    Some(
        field
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
    )
}

/// Returns the entries of an archive. Returns `None` if the bytes are not an archive.
pub fn read_directory(bytes: &[u8]) -> Option<Vec<Entry>> {
    let end = bytes
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")?;
    let (count, mut at) = (
        read_number(bytes, end + 10, 2)?,
        read_number(bytes, end + 16, 4)?,
    );
    let mut entries = Vec::new();
    for _ in 0..count {
        let method = read_number(bytes, at + 10, 2)?;
        let (packed, long) = (
            read_number(bytes, at + 20, 4)?,
            read_number(bytes, at + 28, 2)?,
        );
        let name = String::from_utf8_lossy(bytes.get(at + 46..at + 46 + long)?).into_owned();
        let local = read_number(bytes, at + 42, 4)?;
        let start =
            local + 30 + read_number(bytes, local + 26, 2)? + read_number(bytes, local + 28, 2)?;
        let inside = bytes.get(start..start + packed)?;
        let mut full = Vec::new();
        match method {
            0 => full.extend_from_slice(inside),
            _ => drop(DeflateDecoder::new(inside).read_to_end(&mut full).ok()?),
        }
        entries.push((name, full));
        at += 46 + long + read_number(bytes, at + 30, 2)? + read_number(bytes, at + 32, 2)?;
    }
    Some(entries)
}

/// Returns an archive of these entries, with valid checksums. The first entry is stored uncompressed, as EPUB and
/// OpenDocument require.
pub fn write_archive(entries: &[Entry]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (index, (name, whole)) in entries.iter().enumerate() {
        let mut sum = Crc::new();
        sum.update(whole);
        let (method, packed) = if index == 0 {
            (0u16, whole.clone())
        } else {
            let mut packer = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(whole).unwrap();
            (8, packer.finish().unwrap())
        };
        let mut shared = vec![20, 0, 0, 0];
        shared.extend(method.to_le_bytes());
        shared.extend([0; 4]);
        shared.extend(sum.sum().to_le_bytes());
        shared.extend((packed.len() as u32).to_le_bytes());
        shared.extend((whole.len() as u32).to_le_bytes());
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend([0; 2]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&shared);
        directory.extend([0; 10]);
        directory.extend((out.len() as u32).to_le_bytes());
        directory.extend(name.bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&shared);
        out.extend(name.bytes());
        out.extend(packed);
    }
    let (start, count) = (out.len() as u32, entries.len() as u16);
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[test]
fn packed_entries_round_trip() {
    let entries = vec![
        ("mimetype".to_owned(), b"application/epub+zip".to_vec()),
        ("a/b.xml".to_owned(), b"<a>".repeat(500)),
    ];
    assert_eq!(read_directory(&write_archive(&entries)), Some(entries));
    for sample in crate::manifest::load_samples() {
        let bytes = sample.bytes();
        if bytes.starts_with(b"PK\x03\x04") && sample.name() != "rbook-example.epub" {
            let entries = read_directory(&bytes).unwrap_or_else(|| panic!("{}", sample.path));
            assert_eq!(
                read_directory(&write_archive(&entries)),
                Some(entries),
                "{}",
                sample.path
            );
        }
    }
}
