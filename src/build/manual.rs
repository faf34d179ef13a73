//! Builds the manual: reads `assets/manual`, and generates the lists of settings and of API requests. Returns a file
//! for each topic and a list of the topics, which the pages, `quire help`, and `quire man` read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::BuildResult;
use super::options::{OptionRow, SETTINGS, ValueKind};

/// The topics in the order in which a newcomer reads them; each is a file `assets/manual/TOPIC.md`.
const TOPICS: &[&str] = &[
    "first-steps",
    "panels",
    "documents",
    "conversations",
    "money",
    "experiments",
    "providers",
    "commands",
    "api",
    "settings",
    "hosts",
    "replica",
    "scaling",
    "upgrading",
    "security",
    "troubleshooting",
    "changelog",
];

/// Returns the files of the manual with their names: `manual.json`, a list of topics with `id`, `title`, and `summary`,
/// and for each topic `manual/ID.md`, which is Markdown with one paragraph per line.
///
/// # Errors
/// Returns an error if a topic has no file, a file has no topic, or a file lacks its title or summary.
pub(super) fn manual(folder: &Path, openapi: &Path) -> BuildResult<Vec<(String, Vec<u8>)>> {
    let count = fs::read_dir(folder)?.count();
    if count != TOPICS.len() {
        let folder = folder.display();
        return Err(format!("{folder}: {count} files, {} topics", TOPICS.len()).into());
    }
    let mut files = Vec::new();
    let api: Value = serde_json::from_str(&fs::read_to_string(openapi)?)?;
    let mut list = Vec::new();
    for id in TOPICS {
        let path = folder.join(format!("{id}.md"));
        let source = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let (head, text) = source
            .strip_prefix("# ")
            .and_then(|rest| rest.split_once("\n\n"))
            .ok_or_else(|| format!("{}: begins without a title", path.display()))?;
        let text = text
            .replace("{{settings}}", &settings_list())
            .replace("{{requests}}", &requests_list(&api)?);
        let text = join_paragraphs(&text);
        let summary = text.lines().next().unwrap_or_default();
        if summary.is_empty() || summary.starts_with('#') {
            return Err(format!("{}: no summary below the title", path.display()).into());
        }
        list.push(json!({ "id": id, "title": head, "summary": summary }));
        files.push((format!("manual/{id}.md"), text.into_bytes()));
    }
    files.push(("manual.json".to_owned(), serde_json::to_vec(&list)?));
    Ok(files)
}

/// Returns every setting as a list item.
fn settings_list() -> String {
    SETTINGS.iter().map(setting_item).collect()
}

fn setting_item(row: &OptionRow) -> String {
    let mut item = format!("- `{}` (`--{}`): {}", row.name, row.flag(), row.help);
    if let ValueKind::Choice(words) = row.kind {
        let _ = write!(item, ": `{}`", words.join("`, `"));
    }
    item.push('.');
    if !row.default.is_empty() {
        let _ = write!(item, " Default: `{}`.", row.default);
    }
    if !row.aliases.is_empty() {
        let _ = write!(item, " Also read as `{}`.", row.aliases.join("`, `"));
    }
    item + "\n"
}

/// Returns every request of the API as a list item, grouped by area, in the order of the OpenAPI document.
fn requests_list(api: &Value) -> BuildResult<String> {
    let mut areas: Vec<(&str, String)> = Vec::new();
    let paths = api["paths"].as_object().ok_or("openapi.json: no paths")?;
    for (path, verbs) in paths {
        for (verb, operation) in verbs.as_object().ok_or("openapi.json: no operations")? {
            let Some(area) = operation["tags"][0].as_str() else {
                continue;
            };
            let item = request_item(api, verb, path, operation);
            match areas.iter_mut().find(|(name, _)| *name == area) {
                Some((_, items)) => items.push_str(&item),
                None => areas.push((area, item)),
            }
        }
    }
    let titles = BTreeMap::from([
        ("admin", "Administration: more"),
        ("compatible", "OpenAI, Anthropic, and Gemini compatible"),
    ]);
    let mut text = String::new();
    for (area, items) in areas {
        let mut letters = area.chars();
        let capital = letters.next().map(|c| c.to_ascii_uppercase());
        let plain = capital.into_iter().chain(letters).collect::<String>();
        let title = titles.get(area).map_or(plain, |title| (*title).to_owned());
        let _ = write!(text, "### {title}\n\n{items}\n");
    }
    Ok(text)
}

fn request_item(api: &Value, verb: &str, path: &str, operation: &Value) -> String {
    let access = match operation["x-quire-access"].as_str() {
        Some("admin") => " Administrators only.",
        Some("open") => " No account needed.",
        Some("maybe") => " An account is optional where the settings allow it.",
        _ => "",
    };
    let summary = operation["summary"].as_str().unwrap_or_default();
    // The route table marks the rest of a path with a star, which OpenAPI cannot express.
    let rest = ["/v1/models/", "/v1beta/models/", "/assets/{tree}/"]
        .iter()
        .any(|start| path.starts_with(start));
    let path = match rest && path.ends_with('}') {
        true => format!("{}*}}", &path[..path.len() - 1]),
        false => path.to_owned(),
    };
    let mut item = format!("- `{} {path}`: {summary}.", verb.to_uppercase());
    if let Some(description) = operation["description"].as_str() {
        let _ = write!(item, " {description}");
    }
    let query = parameter_names(api, &operation["parameters"], "query");
    if !query.is_empty() {
        let _ = write!(item, " Query: {query}.");
    }
    let fields = body_fields(api, &operation["requestBody"]);
    if !fields.is_empty() {
        let _ = write!(item, " Body: {fields}.");
    }
    item + access + "\n"
}

/// Returns the names of the parameters of one kind as inline code, joined by commas.
fn parameter_names(api: &Value, parameters: &Value, kind: &str) -> String {
    let list = parameters.as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = list
        .iter()
        .map(|parameter| resolve_ref(api, parameter))
        .filter(|parameter| parameter["in"] == kind)
        .filter_map(|parameter| Some(format!("`{}`", parameter["name"].as_str()?)));
    shown.collect::<Vec<_>>().join(", ")
}

/// Lists the fields of a request body, required ones first.
fn body_fields(api: &Value, body: &Value) -> String {
    let body = resolve_ref(api, body);
    let Some(content) = body["content"]
        .as_object()
        .and_then(|map| map.values().next())
    else {
        return String::new();
    };
    let schema = resolve_ref(api, &content["schema"]);
    let Some(properties) = schema["properties"].as_object() else {
        return String::new();
    };
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let (required_names, optional_names): (Vec<&str>, Vec<&str>) = properties
        .keys()
        .map(String::as_str)
        .partition(|name| required.contains(name));
    let required_names = required_names
        .iter()
        .map(|name| format!("`{name}` (required)"));
    let optional_names = optional_names.iter().map(|name| format!("`{name}`"));
    required_names
        .chain(optional_names)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns the value to which a `$ref` in the document points. A value without `$ref` is returned as it is.
fn resolve_ref<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"]
        .as_str()
        .and_then(|target| api.pointer(target.trim_start_matches('#')))
        .unwrap_or(value)
}

/// Joins every paragraph and list item of a Markdown text into one line, so that readers can wrap it to their own
/// width.
fn join_paragraphs(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut in_code = false;
    let mut is_open = false;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let is_fence = trimmed.starts_with("```");
        let keeps_line_breaks =
            in_code || is_fence || trimmed.is_empty() || trimmed.starts_with('#');
        let is_list_item =
            trimmed.starts_with("- ") || trimmed.split_once(". ").is_some_and(is_number);
        match lines.last_mut() {
            Some(last) if is_open && !keeps_line_breaks && !is_list_item => {
                last.push(' ');
                last.push_str(trimmed);
            }
            _ => lines.push(line.to_owned()),
        }
        is_open = !keeps_line_breaks;
        in_code ^= is_fence;
    }
    lines.join("\n") + "\n"
}

fn is_number((digits, _): (&str, &str)) -> bool {
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
