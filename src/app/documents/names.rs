//! Cleans file names of uploads. A cleaned name is only displayed, never used as a path.

/// Maximum length of a name, in characters.
const MAX_CHARS: usize = 200;

/// Returns the last component of a path as a display name, or `document` if nothing remains. Removes control characters
/// and invisible characters, such as those that change the writing direction and can disguise the extension
/// (`invoice\u{202E}fdp.exe` is displayed as `invoiceexe.pdf`). Long names are cut.
pub fn sanitize_file_name(client_name: &str) -> String {
    let last = client_name
        .rsplit(['/', '\\'])
        .find(|part| !part.trim().is_empty())
        .unwrap_or("");
    let name: String = last
        .chars()
        .filter(|&c| !c.is_control() && !is_invisible(c))
        .collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = name.trim_matches(['.', ' ']);
    if name.is_empty() {
        return "document".to_owned();
    }
    if name.chars().count() <= MAX_CHARS {
        return name.to_owned();
    }
    // The extension shows the file type, so cut the middle instead.
    let ending: String = match name.rsplit_once('.') {
        Some((_, ending)) if ending.chars().count() <= 16 => format!(".{ending}"),
        _ => String::new(),
    };
    let keep = MAX_CHARS - ending.chars().count();
    name.chars().take(keep).chain(ending.chars()).collect()
}

fn is_invisible(character: char) -> bool {
    matches!(
        u32::from(character),
        0xAD | 0x61C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF
            | 0xFFF0..=0xFFFF | 0xE0000..=0xE0FFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned() {
        for (client_name, expected) in [
            ("report.txt", "report.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\notes.md", "notes.md"),
            ("a/b/", "b"),
            ("", "document"),
            ("..", "document"),
            ("/", "document"),
            ("\u{0}\n\r", "document"),
            ("a\r\nContent-Type: x.txt", "aContent-Type: x.txt"),
            ("invoice\u{202E}fdp.exe", "invoicefdp.exe"),
            ("Müller – 量子.md", "Müller – 量子.md"),
            (".hidden", "hidden"),
            ("  many   spaces .txt ", "many spaces .txt"),
        ] {
            assert_eq!(sanitize_file_name(client_name), expected, "{client_name:?}");
        }
        let long = sanitize_file_name(&format!("{}.markdown", "ä".repeat(500)));
        assert!(long.chars().count() == 200 && long.ends_with("ä.markdown"));
    }
}
