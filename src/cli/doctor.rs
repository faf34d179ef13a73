//! `quire doctor`: checks the installation, or only the server's health with `--health`.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::models::ServerModels;
use super::outcome::strip_os_error_numbers;
use super::screen::print_wrapped;
use super::{Outcome, block_on, failed, print};
use crate::app::offline::doctor::{self, CheckResult, CheckState, health};

/// Prints the findings, and fails if one of them is an error. With `--health`, only asks the running server whether it
/// accepts requests.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(0)?;
    let config = call.config()?;
    if call.has("health") {
        return match health::probe(&config) {
            Ok(answer) if answer.accepts_requests() => print(answer.status),
            Ok(answer) => failed(answer.message),
            Err(why) => failed(why),
        };
    }
    block_on(async {
        let mut findings = doctor::examine(&config).await;
        if let Ok(Some(known)) = ServerModels::fetch(call, &config).await {
            add_server_providers(&mut findings, &known);
        }
        if call.has("json") {
            let row = |finding: &CheckResult| {
                let state = match finding.state {
                    CheckState::Ok => "ok",
                    CheckState::Warning => "warning",
                    CheckState::Failed => "broken",
                };
                json!({ "check": finding.subject, "state": state, "text": strip_os_error_numbers(&finding.text) })
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
            let text = strip_os_error_numbers(&finding.text);
            print_wrapped(format!("{mark}  {}: {text}", finding.subject))?;
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

/// Adds the state of the providers as the running server sees them, because the server's settings may differ from this
/// command's.
fn add_server_providers(findings: &mut Vec<CheckResult>, server_models: &ServerModels) {
    if !server_models.providers.is_empty() {
        // This finding is about the command's own settings, not the server's.
        findings.retain(|finding| finding.subject != "providers");
    }
    let provider_rows = server_models.providers.iter().map(|(id, why)| {
        let (state, text) = match why.as_str() {
            "" => (CheckState::Ok, "its models are listed"),
            why => (CheckState::Warning, why),
        };
        CheckResult {
            subject: "provider",
            state,
            text: format!("{id} of the running server: {text}"),
        }
    });
    findings.extend(provider_rows);
}
