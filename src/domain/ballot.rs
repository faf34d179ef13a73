//! Votes on closed questions: normalizes answers and counts them. Unreadable answers are not guessed.

/// Maximum length in characters of a line that counts as a stated choice.
const SHORT: usize = 80;

/// Vote counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BallotCount {
    /// Each choice with the letters of its voters, most votes first.
    pub choices: Vec<(String, Vec<char>)>,
    /// Letters of members with an unreadable answer.
    pub unread: Vec<char>,
}

impl BallotCount {
    /// Whether several choices share the highest count.
    pub fn is_tie(&self) -> bool {
        let most = self.choices.first().map(|(_, letters)| letters.len());
        let second = self.choices.get(1).map(|(_, letters)| letters.len());
        second.is_some() && most == second
    }

    /// Renders the result as Markdown.
    pub fn to_markdown(&self) -> String {
        let cast: usize = self.choices.iter().map(|(_, letters)| letters.len()).sum();
        let Some((winner, most)) = self.choices.first() else {
            return "No vote could be read.".to_owned();
        };
        let mut text = match self.is_tie() {
            true => {
                let tied = self.choices.iter().filter(|(_, of)| of.len() == most.len());
                let names: Vec<String> = tied.map(|(choice, _)| format!("**{choice}**")).collect();
                format!(
                    "## Answer\n\nA tie: {} have {} of {cast} votes each. The panel does not decide this.\n",
                    names.join(" and "),
                    most.len()
                )
            }
            false => format!(
                "## Answer\n\n**{winner}**: {} of {cast} votes.\n",
                most.len()
            ),
        };
        text += "\n| Choice | Votes | Members |\n|---|---|---|\n";
        for (choice, letters) in &self.choices {
            let choice = choice.replace('|', "\\|");
            text += &format!("| {choice} | {} | {} |\n", letters.len(), list(letters));
        }
        if !self.unread.is_empty() {
            text += &format!(
                "\nNot counted because no single choice could be read: {}.\n",
                list(&self.unread)
            );
        }
        text + "\nVotes are counted, not weighted; agreement does not make an answer correct.\n"
    }
}

fn list(letters: &[char]) -> String {
    let letters: Vec<String> = letters.iter().map(char::to_string).collect();
    letters.join(", ")
}

/// Counts the votes of the members with these letters. None when no answer can be read.
pub fn count(question: &str, answers: &[(char, &str)]) -> Option<BallotCount> {
    let mut tally = BallotCount {
        choices: Vec::new(),
        unread: Vec::new(),
    };
    for (letter, text) in answers {
        let Some(choice) = choice(question, text) else {
            tally.unread.push(*letter);
            continue;
        };
        match tally.choices.iter_mut().find(|(known, _)| *known == choice) {
            Some((_, letters)) => letters.push(*letter),
            None => tally.choices.push((choice, vec![*letter])),
        }
    }
    // Stable sort: ties keep the order of the panel.
    tally
        .choices
        .sort_by_key(|(_, letters)| std::cmp::Reverse(letters.len()));
    (!tally.choices.is_empty()).then_some(tally)
}

/// Returns the choice that an answer states, normalized for comparison.
pub fn choice(question: &str, answer: &str) -> Option<String> {
    let said = stated(answer)?;
    let options = options(question);
    let bare = bare(&said);
    if bare.is_empty() {
        return None;
    }
    if let Some(label) = chosen(&bare, &options) {
        return Some(label);
    }
    if let Some(word) = yes_or_no(&bare) {
        return Some(word.to_owned());
    }
    number(&bare).or_else(|| Some(bare.to_lowercase()))
}

// The text after the last "Answer:", or the whole answer if it is one short line.
fn stated(answer: &str) -> Option<String> {
    let lines: Vec<&str> = answer
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let marked = lines.iter().rev().find_map(|line| {
        let plain = line.trim_start_matches(|c: char| !c.is_alphanumeric());
        let lower = plain.to_lowercase();
        let mark = ["final answer", "answer", "antwort"]
            .into_iter()
            .find(|mark| lower.starts_with(mark))?;
        let rest = plain.get(mark.len()..)?.trim_start_matches(['*', '_', ' ']);
        let rest = rest.strip_prefix([':', '：'])?;
        Some(rest.to_owned()).filter(|rest| rest.chars().count() <= SHORT)
    });
    marked.or_else(|| match lines.as_slice() {
        [only] if only.chars().count() <= SHORT && only.split_whitespace().count() <= 4 => {
            Some((*only).to_owned())
        }
        _ => None,
    })
}

fn bare(said: &str) -> String {
    let is_wrapping = |c: char| c.is_whitespace() || "*_`\"'“”„.,;:!()[]".contains(c);
    let bare = said.trim_matches(is_wrapping);
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

// "A) tea  B) coffee" in the question: labels and texts, on separate lines or on one.
fn options(question: &str) -> Vec<(char, String)> {
    let characters: Vec<char> = question.chars().collect();
    let mut starts = Vec::new();
    for (at, window) in characters.windows(2).enumerate() {
        let (label, mark) = (window[0], window[1]);
        let before = at.checked_sub(1).map(|before| characters[before]);
        let begins = before.is_none_or(|c| c.is_whitespace() || c == '(');
        let is_label = label.is_ascii_alphabetic() || label.is_ascii_digit();
        let ends = characters.get(at + 2).is_none_or(|c| c.is_whitespace());
        if begins
            && is_label
            && (mark == ')' || (mark == '.' && before.is_none_or(|c| c == '\n')))
            && ends
        {
            starts.push((at, label.to_ascii_uppercase()));
        }
    }
    // A single "a)" is not a list.
    if starts.len() < 2 {
        return Vec::new();
    }
    let ends = starts.iter().skip(1).map(|(at, _)| *at);
    let ends: Vec<usize> = ends.chain([characters.len()]).collect();
    let text = |((at, label), end): (&(usize, char), &usize)| {
        let text: String = characters[at + 2..*end].iter().collect();
        let text = text.lines().next().unwrap_or_default().to_owned();
        (*label, bare(&text).to_lowercase())
    };
    starts.iter().zip(&ends).map(text).collect()
}

fn chosen(bare: &str, options: &[(char, String)]) -> Option<String> {
    let lower = bare.to_lowercase();
    let lower = lower.strip_prefix("option ").unwrap_or(&lower);
    let by_text = options.iter().find(|(_, text)| *text == lower);
    let mut characters = lower.chars();
    let first = characters.next()?.to_ascii_uppercase();
    let follows = characters.next();
    let is_label = follows.is_none_or(|c| !c.is_alphanumeric());
    let by_label = options
        .iter()
        .find(|(label, _)| is_label && *label == first);
    let (label, _) = by_text.or(by_label)?;
    Some(label.to_string())
}

fn yes_or_no(bare: &str) -> Option<&'static str> {
    let first = bare
        .split(|c: char| !c.is_alphanumeric())
        .next()?
        .to_lowercase();
    match first.as_str() {
        "yes" | "true" | "ja" | "correct" | "wahr" => Some("yes"),
        "no" | "false" | "nein" | "incorrect" | "falsch" => Some("no"),
        _ => None,
    }
}

// Normalizes a numeric value and its unit so that different notations compare equal.
fn number(bare: &str) -> Option<String> {
    let start = bare.find(|c: char| c.is_ascii_digit())?;
    let (before, rest) = bare.split_at(start);
    let sign = before.ends_with('-') || before.ends_with('−');
    let currency = before.trim_matches(|c: char| c.is_whitespace() || "-−+≈~".contains(c));
    if currency.chars().any(char::is_alphabetic) && currency.chars().count() > 3 {
        return None;
    }
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | '\u{a0}')))
        .unwrap_or(rest.len());
    let (digits, unit) = rest.split_at(end);
    if unit.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = value(digits)?;
    let unit = format!("{currency} {}", unit.trim()).to_lowercase();
    let sign = if sign && value != 0.0 { "-" } else { "" };
    Some(format!("{sign}{value} {}", unit.trim()).trim().to_owned())
}

// When both separators occur, the last one is the decimal separator; a single comma before exactly three
// digits groups thousands.
fn value(digits: &str) -> Option<f64> {
    let digits: String = digits
        .chars()
        .filter(|c| !matches!(c, '\'' | '\u{a0}'))
        .collect();
    let digits = digits.trim_end_matches(['.', ',']);
    let (comma, dot) = (digits.rfind(','), digits.rfind('.'));
    let plain = match (comma, dot) {
        (Some(comma), Some(dot)) if comma > dot => digits.replace('.', "").replace(',', "."),
        (Some(_), Some(_)) => digits.replace(',', ""),
        (Some(comma), None) if digits.len() - comma == 4 || digits.matches(',').count() > 1 => {
            digits.replace(',', "")
        }
        (Some(_), None) => digits.replace(',', "."),
        _ => digits.to_owned(),
    };
    plain.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEA: &str = "What is best?\nA) tea\nB) black coffee\nC) water";

    #[test]
    fn answers_come_into_one_form() {
        for (question, answer, expected) in [
            (TEA, "Because …\n\n**Answer: B**", Some("B")),
            (TEA, "Final answer: (b) black coffee.", Some("B")),
            (TEA, "Answer: black coffee", Some("B")),
            (TEA, "option c", Some("C")),
            ("Tea or not? (a) tea (b) not", "Answer: a)", Some("A")),
            ("Is it so?", "Yes.", Some("yes")),
            (
                "Is it so?",
                "Es stimmt nicht, weil …\nAntwort: Nein",
                Some("no"),
            ),
            ("How many?", "Answer: 1,250", Some("1250")),
            ("How many?", "Answer: 1.250,00 EUR", Some("1250 eur")),
            ("How many?", "**Answer:** EUR 1250", Some("1250 eur")),
            ("How many?", "Answer: -3.50 %", Some("-3.5 %")),
            ("Who?", "Answer: *Ada  Lovelace*", Some("ada lovelace")),
            (
                "Who?",
                "It may have been Ada, or Grace; nobody knows.",
                None,
            ),
            ("Who?", "Answer:", None),
            ("Who?", "", None),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(choice(question, answer), expected, "{question} {answer}");
        }
    }

    #[test]
    fn votes_are_counted_and_ties_are_said() {
        let tally = count(TEA, &[('A', "Answer: B"), ('B', "Answer: tea"), ('C', "b")]).unwrap();
        assert_eq!(tally.choices[0], ("B".into(), vec!['A', 'C']));
        assert!(!tally.is_tie());
        assert!(tally.to_markdown().contains("**B**: 2 of 3 votes"));
        let tie = count(
            TEA,
            &[
                ('A', "Answer: B"),
                ('B', "Answer: C"),
                ('C', "who knows, it is hard to say"),
            ],
        );
        let tie = tie.unwrap();
        assert!(tie.is_tie() && tie.unread == ['C']);
        let text = tie.to_markdown();
        assert!(
            text.contains("A tie: **B** and **C**") && text.contains("could be read: C"),
            "{text}"
        );
        assert_eq!(
            count(TEA, &[('A', "nobody can say that for certain")]),
            None
        );
    }
}
