//! Reads big-endian numbers in font programs.

/// Reads a two-byte big-endian number.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

/// Reads a four-byte big-endian number.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let high = u32::from(u16_at(bytes, at)?);
    Some(high << 16 | u32::from(u16_at(bytes, at.checked_add(2)?)?))
}
