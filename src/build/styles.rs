//! The pages' style sheets: joins several files into one sheet, and removes comments and unnecessary spaces. Cascade
//! layers (`@layer`) determine which rule wins, so a file may be part of two sheets.

use super::BuildResult;

/// Sheets that consist of several files, joined in this order. Every other file is its own sheet.
const SHEETS: &[(&str, &[&str])] = &[
    (
        "app",
        &["tokens", "base", "layout", "rail", "parts", "pages"],
    ),
    ("account", &["usage", "account", "charts"]),
    ("experiments", &["charts", "experiments"]),
    ("run", &["run", "results"]),
    ("thread", &["thread", "results"]),
    ("sheets", &["sheets", "workbench"]),
];
/// Files that are served only as part of a sheet.
const PARTIAL_FILES: [&str; 6] = ["tokens", "base", "layout", "rail", "parts", "pages"];

/// Returns the name (such as `css/app.css`) and text of each sheet.
///
/// # Errors
/// Returns an error if a file is missing, or a comment or string in it has no end.
pub(super) fn sheets(files: &[(String, Vec<u8>)]) -> BuildResult<Vec<(String, String)>> {
    let read = |name: &str| {
        let path = format!("css/{name}.css");
        let sheet_file = files.iter().find(|(file, _)| *file == path);
        let (_, bytes) = sheet_file.ok_or_else(|| format!("there is no assets/{path}"))?;
        minify(std::str::from_utf8(bytes)?)
            .map_err(|error| format!("assets/{path}: {error}").into())
    };
    let names = files.iter().filter_map(|(file, _)| {
        let name = file.strip_prefix("css/")?.strip_suffix(".css")?;
        let is_separate_sheet =
            !PARTIAL_FILES.contains(&name) && SHEETS.iter().all(|(sheet, _)| *sheet != name);
        is_separate_sheet.then_some(name)
    });
    let mut sheets = Vec::new();
    for name in names {
        sheets.push((format!("css/{name}.css"), read(name)?));
    }
    for (sheet, parts) in SHEETS {
        let parts = parts.iter().map(|name| read(name));
        let text = parts.collect::<BuildResult<String>>()?;
        sheets.push((format!("css/{sheet}.css"), text));
    }
    Ok(sheets)
}

/// Removes comments from a style sheet, and reduces each run of whitespace to one space, or to none where the syntax
/// allows it.
///
/// # Errors
/// Returns an error if a comment or a string has no end.
pub(super) fn minify(source: &str) -> BuildResult<String> {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(sign) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("/*") {
            let (_, after_comment) = comment.split_once("*/").ok_or("a comment has no end")?;
            rest = after_comment;
        } else if sign == '"' || sign == '\'' {
            let end = rest[1..].find(sign).ok_or("a string has no end")? + 2;
            text.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if sign.is_whitespace() {
            rest = rest.trim_start();
            let is_needed = !text.is_empty() && !text.ends_with(|before| " {};:,".contains(before));
            if is_needed && !rest.starts_with(|after| "{};,".contains(after)) {
                text.push(' ');
            }
        } else {
            if sign == '}' && text.ends_with(';') {
                text.pop();
            }
            text.push(sign);
            rest = &rest[sign.len_utf8()..];
        }
    }
    Ok(text)
}
