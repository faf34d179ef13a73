//! Tests reading intact, damaged, and encrypted containers.

use super::*;

fn names(bytes: &[u8]) -> Vec<String> {
    Zip::open(bytes)
        .entries
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

fn read(bytes: &[u8], name: &str) -> (Vec<u8>, Option<ZipError>) {
    let zip = Zip::open(bytes);
    zip.read(zip.find(name).expect("listed"), 1 << 20)
}

#[test]
fn entries_are_found_by_directory_by_header_and_after_garbage() {
    let archive = pack(&[("a.txt", b"alpha"), ("b/c.txt", &b"beta ".repeat(500))]);
    let lost = &archive[..archive.len() - 40];
    let behind = [b"#!/bin/sh\n", &archive[..]].concat();
    for bytes in [&archive[..], lost, &behind] {
        assert_eq!(names(bytes), ["a.txt", "b/c.txt"]);
        assert_eq!(read(bytes, "a.txt"), (b"alpha".to_vec(), None));
        assert_eq!(read(bytes, "B/C.TXT"), (b"beta ".repeat(500), None));
    }
    assert!(Zip::open(lost).is_repaired && !Zip::open(&archive).is_repaired);
    assert!(names(&pack(&[])).is_empty());
    assert!(names(b"PK\x03\x04").is_empty());
}

#[test]
fn damage_is_reported_after_the_intact_bytes() {
    let mut bytes = pack(&[(
        "a",
        &(0..200_000u32)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<_>>(),
    )]);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    let (content, error) = read(&bytes, "a");
    assert_eq!(error, Some(ZipError::Damaged));
    assert!(content.len() > 1_000, "{}", content.len());
    let mut bytes = pack(&[("a", b"some words")]);
    // Sets the encryption flag in the directory entry.
    let row = find_bytes(&bytes, DIRECTORY_ENTRY).expect("a row");
    bytes[row + 8] |= 1;
    assert_eq!(read(&bytes, "a"), (Vec::new(), Some(ZipError::Locked)));
}

#[test]
fn bombs_stop_at_the_ratio_and_long_entries_at_the_limit() {
    let bytes = pack(&[("a", &vec![0; 40 << 20])]);
    let zip = Zip::open(&bytes);
    let (content, error) = zip.read(&zip.entries[0], 30 << 20);
    assert_eq!(error, Some(ZipError::TooLarge));
    assert!(content.len() <= 17 << 20);
    let bytes = pack(&[("a", &b"0123456789".repeat(100))]);
    let zip = Zip::open(&bytes);
    assert_eq!(zip.read(&zip.entries[0], 1_000).1, None);
    assert_eq!(zip.read(&zip.entries[0], 999).1, Some(ZipError::TooLarge));
}

#[test]
fn legacy_name_encodings_are_decoded() {
    assert_eq!(decode_name(b"Gr\x81\xE1e.txt", 0), "Grüße.txt");
    assert_eq!(decode_name("Grüße\\a".as_bytes(), 0), "Grüße/a");
    assert_eq!(decode_name(b"a\0b\n", 0), "a?b?");
    assert_eq!(CP437.chars().count(), 128);
}
