//! Counts votes: groups equal answers into choices.

use crate::domain::answer_value::{self, AnswerReader, AnswerValue};
use crate::domain::prompt::letter;

/// A choice with its voters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteChoice {
    /// The label of an option, "yes" or "no", or otherwise the first voter's own spelling.
    pub label: String,
    /// Indices of the members who voted for the choice, in the order of the panel.
    pub voters: Vec<usize>,
    /// The value that each voter stated.
    pub values: Vec<AnswerValue>,
}

/// The votes for each choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BallotCount {
    /// All choices, those with the most votes first. Choices with equally many votes are in the order of their first
    /// voters.
    pub choices: Vec<VoteChoice>,
    /// Indices of the members whose answers could not be read.
    pub unreadable_members: Vec<usize>,
}

impl BallotCount {
    /// Returns the number of choices that share the highest count; more than one means a tie.
    pub fn leader_count(&self) -> usize {
        let max_votes = self.choices.first().map_or(0, |choice| choice.voters.len());
        let is_leading = |choice: &&VoteChoice| choice.voters.len() == max_votes;
        self.choices.iter().take_while(is_leading).count()
    }

    /// Returns the number of readable votes.
    pub fn votes_cast(&self) -> usize {
        self.choices.iter().map(|choice| choice.voters.len()).sum()
    }
}

impl VoteChoice {
    /// Returns the letters of the voters, such as "A, C".
    pub fn voter_labels(&self) -> String {
        let letters: Vec<String> = self
            .voters
            .iter()
            .map(|&member| letter(member).to_string())
            .collect();
        letters.join(", ")
    }
}

/// Counts the answers, each given with the index of its member, and groups equal ones. `None` if no answer can be read.
pub fn count(question: &str, answers: &[(usize, &str)]) -> Option<BallotCount> {
    let reader = AnswerReader::new(question);
    let mut tally = BallotCount {
        choices: Vec::new(),
        unreadable_members: Vec::new(),
    };
    let (mut values, mut voters) = (Vec::new(), Vec::new());
    for (member, text) in answers {
        match reader.read(text) {
            Some(value) => {
                voters.push((*member, display_text(&value, text)));
                values.push(value);
            }
            None => tally.unreadable_members.push(*member),
        }
    }
    let groups = answer_value::group_equal_values(&values);
    for ((group, value), (member, label)) in groups.into_iter().zip(values).zip(voters) {
        match tally.choices.get_mut(group) {
            Some(choice) => {
                choice.voters.push(member);
                choice.values.push(value);
            }
            None => tally.choices.push(VoteChoice {
                label,
                voters: vec![member],
                values: vec![value],
            }),
        }
    }
    // The sort is stable, so choices with equally many votes stay in the order of their first voters.
    tally
        .choices
        .sort_by_key(|choice| std::cmp::Reverse(choice.voters.len()));
    (!tally.choices.is_empty()).then_some(tally)
}

/// Returns the choice that an answer states, normalized for comparison; `None` if it states none.
pub fn choice_of(question: &str, answer: &str) -> Option<String> {
    AnswerReader::new(question)
        .read(answer)
        .map(|value| value.to_string())
}

fn display_text(value: &AnswerValue, answer: &str) -> String {
    match value {
        AnswerValue::Choice(_) | AnswerValue::YesNo(_) => value.to_string(),
        _ => AnswerReader::final_statement(answer).unwrap_or_else(|| value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICE_QUESTION: &str = "What is best?\nA) tea\nB) black coffee\nC) water";

    #[test]
    fn answers_are_normalized() {
        for (question, answer, expected) in [
            (CHOICE_QUESTION, "Because …\n\n**Answer: B**", Some("B")),
            (
                CHOICE_QUESTION,
                "Final answer: (b) black coffee.",
                Some("B"),
            ),
            (CHOICE_QUESTION, "Answer: black coffee", Some("B")),
            (CHOICE_QUESTION, "option c", Some("C")),
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
            assert_eq!(choice_of(question, answer), expected, "{question} {answer}");
        }
    }

    #[test]
    fn votes_are_counted_by_value_and_named_in_the_first_voters_spelling() {
        let tally = count(
            CHOICE_QUESTION,
            &[(0, "Answer: B"), (1, "Answer: tea"), (2, "b")],
        )
        .unwrap();
        assert_eq!(
            (
                tally.choices[0].label.as_str(),
                tally.choices[0].voter_labels()
            ),
            ("B", "A, C".into())
        );
        assert_eq!((tally.leader_count(), tally.votes_cast()), (1, 3));
        let money = [
            (0, "Answer: $1,200.00"),
            (1, "#### 1200"),
            (2, "Answer: 1300"),
        ];
        let tally = count("How much?", &money).unwrap();
        assert_eq!(
            (
                tally.choices[0].label.as_str(),
                tally.choices[0].voter_labels()
            ),
            ("$1,200.00", "A, B".into())
        );
        let tie = [
            (0, "Answer: B"),
            (1, "Answer: C"),
            (2, "who knows, it is hard to say"),
        ];
        let tie = count(CHOICE_QUESTION, &tie).unwrap();
        assert_eq!((tie.leader_count(), tie.unreadable_members), (2, vec![2]));
        assert_eq!(
            count(CHOICE_QUESTION, &[(0, "nobody can say that for certain")]),
            None
        );
    }

    #[test]
    fn different_spellings_count_as_the_same_vote() {
        const CITY_QUESTION: &str = "Which?\nA) Rome\nB) Paris\nC) Berlin";
        for (question, one, other) in [
            (CITY_QUESTION, "Paris (B)", "B"),
            (CITY_QUESTION, "A and C", "a, c"),
            ("Which?", "A and C", "A, C"),
            ("How many?", "12 (rounded)", "12"),
            ("How many?", "12 (see above)", "12"),
            ("How much?", "50 cents", "$0.50"),
            ("How much?", "2 pi", "2\\pi"),
            ("How many?", "Donc.\nRéponse : 5", "5"),
            ("How many?", "Ответ: 5", "Respuesta: 5"),
            ("How many?", "答案：5", "5"),
        ] {
            let tally = count(question, &[(0, one), (1, other)]).unwrap();
            assert_eq!(tally.choices.len(), 1, "{one} {other}: {tally:?}");
        }
        for (question, one, other) in [
            (CITY_QUESTION, "A or C", "A, C"),
            ("How many?", "12 (thousand)", "12"),
            ("How many?", "12 (not 13)", "12"),
            ("How much?", "50 cents", "$50"),
            ("How much?", "50 cents", "£0.50"),
        ] {
            let tally = count(question, &[(0, one), (1, other)]).unwrap();
            assert_eq!(tally.choices.len(), 2, "{one} {other}: {tally:?}");
        }
        let cents = count("Q?", &[(0, "$0.50"), (1, "50 cents"), (2, "€0.50")]).unwrap();
        assert_eq!(cents.choices.len(), 3);
        let none = [
            (0, "I cannot answer this."),
            (1, "Answer: <number>"),
            (2, "Answer: 5"),
        ];
        let tally = count("How many?", &none).unwrap();
        assert_eq!(
            (tally.votes_cast(), tally.unreadable_members),
            (1, vec![0, 1])
        );
        let option = "Who was it?\nA) Ada\nB) I do not know";
        assert_eq!(
            choice_of(option, "Answer: I do not know").as_deref(),
            Some("B")
        );
    }
}
