//! Identifies the type of binary files by their magic bytes, without parsing them.

/// The signature of a file format: its offset, its bytes, and the format's name for the user. A signature of printable
/// letters may also start a text, so it counts only if the first kilobyte contains a NUL.
struct FileSignature {
    offset: usize,
    bytes: &'static [u8],
    name: &'static str,
    needs_nul: bool,
}

/// Defines a signature that no text starts with.
const fn signature(offset: usize, bytes: &'static [u8], name: &'static str) -> FileSignature {
    FileSignature {
        offset,
        bytes,
        name,
        needs_nul: false,
    }
}

/// Defines a signature of printable letters, which counts only together with a NUL.
const fn printable_signature(
    offset: usize,
    bytes: &'static [u8],
    name: &'static str,
) -> FileSignature {
    FileSignature {
        offset,
        bytes,
        name,
        needs_nul: true,
    }
}

/// Signatures of the binary formats that are recognized.
const SIGNATURES: &[FileSignature] = &[
    signature(0, b"%PDF-", "PDF"),
    signature(0, b"%!PS-Adobe", "PostScript"),
    signature(0, b"\x89PNG\r\n\x1A\n", "PNG image"),
    signature(0, b"\xFF\xD8\xFF", "JPEG image"),
    signature(0, b"GIF87a", "GIF image"),
    signature(0, b"GIF89a", "GIF image"),
    signature(0, b"II*\0", "TIFF image"),
    signature(0, b"MM\0*", "TIFF image"),
    printable_signature(0, b"BM", "BMP image"),
    signature(0, b"\0\0\x01\0", "icon"),
    signature(4, b"ftypheic", "HEIC image"),
    signature(4, b"ftypavif", "AVIF image"),
    signature(4, b"ftyp", "MP4 video or audio"),
    printable_signature(0, b"RIFF", "RIFF image, sound or video"),
    printable_signature(0, b"ID3", "MP3 audio"),
    printable_signature(0, b"OggS", "Ogg audio or video"),
    printable_signature(0, b"fLaC", "FLAC audio"),
    signature(0, b"\x1A\x45\xDF\xA3", "Matroska video"),
    signature(0, b"\x1F\x8B", "gzip archive"),
    signature(0, b"BZh91AY&SY", "bzip2 archive"),
    signature(0, b"\xFD7zXZ\0", "xz archive"),
    signature(0, b"\x28\xB5\x2F\xFD", "zstd archive"),
    signature(0, b"7z\xBC\xAF\x27\x1C", "7-Zip archive"),
    signature(0, b"Rar!\x1A\x07", "RAR archive"),
    printable_signature(257, b"ustar", "tar archive"),
    signature(0, b"\x7FELF", "executable"),
    printable_signature(0, b"MZ", "executable"),
    signature(0, b"\xCA\xFE\xBA\xBE", "executable"),
    signature(0, b"\xCF\xFA\xED\xFE", "executable"),
    signature(0, b"\xFE\xED\xFA\xCF", "executable"),
    signature(0, b"\0asm", "WebAssembly module"),
    signature(0, b"SQLite format 3\0", "SQLite database"),
    printable_signature(0, b"wOF2", "font"),
    printable_signature(0, b"wOFF", "font"),
    printable_signature(0, b"OTTO\0", "font"),
    signature(0, b"\0\x01\0\0\0", "font"),
];

/// Number of bytes within which a PDF must start; other PDF readers use the same limit (ISO 32000-1, annex H,
/// implementation note 13).
const MAX_PDF_OFFSET: usize = 1_024;

/// Returns whether a PDF starts within the first kilobyte. After the first 64 bytes, an object must follow, because a
/// text about PDF may contain the signature too.
fn is_pdf(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(MAX_PDF_OFFSET + 4)];
    let Some(at) = head.windows(5).position(|window| window == b"%PDF-") else {
        return false;
    };
    let rest = &bytes[at..bytes.len().min(at + 8_192)];
    at < 64 || rest.windows(6).any(|window| window == b" 0 obj")
}

/// Returns the name of the file's format, if its first bytes show that it is a known binary format.
pub fn binary_kind(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return Some(compound_kind(bytes));
    }
    let head = &bytes[..bytes.len().min(1_024)];
    if is_pdf(bytes) {
        return Some("PDF");
    }
    let has_nul = head.contains(&0);
    SIGNATURES
        .iter()
        .find(|mark| {
            bytes
                .get(mark.offset..)
                .is_some_and(|rest| rest.starts_with(mark.bytes))
                && (!mark.needs_nul || has_nul)
        })
        .map(|mark| mark.name)
}

/// Name of a password-protected Office file. Office wraps such a file in a compound file that only the password can
/// decrypt.
pub const ENCRYPTED_OFFICE: &str = "encrypted Office document";

/// Streams of a compound file, in UTF-16, and the kind of file that contains each stream.
const COMPOUND_STREAMS: &[(&str, &str)] = &[
    ("EncryptedPackage", ENCRYPTED_OFFICE),
    ("WordDocument", "Word 97 document (DOC)"),
    ("PowerPoint Document", "PowerPoint 97 presentation (PPT)"),
    ("Workbook", "Excel 97 workbook (XLS)"),
    ("__substg1.0_", "Outlook message (MSG)"),
];

/// Returns the kind of an old Office file. All kinds share one container format; their streams tell them apart.
fn compound_kind(bytes: &[u8]) -> &'static str {
    let has_stream = |name: &str| {
        let utf16_name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        bytes
            .windows(utf16_name.len())
            .any(|window| window == utf16_name)
    };
    COMPOUND_STREAMS
        .iter()
        .find(|(name, _)| has_stream(name))
        .map_or("old Microsoft Office document", |(_, kind)| kind)
}

/// Returns the extension of a readable format in which the user can save a file of this kind; `None` if there is no
/// such format.
pub fn suggested_extension(kind: &str) -> Option<&'static str> {
    match kind {
        "Word 97 document (DOC)" => Some(".docx"),
        "PowerPoint 97 presentation (PPT)" => Some(".pptx"),
        "Excel 97 workbook (XLS)" | "Excel binary workbook (XLSB)" => Some(".xlsx"),
        "Outlook message (MSG)" => Some(".eml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_recognized() {
        for (bytes, expected) in [
            (&b"%PDF-1.7\n"[..], Some("PDF")),
            (b"\n\n%PDF-1.4", Some("PDF")),
            (b"PK\x03\x04\x14\0a.txt", None),
            (
                b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1..W\0o\0r\0d\0D\0o\0c\0u\0m\0e\0n\0t\0",
                Some("Word 97 document (DOC)"),
            ),
            (
                b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 nothing known",
                Some("old Microsoft Office document"),
            ),
            (b"\x89PNG\r\n\x1A\n\0\0", Some("PNG image")),
            (b"\x7FELF\x02\x01", Some("executable")),
            (b"MZ\x90\0\x03", Some("executable")),
            (b"\x1F\x8B\x08", Some("gzip archive")),
            (b"MZ is how this sentence begins", None),
            (b"BM stands for benchmark", None),
            (b"RIFF raff", None),
            (b"plain text about %PDF files", None),
            (
                &[&[b'x'; 900][..], b"\n%PDF-1.4\n1 0 obj"].concat(),
                Some("PDF"),
            ),
            (
                &[&[b'x'; 900][..], b"\n%PDF-1.4 is a header"].concat(),
                None,
            ),
            (b"", None),
        ] {
            assert_eq!(
                binary_kind(bytes),
                expected,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}
