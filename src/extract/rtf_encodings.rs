//! Text encodings of RTF files, by their Windows numbers.

use encoding_rs::Encoding;

/// Returns the encoding for a Windows character set number; `None` if it is unknown.
pub fn encoding_of_charset(number: i32) -> Option<&'static Encoding> {
    let label = match number {
        77 => "macintosh",
        128 => "shift_jis",
        129 => "euc-kr",
        134 => "gbk",
        136 => "big5",
        161 => "windows-1253",
        162 => "windows-1254",
        163 => "windows-1258",
        177 => "windows-1255",
        178 => "windows-1256",
        186 => "windows-1257",
        204 => "windows-1251",
        222 => "windows-874",
        238 => "windows-1250",
        _ => return None,
    };
    Encoding::for_label(label.as_bytes())
}

/// Returns the encoding for a Windows code page number; `None` if it is unknown.
pub fn encoding_of_code_page(number: i32) -> Option<&'static Encoding> {
    match number {
        932 => Some(encoding_rs::SHIFT_JIS),
        936 => Some(encoding_rs::GBK),
        949 => Some(encoding_rs::EUC_KR),
        950 => Some(encoding_rs::BIG5),
        10000 => Some(encoding_rs::MACINTOSH),
        65001 => Some(encoding_rs::UTF_8),
        _ => Encoding::for_label(format!("windows-{number}").as_bytes()),
    }
}
