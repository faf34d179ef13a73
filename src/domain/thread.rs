//! Threads: selects the earlier turns of a conversation that a member sees, and derives titles.

use super::chat::{Message, MessageRole, estimate_tokens};

/// Maximum length of a title in characters.
pub const MAX_TITLE: usize = 200;
/// Maximum number of turns in a thread, including branches.
pub const MAX_TURNS: u64 = 500;
/// Maximum number of tokens of earlier turns that are sent along with a turn, regardless of the members' context
/// windows.
pub const MAX_CARRIED_TOKENS: u64 = 100_000;
/// Maximum number of tokens of earlier turns for a member whose context window is unknown.
pub const UNKNOWN_WINDOW_BUDGET: u64 = 6_000;
/// Appended to the answer of a stopped turn.
pub const STOPPED_NOTE: &str = "\n\n(The answer was stopped here.)";
/// Placeholder for a turn without an answer.
pub const NO_ANSWER: &str = "(This question was not answered.)";

/// Maximum length of a title derived from a question, in characters.
const MAX_DERIVED_TITLE_CHARS: usize = 80;
/// Maximum length of an answer's first sentence in a list, in characters.
const SENTENCE_CHARS: usize = 160;
/// Minimum number of tokens of a shortened turn. A shorter one would say too little to be worth including.
const MIN_TURN_TOKENS: u64 = 48;
/// Tokens reserved for the notice about turns that were left out.
const NOTICE_TOKENS: u64 = 24;
/// Replaces the middle of a shortened text, because the beginning gives the subject and the end the conclusion.
const CUT_MARK: &str = "\n[… shortened …]\n";

/// The earlier turns shown to a member.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CarriedTurns {
    /// The turns' messages, oldest first.
    pub messages: Vec<Message>,
    /// Number of omitted turns, all older than the included ones.
    pub omitted: usize,
    /// Number of turns that were shortened.
    pub truncated: usize,
}

impl CarriedTurns {
    /// Whether a turn was omitted or shortened.
    pub fn is_incomplete(&self) -> bool {
        self.omitted + self.truncated > 0
    }

    /// Returns the estimated number of tokens of the messages.
    pub fn tokens(&self) -> u64 {
        self.messages.iter().map(Message::tokens).sum()
    }
}

/// Chooses which earlier turns a member sees, within `room` tokens: the newest turns are included whole as
/// long as they fit, the next one is shortened, and older ones are omitted with a notice. Each user message
/// begins a new turn.
pub fn carried_turns(earlier: &[Message], room: u64) -> CarriedTurns {
    let turns = split_turns(earlier);
    if tokens_of(earlier) <= room {
        return CarriedTurns {
            messages: earlier.to_vec(),
            ..CarriedTurns::default()
        };
    }
    // Without room for the notice about omitted turns, no turn is included.
    let Some(mut left) = room.checked_sub(NOTICE_TOKENS) else {
        return CarriedTurns {
            omitted: turns.len(),
            ..CarriedTurns::default()
        };
    };
    let (mut included, mut shortened): (Vec<Vec<Message>>, usize) = (Vec::new(), 0);
    for turn in turns.iter().rev() {
        let tokens = tokens_of(turn);
        if tokens <= left {
            left -= tokens;
            included.push(turn.to_vec());
            continue;
        }
        if left >= MIN_TURN_TOKENS {
            included.push(shorten_turn(turn, left));
            shortened = 1;
        }
        break;
    }
    let omitted_count = turns.len() - included.len();
    let mut messages: Vec<Message> = included.into_iter().rev().flatten().collect();
    if let Some(first) = messages.first_mut().filter(|_| omitted_count > 0) {
        let notice =
            format!("(Earlier turns of this conversation are left out: {omitted_count}.)\n\n");
        first.text.insert_str(0, &notice);
    }
    CarriedTurns {
        messages,
        omitted: omitted_count,
        truncated: shortened,
    }
}

/// Returns the earlier turns of a conversation that ends with the question, without its system messages.
pub fn earlier_messages(turns: &[Message]) -> Vec<Message> {
    let earlier = turns.iter().take(turns.len().saturating_sub(1));
    let dialogue = earlier.filter(|turn| turn.role != MessageRole::System);
    dialogue.cloned().collect()
}

/// Returns the estimated tokens of a conversation's system messages.
pub fn system_tokens(turns: &[Message]) -> u64 {
    let system_turns = turns.iter().filter(|turn| turn.role == MessageRole::System);
    system_turns.map(Message::tokens).sum()
}

/// Estimates how many tokens of a context window a thread takes: its system messages, and its earlier turns within
/// `room` tokens.
pub fn thread_tokens(turns: &[Message], room: u64) -> u64 {
    system_tokens(turns) + carried_turns(&earlier_messages(turns), room).tokens()
}

/// Returns the first sentence of an answer in Markdown as plain text, for a list; `None` if there is no sentence.
pub fn first_sentence(answer: &str) -> Option<String> {
    let mut is_code = false;
    let line = answer.lines().map(str::trim).find(|line| {
        is_code ^= line.starts_with("```");
        let is_text = line.chars().any(char::is_alphanumeric);
        is_text && !is_code && !line.starts_with(['#', '|', '`'])
    })?;
    let line = line.trim_start_matches(['-', '*', '>', '+', ' ']);
    let mut plain = String::new();
    let mut rest = line;
    while let Some(sign) = rest.chars().next() {
        // Citations such as [D1:p4] or [3] are left out.
        if let Some((mark, after)) = rest
            .strip_prefix('[')
            .and_then(|inside| inside.split_once(']'))
            && mark.chars().any(|sign| sign.is_ascii_digit())
            && !after.starts_with('(')
            && mark.len() < 24
        {
            plain.truncate(plain.trim_end().len());
            rest = after;
            continue;
        }
        rest = &rest[sign.len_utf8()..];
        if !matches!(sign, '*' | '`') {
            plain.push(sign);
        }
        // The periods of "8.5" and "e.g. this" do not end a sentence.
        let is_new = rest.trim_start_matches('*').starts_with(' ');
        let next = rest.trim_start_matches(['*', ' ']).chars().next();
        let ends = is_new && next.is_none_or(|next| !next.is_lowercase());
        if matches!(sign, '。' | '！' | '？') || (matches!(sign, '.' | '!' | '?') && ends) {
            break;
        }
        if plain.chars().count() >= SENTENCE_CHARS {
            let cut_end = plain.rfind(' ').unwrap_or(plain.len());
            plain.truncate(cut_end);
            plain.push('…');
            break;
        }
    }
    Some(plain.trim().to_owned()).filter(|plain| !plain.is_empty())
}

/// Builds the question for a model whose answer was stopped after `answer_prefix`.
pub fn continuation_prompt(question: &str, answer_prefix: &str) -> String {
    format!(
        "{question}\n\nYou have begun to answer, and were stopped in the middle. Continue exactly where your text ends: \
         do not repeat any of it, and do not introduce the rest.\n----- your text so far -----\n{answer_prefix}"
    )
}

/// Derives a title from a question: its first nonempty line, shortened at a word boundary.
pub fn derive_title(question: &str) -> String {
    let line = question
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    let words: Vec<&str> = line
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    let Some((end, _)) = line.char_indices().nth(MAX_DERIVED_TITLE_CHARS) else {
        return line;
    };
    let cut_end = line[..end].rfind(' ').unwrap_or(end);
    format!("{}…", line[..cut_end].trim_end())
}

fn split_turns(messages: &[Message]) -> Vec<&[Message]> {
    let mut turns = Vec::new();
    let mut start = 0;
    for (at, message) in messages.iter().enumerate() {
        if at > start && message.role == MessageRole::User {
            turns.push(&messages[start..at]);
            start = at;
        }
    }
    if start < messages.len() {
        turns.push(&messages[start..]);
    }
    turns
}

fn tokens_of(messages: &[Message]) -> u64 {
    messages.iter().map(Message::tokens).sum()
}

// Shortens only the long messages of a turn; they share the space that the short ones leave.
fn shorten_turn(turn: &[Message], room: u64) -> Vec<Message> {
    let mut order: Vec<usize> = (0..turn.len()).collect();
    order.sort_by_key(|&at| turn[at].tokens());
    let mut limits = vec![0; turn.len()];
    let mut left = room;
    for (done, at) in order.into_iter().enumerate() {
        let share = left / (turn.len() - done) as u64;
        limits[at] = turn[at].tokens().min(share);
        left -= limits[at];
    }
    let message = |(message, limit): (&Message, u64)| match message.tokens() <= limit {
        true => message.clone(),
        false => Message::new(message.role, cut_middle(&message.text, limit)),
    };
    turn.iter().zip(limits).map(message).collect()
}

/// Cuts the middle out of a text, so that at most `tokens` remain. Returns an empty text if there is room only for
/// `CUT_MARK`.
fn cut_middle(text: &str, tokens: u64) -> String {
    if estimate_tokens(text) <= tokens {
        return text.to_owned();
    }
    let room = (tokens * 4).saturating_sub(CUT_MARK.chars().map(quarter_tokens).sum());
    if room == 0 {
        return String::new();
    }
    let head = position_within(
        text.char_indices().map(|(at, c)| (at + c.len_utf8(), c)),
        room * 2 / 3,
        0,
    );
    let tail = position_within(text.char_indices().rev(), room / 3, text.len());
    // Cut at a word boundary, unless there is none nearby.
    let head = text[..head]
        .rfind(char::is_whitespace)
        .filter(|at| *at > head / 2)
        .unwrap_or(head);
    let tail = text[tail..]
        .find(char::is_whitespace)
        .filter(|at| *at < (text.len() - tail) / 2)
        .map_or(tail, |at| tail + at);
    format!(
        "{}{CUT_MARK}{}",
        text[..head].trim_end(),
        text[tail..].trim_start()
    )
}

// Returns the last position that can be reached with `room` quarter tokens.
fn position_within(
    positions: impl Iterator<Item = (usize, char)>,
    room: u64,
    start: usize,
) -> usize {
    let mut used = 0;
    let mut reached = start;
    for (at, character) in positions {
        used += quarter_tokens(character);
        if used > room {
            break;
        }
        reached = at;
    }
    reached
}

/// Returns the number of quarter tokens that a character counts as, in agreement with `estimate_tokens`.
fn quarter_tokens(character: char) -> u64 {
    if character.is_ascii() { 1 } else { 4 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turn(question: &str, answer: &str) -> [Message; 2] {
        [
            Message::new(MessageRole::User, question),
            Message::new(MessageRole::Assistant, answer),
        ]
    }

    fn conversation(turns: &[(&str, &str)]) -> Vec<Message> {
        turns
            .iter()
            .flat_map(|(question, answer)| turn(question, answer))
            .collect()
    }

    #[test]
    fn first_sentence_is_plain_text() {
        for (answer, wanted) in [
            (
                "**Sign it, but change clause 9.2 first.** At 41 TB it costs less [D1:p4].",
                Some("Sign it, but change clause 9.2 first."),
            ),
            (
                "## Answer\n\n- Yes [D1:p4], and `soon`! Or not.",
                Some("Yes, and soon!"),
            ),
            ("```\nlet x = 1;\n```\nOne line", Some("One line")),
            (
                "It is e.g. a [link](https://example.org) here",
                Some("It is e.g. a [link](https://example.org) here"),
            ),
            ("それは東京です。次。", Some("それは東京です。")),
            ("| a |\n|---|\n\n---\n", None),
            ("", None),
        ] {
            assert_eq!(first_sentence(answer).as_deref(), wanted, "{answer}");
        }
        let long = first_sentence(&"word ".repeat(99)).expect("a sentence");
        assert!(long.ends_with("word…") && long.chars().count() <= SENTENCE_CHARS + 1);
    }

    #[test]
    fn all_turns_are_included_if_they_fit() {
        let all = conversation(&[("Why?", "Because [A1]."), ("How?", "Thus.")]);
        let carried_thread = carried_turns(&all, 100);
        assert_eq!(carried_thread.messages, all);
        assert!(!carried_thread.is_incomplete());
    }

    #[test]
    fn older_turns_are_left_out_with_a_notice() {
        let long = "word ".repeat(100);
        let all = conversation(&[("First", &long), ("Second", &long), ("Third", "Short.")]);
        let carried_thread = carried_turns(&all, 60);
        assert_eq!((carried_thread.omitted, carried_thread.truncated), (2, 0));
        let notice = "(Earlier turns of this conversation are left out: 2.)\n\nThird";
        assert_eq!(carried_thread.messages[0].text, notice);
        assert_eq!(carried_thread.messages[1].text, "Short.");
    }

    #[test]
    fn the_first_turn_without_room_loses_its_middle_and_keeps_its_question() {
        let long = format!("Begin. {} End.", "word ".repeat(400));
        let all = conversation(&[("Old", &long), ("What now?", &long)]);
        let carried_thread = carried_turns(&all, 150);
        assert_eq!((carried_thread.omitted, carried_thread.truncated), (1, 1));
        let [question, answer] = &carried_thread.messages[..] else {
            panic!("{carried_thread:?}")
        };
        assert!(question.text.ends_with("What now?"), "{}", question.text);
        assert!(answer.text.starts_with("Begin."), "{}", answer.text);
        assert!(answer.text.ends_with("End."), "{}", answer.text);
        assert!(answer.text.contains(CUT_MARK), "{}", answer.text);
    }

    #[test]
    fn without_room_for_the_notice_nothing_is_carried() {
        let all = conversation(&[("First", "Long enough to take some tokens."), ("", "")]);
        let carried_thread = carried_turns(&all, 3);
        assert_eq!(
            (carried_thread.messages.len(), carried_thread.omitted),
            (0, 2)
        );
    }

    #[test]
    fn titles_are_a_line_cut_at_a_word() {
        for (question, title) in [
            ("Why?", "Why?"),
            ("\n\n  Two\twords \nmore", "Two words"),
            ("", ""),
        ] {
            assert_eq!(derive_title(question), title);
        }
        let long = derive_title(&"word ".repeat(40));
        assert!(
            long.ends_with("word…") && long.chars().count() <= MAX_DERIVED_TITLE_CHARS + 1,
            "{long}"
        );
    }

    proptest! {
        #[test]
        fn the_room_is_never_exceeded_and_the_newest_turns_stay(
            turns in prop::collection::vec(("\\PC{0,60}", "[a-zé量 \\n]{0,900}"), 0..12),
            room in 0_u64..900,
        ) {
            let all: Vec<Message> = turns.iter().flat_map(|(question, answer)| turn(question, answer)).collect();
            let carried_thread = carried_turns(&all, room);
            prop_assert!(carried_thread.tokens() <= room, "{} of {room}", carried_thread.tokens());
            let included_turns = carried_thread.messages.len() / 2;
            prop_assert_eq!(included_turns + carried_thread.omitted, turns.len());
            // All included turns except the oldest must be whole, and they must be the newest.
            let full_messages = included_turns.saturating_sub(1) * 2;
            prop_assert_eq!(
                &carried_thread.messages[carried_thread.messages.len() - full_messages..],
                &all[all.len() - full_messages..]
            );
        }

        #[test]
        fn more_room_never_shows_fewer_turns(
            turns in prop::collection::vec(("[a-z ]{0,60}", "[a-z ]{0,400}"), 1..9),
            room in 0_u64..600,
        ) {
            let all: Vec<Message> = turns.iter().flat_map(|(question, answer)| turn(question, answer)).collect();
            let (less, more) = (carried_turns(&all, room), carried_turns(&all, room + 50));
            prop_assert!(more.omitted <= less.omitted);
        }
    }
}
