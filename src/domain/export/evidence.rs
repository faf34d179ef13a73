//! The panel's evidence map in exports, as Markdown and HTML. Claims only what the map supports, and names its basis.

use std::fmt::Write;

use super::inline::{Cite, escape};
use super::prose::render_inline;
use crate::domain::evidence::{
    Entailment, EvidenceMap, EvidenceStatus, MemberStance, SentenceSupport, Stance, SupportLevel,
    UnverifiedContradiction,
};
use crate::domain::findings::Findings;

/// Heading of the contradictions that the members' quoted words do not confirm.
const UNVERIFIED_HEADING: &str =
    "Contradictions reported by the judge, not confirmed by Quire's rules";

/// Describes the basis of the map, or why there is none.
pub(super) fn basis_sentence(map: &EvidenceMap) -> String {
    let reason = map.reason.as_deref().unwrap_or_default();
    let mut text = match map.status {
        EvidenceStatus::Judged => {
            let by = |model: &Option<String>, what: &str| {
                let model = model.as_ref()?;
                Some(format!("{model} {what}"))
            };
            let parts = [
                by(&map.judge, "compared the first answers"),
                by(&map.checker, "compared the answer with the cited passages"),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            format!(
                "{}. Every quotation shown was found in the text that it is from; what the models made of it may be wrong.",
                parts.join("; ")
            )
        }
        EvidenceStatus::Failed => {
            let is_checked = map
                .sentences
                .iter()
                .any(|support| support.verdict.is_some());
            let checker_note = map.checker.as_ref().filter(|_| is_checked).map(|model| {
                format!(" {model} compared the answer with the cited passages; what it made of them may be wrong.")
            });
            format!(
                "Nothing is known about agreement: {reason}.{}",
                checker_note.unwrap_or_default()
            )
        }
        EvidenceStatus::Off | EvidenceStatus::NoJudge => {
            format!("No model compared the answers: {reason}.")
        }
    };
    if map.status == EvidenceStatus::Judged && !reason.is_empty() {
        let _ = write!(text, " Not complete: {reason}.");
    }
    if let Some(similarity) = map.similarity {
        let _ = write!(text, " Similar wording, {similarity:.2}.");
    }
    text
}

/// Writes the section about the evidence map in Markdown.
pub(super) fn markdown(out: &mut String, findings: &Findings) {
    let map = &findings.evidence;
    let _ = writeln!(
        out,
        "## Evidence\n\n{}\n\n{}\n",
        findings.note,
        basis_sentence(map)
    );
    if !map.claims.is_empty() {
        let letters: Vec<String> = letters(map).iter().map(char::to_string).collect();
        let _ = writeln!(
            out,
            "| Claim | {} |\n|---|{}|",
            letters.join(" | "),
            vec!["---"; letters.len()].join("|")
        );
    }
    for claim in &map.claims {
        let stances: Vec<&str> = claim.stances.iter().map(stance_label).collect();
        let text = claim.text.replace('|', "\\|");
        let _ = writeln!(out, "| {text} | {} |", stances.join(" | "));
    }
    write_list(
        out,
        "Contradictions",
        map.contradictions.iter().map(|entry| {
            let sides = entry
                .sides
                .iter()
                .map(|side| format!("\n  - {}: “{}”", side.letter, side.quote));
            format!(
                "{}{}",
                claim_text(map, entry.claim),
                sides.collect::<String>()
            )
        }),
    );
    write_list(
        out,
        UNVERIFIED_HEADING,
        map.unverified.iter().map(unverified_text),
    );
    write_list(
        out,
        "Said by one only",
        map.unique
            .iter()
            .map(|entry| format!("{}: {}", entry.letter, claim_text(map, entry.claim))),
    );
    write_list(
        out,
        "Not covered, in the judge's words",
        map.blind_spots.iter().cloned(),
    );
    if !map.sentences.is_empty() {
        out.push_str("\n### Sentences of the answer\n\n| Sentence | Support |\n|---|---|\n");
    }
    for entry in &map.sentences {
        let _ = writeln!(
            out,
            "| {} | {} |",
            entry.text.replace('|', "\\|"),
            support_label(entry)
        );
    }
    out.push('\n');
    for note in findings.degraded.iter().chain(&findings.notes) {
        let _ = writeln!(out, "- {note}");
    }
    out.push('\n');
}

fn write_list(out: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let items: String = items.map(|item| format!("- {item}\n")).collect();
    if !items.is_empty() {
        let _ = write!(out, "\n### {title}\n\n{items}");
    }
}

/// Writes the section about the evidence map in HTML.
pub(super) fn html(out: &mut String, findings: &Findings, cite: Cite<'_>) {
    let map = &findings.evidence;
    let _ = writeln!(
        out,
        "<section>\n<h2>Evidence</h2>\n<p class=\"note\">{} {}</p>",
        escape(&findings.note),
        escape(&basis_sentence(map))
    );
    write_claims(out, map, cite);
    write_points(
        out,
        "Contradictions",
        map.contradictions.iter().map(|entry| {
            let side = |letter: char, quote: &str| {
                format!("<li dir=\"auto\"><b>{letter}</b>: “{}”</li>", escape(quote))
            };
            let sides = entry
                .sides
                .iter()
                .map(|entry| side(entry.letter, &entry.quote));
            format!(
                "{}<ul>{}</ul>",
                render_inline(claim_text(map, entry.claim), cite),
                sides.collect::<String>()
            )
        }),
    );
    let reported = map.unverified.iter().map(unverified_text);
    write_points(
        out,
        UNVERIFIED_HEADING,
        reported.map(|entry| render_inline(&entry, cite)),
    );
    write_points(
        out,
        "Said by one only",
        map.unique.iter().map(|entry| {
            format!(
                "<b>{}</b>: {}",
                entry.letter,
                render_inline(claim_text(map, entry.claim), cite)
            )
        }),
    );
    let spots = map.blind_spots.iter().map(|spot| render_inline(spot, cite));
    write_points(out, "Not covered, in the judge's words", spots);
    if !map.sentences.is_empty() {
        out.push_str("<h3>Sentences of the answer</h3>\n<table><thead><tr><th>Sentence</th><th>Support</th></tr></thead><tbody>\n");
        for entry in &map.sentences {
            let _ = writeln!(
                out,
                "<tr><td dir=\"auto\">{}</td><td title=\"{}\">{}</td></tr>",
                render_inline(&entry.text, cite),
                escape(entry.reason()),
                support_label(entry)
            );
        }
        out.push_str("</tbody></table>\n");
    }
    let notes = findings.degraded.iter().chain(&findings.notes);
    write_points(
        out,
        "How this answer came about",
        notes.map(|note| escape(note)),
    );
    out.push_str("</section>\n");
}

fn write_claims(out: &mut String, map: &EvidenceMap, cite: Cite<'_>) {
    if map.claims.is_empty() {
        return;
    }
    let heads: String = letters(map)
        .iter()
        .map(|letter| format!("<th>{letter}</th>"))
        .collect();
    let _ = writeln!(
        out,
        "<h3>Claims, in the judge's words</h3>\n<table><thead><tr><th>Claim</th>{heads}</tr></thead><tbody>"
    );
    for claim in &map.claims {
        let cells: String = (claim.stances.iter())
            .map(|member| {
                format!(
                    "<td title=\"{}\">{}</td>",
                    escape(&stance_title(member)),
                    stance_label(member)
                )
            })
            .collect();
        let text = render_inline(&claim.text, cite);
        let _ = writeln!(out, "<tr><td dir=\"auto\">{text}</td>{cells}</tr>");
    }
    out.push_str("</tbody></table>\n");
}

fn write_points(out: &mut String, title: &str, all: impl Iterator<Item = String>) {
    let items: String = all
        .map(|item| format!("<li dir=\"auto\">{item}</li>\n"))
        .collect();
    if !items.is_empty() {
        let _ = writeln!(out, "<h3>{title}</h3>\n<ul>\n{items}</ul>");
    }
}

fn unverified_text(contradiction: &UnverifiedContradiction) -> String {
    let parts = [contradiction.point.as_str(), contradiction.why.as_str()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    match parts.is_empty() {
        true => "the judge does not say on what".to_owned(),
        false => parts.join(" – "),
    }
}

fn letters(map: &EvidenceMap) -> Vec<char> {
    let stances = map.claims.first().map_or(&[][..], |claim| &claim.stances);
    stances.iter().map(|member| member.letter).collect()
}

fn claim_text(map: &EvidenceMap, claim: usize) -> &str {
    map.claims.get(claim).map_or("", |claim| &claim.text)
}

// Formats a member's quoted words and, if a rule objects to them, the reason.
fn stance_title(stance: &MemberStance) -> String {
    match stance.lowered.is_empty() {
        true => stance.quote.clone(),
        false => format!("{} ({})", stance.quote, stance.lowered),
    }
}

fn stance_label(member: &MemberStance) -> &'static str {
    match member.stance {
        Stance::Asserts => "says so",
        Stance::Unconfirmed => "says so, not confirmed by Quire's rules",
        Stance::Denies => "says otherwise",
        Stance::Silent => "–",
    }
}

fn support_label(sentence: &SentenceSupport) -> String {
    let contradicted = match sentence.verdict {
        Some(Entailment::Contradicts) => ", passage contradicts",
        _ => "",
    };
    let disputed = if sentence.disputed { ", disputed" } else { "" };
    let level = format!("{}{contradicted}{disputed}", sentence.level.label());
    match &sentence.lowered {
        Some(why) if sentence.level < SupportLevel::Supported => {
            format!("{level} (not supported: {why})")
        }
        Some(why) => format!("{level} ({why})"),
        None => level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_state_exactly_the_recorded_evidence() {
        let findings: Findings = serde_json::from_value(serde_json::json!({
            "notes": ["a note"],
            "evidence": {
                "status": "judged", "judge": "p/judge", "checker": "p/a", "similarity": 0.8,
                "claims": [{ "text": "The fee | is 30.", "stances": [
                    { "letter": "A", "stance": "asserts", "quote": "the fee is 30" },
                    { "letter": "B", "stance": "denies", "quote": "the fee is 40" } ] },
                    { "text": "It is due soon.", "stances": [
                    { "letter": "A", "stance": "asserts", "quote": "It is due soon" },
                    { "letter": "B", "stance": "unconfirmed", "quote": "the fee is due", "lowered": "too few terms" } ] }],
                "contradictions": [{ "claim": 0, "why": "fee", "sides": [
                    { "letter": "A", "quote": "the fee is 30" }, { "letter": "B", "quote": "the fee is 40" } ] }],
                "blind_spots": ["the date"],
                "sentences": [
                    { "text": "The fee is 30.", "level": "cited", "disputed": true, "lowered": "the number 30 is not in the quoted words" },
                    { "text": "It is due.", "level": "supported_agreed" } ],
            },
        }))
        .expect("findings");
        let mut out = String::new();
        markdown(&mut out, &findings);
        for part in [
            "p/judge compared the first answers; p/a compared the answer with the cited passages.",
            "Similar wording, 0.80.",
            "| The fee \\| is 30. | says so | says otherwise |",
            "| It is due soon. | says so | says so, not confirmed by Quire's rules |",
            "  - A: “the fee is 30”\n  - B: “the fee is 40”\n",
            "| The fee is 30. | cited, disputed (not supported: the number 30 is not in the quoted words) |",
            "| It is due. | supported, members agree |",
            "### Not covered, in the judge's words\n\n- the date",
            "- a note",
        ] {
            assert!(out.contains(part), "{part} in {out}");
        }
        let (mut page, cite) = (String::new(), |_: &str| None);
        html(&mut page, &findings, &cite);
        let cell = "<td title=\"the fee is due (too few terms)\">says so, not confirmed by Quire's rules</td>";
        assert!(page.contains(cell), "{page}");
    }

    #[test]
    fn exports_without_a_judge_do_not_mention_agreement() {
        let mut map = EvidenceMap::without_judge(
            EvidenceStatus::NoJudge,
            "demo models compare words, not meaning",
        );
        map.similarity = Some(1.0);
        let findings = Findings {
            evidence: map,
            note: String::new(),
            ..Findings::default()
        };
        let (mut out, cite) = (String::new(), |_: &str| None);
        markdown(&mut out, &findings);
        html(&mut out, &findings, &cite);
        for word in ["agree", "verified", "very high", "supports", "contradict"] {
            assert!(!out.to_lowercase().contains(word), "{word} in {out}");
        }
        assert!(out.contains("Similar wording, 1.00."), "{out}");
    }
}
