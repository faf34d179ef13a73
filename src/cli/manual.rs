//! `quire man`: the manual page, printed from the tables of commands and settings. Pure but for the printing.

use super::args::Call;
use super::{COMMANDS, Outcome, print};
use crate::config::options;

/// Prints the page: `quire man | man -l -`.
pub(super) fn run(call: &Call) -> Outcome {
    call.at_most(0)?;
    print(page().trim_end())
}

fn page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!(
        ".TH QUIRE 1 \"\" \"quire {version}\" \"User Commands\"\n.SH NAME\nquire \\- many models, one answer, one file\n\
         .SH SYNOPSIS\n.B quire\n[\\fICOMMAND\\fR] [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n\
         Quire puts a question to a panel of language models and joins their answers into one.\n.SH COMMANDS\n"
    );
    for command in COMMANDS {
        let usage = roff(command.usage);
        out += &format!(
            ".SS \"quire {} {}\"\n",
            command.name,
            usage.replace('"', "\\(dq")
        );
        out += &format!("{}.\n", roff(command.summary));
        if !command.details.is_empty() {
            out += &format!(".PP\n.nf\n{}\n.fi\n", roff(command.details));
        }
        for row in command.options {
            let shown = format!("--{} {}", row.name, row.value);
            out += &format!(
                ".TP\n\\fB{}\\fR\n{}\n",
                roff(shown.trim_end()),
                roff(row.help)
            );
        }
    }
    out += ".SH SETTINGS\nFrom the weakest to the strongest source: the default, the file given with \\-\\-config, \
            a file .env in the working directory, the environment, a flag. Times are in seconds.\n";
    for row in options::SETTINGS {
        out += &format!(
            ".TP\n\\fB{}\\fR, \\fB\\-\\-{}\\fR\n",
            row.name,
            roff(&row.flag())
        );
        out += &roff(row.help);
        if let options::Kind::Choice(words) = row.kind {
            out += &format!(": {}", roff(&words.join(", ")));
        }
        if !row.default.is_empty() {
            out += &format!(" [{}]", roff(row.default));
        }
        out.push('\n');
    }
    out + ".SH EXIT STATUS\n.TP\n0\nIt was done.\n.TP\n1\nIt was not; stderr says why.\n.TP\n2\n\
           The command line or the settings are wrong.\n.TP\n130\nIt was stopped by Ctrl-C.\n"
}

/// Text as roff reads it: no line is taken for a request, no backslash for an escape.
fn roff(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        match line.starts_with(['.', '\'']) {
            true => format!("\\&{line}"),
            false => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_for_a_request() {
        for (text, expected) in [
            (".env", "\\&.env"),
            ("a\n'b", "a\n\\&'b"),
            ("a\\b-c", "a\\eb\\-c"),
        ] {
            assert_eq!(roff(text), expected);
        }
    }

    #[test]
    fn the_page_has_everything() {
        let page = page();
        for command in COMMANDS {
            assert!(page.contains(&format!(".SS \"quire {}", command.name)));
            for row in command.options {
                assert!(page.contains(&roff(row.help)), "{}", row.name);
            }
        }
        for row in options::SETTINGS {
            assert!(page.contains(row.name) && page.contains(&roff(row.help)));
        }
    }
}
