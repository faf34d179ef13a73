//! Exports an analysis as a file: CSV and Markdown for other programs, HTML for people. (JSON is the API's own format.)

#[cfg(test)]
mod cases;
mod evidence;
mod html;
mod inline;
mod prose;
mod tags;
mod thread;

use std::fmt::Write;

pub use html::html;
pub use thread::{thread_html, thread_markdown};

use super::analysis::{Analysis, Plan, StageAnswer, StageRole};
use super::citation::{self, CitationState, Citations};
use super::prompt::letter;

/// Exports one row per call as CSV (RFC 4180), with a header.
pub fn csv(analysis: &Analysis, answers: &[StageAnswer]) -> String {
    let mut out = String::from(
        "stage,letter,model,status,text,input_tokens,output_tokens,cost_usd,latency_ms,cached\r\n",
    );
    for answer in answers {
        let stage = analysis.plan.stages.get(answer.stage);
        let is_member_stage = stage.is_some_and(|stage| stage.role != StageRole::Synthesizer);
        let (status, text) = match &answer.error {
            None => ("completed", answer.text.as_str()),
            Some(_) if answer.is_partial() => ("stopped", answer.text.as_str()),
            Some(error) => ("failed", error.detail.as_str()),
        };
        let row = [
            analysis
                .plan
                .stage_name(answer.stage)
                .unwrap_or_default()
                .to_owned(),
            match is_member_stage {
                true => letter(answer.member).to_string(),
                false => String::new(),
            },
            answer.model.clone(),
            status.to_owned(),
            text.to_owned(),
            answer.usage.input.to_string(),
            answer.usage.output.to_string(),
            answer
                .cost
                .map_or_else(String::new, |cost| format!("{:.6}", cost.dollars())),
            answer.latency_ms.to_string(),
            answer.cached.to_string(),
        ];
        out.push_str(&row.map(|text| csv_cell(&text)).join(","));
        out.push_str("\r\n");
    }
    out
}

// Spreadsheets evaluate a cell that starts like a formula. A leading quote makes it text (OWASP, "CSV
// Injection").
/// Formats a CSV cell: quoted if necessary, and never interpreted as a formula.
pub fn csv_cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    if guard.is_empty() && !text.contains(['"', ',', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Exports the whole result as a document: the answer first, then how it was produced.
pub fn markdown(analysis: &Analysis, answers: &[StageAnswer]) -> String {
    let mut out = String::new();
    let plan = &analysis.plan;
    let _ = writeln!(out, "# {}\n", first_line(&plan.question));
    if plan.question.trim().contains('\n') {
        let _ = writeln!(out, "{}\n", plan.question.trim());
    }
    let models: Vec<&str> = plan
        .members
        .iter()
        .map(|member| member.model.as_str())
        .collect();
    let _ = writeln!(
        out,
        "*Pattern: {} · Panel: {} · Synthesis: {} · {}*\n",
        plan.pattern,
        models.join(", "),
        plan.synthesizer.model,
        analysis.created
    );
    match (&analysis.synthesis, &analysis.error) {
        (Some(text), _) => {
            let checked_text = match &analysis.citations {
                Some(citations) => citation::strike_out_unknown_marks(text, citations),
                None => text.clone(),
            };
            let _ = writeln!(out, "## Answer\n\n{}\n", checked_text.trim());
        }
        (None, Some(reason)) => {
            let _ = writeln!(out, "## No answer\n\n{reason}\n");
        }
        (None, None) => {
            let _ = writeln!(
                out,
                "## No answer yet\n\nStatus: {}\n",
                analysis.status.as_str()
            );
        }
    }
    if let Some(citations) = &analysis.citations {
        write_citations(&mut out, citations);
    }
    if let Some(findings) = &analysis.findings {
        evidence::markdown(&mut out, findings);
    }
    write_stages(&mut out, plan, answers);
    if !plan.sources.is_empty() {
        out.push_str("## Sources\n\n");
        for source in &plan.sources {
            let quote = source.text.trim().replace('\n', "\n> ");
            let mark = match source.mark.is_empty() {
                true => source.number.to_string(),
                false => source.mark.clone(),
            };
            let _ = writeln!(
                out,
                "[{mark}] {}, page {}\n\n> {quote}\n",
                source.document, source.page
            );
        }
    }
    write_totals(&mut out, analysis, answers);
    out
}

// Writes the citations of the final answer, but not the citations of the members' answers.
fn write_citations(out: &mut String, citations: &Citations) {
    let answer_citations = || citations.items.iter().filter(|item| item.member.is_none());
    if answer_citations().next().is_none() {
        return;
    }
    out.push_str("## Citations\n\n");
    for item in answer_citations() {
        let description = state_description(item.state);
        let _ = match item.quote.is_empty() {
            true => writeln!(out, "- [{}] {description}", item.mark),
            false => writeln!(
                out,
                "- [{}] “{}”: {description}",
                item.mark,
                first_line(&item.quote)
            ),
        };
        for words in &item.left_out {
            let _ = writeln!(out, "  - left out: “{}”", words.replace('\n', " "));
        }
    }
    out.push('\n');
}

// Describes the result of a citation check.
fn state_description(state: CitationState) -> &'static str {
    match state {
        CitationState::Verified => "✓ the quoted words are on that page",
        CitationState::Shortened => "shortened; the words left out may change the meaning",
        CitationState::Elsewhere => "the quoted words are on another page",
        CitationState::NotFound => "? the quoted words were not found",
        CitationState::Supported => "the page has the sentence's words and figures",
        CitationState::Cited => "cited, nothing quoted",
        CitationState::Unknown => "✗ no such page was given",
        CitationState::Gone => "can no longer be checked",
    }
}

fn write_stages(out: &mut String, plan: &Plan, answers: &[StageAnswer]) {
    for (index, stage) in plan
        .stages
        .iter()
        .enumerate()
        .filter(|(_, stage)| stage.role == StageRole::Members)
    {
        let stage_answers: Vec<&StageAnswer> = answers
            .iter()
            .filter(|answer| answer.stage == index)
            .collect();
        if stage_answers.is_empty() {
            continue;
        }
        let _ = writeln!(out, "## Stage: {}\n", stage.name);
        for answer in stage_answers {
            let text = answer.error.as_ref().map_or_else(
                || answer.text.trim().to_owned(),
                |error| format!("*No answer: {}*", error.detail),
            );
            let _ = writeln!(
                out,
                "### {} · {}\n\n{text}\n",
                letter(answer.member),
                answer.model
            );
        }
    }
}

fn write_totals(out: &mut String, analysis: &Analysis, answers: &[StageAnswer]) {
    let unknown = answers
        .iter()
        .any(|answer| answer.answered() && answer.cost.is_none());
    let _ = writeln!(
        out,
        "---\n\nInput tokens {}, output tokens {}{} · cost {}{:.6} USD",
        analysis.usage.input,
        analysis.usage.output,
        if analysis.usage.estimated {
            " (estimated)"
        } else {
            ""
        },
        if unknown { "at least " } else { "" },
        analysis.cost.dollars()
    );
}

fn first_line(question: &str) -> String {
    let line = question.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_neutralized() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("-5", "\"'-5\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(csv_cell(text), expected);
        }
    }

    #[test]
    fn titles_are_a_single_short_line() {
        assert_eq!(first_line("\n what?\nmore"), "what?");
        assert_eq!(first_line(&"ü".repeat(200)).chars().count(), 121);
    }
}
