//! Shows the members' progress in terminal lines that are redrawn as the answers grow. Pure: takes events and returns
//! the text to print.

use serde_json::Value;

use super::markdown::remove_control_characters;
use super::text_width::truncate;

/// Maximum number of members that get their own line. All others share the last line.
const MAX_MEMBER_LINES: usize = 12;

/// The members that are writing, and the number of lines drawn for them.
#[derive(Default)]
pub(super) struct LiveLines {
    members: Vec<LiveMember>,
    drawn_line_count: usize,
}

struct LiveMember {
    model: String,
    stage: String,
    characters: usize,
    is_reasoning: bool,
}

impl LiveLines {
    /// Updates the members from an event.
    pub(super) fn apply(&mut self, kind: &str, data: &Value) {
        let text = |name: &str| data[name].as_str().unwrap_or_default();
        let (model, stage) = (text("model"), text("stage"));
        let member_index = self
            .members
            .iter()
            .position(|member| member.model == model && member.stage == stage);
        match (kind, member_index) {
            ("member.started", member_index) => {
                member_index.map(|at| self.members.remove(at));
                self.members.push(LiveMember {
                    model: model.to_owned(),
                    stage: stage.to_owned(),
                    characters: 0,
                    is_reasoning: false,
                });
            }
            ("member.delta", Some(at)) => {
                self.members[at].characters += text("text").chars().count();
                self.members[at].is_reasoning = false;
            }
            ("member.reasoning", Some(at)) => self.members[at].is_reasoning = true,
            ("member.completed" | "member.failed", Some(at)) => {
                self.members.remove(at);
            }
            ("analysis.completed" | "analysis.failed" | "analysis.cancelled", _) => {
                self.members.clear();
            }
            _ => {}
        }
    }

    /// Returns the escape sequences that clear the drawn lines, so that other text can be printed in their place.
    pub(super) fn erase(&mut self) -> String {
        let line_erasures = "\x1b[1A\x1b[2K".repeat(self.drawn_line_count);
        self.drawn_line_count = 0;
        line_erasures
    }

    /// Returns the text that redraws the members. Lines are truncated to the terminal's width, because a line that
    /// wraps could not be overwritten.
    pub(super) fn draw(&mut self, width: usize) -> String {
        let mut out = self.erase();
        for member in self.members.iter().take(MAX_MEMBER_LINES) {
            let state = match (member.is_reasoning, member.characters) {
                (true, _) => "thinks".to_owned(),
                (false, 0) => "waiting for the first words".to_owned(),
                (false, written) => format!("{written} characters"),
            };
            let line = format!("  {} · {} · {state}", member.model, member.stage);
            out.push_str(truncate(&remove_control_characters(&line), width));
            out.push('\n');
            self.drawn_line_count += 1;
        }
        if self.members.len() > MAX_MEMBER_LINES {
            out.push_str(&format!(
                "  and {} more\n",
                self.members.len() - MAX_MEMBER_LINES
            ));
            self.drawn_line_count += 1;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_appear_write_and_disappear() {
        let mut live = LiveLines::default();
        let of = |model: &str| json!({"stage": "initial", "model": model, "text": "four"});
        assert_eq!(live.draw(80), "");
        live.apply("member.started", &of("a/b"));
        live.apply("member.started", &of("c/d"));
        live.apply("member.delta", &of("a/b"));
        live.apply("member.delta", &of("nobody"));
        assert_eq!(
            live.draw(80),
            "  a/b · initial · 4 characters\n  c/d · initial · waiting for the first words\n"
        );
        live.apply("member.completed", &of("a/b"));
        live.apply("member.reasoning", &of("c/d"));
        let over = "\x1b[1A\x1b[2K".repeat(2);
        assert_eq!(live.draw(12), format!("{over}  c/d · ini\n"));
        live.apply("member.started", &of("模型/e"));
        assert!(live.draw(12).ends_with("  模型/e · \n"));
        live.apply("analysis.completed", &json!({}));
        assert_eq!(live.draw(80), "\x1b[1A\x1b[2K".repeat(2));
        assert_eq!(live.erase(), "");
    }

    #[test]
    fn a_restarted_member_is_cleared_and_many_members_share_a_line() {
        let mut live = LiveLines::default();
        let of = |n: usize| json!({"stage": "s", "model": format!("m/{n}"), "text": "x"});
        for n in 0..MAX_MEMBER_LINES + 3 {
            live.apply("member.started", &of(n));
        }
        live.apply("member.delta", &of(0));
        live.apply("member.started", &of(0));
        let frame = live.draw(80);
        assert!(frame.ends_with("  and 3 more\n") && !frame.contains("1 characters"));
        assert_eq!(
            live.erase().matches("\x1b[1A").count(),
            MAX_MEMBER_LINES + 1
        );
    }
}
