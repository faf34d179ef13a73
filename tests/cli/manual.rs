//! Checks the manual and the README against the program: the commands, options, settings, addresses, and messages in
//! them exist, and the examples work.

use std::path::{Path, PathBuf};

use quire::cli::COMMANDS;
use quire::config::options;
use quire::http::manual::{Topic, topics};
use quire::http::routes::ROUTES;

use crate::Workspace;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Uppercase words that look like settings but belong to other programs or to requests.
const FOREIGN_NAMES: &[&str] = &[
    "AF_INET",
    "AF_INET6",
    "AF_UNIX",
    "AWS_ACCESS_KEY_ID",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
    "LAB_KEY",
    "NO_COLOR",
    "QUIRE_API_KEY",
    "QUIRE_COMMIT",
];

fn topic(id: &str) -> Topic {
    topics()
        .unwrap()
        .into_iter()
        .find(|topic| topic.id == id)
        .unwrap()
}

/// Returns the names and texts of the README and of all topics of the manual.
pub fn texts() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let topics = topics()
        .unwrap()
        .into_iter()
        .map(|topic| (topic.id, topic.text));
    std::iter::once(("README.md".to_owned(), readme))
        .chain(topics)
        .collect()
}

/// Returns the contents of a Markdown text's fenced code blocks in this language, without the fences.
pub fn code_blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_owned())
        .collect()
}

/// Returns the commands in a shell block: continued lines are joined, and comments are removed.
pub fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(|line| line.split(" #").next().unwrap().trim());
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Returns what is wrong with a `quire` command line: a command or an option that does not exist. Returns `None` if
/// nothing is.
fn command_problem(line: &str) -> Option<String> {
    let (_, call) = line
        .split_once("quire ")
        .filter(|(before, _)| before.is_empty() || before.ends_with([' ', '(', '"']))?;
    let call = call.split([')', '|', '>', ';']).next().unwrap();
    let mut words = call
        .split_whitespace()
        .map(|word| word.trim_matches(['"', '.', ',']));
    let name = words.next()?;
    let command = COMMANDS.iter().find(|command| command.name == name);
    if command.is_none() && !name.starts_with("--") {
        return Some(format!("no command {name:?} in {line:?}"));
    }
    let flags = words.filter_map(|word| word.strip_prefix("--"));
    for flag in flags.map(|flag| flag.split('=').next().unwrap()) {
        let own = command.is_some_and(|command| command.options.iter().any(|o| o.name == flag));
        if !own
            && options::by_flag(flag).is_none()
            && !["help", "config", "version"].contains(&flag)
        {
            return Some(format!("no option --{flag} in {line:?}"));
        }
    }
    None
}

#[test]
fn commands_and_options_that_are_named_exist() {
    let mut faults = Vec::new();
    for (name, text) in texts() {
        let blocks = code_blocks(&text, "sh")
            .into_iter()
            .flat_map(|block| commands(&block));
        let spans = text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|span| span.starts_with("quire "));
        let spans = spans.map(|span| span.split(" | ").next().unwrap().to_owned());
        let lines: Vec<String> = blocks.chain(spans).collect();
        let wrong = lines
            .iter()
            .filter(|line| !line.contains("docker") && !line.contains("litestream"));
        faults.extend(
            wrong
                .filter_map(|line| command_problem(line))
                .map(|why| format!("{name}: {why}")),
        );
        for target in lines.iter().filter_map(|line| line.strip_prefix("make ")) {
            let makefile = std::fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
            if !makefile.contains(&format!("\n{}:", target.split_whitespace().next().unwrap())) {
                faults.push(format!("{name}: no target {target:?} in the Makefile"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn settings_and_addresses_that_are_named_exist() {
    let mut faults = Vec::new();
    for (name, text) in texts() {
        let shell: Vec<String> = ["sh", "ini"]
            .iter()
            .flat_map(|kind| code_blocks(&text, kind))
            .collect();
        let words = shell.iter().flat_map(|block| block.split([' ', '\n', '=']));
        let spans = text.split('`').skip(1).step_by(2);
        let spans = spans
            .filter(|span| !span.contains('\n'))
            .flat_map(|span| span.split([' ', '=']));
        for word in words.chain(spans) {
            let is_setting = word.contains('_')
                && word
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            let is_code = quire::http::error::ERROR_TABLE
                .iter()
                .any(|row| row.2 == word);
            if is_setting
                && !is_code
                && options::setting(word).is_none()
                && !FOREIGN_NAMES.contains(&word)
            {
                faults.push(format!("{name}: no setting {word}"));
            }
            let path = word.split(['?', '#']).next().unwrap();
            let is_path = ["/api/", "/v1/"]
                .iter()
                .any(|start| path.starts_with(start));
            if is_path && !ROUTES.iter().any(|route| matches_route(route.path, path)) {
                faults.push(format!("{name}: no address {path}"));
            }
        }
        for target in text
            .split("](/manual/")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap())
        {
            let (id, section) = target.split_once('#').unwrap_or((target, ""));
            let all = topics().unwrap();
            let topic = all.iter().find(|topic| topic.id == id);
            if !topic.is_some_and(|topic| section.is_empty() || has_section(&topic.text, section)) {
                faults.push(format!("{name}: no topic {target}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns whether the text contains a heading with this anchor.
fn has_section(text: &str, anchor: &str) -> bool {
    let mut titles = text.lines().filter_map(|line| line.strip_prefix("## "));
    titles.any(|title| title.to_lowercase().replace(' ', "-") == anchor)
}

fn matches_route(route: &str, path: &str) -> bool {
    let (mut route_parts, mut path_parts) = (route.split('/'), path.split('/'));
    loop {
        match (route_parts.next(), path_parts.next()) {
            (None, None) => return true,
            (Some(hole), Some(_)) if hole.ends_with("*}") => return true,
            (Some(hole), Some(_)) if hole.starts_with('{') => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Returns the source code without tests. String literals that span several lines are joined.
fn sources() -> String {
    fn collect_files(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => collect_files(&path, all),
                false => all.push(path),
            }
        }
    }
    let mut paths = Vec::new();
    collect_files(&Path::new(ROOT).join("src"), &mut paths);
    let mut joined = String::new();
    for path in paths {
        let text = std::fs::read_to_string(path).unwrap();
        let text = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap()
            .to_owned();
        let mut pieces = text.split("\\\n");
        joined.push_str(pieces.next().unwrap());
        pieces.for_each(|piece| joined.push_str(piece.trim_start()));
    }
    joined
}

#[test]
fn messages_in_troubleshooting_are_those_of_the_program() {
    let sources = sources();
    let text = topic("troubleshooting").text;
    let messages: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect();
    assert!(messages.len() >= 20, "{messages:?}");
    for message in messages {
        for piece in message
            .split('…')
            .map(str::trim)
            .filter(|piece| !piece.is_empty())
        {
            assert!(
                sources.contains(piece),
                "no message holds {piece:?} ({message})"
            );
        }
    }
}

#[test]
fn examples_in_the_manual_run() {
    let workspace = Workspace::new();
    let text = topic("experiments").text;
    std::fs::write(
        workspace.0.join("questions.csv"),
        &code_blocks(&text, "csv")[0],
    )
    .unwrap();
    std::fs::write(
        workspace.0.join("sums.toml"),
        &code_blocks(&text, "toml")[0],
    )
    .unwrap();
    for line in code_blocks(&text, "sh")
        .iter()
        .flat_map(|block| commands(block))
    {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let output = workspace.run(&words);
        assert_eq!(output.code, Some(0), "{line}: {output:?}");
    }
    assert!(workspace.0.join("found.csv").exists());

    let pattern = &code_blocks(&topic("panels").text, "toml")[0];
    std::fs::write(workspace.0.join("legal_brief.toml"), pattern).unwrap();
    let checked = workspace.run(&["patterns", "check", "legal_brief.toml"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");

    let json = code_blocks(&topic("providers").text, "json");
    std::fs::write(workspace.0.join("models.json"), &json[1]).unwrap();
    let mut command = workspace.quire(&["models"]);
    command
        .env("QUIRE_PROVIDERS", &json[0])
        .env("QUIRE_MODELS_FILE", "models.json");
    command.env("LAB_KEY", "k").env("CONNECT_TIMEOUT", "1");
    let list = command.output().unwrap();
    let body = String::from_utf8_lossy(&list.stdout);
    assert!(
        list.status.success() && body.contains("lab/qwen3"),
        "{list:?}"
    );
}
