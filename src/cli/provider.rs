//! `quire provider …`: manages shared providers from the command line, by the same rules as the web pages. Works while
//! a server is running, which notices the changes within ten seconds. On a remote server, requires an administrator's
//! key. A provider's key is never passed as an argument, because other users of the machine could read it.

use std::io::BufRead as _;

use serde_json::{Value, json};

use super::args::CommandCall;
use super::remote::{RemoteSession, query_text};
use super::table::TextTable;
use super::{CommandFailure, Outcome, block_on, failed, print, unknown_action, usage};
use crate::app::accounts::RequestOrigin;
use crate::app::offline::OfflineProviders;
use crate::app::providers::{ProviderParams, ProviderScope, Providers};
use crate::clock;
use crate::domain::provider::StoredProvider;

/// The list of actions in the help text.
pub(super) const DETAILS: &str =
    "  list                list stored providers (not those from the environment)
  add NAME            add a provider if it answers; a known NAME needs only a key
  change NAME         change a provider's key, address, or models if it answers
  test NAME           ask a provider for its models
  remove NAME         remove a provider";

/// Runs the action named by the first word.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let word = |at: usize| call.words.get(at).map(String::as_str);
    let Some(action) = word(0) else {
        return usage(format!("provider needs one of these:\n{DETAILS}"));
    };
    if !["list", "add", "change", "test", "remove"].contains(&action) {
        return usage(unknown_action("provider", action, DETAILS));
    }
    call.check_argument_count(if action == "list" { 1 } else { 2 })?;
    let name = match (action, word(1)) {
        ("list", _) => "",
        (_, Some(name)) => name,
        _ => return usage(format!("`provider {action}` needs a name, such as openai")),
    };
    let params = match action {
        "add" | "change" => provider_params(call)?,
        _ => ProviderParams::default(),
    };
    let config = call.config()?;
    if let Some(server) = RemoteSession::from_settings(call, &config)? {
        return perform_at_server(call, &server, action, name, params);
    }
    block_on(async {
        let offline = OfflineProviders::open(&config, action == "add")?;
        let outcome = perform(call, &offline.providers(), action, name, params).await;
        offline.close().await;
        outcome
    })
}

fn provider_params(call: &CommandCall) -> Result<ProviderParams, CommandFailure> {
    let models = call.value("models").map(|list| {
        let names = list.split(',').map(str::trim);
        let named_models = names.filter(|name| !name.is_empty() && *name != "*");
        named_models.map(str::to_owned).collect()
    });
    let concurrency = match call.value("concurrency").map(str::parse) {
        Some(Err(_)) => return usage("--concurrency needs a number"),
        Some(Ok(limit)) => Some(limit),
        None => None,
    };
    Ok(ProviderParams {
        kind: call.value("kind").map(str::to_owned),
        base_url: call.value("base-url").map(str::to_owned),
        api_key: read_key(call)?,
        models,
        concurrency,
        force: call.has("force"),
        ..ProviderParams::default()
    })
}

fn read_key(call: &CommandCall) -> Result<Option<String>, CommandFailure> {
    if let Some(name) = call.value("key-env") {
        return match std::env::var(name) {
            Ok(key) => Ok(Some(key)),
            Err(_) => usage(format!("the environment variable {name} is not set")),
        };
    }
    if !call.has("key-stdin") {
        return Ok(None);
    }
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(_) if !line.trim().is_empty() => Ok(Some(line.trim().to_owned())),
        Ok(_) => usage("there is no key on stdin"),
        Err(error) => failed(format!("cannot read stdin: {error}")),
    }
}

async fn perform(
    call: &CommandCall,
    providers: &Providers<'_>,
    action: &str,
    name: &str,
    params: ProviderParams,
) -> Outcome {
    let scope = ProviderScope::Shared(None);
    let origin = RequestOrigin::local(clock::now());
    let all = providers.list(&scope).await?;
    let provider_id = || match all.iter().find(|provider| provider.name == name) {
        Some(provider) => Ok(provider.id.as_str()),
        None => unknown_provider(name),
    };
    match action {
        "list" => list(call, &all.iter().map(provider_json).collect::<Vec<_>>()),
        "add" => {
            let (new_provider, message) = providers.add(&scope, name, params, &origin).await?;
            print(format!("{}: {message}", new_provider.name))
        }
        "change" => {
            let (changed_provider, message) = providers
                .change(&scope, provider_id()?, params, &origin)
                .await?;
            print(format!("{}: {message}", changed_provider.name))
        }
        "test" => print(format!(
            "{name}: {}",
            providers.test(&scope, provider_id()?).await?
        )),
        _ => {
            providers.remove(&scope, provider_id()?, &origin).await?;
            print(format!("{name} removed"))
        }
    }
}

fn unknown_provider<T>(name: &str) -> Result<T, CommandFailure> {
    failed(format!("no provider named {name} has been added"))
}

fn perform_at_server(
    call: &CommandCall,
    server: &RemoteSession,
    action: &str,
    name: &str,
    params: ProviderParams,
) -> Outcome {
    const PROVIDERS_PATH: &str = "/api/admin/providers";
    let mut body = json!({
        "kind": params.kind, "base_url": params.base_url, "api_key": params.api_key, "models": params.models,
        "concurrency": params.concurrency, "force": params.force,
    });
    if action == "add" {
        body["name"] = json!(name);
        let response = server.post(PROVIDERS_PATH, &body)?;
        return print_message(name, &response);
    }
    let all = server.get(PROVIDERS_PATH)?;
    let all = all["providers"].as_array().map_or(&[][..], Vec::as_slice);
    if action == "list" {
        return list(call, all);
    }
    let provider_json = all.iter().find(|provider| provider["name"] == name);
    let Some(id) = provider_json.and_then(|provider| provider["id"].as_str()) else {
        return unknown_provider(name);
    };
    let path = format!("{PROVIDERS_PATH}/{}", query_text(id));
    match action {
        "change" => print_message(name, &server.put(&path, &body)?),
        "test" => print_message(name, &server.post(&format!("{path}/test"), &json!({}))?),
        _ => {
            server.delete(&path)?;
            print(format!("{name} removed"))
        }
    }
}

fn print_message(name: &str, reply: &Value) -> Outcome {
    let message = reply["message"].as_str().unwrap_or_default();
    print(format!("{name}: {message}"))
}

fn provider_json(provider: &StoredProvider) -> Value {
    json!({
        "name": provider.name, "base_url": provider.base_url, "has_key": !provider.encrypted_key.is_empty(),
        "key_end": provider.key_suffix,
    })
}

fn list(call: &CommandCall, all: &[Value]) -> Outcome {
    if call.has("json") {
        return print(json!({ "providers": all }));
    }
    let mut table = TextTable::new(&["name", "address", "key"]);
    for provider in all {
        let field = |name: &str| provider[name].as_str().unwrap_or_default();
        let key = match (provider["has_key"] == true, field("key_end")) {
            (false, _) => "none".to_owned(),
            (true, "") => "set".to_owned(),
            (true, end) => format!("ends in {end}"),
        };
        let address = provider["base_url"].as_str();
        let address = address.unwrap_or("its default address").to_owned();
        table.push([field("name").to_owned(), address, key]);
    }
    table.print("No providers have been added. Add one: quire provider add openai --key-stdin")
}
