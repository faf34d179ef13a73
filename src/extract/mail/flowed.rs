//! Flowed text (RFC 3676): a line that ends in a space continues on the next line.

/// Returns the text with each paragraph on a single line. With `deletes_space`, the space before a line break is
/// removed too, as needed for scripts without spaces.
pub fn join_lines(text: &str, deletes_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open_depth: Option<usize> = None;
    for line in text.lines() {
        let depth = line.len() - line.trim_start_matches('>').len();
        let content = &line[depth..];
        let content = content.strip_prefix(' ').unwrap_or(content);
        let is_signature = content == "-- ";
        if open_depth != Some(depth) || is_signature {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(&">".repeat(depth));
            if depth > 0 {
                out.push(' ');
            }
        }
        let flows = content.ends_with(' ') && !is_signature;
        let content = if flows && deletes_space {
            &content[..content.len() - 1]
        } else {
            content
        };
        out.push_str(content);
        open_depth = flows.then_some(depth);
        if !flows {
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::join_lines;

    #[test]
    fn lines_that_flow_are_joined() {
        for (text, deletes_space, expected) in [
            (
                "cut by the prog \nram here.\nNext\n",
                true,
                "cut by the program here.\nNext\n",
            ),
            ("two \nwords\n\nnew\n", false, "two words\n\nnew\n"),
            (
                "> quoted \n> text\n>> deeper\nme\n",
                false,
                "> quoted text\n>> deeper\nme\n",
            ),
            ("end \n-- \nAnn\n", false, "end \n-- \nAnn\n"),
        ] {
            assert_eq!(join_lines(text, deletes_space), expected, "{text:?}");
        }
    }
}
