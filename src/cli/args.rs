//! Parses the command line into a call: the command, its arguments, its options, and the flags that override settings.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lexopt::{Arg, Parser};

use super::outcome::{CommandFailure, usage};
use super::screen::print_progress;
use super::{COMMANDS, Command, CommandOption};
use crate::config::{self, Config, options};
use crate::domain::closest::closest;

/// Short options with their long forms. A letter with several long forms stands for the first one that the command has.
pub(super) const SHORT_OPTIONS: &[(char, &str)] = &[
    ('c', "continue"),
    ('f', "file"),
    ('m', "panel"),
    ('m', "model"),
    ('m', "models"),
    ('o', "out"),
    ('p', "pattern"),
    ('q', "quiet"),
];
/// Alternative names of options, each with the name that it stands for.
const ALIASES: &[(&str, &str)] = &[("models", "panel"), ("synthesiser", "synthesizer")];
/// The only option that takes several values, because the shell expands `--file *.md` to several words.
const FILE_OPTION: &str = "file";

/// A command with its arguments and options.
pub(super) struct CommandCall {
    pub command: &'static Command,
    /// The arguments after the command, in order.
    pub words: Vec<String>,
    options: Vec<(&'static str, String)>,
    settings: Vec<(String, String)>,
    file: Option<PathBuf>,
    /// Valid settings for the next call of `config`.
    loaded: Cell<Option<Config>>,
    /// Whether the program was started without any arguments.
    pub has_no_arguments: bool,
}

impl CommandCall {
    fn new(command: &'static Command) -> Self {
        Self {
            command,
            words: Vec::new(),
            options: Vec::new(),
            settings: Vec::new(),
            file: None,
            loaded: Cell::new(None),
            has_no_arguments: false,
        }
    }
    /// Returns all values of an option, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let same = self
            .options
            .iter()
            .filter(|(option_name, _)| *option_name == name);
        same.map(|(_, value)| value.as_str()).collect()
    }
    /// Returns the value of an option. If it was given several times, the last value counts.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).pop()
    }
    /// Returns whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
    /// Returns the settings that [`Self::keep_config`] kept, once; otherwise loads and validates them.
    ///
    /// # Errors
    /// [`CommandFailure::Usage`] when a setting is invalid.
    pub fn config(&self) -> Result<Config, CommandFailure> {
        if let Some(config) = self.loaded.take() {
            return Ok(config);
        }
        config::from_environment(self.settings.clone(), self.file.as_deref())
            .or_else(|errors| usage(format!("invalid settings:\n{errors}")))
    }
    /// Keeps loaded settings for the next call of [`Self::config`], so that they are not loaded again.
    pub fn keep_config(&self, config: Config) {
        self.loaded.set(Some(config));
    }
    /// Prints the warnings about the settings to stderr, unless `--quiet` is given.
    pub fn warn(&self, config: &Config) {
        if !self.has("quiet") {
            config
                .warnings
                .iter()
                .for_each(|warning| print_progress(warning));
        }
    }
    /// Checks that there are at most `words` arguments.
    ///
    /// # Errors
    /// [`CommandFailure::Usage`] when there are more.
    pub fn check_argument_count(&self, words: usize) -> Result<(), CommandFailure> {
        match self.words.get(words) {
            Some(word) => usage(format!(
                "unexpected argument \"{word}\"; see `quire help {}`",
                self.command.name
            )),
            None => Ok(()),
        }
    }
}

/// Parses the arguments after the program's name. If `--help` is among them, all other arguments are ignored, even
/// invalid ones.
///
/// # Errors
/// [`CommandFailure::Usage`] for an unknown command or option, or a missing value.
pub(super) fn parse(
    words: impl IntoIterator<Item = OsString>,
) -> Result<CommandCall, CommandFailure> {
    let words: Vec<OsString> = words.into_iter().collect();
    if let Some(call) = help_call(&words) {
        return Ok(call);
    }
    let mut call = CommandCall::new(&COMMANDS[0]);
    call.has_no_arguments = words.is_empty();
    let mut parser = Parser::from_args(words);
    let mut command = None;
    let mut follows_file_option = false;
    while let Some(arg) = next(&mut parser, command)? {
        let is_file = std::mem::take(&mut follows_file_option);
        match arg {
            Word(word) if command.is_none() => command = Some(find_command(&word)?),
            Word(word) if is_file && Path::new(&word).is_file() => {
                call.options.push((FILE_OPTION, word));
                follows_file_option = true;
            }
            Word(word) => call.words.push(word),
            Flag(name) if name == "version" || name == "V" => {
                command = Some(find_command("version")?)
            }
            Flag(name) if name == "config" => {
                call.file = Some(value(&mut parser, "config")?.into())
            }
            Flag(name) => {
                flag(&mut parser, &name, command, &mut call)?;
                follows_file_option = name == FILE_OPTION;
            }
        }
    }
    call.command = command.unwrap_or(call.command);
    Ok(call)
}

/// Returns a call of `help` if the arguments contain `--help` or `-h`. It explains the first command that the arguments
/// name.
fn help_call(words: &[OsString]) -> Option<CommandCall> {
    let words = || words.iter().take_while(|word| *word != "--");
    if !words().any(|word| word == "--help" || word == "-h") {
        return None;
    }
    let name = |word: &OsString| COMMANDS.iter().find(|command| *word == command.name);
    let mut call = CommandCall::new(COMMANDS.iter().find(|command| command.name == "help")?);
    let topic = words()
        .find_map(name)
        .filter(|command| command.name != "help");
    call.words
        .extend(topic.map(|command| command.name.to_owned()));
    Some(call)
}

enum ParsedArgument {
    Word(String),
    Flag(String),
}
use ParsedArgument::{Flag, Word};

fn next(
    parser: &mut Parser,
    command: Option<&'static Command>,
) -> Result<Option<ParsedArgument>, CommandFailure> {
    let next = parser.next().or_else(|error| match error {
        lexopt::Error::UnexpectedValue { option, .. } => usage(format!("{option} takes no value")),
        error => usage(error),
    });
    Ok(match next? {
        None => None,
        Some(Arg::Long(name)) => Some(Flag(name.to_owned())),
        Some(Arg::Short(letter)) => Some(Flag(long_name(letter, command))),
        Some(Arg::Value(word)) => Some(Word(utf8_argument(word)?)),
    })
}

/// Returns the command's long option for a letter, or the letter itself if there is none.
fn long_name(letter: char, command: Option<&'static Command>) -> String {
    let command_options = command.map_or(&[] as &[CommandOption], |command| command.options);
    let mut names = SHORT_OPTIONS.iter().filter(|(short, _)| *short == letter);
    let found = names.find(|(_, name)| command_options.iter().any(|option| option.name == *name));
    found.map_or_else(|| letter.to_string(), |(_, name)| (*name).to_owned())
}

fn utf8_argument(word: OsString) -> Result<String, CommandFailure> {
    let shown = |word: OsString| usage(format!("{} is not valid Unicode", word.to_string_lossy()));
    word.into_string().or_else(shown)
}

fn find_command(name: &str) -> Result<&'static Command, CommandFailure> {
    let names = || COMMANDS.iter().map(|command| command.name);
    let matched = COMMANDS.iter().find(|command| command.name == name);
    matched.map_or_else(
        || {
            let hint = match closest(name, names()) {
                Some(word) => format!("did you mean `quire {word}`?"),
                None => "`quire help` lists them".to_owned(),
            };
            usage(format!("there is no command \"{name}\"; {hint}"))
        },
        Ok,
    )
}

fn value(parser: &mut Parser, name: &str) -> Result<String, CommandFailure> {
    match parser.value() {
        Ok(value) => utf8_argument(value),
        Err(_) => usage(format!("--{name} needs a value")),
    }
}

/// Parses a flag, which is either a setting or an option of the command before it.
fn flag(
    parser: &mut Parser,
    name: &str,
    command: Option<&'static Command>,
    call: &mut CommandCall,
) -> Result<(), CommandFailure> {
    let command_options = command.map_or(&[] as &[CommandOption], |command| command.options);
    let find = |name: &str| command_options.iter().find(|option| option.name == name);
    if let Some(row) = options::by_flag(name) {
        let text = match row.kind {
            options::ValueKind::Switch => optional_value(parser)?,
            _ => value(parser, name)?,
        };
        call.settings.push((row.name.to_owned(), text));
        return Ok(());
    }
    let alias = || ALIASES.iter().find(|(other, _)| *other == name);
    let Some(option) = find(name).or_else(|| find(alias()?.1)) else {
        return usage(unknown_option(name, command));
    };
    let text = match option.value {
        "" => String::new(),
        _ => value(parser, name)?,
    };
    call.options.push((option.name, text));
    Ok(())
}

/// Returns the error message for an option that the command does not have, with a suggestion.
fn unknown_option(name: &str, command: Option<&'static Command>) -> String {
    let command_options = command.map_or(&[] as &[CommandOption], |command| command.options);
    if name.chars().count() == 1 {
        let letters = SHORT_OPTIONS
            .iter()
            .filter(|(short, _)| name.starts_with(*short));
        let long = letters.map(|(_, long)| *long).find_map(option_of);
        return match long {
            Some(other) => {
                format!(
                    "-{name} is an option of `quire {}` and must come after it",
                    other.name
                )
            }
            None => format!("there is no option -{name}"),
        };
    }
    if let Some(other) = option_of(name) {
        return format!(
            "--{name} is an option of `quire {}` and must come after it",
            other.name
        );
    }
    let flags: Vec<String> = options::SETTINGS.iter().map(|row| row.flag()).collect();
    let option_names = command_options.iter().map(|option| option.name);
    let option_names = option_names.chain(["help", "config", "version"]);
    let option_names = option_names.chain(flags.iter().map(String::as_str));
    let hint = match (closest(name, option_names), command) {
        (Some(word), _) => format!("did you mean --{word}?"),
        (None, Some(command)) => format!("`quire help {}` lists them", command.name),
        (None, None) => "`quire help settings` lists them".to_owned(),
    };
    format!("there is no option --{name}; {hint}")
}

/// Returns the first command that has this option.
fn option_of(name: &str) -> Option<&'static Command> {
    let has_option = |other: &&Command| other.options.iter().any(|option| option.name == name);
    COMMANDS.iter().find(has_option)
}

fn optional_value(parser: &mut Parser) -> Result<String, CommandFailure> {
    parser
        .optional_value()
        .map_or_else(|| Ok("true".to_owned()), utf8_argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<CommandCall, CommandFailure> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn assert_error(line: &str, expected: &str) {
        let call = parse_line(line).unwrap_or_else(|failure| panic!("{line}: {failure:?}"));
        let actual = format!(
            "{} {:?} {:?} {:?}",
            call.command.name, call.words, call.options, call.settings
        );
        assert_eq!(actual, expected, "{line}");
    }

    #[test]
    fn command_lines_are_parsed() {
        assert_error("", "serve [] [] []");
        assert_error("--port 9", r#"serve [] [] [("PORT", "9")]"#);
        assert_error(
            "serve --port=9 --data /d",
            r#"serve [] [] [("PORT", "9"), ("QUIRE_DATA", "/d")]"#,
        );
        assert_error("--use-mock serve", r#"serve [] [] [("USE_MOCK", "true")]"#);
        assert_error("--use-mock=false", r#"serve [] [] [("USE_MOCK", "false")]"#);
        assert_error(
            "ask what --file a --file b --json",
            r#"ask ["what"] [("file", "a"), ("file", "b"), ("json", "")] []"#,
        );
        assert_error(
            "user add a@b.co --admin",
            r#"user ["add", "a@b.co"] [("admin", "")] []"#,
        );
        assert_error("ask -c why", r#"ask ["why"] [("continue", "")] []"#);
        assert_error(
            "ask -q -m a,b -p gut -fx why not",
            r#"ask ["why", "not"] [("quiet", ""), ("panel", "a,b"), ("pattern", "gut"), ("file", "x")] []"#,
        );
        assert_error("ask --models a", r#"ask [] [("panel", "a")] []"#);
        assert_error("ask --synthesiser a", r#"ask [] [("synthesizer", "a")] []"#);
        // The shell expands `--file src/*.rs` to several words. Words that name existing files belong to the option.
        assert_error(
            "ask why --file Cargo.toml Cargo.lock no-such-file",
            r#"ask ["why", "no-such-file"] [("file", "Cargo.toml"), ("file", "Cargo.lock")] []"#,
        );
        assert_error("ask --nonsense --help", r#"help ["ask"] [] []"#);
        assert_error("--port ask -h", r#"help ["ask"] [] []"#);
        assert_error("nonsense --help", "help [] [] []");
        assert_error("ask --help", r#"help ["ask"] [] []"#);
        assert_error("-h", "help [] [] []");
        assert_error("--version", "version [] [] []");
        assert_error("ask -- --port", r#"ask ["--port"] [] []"#);
    }

    #[test]
    fn errors_name_the_invalid_argument() {
        for (line, why) in [
            ("sevre", "no command \"sevre\""),
            ("--prot 9", "no option --prot; did you mean --port?"),
            (
                "ask --pannel a",
                "no option --pannel; did you mean --panel?",
            ),
            (
                "ask --zzzzzz",
                "no option --zzzzzz; `quire help ask` lists them",
            ),
            ("akk", "no command \"akk\"; did you mean `quire ask`?"),
            ("serve -q", "-q is an option of `quire ask`"),
            ("-x", "no option -x"),
            ("--port", "--port needs a value"),
            ("--file a ask", "an option of `quire ask`"),
            ("serve --json", "an option of `quire ask`"),
            ("ask --json=yes", "takes no value"),
        ] {
            match parse_line(line) {
                Err(CommandFailure::Usage(text)) => assert!(text.contains(why), "{line}: {text}"),
                other => panic!("{line}: {:?}", other.map(|call| call.words)),
            }
        }
    }
}
