//! Converts LaTeX to text: headings, list items, and notes. Formulas are left as written.

mod macros;
mod preamble;

use macros::TexMacros;
use preamble::{title_block, without_disabled};

/// Converts a LaTeX document to text with headings, list items, and formulas. Also returns notes for the user.
pub fn render(text: &str) -> (String, Vec<String>) {
    let mut comments = 0;
    let mut uncommented = String::with_capacity(text.len());
    for line in text.lines() {
        let end = comment_start(line);
        comments +=
            usize::from(end.is_some_and(|at| line[at..].trim_start_matches('%').trim().len() > 1));
        let Some(at) = end else {
            uncommented.push_str(line);
            uncommented.push('\n');
            continue;
        };
        // A comment includes the newline after it.
        uncommented.push_str(&line[..at]);
        if line[..at].trim().is_empty() && uncommented.ends_with('\n') {
            continue;
        }
        uncommented.push('\n');
    }
    let (enabled_text, disabled) = without_disabled(&uncommented);
    let (head, body) = enabled_text
        .split_once("\\begin{document}")
        .unwrap_or(("", enabled_text.as_str()));
    let (body, after) = body.split_once("\\end{document}").unwrap_or((body, ""));
    let mut notes = Vec::new();
    if comments + disabled > 0 {
        let count = comments + disabled;
        notes.push(format!("comments of the source left out: {count}"));
    }
    if !after.trim().is_empty() {
        notes.push("the text after the end of the document is left out".to_owned());
    }
    let mut macros = TexMacros::default();
    let head = macros.take_definitions(head);
    let body = macros.take_definitions(body);
    let printed = macros.expand(&format!("{}{body}", title_block(&head)));
    (replace_commands(&printed), notes)
}

/// Returns the name of the command at the start of `text`; empty for an escaped symbol.
fn command_name(text: &str) -> &str {
    let letters = text
        .bytes()
        .skip(1)
        .take_while(u8::is_ascii_alphabetic)
        .count();
    text.get(1..=letters).unwrap_or_default()
}

/// Returns the offset at which a comment starts: a `%` that is not escaped.
fn comment_start(line: &str) -> Option<usize> {
    let mut escaped = false;
    line.char_indices().find_map(|(at, character)| {
        let is_comment = character == '%' && !escaped;
        escaped = character == '\\' && !escaped;
        is_comment.then_some(at)
    })
}

/// Returns the content of the braced group at the start of `text`, and the text after the group.
fn braced_group(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => {}
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some((&text[1..at], &text[at + 1..]));
                }
            }
            _ => {}
        }
        escaped = character == '\\' && !escaped;
        if depth == 0 {
            return None;
        }
    }
    None
}

/// Sectioning commands and their heading levels.
const SECTION_LEVELS: [(&str, usize); 7] = [
    ("part", 1),
    ("chapter", 1),
    ("section", 2),
    ("subsection", 3),
    ("subsubsection", 4),
    ("paragraph", 5),
    ("subparagraph", 6),
];
/// Commands that only affect typography.
const TYPOGRAPHY_COMMANDS: &[&str] = &[
    "textbf",
    "textit",
    "emph",
    "texttt",
    "textsc",
    "textrm",
    "textsf",
    "underline",
    "mbox",
    "text",
    "caption",
    "url",
];
/// Commands that print nothing and have an argument.
const INVISIBLE_COMMANDS_WITH_ARGUMENT: &[&str] = &[
    "label",
    "usepackage",
    "documentclass",
    "pagestyle",
    "bibliographystyle",
    "vspace",
    "hspace",
];
/// Commands that print nothing and have no argument.
const INVISIBLE_COMMANDS: &[&str] = &[
    "maketitle",
    "tableofcontents",
    "centering",
    "noindent",
    "newpage",
    "clearpage",
];

/// Accent commands; each letter is followed by its accented form.
const ACCENTS: &[(&str, &str)] = &[
    ("'", "aáeéiíoóuúyýcćnńsśzźlĺrŕAÁEÉIÍOÓUÚYÝCĆNŃSŚZŹLĹRŔ"),
    ("`", "aàeèiìoòuùnǹAÀEÈIÌOÒUÙNǸ"),
    ("\"", "aäeëiïoöuüyÿAÄEËIÏOÖUÜYŸ"),
    ("^", "aâeêiîoôuûcĉgĝhĥjĵsŝwŵyŷAÂEÊIÎOÔUÛCĈGĜHĤJĴSŜWŴYŶ"),
    ("~", "aãnñoõiĩuũAÃNÑOÕIĨUŨ"),
    ("=", "aāeēiīoōuūAĀEĒIĪOŌUŪ"),
    (".", "cċeėgġzżIİCĊEĖGĠZŻ"),
    ("c", "cçsşgģkķlļnņrŗtţCÇSŞGĢKĶLĻNŅRŖTŢ"),
    ("v", "cčdďeěnňrřsštťzžCČDĎEĚNŇRŘSŠTŤZŽ"),
    ("u", "aăgğuŭiĭoŏeĕAĂGĞUŬIĬOŎEĔ"),
    ("H", "oőuűOŐUŰ"),
    ("r", "aåuůAÅUŮ"),
    ("k", "aąeęiįuųAĄEĘIĮUŲ"),
];
/// Commands for letters and symbols.
const LETTERS: &[(&str, &str)] = &[
    ("ss", "ß"),
    ("ae", "æ"),
    ("oe", "œ"),
    ("o", "ø"),
    ("aa", "å"),
    ("l", "ł"),
    ("i", "ı"),
    ("AE", "Æ"),
    ("OE", "Œ"),
    ("O", "Ø"),
    ("AA", "Å"),
    ("L", "Ł"),
    ("ldots", "…"),
    ("dots", "…"),
    ("textendash", "–"),
    ("textemdash", "—"),
    ("textbackslash", "\\"),
    ("textasciitilde", "~"),
    ("textbar", "|"),
    ("textless", "<"),
    ("textgreater", ">"),
    ("euro", "€"),
    ("texteuro", "€"),
    ("pounds", "£"),
    ("copyright", "©"),
    ("S", "§"),
    ("P", "¶"),
    ("dag", "†"),
    ("ddag", "‡"),
];

/// Writes a letter with its accent. If there is no accented form, writes the command itself.
fn write_accented(mark: &str, letter: &str, out: &mut String) {
    let letter = match letter.trim() {
        "\\i" => "i",
        other => other,
    };
    let forms = ACCENTS.iter().find(|(known, _)| *known == mark);
    let forms: Vec<char> = forms.map_or("", |(_, forms)| forms).chars().collect();
    let pair = forms
        .chunks(2)
        .find(|pair| letter.chars().eq(pair[..1].iter().copied()));
    match pair {
        Some(pair) => out.push(pair[1]),
        None => out.push_str(&format!("\\{mark}{letter}")),
    }
}

/// Returns the number of an environment's mandatory arguments that describe its layout. These are not printed.
fn layout_arguments(environment: &str) -> usize {
    match environment {
        "tabular*" | "tabularx" => 2,
        "tabular" | "array" | "longtable" | "longtable*" | "minipage" => 1,
        _ => 0,
    }
}

/// Skips this many arguments in braces, and any optional arguments in brackets before each of them. Groups that follow
/// are content: `\begin{tabular}{ll}{\bf Name} & Age`.
fn skip_arguments(mut text: &str, count: usize) -> &str {
    for _ in 0..count {
        let mut next = text.trim_start();
        while let Some((_, after)) = next.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            next = after.trim_start();
        }
        match next.starts_with('{').then(|| braced_group(next)).flatten() {
            Some((_, after)) => text = after,
            None => return text,
        }
    }
    text
}

/// Replaces structural and typographic commands; formulas and unknown commands are left unchanged.
fn replace_commands(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '~']) {
        out.push_str(&rest[..at]);
        rest = match rest[at..].strip_prefix('~') {
            Some(next) => {
                out.push(' ');
                next
            }
            None => replace_command(&rest[at..], &mut out),
        };
    }
    out.push_str(rest);
    out
}

/// Replaces the command at the start of `text`, and returns the text after it.
fn replace_command<'a>(text: &'a str, out: &mut String) -> &'a str {
    let name = command_name(text);
    let letters = name.len();
    if name.is_empty() {
        return replace_symbol(&text[1..], out);
    }
    let text_after = text[1 + letters..].trim_start_matches('*');
    let argument = text_after
        .starts_with('{')
        .then(|| braced_group(text_after))
        .flatten();
    let level = SECTION_LEVELS.iter().find(|(known, _)| *known == name);
    match (argument, level) {
        (Some((words, next)), Some((_, level))) => {
            out.push_str(&format!(
                "\n{} {}\n",
                "#".repeat(*level),
                replace_inner(words)
            ));
            next
        }
        (Some((words, next)), _) if TYPOGRAPHY_COMMANDS.contains(&name) => {
            out.push_str(&replace_inner(words));
            next
        }
        (Some((words, next)), _) if name == "footnote" => {
            out.push_str(&format!(" [note: {}]", replace_inner(words)));
            next
        }
        (Some((kind, next)), _) if matches!(name, "begin" | "end") && !is_formula(kind) => {
            match name {
                "begin" => skip_arguments(next, layout_arguments(kind)),
                _ => next,
            }
        }
        (Some((_, next)), _) if INVISIBLE_COMMANDS_WITH_ARGUMENT.contains(&name) => next,
        _ if name == "item" => {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str("- ");
            text_after.trim_start()
        }
        (Some((words, next)), _)
            if letters == 1 && ACCENTS.iter().any(|(mark, _)| name == *mark) =>
        {
            write_accented(name, words, out);
            next
        }
        _ if LETTERS.iter().any(|(known, _)| *known == name) => {
            let letter = LETTERS.iter().find(|(known, _)| *known == name);
            out.push_str(letter.map_or("", |(_, letter)| letter));
            // A space or an empty group only ends the command.
            text_after
                .strip_prefix("{}")
                .unwrap_or_else(|| text_after.strip_prefix(' ').unwrap_or(text_after))
        }
        _ if INVISIBLE_COMMANDS.contains(&name) => text_after,
        _ => {
            out.push_str(&text[..=letters]);
            &text[1 + letters..]
        }
    }
}

/// Replaces an escaped character or a line break, and returns the text after it.
fn replace_symbol<'a>(text: &'a str, out: &mut String) -> &'a str {
    let sign = text.chars().next();
    match sign {
        Some('\\') => out.push('\n'),
        // Spaces of various widths become regular spaces.
        Some(',' | ';' | ':' | ' ') => out.push(' '),
        Some(c) if ACCENTS.iter().any(|(mark, _)| mark.starts_with(c)) => {
            let text_after = &text[1..];
            if let Some((letter, next)) =
                braced_group(text_after).filter(|_| text_after.starts_with('{'))
            {
                write_accented(&text[..1], letter, out);
                return next;
            }
            let length = match text_after.strip_prefix("\\i") {
                Some(_) => 2,
                None => text_after.chars().next().map_or(0, char::len_utf8),
            };
            write_accented(&text[..1], &text_after[..length], out);
            return &text_after[length..];
        }
        Some(c) if "&%$#_{}".contains(c) => out.push(c),
        Some(c) => out.extend(['\\', c]),
        None => out.push('\\'),
    }
    &text[sign.map_or(0, char::len_utf8)..]
}

/// Decodes `\&`, `\%`, and `~` inside a group; other commands are left as written.
fn replace_inner(words: &str) -> String {
    words
        .replace("\\&", "&")
        .replace("\\%", "%")
        .replace('~', " ")
}

fn is_formula(name: &str) -> bool {
    let name = name.trim_end_matches('*');
    matches!(
        name,
        "equation"
            | "align"
            | "gather"
            | "multline"
            | "eqnarray"
            | "math"
            | "displaymath"
            | "verbatim"
            | "lstlisting"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_arguments_of_an_environment_are_left_out() {
        for (text, expected) in [
            (
                "\\begin{tabular}{ll}{\\bf Name} & Age\\end{tabular}",
                "{\\bf Name} & Age",
            ),
            ("\\begin{tabular}[t]{l{2cm}r}[a] & b", "[a] & b"),
            ("\\begin{tabular*}{5cm}[t]{ll}{Name} & Age", "{Name} & Age"),
            ("\\begin{tabularx}{\\textwidth}{lX}{Name}", "{Name}"),
            ("\\begin{minipage}{5cm}[Note] a", "[Note] a"),
            ("\\begin{minipage}[t][2cm]{5cm}{Note} a", "{Note} a"),
            ("\\begin{minipage}\n[t]\n{5cm}{Note} a", "{Note} a"),
            ("\\begin{quote}{Note} a", "{Note} a"),
            // Malformed arguments are kept as text.
            ("\\begin{tabular}[t Name", "[t Name"),
            ("\\begin{tabular} Name", " Name"),
        ] {
            assert_eq!(render(text).0.trim_end_matches('\n'), expected, "{text}");
        }
    }
}
