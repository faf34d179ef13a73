//! `quire doctor`: checks the installation.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::{Outcome, block_on, failed, print};
use crate::app::offline::doctor::{self, CheckResult, CheckState, health};

/// Runs the checks and prints the findings.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.limit_words(0)?;
    let config = call.config()?;
    if call.has("health") {
        return match health::probe(&config) {
            Ok(answer) if answer.serves() => print(answer.status),
            Ok(answer) => failed(answer.message),
            Err(why) => failed(why),
        };
    }
    block_on(async {
        let findings = doctor::examine(&config).await;
        if call.has("json") {
            let row = |finding: &CheckResult| {
                let state = match finding.state {
                    CheckState::Ok => "ok",
                    CheckState::Warning => "warning",
                    CheckState::Failed => "broken",
                };
                json!({ "check": finding.subject, "state": state, "text": finding.text })
            };
            let rows: Vec<Value> = findings.iter().map(row).collect();
            print(json!({ "findings": rows }))?;
        }
        for finding in findings.iter().filter(|_| !call.has("json")) {
            let mark = match finding.state {
                CheckState::Ok => "ok     ",
                CheckState::Warning => "warning",
                CheckState::Failed => "broken ",
            };
            print(format!("{mark}  {}: {}", finding.subject, finding.text))?;
        }
        match findings
            .iter()
            .filter(|finding| finding.state == CheckState::Failed)
            .count()
        {
            0 => Ok(()),
            1 => failed("one check failed"),
            more => failed(format!("{more} checks failed")),
        }
    })
}
