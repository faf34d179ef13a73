//! Parses the command line into a call: the command, its words, its options, and the flags that are
//! settings.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::{COMMANDS, Command, CommandFailure, CommandOption, usage};
use crate::config::{self, Config, options};

/// A command with its arguments.
pub(super) struct CommandCall {
    pub command: &'static Command,
    /// The words after the command, in order.
    pub words: Vec<String>,
    options: Vec<(&'static str, String)>,
    settings: Vec<(String, String)>,
    file: Option<PathBuf>,
}

impl CommandCall {
    /// All values of an option, in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let same = self.options.iter().filter(|(given, _)| *given == name);
        same.map(|(_, value)| value.as_str()).collect()
    }
    /// The last value of an option.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).pop()
    }
    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
    /// The checked settings.
    ///
    /// # Errors
    /// [`CommandFailure::Usage`] when a setting is invalid.
    pub fn config(&self) -> Result<Config, CommandFailure> {
        config::from_surroundings(self.settings.clone(), self.file.as_deref())
            .or_else(|faults| usage(format!("invalid settings:\n{faults}")))
    }
    /// Refuses more than `words` words.
    ///
    /// # Errors
    /// [`CommandFailure::Usage`] when there are more.
    pub fn at_most(&self, words: usize) -> Result<(), CommandFailure> {
        match self.words.get(words) {
            Some(word) => usage(format!(
                "unexpected argument \"{word}\"; see `quire help {}`",
                self.command.name
            )),
            None => Ok(()),
        }
    }
}

/// Parses the arguments after the program's name.
///
/// # Errors
/// [`CommandFailure::Usage`] for an unknown command or option, or a missing value.
pub(super) fn parse(
    words: impl IntoIterator<Item = OsString>,
) -> Result<CommandCall, CommandFailure> {
    let mut parser = Parser::from_args(words);
    let mut command = None;
    let mut help = false;
    let mut call = CommandCall {
        command: &COMMANDS[0],
        words: Vec::new(),
        options: Vec::new(),
        settings: Vec::new(),
        file: None,
    };
    while let Some(arg) = next(&mut parser)? {
        match arg {
            Word(word) if command.is_none() => command = Some(find(&word)?),
            Word(word) => call.words.push(word),
            Flag(name) if name == "help" || name == "h" => help = true,
            Flag(name) if name == "version" || name == "V" => command = Some(find("version")?),
            Flag(name) if name == "config" => {
                call.file = Some(value(&mut parser, "config")?.into())
            }
            Flag(name) => flag(&mut parser, &name, command, &mut call)?,
        }
    }
    call.command = command.unwrap_or(call.command);
    if help {
        call.words = command
            .map(|command| command.name.to_owned())
            .into_iter()
            .collect();
        call.command = find("help")?;
    }
    Ok(call)
}

enum ArgumentPiece {
    Word(String),
    Flag(String),
}
use ArgumentPiece::{Flag, Word};

fn next(parser: &mut Parser) -> Result<Option<ArgumentPiece>, CommandFailure> {
    Ok(match parser.next().or_else(usage)? {
        None => None,
        Some(Arg::Long(name)) => Some(Flag(name.to_owned())),
        Some(Arg::Short('c')) => Some(Flag("continue".to_owned())),
        Some(Arg::Short(letter)) => Some(Flag(letter.to_string())),
        Some(Arg::Value(word)) => Some(Word(text(word)?)),
    })
}

fn text(word: OsString) -> Result<String, CommandFailure> {
    let shown = |word: OsString| usage(format!("{} is not valid Unicode", word.to_string_lossy()));
    word.into_string().or_else(shown)
}

fn find(name: &str) -> Result<&'static Command, CommandFailure> {
    let found = COMMANDS.iter().find(|command| command.name == name);
    found.map_or_else(
        || {
            usage(format!(
                "there is no command \"{name}\"; `quire help` lists them"
            ))
        },
        Ok,
    )
}

fn value(parser: &mut Parser, name: &str) -> Result<String, CommandFailure> {
    match parser.value() {
        Ok(value) => text(value),
        Err(_) => usage(format!("--{name} needs a value")),
    }
}

/// Parses a flag: a setting, or an option of the command before it.
fn flag(
    parser: &mut Parser,
    name: &str,
    command: Option<&'static Command>,
    call: &mut CommandCall,
) -> Result<(), CommandFailure> {
    if let Some(row) = options::by_flag(name) {
        let text = match row.kind {
            options::ValueKind::Switch => optional(parser)?,
            _ => value(parser, name)?,
        };
        call.settings.push((row.name.to_owned(), text));
        return Ok(());
    }
    let own = command.map_or(&[] as &[CommandOption], |command| command.options);
    let Some(option) = own.iter().find(|option| option.name == name) else {
        let elsewhere = COMMANDS
            .iter()
            .find(|other| other.options.iter().any(|o| o.name == name));
        return usage(match elsewhere {
            Some(other) => format!(
                "--{name} is an option of `quire {}` and must come after it",
                other.name
            ),
            None if name.chars().count() == 1 => format!("there is no option -{name}"),
            None => format!("there is no option --{name}; `quire help settings` lists them"),
        });
    };
    let text = match option.value {
        "" => String::new(),
        _ => value(parser, name)?,
    };
    call.options.push((option.name, text));
    Ok(())
}

fn optional(parser: &mut Parser) -> Result<String, CommandFailure> {
    parser
        .optional_value()
        .map_or_else(|| Ok("true".to_owned()), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<CommandCall, CommandFailure> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn check(line: &str, expected: &str) {
        let call = read(line).unwrap_or_else(|failure| panic!("{line}: {failure:?}"));
        let said = format!(
            "{} {:?} {:?} {:?}",
            call.command.name, call.words, call.options, call.settings
        );
        assert_eq!(said, expected, "{line}");
    }

    #[test]
    fn command_lines_are_parsed() {
        check("", "serve [] [] []");
        check("--port 9", r#"serve [] [] [("PORT", "9")]"#);
        check(
            "serve --port=9 --data /d",
            r#"serve [] [] [("PORT", "9"), ("QUIRE_DATA", "/d")]"#,
        );
        check("--use-mock serve", r#"serve [] [] [("USE_MOCK", "true")]"#);
        check("--use-mock=false", r#"serve [] [] [("USE_MOCK", "false")]"#);
        check(
            "ask what --file a --file b --json",
            r#"ask ["what"] [("file", "a"), ("file", "b"), ("json", "")] []"#,
        );
        check(
            "user add a@b.co --admin",
            r#"user ["add", "a@b.co"] [("admin", "")] []"#,
        );
        check("ask -c why", r#"ask ["why"] [("continue", "")] []"#);
        check("ask --help", r#"help ["ask"] [] []"#);
        check("-h", "help [] [] []");
        check("--version", "version [] [] []");
        check("ask -- --port", r#"ask ["--port"] [] []"#);
    }

    #[test]
    fn errors_name_the_invalid_argument() {
        for (line, why) in [
            ("sevre", "no command \"sevre\""),
            ("--prot 9", "no option --prot"),
            ("-x", "no option -x"),
            ("--port", "--port needs a value"),
            ("--file a ask", "an option of `quire ask`"),
            ("serve --json", "an option of `quire ask`"),
            ("ask --json=yes", "unexpected"),
        ] {
            match read(line) {
                Err(CommandFailure::Usage(text)) => assert!(text.contains(why), "{line}: {text}"),
                other => panic!("{line}: {:?}", other.map(|call| call.words)),
            }
        }
    }
}
