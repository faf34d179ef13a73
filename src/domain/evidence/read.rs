//! Parses the replies of the judge and the checker. Limits the length of every list and text, and skips unreadable
//! entries.

use serde_json::Value;

use super::verify::MAX_QUOTE_LENGTH;
use super::{Entailment, Stance};
use crate::domain::schema;

/// Maximum number of claims read from a reply.
pub(super) const MAX_CLAIMS: usize = 24;
/// Maximum number of verdicts read from a reply.
const MAX_VERDICTS: usize = 200;
/// Maximum number of blind spots read from a reply.
const MAX_BLIND_SPOTS: usize = 8;
/// Maximum length of a text worded by the judge, in characters.
const MAX_TEXT_LENGTH: usize = 400;
/// Maximum number of stances of a claim.
const MAX_STANCES: usize = 16;
/// Placeholder for the member's letter in a denial for which the judge names no member.
const UNKNOWN_MEMBER: char = '?';

/// The parsed reply of a judge.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct JudgeReply {
    pub claims: Vec<JudgedClaim>,
    /// For each reported contradiction, the index of its claim and the reason.
    pub contradictions: Vec<(usize, String)>,
    /// Reasons for contradictions that name no claim on the judge's list.
    pub unplaced_reasons: Vec<String>,
    pub blind_spots: Vec<String>,
}

/// A claim as reported by the judge.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct JudgedClaim {
    pub text: String,
    pub answer: String,
    pub stances: Vec<JudgedStance>,
}

/// A stance as reported by the judge. `letter` labels the text in the judge's prompt, not the member in the result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JudgedStance {
    pub letter: char,
    pub stance: Stance,
    pub quote: String,
}

/// A verdict as reported by the checker.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JudgedVerdict {
    /// Number of the sentence, from 1.
    pub sentence: usize,
    /// Number of the passage; 0 if the checker named none.
    pub passage_number: u32,
    pub verdict: Entailment,
    pub quote: String,
}

/// Parses the judge's comparison of the answers.
///
/// # Errors
/// Returns the reason, for users, if the reply has no list of claims.
pub(super) fn parse_claims(reply: &str) -> Result<JudgeReply, String> {
    let value = parse_object(reply)?;
    let Value::Array(claims) = &value["claims"] else {
        return Err("its reply has no list of claims".to_owned());
    };
    let read = |claim: &Value| JudgedClaim {
        text: parse_text(&claim["text"], MAX_TEXT_LENGTH),
        answer: parse_text(&claim["answer"], MAX_QUOTE_LENGTH),
        stances: parse_list(&claim["stances"], MAX_STANCES)
            .iter()
            .filter_map(parse_stance)
            .collect(),
    };
    // Keep empty claims as well, because the indices in the contradictions count every claim.
    let claims: Vec<JudgedClaim> = claims.iter().take(MAX_CLAIMS).map(read).collect();
    let (mut contradictions, mut unplaced) = (Vec::new(), Vec::new());
    for entry in parse_list(&value["contradictions"], MAX_CLAIMS) {
        let why = parse_text(&entry["why"], MAX_TEXT_LENGTH);
        match parse_number(&entry["claim"]).filter(|&index| index < claims.len()) {
            Some(index) => contradictions.push((index, why)),
            None => unplaced.push(why),
        }
    }
    Ok(JudgeReply {
        contradictions,
        unplaced_reasons: unplaced,
        blind_spots: parse_list(&value["blind_spots"], MAX_BLIND_SPOTS)
            .iter()
            .map(|spot| parse_text(spot, MAX_TEXT_LENGTH))
            .filter(|spot| !spot.is_empty())
            .collect(),
        claims,
    })
}

/// Parses the checker's verdicts on sentences and passages.
///
/// # Errors
/// Returns the reason, for users, if the reply has no list of verdicts.
pub(super) fn parse_verdicts(reply: &str) -> Result<Vec<JudgedVerdict>, String> {
    let value = parse_object(reply)?;
    let Value::Array(verdicts) = &value["verdicts"] else {
        return Err("its reply has no list of verdicts".to_owned());
    };
    let read = |entry: &Value| {
        let verdict = match entry["verdict"].as_str()?.trim().to_lowercase().as_str() {
            "entails" => Entailment::Entails,
            "contradicts" | "contradict" | "contradicted" => Entailment::Contradicts,
            "neither" => Entailment::Neither,
            _ => return None,
        };
        let passage = parse_number(&entry["passage"]).and_then(|number| u32::try_from(number).ok());
        // A contradiction counts even if the checker names no passage for it.
        let unknown_default = (verdict == Entailment::Contradicts).then_some(0);
        Some(JudgedVerdict {
            sentence: parse_number(&entry["sentence"])?,
            passage_number: passage.or(unknown_default)?,
            verdict,
            quote: parse_text(&entry["quote"], MAX_QUOTE_LENGTH),
        })
    };
    let read = verdicts.iter().filter_map(read);
    Ok(read.take(MAX_VERDICTS).collect())
}

fn parse_object(reply: &str) -> Result<Value, String> {
    schema::find_json(reply).ok_or_else(|| "its reply has no JSON object".to_owned())
}

fn parse_stance(value: &Value) -> Option<JudgedStance> {
    let stance = match value["stance"].as_str()?.trim().to_lowercase().as_str() {
        "asserts" => Stance::Asserts,
        "denies" | "deny" | "denied" | "contradicts" | "disputes" | "disagrees" => Stance::Denies,
        _ => Stance::Silent,
    };
    // A denial counts against agreement even if the judge names no member for it.
    let unknown_default = (stance == Stance::Denies).then_some(UNKNOWN_MEMBER);
    let letter = parse_member(&value["member"]).or(unknown_default)?;
    Some(JudgedStance {
        letter,
        stance,
        quote: parse_text(&value["quote"], MAX_QUOTE_LENGTH),
    })
}

// Parses a member's letter in forms such as "A", "text A", and "Member A:".
fn parse_member(name: &Value) -> Option<char> {
    let name = name.as_str()?.trim_matches(|c: char| !c.is_alphanumeric());
    let mut letters = name.rsplit(' ').next()?.chars();
    let letter = letters.next().filter(|_| letters.next().is_none())?;
    Some(letter.to_ascii_uppercase())
}

fn parse_list(value: &Value, max_items: usize) -> &[Value] {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    &list[..list.len().min(max_items)]
}

// Returns the text as one line without control characters.
fn parse_text(value: &Value, max_chars: usize) -> String {
    let text = value.as_str().unwrap_or_default();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(max_chars).collect()
}

fn parse_number(value: &Value) -> Option<usize> {
    let from_text = || value.as_str()?.trim().parse().ok();
    let number = value.as_u64().or_else(from_text)?;
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replies_are_parsed_with_any_surrounding_text() {
        let reply = json!({ "claims": [{
            "text": "It ends\nin June.", "answer": "The lease ends in June.",
            "stances": [
                { "member": "text b", "stance": "Denies", "quote": "it ends in July" },
                { "member": "C", "stance": "thinks" }, { "member": "nobody", "stance": "asserts" }, 7,
            ],
        }], "contradictions": [{ "claim": "0", "why": "dates" }, { "claim": 9 }], "blind_spots": ["rent", ""] });
        for text in [
            reply.to_string(),
            format!("Here it is:\n```json\n{reply}\n```"),
        ] {
            let read = parse_claims(&text).expect("a reply");
            assert_eq!(read.claims[0].text, "It ends in June.");
            let stances: Vec<_> = (read.claims[0].stances.iter())
                .map(|entry| (entry.letter, entry.stance))
                .collect();
            assert_eq!(stances, [('B', Stance::Denies), ('C', Stance::Silent)]);
            assert_eq!(read.contradictions, [(0, "dates".to_owned())]);
            assert_eq!(read.unplaced_reasons, [""], "claim 9 is not in the list");
            assert_eq!(read.blind_spots, ["rent"]);
        }
        for text in ["", "No.", "{}", "{\"claims\": 3}"] {
            assert!(parse_claims(text).is_err(), "{text}");
            assert!(parse_verdicts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn denials_by_unknown_members_are_kept() {
        let reply = json!({ "claims": [{ "text": "It ends.", "stances": [
            { "member": "nobody", "stance": "denies" }, { "member": "Text B:", "stance": "contradicts" },
        ] }], "contradictions": [{ "claim": -1, "why": "dates" }, "they differ"] });
        let read = parse_claims(&reply.to_string()).expect("a reply");
        let stances: Vec<_> = (read.claims[0].stances.iter())
            .map(|entry| (entry.letter, entry.stance))
            .collect();
        assert_eq!(
            stances,
            [(UNKNOWN_MEMBER, Stance::Denies), ('B', Stance::Denies)]
        );
        assert_eq!(read.unplaced_reasons, ["dates", ""]);
        let verdict = json!({ "verdicts": [{ "sentence": 1, "passage": "D1", "verdict": "Contradicts" },
            { "sentence": 1, "passage": "D1", "verdict": "entails" }] });
        let read = parse_verdicts(&verdict.to_string()).expect("verdicts");
        assert_eq!((read.len(), read[0].passage_number), (1, 0));
    }

    #[test]
    fn lists_and_texts_are_bounded() {
        let claim = json!({ "text": "x".repeat(900), "stances": vec![json!({ "member": "A", "stance": "asserts", "quote": "y".repeat(900) }); 20] });
        let reply = json!({ "claims": vec![claim; 30], "blind_spots": vec!["z"; 99] });
        let read = parse_claims(&reply.to_string()).expect("a reply");
        assert_eq!(
            (read.claims.len(), read.blind_spots.len()),
            (MAX_CLAIMS, MAX_BLIND_SPOTS)
        );
        assert_eq!(read.claims[0].text.len(), MAX_TEXT_LENGTH);
        assert_eq!(read.claims[0].stances.len(), MAX_STANCES);
        assert_eq!(read.claims[0].stances[0].quote.len(), MAX_QUOTE_LENGTH);
        let verdict = json!({ "sentence": 2, "passage": "1", "verdict": "entails", "quote": "so" });
        let reply = json!({ "verdicts": vec![verdict; 999] });
        let read = parse_verdicts(&reply.to_string()).expect("verdicts");
        assert_eq!(read.len(), MAX_VERDICTS);
        assert_eq!((read[0].sentence, read[0].passage_number), (2, 1));
    }
}
