//! Validates pattern definitions and fills in defaults. Reports every error with its location. Works on a parsed JSON
//! value, so it depends on neither files nor file formats.

use serde_json::{Map, Value};

use super::{Arrangement, Pattern, StageDefinition, reading};
use crate::domain::analysis::StageRole;
use crate::domain::chat::Task;
use crate::domain::prompt;

/// Maximum length of a stage's prompt template, in characters.
pub const MAX_PROMPT: usize = 20_000;
/// Maximum length of a summary in characters. Cards show at most two lines of it.
const MAX_SUMMARY: usize = 80;
/// Maximum number of stages of a pattern.
pub const MAX_STAGES: usize = 6;
/// Largest panel size that a pattern can recommend.
const MAX_PANEL: u32 = 16;
/// Maximum number of use cases of a pattern, and maximum number of its limitations.
const MAX_ENTRIES: usize = 12;

/// Words that cannot be pattern IDs, because URL paths use them in the position of an ID.
const RESERVED_IDS: &[&str] = &["suggest", "check"];

/// Headings that divide a synthesis into the parts of the result. A synthesis without them is still a valid answer.
const RESULT_HEADINGS: &[&str] = &[
    "## Answer",
    "## Where the members agree",
    "## Contradictions",
    "## Points made by one only",
    "## Blind spots",
];

/// An error in a pattern, with its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// Path of the field, such as `stages.1.prompt`; empty if the error concerns the whole pattern.
    pub location: String,
    /// The error, in lowercase.
    pub message: String,
}

/// Parses and validates a pattern. Missing optional fields get their defaults.
///
/// # Errors
/// Returns all errors in the fields (missing, unknown, or invalid ones). If there are none, returns the reasons why the
/// stages cannot be run.
pub fn parse_pattern(value: &Value) -> Result<Pattern, Vec<PatternError>> {
    let mut faults = Vec::new();
    let Some(tree) = value.as_object() else {
        return Err(vec![pattern_error("", "a pattern must be an object")]);
    };
    let mut fields = TableFields {
        table: tree,
        place: String::new(),
        errors: &mut faults,
    };
    fields.reject_unknown(&[
        "id",
        "name",
        "summary",
        "description",
        "category",
        "arrangement",
        "complexity",
        "panel",
        "use_cases",
        "limitations",
        "stages",
    ]);
    let id = fields.text_field("id", 40, None);
    if !id.is_empty() && !is_id(&id) {
        let why = "must have 2 to 40 lowercase letters, digits, _ and -";
        fields.add_error(
            "id",
            &format!("an id {why}, start with a letter or digit, and not be suggest or check"),
        );
    }
    let name = fields.text_field("name", 80, None);
    let arrangement = fields.keyword_field("arrangement").unwrap_or_default();
    let mut pattern = Pattern {
        summary: fields.text_field("summary", MAX_SUMMARY, Some("")),
        description: fields.text_field("description", 600, Some("")),
        category: fields.text_field("category", 40, Some("Own")),
        arrangement,
        complexity: fields.text_field("complexity", 6, Some("medium")),
        panel: fields.panel_field(arrangement),
        use_cases: fields.list_field("use_cases"),
        limitations: fields.list_field("limitations"),
        stages: Vec::new(),
        id,
        name,
    };
    if !["low", "medium", "high"].contains(&pattern.complexity.as_str()) {
        fields.add_error("complexity", "must be low, medium or high");
    }
    pattern.stages = parse_stages(tree, arrangement, &mut faults);
    if faults.is_empty() {
        faults = pattern.errors();
    }
    if faults.is_empty() {
        Ok(pattern)
    } else {
        Err(faults)
    }
}

/// Whether the text is a valid pattern ID: 2 to 40 lowercase letters, digits, `_`, and `-`, starting with a letter or
/// digit, and not reserved.
pub fn is_id(id: &str) -> bool {
    (2..=40).contains(&id.len())
        && id
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
        && !id.starts_with(['_', '-'])
        && !RESERVED_IDS.contains(&id)
}

/// Returns problems that do not prevent a run but degrade its result.
pub fn warnings(pattern: &Pattern) -> Vec<PatternError> {
    let mut warnings = Vec::new();
    for (at, stage) in pattern.stages.iter().enumerate() {
        if stage.role != StageRole::Synthesizer {
            continue;
        }
        let missing: Vec<&str> = RESULT_HEADINGS
            .iter()
            .copied()
            .filter(|heading| !stage.prompt.contains(heading))
            .collect();
        if !missing.is_empty() {
            warnings.push(PatternError {
                location: format!("stages.{at}.prompt"),
                message: format!(
                    "does not ask for {}: the result shows agreement, contradictions and blind spots only if the synthesis has these headings",
                    missing.join(", ")
                ),
            });
        }
    }
    warnings
}

impl Pattern {
    /// Returns the errors that prevent a run, with their locations.
    pub fn errors(&self) -> Vec<PatternError> {
        let mut faults = Vec::new();
        if self.stages.is_empty() {
            return vec![pattern_error("stages", "there are no stages")];
        }
        self.check_stage_order(&mut faults);
        for (at, stage) in self.stages.iter().enumerate() {
            let location = format!("stages.{at}.prompt");
            let placeholders = prompt::placeholders_in(&stage.prompt);
            if let Some(placeholder) = placeholders
                .iter()
                .find(|placeholder| !prompt::PLACEHOLDER_NAMES.contains(placeholder))
            {
                let placeholder_list = prompt::PLACEHOLDER_NAMES.join("}, {");
                faults.push(pattern_error(
                    &location,
                    &format!(
                        "unknown placeholder {{{placeholder}}}; the available ones are {{{placeholder_list}}}"
                    ),
                ));
            }
            let needs = |name: &str| placeholders.contains(&name);
            // The first answers must stay independent, so their prompts must not refer to other texts.
            if at == 0
                && ["peers", "reviews", "own", "own_initial"]
                    .iter()
                    .any(|name| needs(name))
            {
                faults.push(pattern_error(
                    &location,
                    "first answers must not see each other, and members have no earlier answer of their own",
                ));
            }
            if at == 0 && !needs("question") {
                faults.push(pattern_error(
                    &location,
                    "the first stage must contain the placeholder {question}",
                ));
            }
            if stage.role == StageRole::Synthesizer && !needs("peers") {
                faults.push(pattern_error(
                    &location,
                    "the synthesis must contain the placeholder {peers}",
                ));
            }
        }
        faults
    }

    fn check_stage_order(&self, errors: &mut Vec<PatternError>) {
        let last = self.stages.len() - 1;
        let location = format!("stages.{last}.who");
        match self.arrangement {
            Arrangement::Single | Arrangement::Vote => {
                if last > 0 || self.stages[0].role != StageRole::Members {
                    let name = self.arrangement.as_str();
                    let why = format!(
                        "the arrangement {name} must have exactly one stage, with who = members"
                    );
                    errors.push(pattern_error("stages", &why));
                }
                return;
            }
            Arrangement::Own | Arrangement::Cascade if last != 1 => {
                let name = self.arrangement.as_str();
                let why = format!(
                    "the arrangement {name} must have two stages: first members, then synthesiser"
                );
                errors.push(pattern_error("stages", &why));
            }
            Arrangement::Staged if last == 0 => {
                errors.push(pattern_error(
                    "stages",
                    "a members stage must precede the synthesis",
                ));
            }
            _ => {}
        }
        for (at, stage) in self.stages.iter().enumerate() {
            if stage.task == Task::Read || stage.name == reading::READING_STAGE {
                let why = "reading in parts is added automatically for long documents";
                errors.push(pattern_error(&format!("stages.{at}"), why));
            }
        }
        if self.stages[last].role != StageRole::Synthesizer {
            errors.push(pattern_error(
                &location,
                "the last stage must have who = synthesiser",
            ));
        }
        for (at, stage) in self.stages[..last].iter().enumerate() {
            if stage.role != StageRole::Members {
                let why = "every stage before the last must have who = members";
                errors.push(pattern_error(&format!("stages.{at}.who"), why));
            }
        }
    }
}

fn parse_stages(
    tree: &Map<String, Value>,
    arrangement: Arrangement,
    faults: &mut Vec<PatternError>,
) -> Vec<StageDefinition> {
    let list = match tree.get("stages") {
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(Value::Array(_)) | None => {
            faults.push(pattern_error("stages", "there are no stages"));
            return Vec::new();
        }
        Some(_) => {
            faults.push(pattern_error("stages", "must be a list of stages"));
            return Vec::new();
        }
    };
    if list.len() > MAX_STAGES {
        faults.push(pattern_error(
            "stages",
            &format!("at most {MAX_STAGES} stages"),
        ));
        return Vec::new();
    }
    let mut names: Vec<String> = Vec::new();
    let mut stages = Vec::new();
    for (at, stage) in list.iter().enumerate() {
        let location = format!("stages.{at}");
        let Some(tree) = stage.as_object() else {
            faults.push(pattern_error(&location, "a stage must be an object"));
            continue;
        };
        let mut fields = TableFields {
            table: tree,
            place: format!("{location}."),
            errors: faults,
        };
        fields.reject_unknown(&["name", "who", "task", "help", "prompt"]);
        let name = fields.text_field("name", 24, None);
        if names.contains(&name) {
            fields.add_error("name", "two stages have the same name");
        }
        let is_name_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.chars().all(is_name_char) {
            fields.add_error(
                "name",
                "a stage name can contain lowercase letters, digits and _",
            );
        }
        names.push(name.clone());
        let prompt = fields.text_field("prompt", MAX_PROMPT, None);
        let ends =
            at + 1 == list.len() && !matches!(arrangement, Arrangement::Single | Arrangement::Vote);
        let role = fields.keyword_field("who").unwrap_or(if ends {
            StageRole::Synthesizer
        } else {
            StageRole::Members
        });
        let task = fields
            .keyword_field("task")
            .unwrap_or_else(|| default_task(at, role, &prompt));
        let help = fields.text_field("help", 300, Some(""));
        stages.push(StageDefinition {
            name,
            role,
            task,
            help,
            prompt,
        });
    }
    stages
}

/// Returns the task of a stage that declares none, derived from its role, position, and prompt.
fn default_task(at: usize, role: StageRole, prompt: &str) -> Task {
    match role {
        StageRole::Synthesizer => Task::Synthesize,
        // Never reached: a file cannot define a reading stage, which is added only to read long documents in parts.
        StageRole::Readers => Task::Read,
        StageRole::Members if at == 0 => Task::Answer,
        StageRole::Members if prompt.contains("{reviews}") || prompt.contains("{own_initial}") => {
            Task::Revise
        }
        StageRole::Members => Task::Review,
    }
}

/// Reads an object's fields and collects errors.
struct TableFields<'a> {
    table: &'a Map<String, Value>,
    /// Path of the object with a trailing dot; empty at the top level.
    place: String,
    errors: &'a mut Vec<PatternError>,
}

impl TableFields<'_> {
    fn add_error(&mut self, name: &str, message: &str) {
        let location = format!("{}{name}", self.place);
        self.errors.push(pattern_error(&location, message));
    }

    fn reject_unknown(&mut self, known: &[&str]) {
        let unknown_keys = self
            .table
            .keys()
            .filter(|name| !known.contains(&name.as_str()));
        for name in unknown_keys.take(5).cloned().collect::<Vec<_>>() {
            let excerpt: String = name.chars().take(40).collect();
            self.add_error(
                &excerpt,
                &format!("is unknown; the available fields are {}", known.join(", ")),
            );
        }
    }

    fn text_field(&mut self, name: &str, max_chars: usize, default: Option<&str>) -> String {
        match (self.table.get(name), default) {
            (Some(Value::String(text)), _) if text.chars().count() > max_chars => {
                self.add_error(name, &format!("at most {max_chars} characters"));
                String::new()
            }
            (Some(Value::String(text)), _) if text.contains('\0') => {
                self.add_error(name, "contains a NUL character");
                String::new()
            }
            (Some(Value::String(text)), None) if text.trim().is_empty() => {
                self.add_error(name, "must not be empty");
                String::new()
            }
            (Some(Value::String(text)), _) => text.clone(),
            (Some(_), _) => {
                self.add_error(name, "must be a string");
                String::new()
            }
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                self.add_error(name, "is missing");
                String::new()
            }
        }
    }

    /// Reads an optional field whose values are the variants of `T`, and reports any other value as an error.
    fn keyword_field<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.table.get(name)?;
        match serde_json::from_value(value.clone()) {
            Ok(word) => Some(word),
            Err(error) => {
                // Serde's message is "unknown variant `x`, expected one of `a`, `b`"; only the expected words help.
                let text = error.to_string();
                let right = text
                    .split_once("expected ")
                    .map_or("another word", |(_, right)| right);
                self.add_error(name, &format!("must be {}", right.replace('`', "")));
                None
            }
        }
    }

    fn list_field(&mut self, name: &str) -> Vec<String> {
        let Some(value) = self.table.get(name) else {
            return Vec::new();
        };
        let list: Option<Vec<String>> = serde_json::from_value(value.clone()).ok();
        let fits = |list: &Vec<String>| {
            list.len() <= MAX_ENTRIES && list.iter().all(|text| text.chars().count() <= 300)
        };
        match list.filter(fits) {
            Some(list) => list,
            None => {
                self.add_error(
                    name,
                    &format!(
                        "must be a list of at most {MAX_ENTRIES} strings of at most 300 characters"
                    ),
                );
                Vec::new()
            }
        }
    }

    fn panel_field(&mut self, arrangement: Arrangement) -> (u32, u32) {
        let usual = match arrangement {
            Arrangement::Single => (1, 1),
            Arrangement::Cascade => (2, 2),
            _ => (2, 4),
        };
        let Some(value) = self.table.get("panel") else {
            return usual;
        };
        match serde_json::from_value::<(u32, u32)>(value.clone()) {
            Ok((from, to)) if 1 <= from && from <= to && to <= MAX_PANEL => (from, to),
            _ => {
                self.add_error(
                    "panel",
                    &format!("must be two numbers from 1 to {MAX_PANEL}, smaller one first"),
                );
                usual
            }
        }
    }
}

fn pattern_error(place: &str, message: &str) -> PatternError {
    PatternError {
        location: place.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
