//! `quire models`: lists the available models by querying every provider, or the server that QUIRE_SERVER names.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::block_on;
use super::local_session::LocalSession;
use super::outcome::{Outcome, print};
use super::remote::RemoteSession;
use super::table::TextTable;
use crate::domain::model::{Availability, Model};
use crate::log;

/// Lists the models.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.limit_words(0)?;
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    call.warn(&config);
    if let Some(server) = RemoteSession::from_settings(call, &config)? {
        let found = server.get("/api/models")?;
        return list(call, found["models"].as_array().map_or(&[], Vec::as_slice));
    }
    block_on(async {
        let home = LocalSession::open_to_read_or_empty(config, call.value("as")).await?;
        home.app.discovery().probe_local_servers().await;
        let models = home.app.models().list(Some(&home.caller.user));
        let rows: Vec<Value> = models.iter().map(model_json).collect();
        let outcome = list(call, &rows);
        home.app.close().await;
        outcome
    })
}

fn list(call: &CommandCall, models: &[Value]) -> Outcome {
    if call.has("json") {
        return print(json!({ "models": models }));
    }
    let mut table = TextTable::new(&["model", "state", ">context", ">input", ">output"]);
    for model in models {
        let of = |name: &str| model[name].as_str().unwrap_or_default().to_owned();
        let price = |name: &str| match &model["price"][name] {
            Value::Null => "unknown".to_owned(),
            price if price.as_f64() == Some(0.0) => "free".to_owned(),
            Value::String(dollars) => format!("${dollars}"),
            dollars => format!("${dollars}"),
        };
        table.push([
            of("id"),
            of("status").replace('_', " "),
            match model["context_window"].as_u64() {
                None | Some(0) => "unknown".to_owned(),
                Some(tokens) => tokens.to_string(),
            },
            price("input"),
            price("output"),
        ]);
    }
    table.print("No models. Set OPENAI_API_KEY, or start Ollama: quire help providers")?;
    if models.is_empty() {
        return Ok(());
    }
    print("\nContext in tokens, prices per million tokens.")
}

fn model_json((model, state): &(Model, Availability)) -> Value {
    json!({
        "id": model.id, "name": model.name, "provider": model.provider, "status": state.as_str(),
        "context_window": model.context_window, "price": model.price, "vision": model.vision,
    })
}
