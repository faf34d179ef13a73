//! Votes on closed questions: counts the answers that say the same. Unreadable answers are not guessed.

use super::answer_value::{self, AnswerReader, AnswerValue};

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
    let reader = AnswerReader::new(question);
    let mut tally = BallotCount {
        choices: Vec::new(),
        unread: Vec::new(),
    };
    let (mut values, mut voters) = (Vec::new(), Vec::new());
    for (letter, text) in answers {
        match reader.read(text) {
            Some(value) => {
                voters.push((*letter, shown(&value, text)));
                values.push(value);
            }
            None => tally.unread.push(*letter),
        }
    }
    for (group, (letter, label)) in answer_value::grouped(&values).into_iter().zip(voters) {
        match tally.choices.get_mut(group) {
            Some((_, letters)) => letters.push(letter),
            None => tally.choices.push((label, vec![letter])),
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
    AnswerReader::new(question)
        .read(answer)
        .map(|value| value.to_string())
}

// A choice as the table names it: the label of an option, or the first voter's own spelling.
fn shown(value: &AnswerValue, answer: &str) -> String {
    match value {
        AnswerValue::Choice(_) | AnswerValue::YesNo(_) => value.to_string(),
        _ => AnswerReader::statement(answer).unwrap_or_else(|| value.to_string()),
    }
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
            ("How many?", "Answer: -3.50 %", Some("-0.035")),
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
