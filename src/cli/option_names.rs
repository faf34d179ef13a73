//! Replaces the names of request fields in error messages with the names of the corresponding command-line options.

/// Request fields with the options that set them.
const FIELD_OPTIONS: &[(&str, &str)] = &[
    ("prompt", "the question"),
    ("models", "--panel"),
    ("pattern", "--pattern"),
    ("ultra_model", "--synthesizer"),
    ("recipe", "--recipe"),
    ("preset", "--preset"),
    ("depth", "--depth"),
    ("budget_usd", "--budget"),
    ("document_ids", "--document"),
    ("document_id", "--document"),
    ("follow_up_to", "--continue"),
    ("parameters", "--parameter"),
    ("name", "--name"),
    ("scopes", "--scope"),
    ("expires_in_days", "--expires"),
    ("from", "--days"),
    ("base_url", "--base-url"),
    ("kind", "--kind"),
    ("api_key", "the key"),
    ("concurrency", "--concurrency"),
    ("email", "the email address"),
    ("password", "the password"),
];

/// Replaces request fields in a message with options: `body.models.0: …` becomes `--panel: …`. If the message joins
/// several errors, each gets its own line.
pub(super) fn with_option_names(message: &str) -> String {
    if !message.starts_with("body.") && !message.starts_with("query.") {
        return message.to_owned();
    }
    let pieces = message
        .replace("; body.", "\nbody.")
        .replace("; query.", "\nquery.");
    let lines: Vec<String> = pieces.lines().map(replace_fields_in_line).collect();
    lines.join("\n")
}

fn replace_fields_in_line(message: &str) -> String {
    let Some((location, why)) = message.split_once(": ") else {
        return message.to_owned();
    };
    let mut parts = location.split('.').skip(1);
    let field = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let field_option = FIELD_OPTIONS.iter().find(|(name, _)| *name == field);
    match field_option {
        Some((_, "--parameter")) => format!("--parameter {}: {why}", rest.join(".")),
        // Some messages already name the option.
        Some((_, option)) if why.starts_with(option) => why.to_owned(),
        Some((_, option)) => format!("{option}: {why}"),
        None => {
            let location = std::iter::once(field).chain(rest).collect::<Vec<_>>();
            format!("{}: {why}", location.join("."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_become_options() {
        for (message, expected) in [
            ("not found", "not found"),
            (
                "body.models.0: no model is called x",
                "--panel: no model is called x",
            ),
            (
                "body.pattern: must be one of a; b; body.parameters.temperature: must be 0 to 2",
                "--pattern: must be one of a; b\n--parameter temperature: must be 0 to 2",
            ),
            (
                "body.cases.3.prompt: is missing",
                "cases.3.prompt: is missing",
            ),
            ("query.limit: is not a number", "limit: is not a number"),
            (
                "body.prompt: the question is empty",
                "the question is empty",
            ),
        ] {
            assert_eq!(with_option_names(message), expected);
        }
    }
}
