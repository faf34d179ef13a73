//! `quire models`: lists the available models. If QUIRE_SERVER names a server or a server uses the data folder, lists
//! the models of that server, because its settings may differ from this command's. Otherwise, asks every provider for
//! its models.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::block_on;
use super::local_session::{LocalSession, NO_ACCOUNT};
use super::outcome::{CommandFailure, Outcome, print};
use super::remote::RemoteSession;
use super::table::TextTable;
use crate::config::Config;
use crate::domain::model::{Availability, Model};
use crate::log;

/// Lists the models.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(0)?;
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    call.warn(&config);
    block_on(async {
        if let Some(models_of_server) = ServerModels::fetch(call, &config).await? {
            return list(call, &models_of_server.models, &models_of_server.providers);
        }
        let session = LocalSession::open_to_read_or_empty(config, call.value("as")).await?;
        session.app.discovery().probe_local_servers().await;
        let models = session.app.models().list(Some(&session.caller.user));
        let rows: Vec<Value> = models.iter().map(model_json).collect();
        let mut providers = session.app.models().providers(Some(&session.caller.user));
        providers.retain(|provider| provider.configured);
        let providers = providers.into_iter();
        let providers: Vec<_> = providers
            .map(|provider| (provider.id, provider.message))
            .collect();
        let outcome = list(call, &rows, &providers);
        session.app.close().await;
        outcome
    })
}

/// The models and providers that a server knows.
pub(super) struct ServerModels {
    /// The models, in the format of `GET /api/models`.
    pub(super) models: Vec<Value>,
    /// The ID of each configured provider, and why its models are unknown; empty if they are known.
    pub(super) providers: Vec<(String, String)>,
}

impl ServerModels {
    /// Asks the server that is named or that uses the data folder. Returns `None` if there is no server. Blocks.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or refuses.
    pub(super) async fn fetch(
        call: &CommandCall,
        config: &Config,
    ) -> Result<Option<Self>, CommandFailure> {
        let server = match RemoteSession::from_call(call, config).await {
            Err(CommandFailure::Failed(why)) if why == NO_ACCOUNT => return Ok(None),
            server => server?,
        };
        let Some(server) = server else {
            return Ok(None);
        };
        let models_of_server = Self::fetch_from(&server);
        server.close().await;
        models_of_server.map(Some)
    }

    fn fetch_from(server: &RemoteSession) -> Result<Self, CommandFailure> {
        let response = server.get("/api/models")?;
        let status = server.get("/api/llm/status")?;
        let providers = status["providers"].as_object().into_iter().flatten();
        let providers = providers
            .filter(|(_, provider)| provider["configured"] == true && provider["mock"] != true);
        let to_row = |(id, provider): (&String, &Value)| {
            let why = provider["message"].as_str().unwrap_or_default();
            (id.clone(), why.to_owned())
        };
        Ok(Self {
            models: response["models"].as_array().cloned().unwrap_or_default(),
            providers: providers.map(to_row).collect(),
        })
    }
}

/// Returns the message for an empty list: why each configured provider has no models or, without any provider, how to
/// add one.
fn no_models_message(providers: &[(String, String)]) -> String {
    let lines: Vec<String> = providers
        .iter()
        .map(|(id, why)| match why.as_str() {
            "" => format!("{id} lists no models."),
            why => format!("No model from {id}: {why}"),
        })
        .collect();
    match lines.is_empty() {
        true => "No models. Set OPENAI_API_KEY, or start Ollama: quire help providers".to_owned(),
        false => lines.join("\n"),
    }
}

fn list(call: &CommandCall, models: &[Value], providers: &[(String, String)]) -> Outcome {
    if call.has("json") {
        return print(json!({ "models": models }));
    }
    let mut table = TextTable::new(&["model", "state", ">context", ">input", ">output"]);
    for model in models {
        let field = |name: &str| model[name].as_str().unwrap_or_default().to_owned();
        let price = |name: &str| match &model["price"][name] {
            Value::Null => "unknown".to_owned(),
            price if price.as_f64() == Some(0.0) => "free".to_owned(),
            Value::String(dollars) => format!("${dollars}"),
            dollars => format!("${dollars}"),
        };
        table.push([
            field("id"),
            field("status").replace('_', " "),
            match model["context_window"].as_u64() {
                None | Some(0) => "unknown".to_owned(),
                Some(tokens) => tokens.to_string(),
            },
            price("input"),
            price("output"),
        ]);
    }
    table.print(&no_models_message(providers))?;
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
