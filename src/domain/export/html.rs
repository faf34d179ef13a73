//! Exports an analysis as one self-contained HTML file for reading, forwarding, and printing. The file contains no
//! script and loads nothing; its content security policy forbids both.

use std::fmt::Write;

use super::inline::{Cite, escape};
use super::prose::{render_inline, render_prose};
use super::{evidence, first_line, state_description};
use crate::domain::analysis::{Analysis, Member, StageAnswer, StageRole};
use crate::domain::citation;
use crate::domain::money::MicroDollars;
use crate::domain::plan::EvidenceCall;
use crate::domain::prompt::letter;

pub(super) const STYLE: &str = include_str!("page.css");

/// Exports the whole result as a standalone page.
pub fn html(analysis: &Analysis, answers: &[StageAnswer]) -> String {
    let plan = &analysis.plan;
    let cite = |mark: &str| {
        let is_cited_source = |number: u32, own: &str| own == mark || mark.parse() == Ok(number);
        let source = plan
            .sources
            .iter()
            .find(|source| is_cited_source(source.number, &source.mark));
        source.map(|source| format!("#source-{}", source.number))
    };
    let title = escape(&first_line(&plan.question));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    write_head(&mut out, analysis, answers, &title);
    write_answer(&mut out, analysis, &cite);
    if let Some(findings) = &analysis.findings {
        evidence::html(&mut out, findings, &cite);
    }
    write_drafts(&mut out, analysis, answers, &cite);
    write_sources(&mut out, analysis);
    write_costs(&mut out, analysis, answers);
    out.push_str("</main>\n<footer><p>Exported from Quire. Agreement between models is a hint, not a proof: check what matters against the sources.</p></footer>\n</body>\n</html>\n");
    out
}

// Writes the head of the page. Writing to a `String` cannot fail, so the results of `write!` are ignored here
// and below.
fn write_head(out: &mut String, analysis: &Analysis, answers: &[StageAnswer], title: &str) {
    let plan = &analysis.plan;
    let names: Vec<String> = plan.members.iter().map(Member::name).collect();
    let duration_text = match (analysis.started, analysis.finished) {
        (Some(from), Some(to)) => format!("{:.1} s", to.since(from).as_secs_f64()),
        _ => String::new(),
    };
    let facts = [
        ("Status", analysis.status.as_str().to_owned()),
        ("Pattern", plan.pattern.clone()),
        ("Panel", names.join(", ")),
        ("Synthesis", plan.synthesizer.model.clone()),
        ("Asked", analysis.created.to_string()),
        ("Time", duration_text),
        ("Cost", total_text(analysis, answers)),
    ];
    let _ = writeln!(out, "<header>\n<h1 dir=\"auto\">{title}</h1>");
    if first_line(&plan.question) != plan.question.trim() {
        let _ = writeln!(
            out,
            "<p class=\"question\" dir=\"auto\">{}</p>",
            escape(plan.question.trim())
        );
    }
    out.push_str("<dl>\n");
    for (name, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(text));
    }
    out.push_str("</dl>\n</header>\n");
}

fn write_answer(out: &mut String, analysis: &Analysis, cite: Cite<'_>) {
    match &analysis.synthesis {
        Some(text) => {
            let checked_text = match &analysis.citations {
                Some(citations) => citation::strike_out_unknown_marks(text, citations),
                None => text.clone(),
            };
            let _ = writeln!(
                out,
                "<h2>{}</h2>\n{}",
                answer_title(analysis),
                render_prose(&checked_text, 3, cite)
            );
        }
        None => {
            let why = analysis
                .error
                .as_deref()
                .unwrap_or("There is no answer yet.");
            let _ = writeln!(out, "<h2>No answer</h2>\n<p>{}</p>", escape(why));
        }
    }
    let Some(citations) = &analysis.citations else {
        return;
    };
    let answer_citations: Vec<_> = citations
        .items
        .iter()
        .filter(|item| item.member.is_none())
        .collect();
    if answer_citations.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Checked citations</h2>\n<ul>\n");
    for item in answer_citations {
        let mark = render_inline(&format!("[{}]", item.mark), cite);
        let quote = match item.quote.is_empty() {
            true => String::new(),
            false => format!(" “{}”:", escape(&first_line(&item.quote))),
        };
        let _ = writeln!(
            out,
            "<li dir=\"auto\">{mark}{quote} {}</li>",
            state_description(item.state)
        );
    }
    out.push_str("</ul>\n</section>\n");
}

// Returns the title of the answer, which does not mention a panel if a single model answered in one stage.
fn answer_title(analysis: &Analysis) -> &'static str {
    let plan = &analysis.plan;
    let is_panel = plan.members.len() > 1 || plan.stages.len() > 1;
    if is_panel {
        "The panel's answer"
    } else {
        "The answer"
    }
}

// Returns the title of a stage or an evidence call.
fn stage_title(analysis: &Analysis, stage: usize) -> &str {
    match analysis.plan.evidence_call(stage) {
        Some(EvidenceCall::Passages) => "Check of the cited passages",
        _ => stage_heading(analysis.plan.stage_name(stage).unwrap_or_default()),
    }
}

fn write_drafts(out: &mut String, analysis: &Analysis, answers: &[StageAnswer], cite: Cite<'_>) {
    let stages = analysis.plan.stages.iter().enumerate();
    for (index, stage) in stages.filter(|(_, stage)| stage.role == StageRole::Members) {
        let stage_answers: Vec<_> = answers
            .iter()
            .filter(|answer| answer.stage == index)
            .collect();
        if stage_answers.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "<section class=\"stage\">\n<h2>{}</h2>",
            escape(stage_heading(&stage.name))
        );
        for answer in stage_answers {
            let text = match &answer.error {
                None => render_prose(&answer.text, 4, cite),
                Some(error) => format!(
                    "<p class=\"failed\">No answer: {}</p>\n",
                    escape(&error.detail)
                ),
            };
            let (letter, model) = (letter(answer.member), escape(&answer.model));
            let _ = writeln!(
                out,
                "<article>\n<h3>{letter} · {model}</h3>\n{text}</article>"
            );
        }
        out.push_str("</section>\n");
    }
}

// Returns the title of a built-in stage. Stages of custom patterns are titled with their own names.
fn stage_heading(stage: &str) -> &str {
    match stage {
        "initial" => "First answers",
        "meta" => "Review",
        "hyper" => "Revision",
        "ultra" => "Synthesis",
        "evidence" => "Comparison of the answers",
        other => other,
    }
}

fn write_sources(out: &mut String, analysis: &Analysis) {
    let sources = &analysis.plan.sources;
    if sources.is_empty() {
        return;
    }
    out.push_str("<section class=\"stage\">\n<h2>Sources</h2>\n<ol class=\"sources\">\n");
    for source in sources {
        let mark = match source.mark.is_empty() {
            true => source.number.to_string(),
            false => source.mark.clone(),
        };
        let _ = writeln!(
            out,
            "<li id=\"source-{}\"><b>[{}]</b> {}, page {}<blockquote dir=\"auto\">{}</blockquote></li>",
            source.number,
            escape(&mark),
            escape(&source.document),
            source.page,
            escape(source.text.trim())
        );
    }
    out.push_str("</ol>\n</section>\n");
}

fn write_costs(out: &mut String, analysis: &Analysis, answers: &[StageAnswer]) {
    let max_latency = answers
        .iter()
        .map(|answer| answer.latency_ms)
        .max()
        .unwrap_or(0)
        .max(1);
    out.push_str("<section>\n<h2>Cost and time</h2>\n<table class=\"costs\"><thead><tr><th>Stage</th><th>Member</th><th>Input</th><th>Output</th><th>Cost</th><th>Time</th></tr></thead><tbody>\n");
    for answer in answers {
        let stage = analysis.plan.stages.get(answer.stage);
        let is_member_stage = stage.is_some_and(|stage| stage.role == StageRole::Members);
        let author_prefix = if is_member_stage {
            format!("{} · ", letter(answer.member))
        } else {
            String::new()
        };
        let time_cell = match (answer.cached, answer.error.is_some()) {
            (true, _) => "from the cache".to_owned(),
            (_, true) => "failed".to_owned(),
            _ => format!(
                "{:.1} s<span class=\"bar\" style=\"width:{}%\"></span>",
                answer.latency_ms as f64 / 1000.0,
                answer.latency_ms * 100 / max_latency
            ),
        };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{author_prefix}{}</td><td>{}</td><td>{}</td><td>{}</td><td>{time_cell}</td></tr>",
            escape(stage_title(analysis, answer.stage)),
            escape(&answer.model),
            answer.usage.input,
            answer.usage.output,
            answer.cost.map_or("unknown".into(), format_dollars)
        );
    }
    let usage = &analysis.usage;
    let about = if usage.estimated { " (estimated)" } else { "" };
    let _ = writeln!(
        out,
        "</tbody><tfoot><tr><th colspan=\"2\">Total{about}</th><td>{}</td><td>{}</td><td>{}</td><td></td></tr></tfoot></table>\n</section>",
        usage.input,
        usage.output,
        total_text(analysis, answers)
    );
}

fn total_text(analysis: &Analysis, answers: &[StageAnswer]) -> String {
    let unknown = |answer: &StageAnswer| answer.answered() && answer.cost.is_none();
    match answers.iter().any(unknown) {
        true if analysis.cost == MicroDollars(0) => "unknown".to_owned(),
        true => format!("at least {}", format_dollars(analysis.cost)),
        false => format_dollars(analysis.cost),
    }
}

fn format_dollars(cost: MicroDollars) -> String {
    format!("${:.6}", cost.dollars())
}
