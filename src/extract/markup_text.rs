//! Converts LaTeX, reStructuredText, Org, and AsciiDoc markup to text: headings become `#`, and the rest stays
//! readable. LaTeX comments are omitted, with a note, because they are not printed.

use super::tex;

/// Converts a text in the markup language of its file name extension. Also returns notes for the user. Returns `None`
/// for other extensions.
pub fn render(text: &str, extension: &str) -> Option<(String, Vec<String>)> {
    match extension {
        "tex" | "latex" | "ltx" => Some(tex::render(text)),
        "rst" => Some((convert_underlined(text), Vec::new())),
        "org" => Some((convert_marked(text, '*'), Vec::new())),
        "adoc" | "asciidoc" => Some((convert_marked(text, '='), Vec::new())),
        _ => None,
    }
}

/// Converts headings that are underlined with a repeated character. Levels are assigned to the characters in the order
/// in which they first occur.
fn convert_underlined(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &str| {
        let first = line.chars().next();
        line.len() >= 3
            && first.is_some_and(|c| "=-~^\"'`*+#:._<>".contains(c))
            && line.trim_end().chars().all(|c| Some(c) == first)
    };
    let mut levels: Vec<char> = Vec::new();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        // If there is a line above the title too, it belongs to the heading.
        let has_line_above = is_rule(line) && lines.get(at + 2).is_some_and(|below| *below == line);
        let title = if has_line_above { lines[at + 1] } else { line };
        let rule = lines
            .get(at + if has_line_above { 2 } else { 1 })
            .copied()
            .unwrap_or_default();
        let is_title = !title.trim().is_empty()
            && !is_rule(title)
            && is_rule(rule)
            && rule.trim_end().chars().count() >= title.trim().chars().count();
        if is_title && (has_line_above || !title.starts_with(' ')) {
            let mark = rule.chars().next().unwrap_or('=');
            let level = levels
                .iter()
                .position(|known| *known == mark)
                .unwrap_or_else(|| {
                    levels.push(mark);
                    levels.len() - 1
                });
            out.push_str(&format!(
                "{} {}\n",
                "#".repeat(level.min(5) + 1),
                title.trim()
            ));
            at += if has_line_above { 3 } else { 2 };
        } else {
            out.push_str(line);
            out.push('\n');
            at += 1;
        }
    }
    out
}

/// Converts headings that start with one marker character per level to Markdown headings.
fn convert_marked(text: &str, mark: char) -> String {
    let heading = |line: &str| -> Option<String> {
        let rest = line.trim_start_matches(mark);
        let level = line.len() - rest.len();
        let title = rest
            .strip_prefix(' ')
            .filter(|_| (1..=6).contains(&level))?;
        Some(format!("{} {}", "#".repeat(level), title.trim()))
    };
    let lines = text
        .lines()
        .map(|line| heading(line).unwrap_or_else(|| line.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_of_every_kind_are_found() {
        for (extension, text, expected) in [
            (
                "rst",
                "=====\nTitle\n=====\n\nPart\n----\ntext\n",
                "# Title\n\n## Part\ntext\n",
            ),
            (
                "org",
                "* One\n** Two\n*bold* text",
                "# One\n## Two\n*bold* text",
            ),
            ("adoc", "= One\n== Two\ntext", "# One\n## Two\ntext"),
            (
                "tex",
                "\\documentclass{article}\\title{T}\\begin{document}\\section{Results} % draft comment\nThe \\emph{mean} is $\\mu=3$, 5\\% \
                 more.\\footnote{See~A.}\n\\begin{itemize}\\item one\\end{itemize}\\end{document}",
                "# T\n\n\n## Results\n \nThe mean is $\\mu=3$, 5% more. [note: See A.]\n- one",
            ),
        ] {
            assert_eq!(
                render(text, extension).map(|(text, _)| text).as_deref(),
                Some(expected),
                "{extension}"
            );
        }
        assert_eq!(render("x", "md"), None);
    }
}
