//! `quire provider …`: shared providers from the command line, by the same rules as on the pages. Works
//! while the server runs, which notices changes within ten seconds. A key is never an argument, because
//! other people on the machine could read it.

use std::io::BufRead as _;

use serde_json::{Value, json};

use super::args::CommandCall;
use super::table::TextTable;
use super::{CommandFailure, Outcome, block_on, failed, no_action, print, usage};
use crate::app::accounts::RequestOrigin;
use crate::app::offline::OfflineProviders;
use crate::app::providers::{ProviderParams, ProviderScope, Providers};
use crate::clock;
use crate::domain::provider::StoredProvider;

/// The actions, for the help text.
pub(super) const DETAILS: &str =
    "  list                list added providers, without those from the environment
  add NAME            add one, if it answers; a well-known NAME needs only a key
  change NAME         change its key, address, or models, if it answers
  test NAME           ask it for its models
  remove NAME         remove it";

/// Runs the action that the first word names.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let word = |at: usize| call.words.get(at).map(String::as_str);
    let Some(act) = word(0) else {
        return usage(format!("provider needs one of these:\n{DETAILS}"));
    };
    if !["list", "add", "change", "test", "remove"].contains(&act) {
        return usage(no_action("provider", act, DETAILS));
    }
    call.at_most(if act == "list" { 1 } else { 2 })?;
    let name = match (act, word(1)) {
        ("list", _) => "",
        (_, Some(name)) => name,
        _ => return usage(format!("`provider {act}` needs a name, such as openai")),
    };
    let wanted = match act {
        "add" | "change" => params(call)?,
        _ => ProviderParams::default(),
    };
    let config = call.config()?;
    block_on(async {
        let desk = OfflineProviders::open(&config, act == "add")?;
        let outcome = perform(call, &desk.providers(), act, name, wanted).await;
        desk.close().await;
        outcome
    })
}

fn params(call: &CommandCall) -> Result<ProviderParams, CommandFailure> {
    let models = call.value("models").map(|list| {
        let names = list.split(',').map(str::trim);
        let named = names.filter(|name| !name.is_empty() && *name != "*");
        named.map(str::to_owned).collect()
    });
    let concurrency = match call.value("concurrency").map(str::parse) {
        Some(Err(_)) => return usage("--concurrency needs a number"),
        Some(Ok(most)) => Some(most),
        None => None,
    };
    Ok(ProviderParams {
        kind: call.value("kind").map(str::to_owned),
        base_url: call.value("base-url").map(str::to_owned),
        api_key: key(call)?,
        models,
        concurrency,
        force: call.has("force"),
        ..ProviderParams::default()
    })
}

fn key(call: &CommandCall) -> Result<Option<String>, CommandFailure> {
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
    act: &str,
    name: &str,
    wanted: ProviderParams,
) -> Outcome {
    let scope = ProviderScope::House(None);
    let visit = RequestOrigin::local(clock::now());
    let all = providers.list(&scope).await?;
    let found = || match all.iter().find(|provider| provider.name == name) {
        Some(provider) => Ok(provider.id.as_str()),
        None => failed(format!("there is no added provider {name}")),
    };
    match act {
        "list" => list(call, &all),
        "add" => {
            let (added, said) = providers.add(&scope, name, wanted, &visit).await?;
            print(format!("{}: {said}", added.name))
        }
        "change" => {
            let (changed, said) = providers.change(&scope, found()?, wanted, &visit).await?;
            print(format!("{}: {said}", changed.name))
        }
        "test" => print(format!(
            "{name}: {}",
            providers.test(&scope, found()?).await?
        )),
        _ => {
            providers.remove(&scope, found()?, &visit).await?;
            print(format!("{name} removed"))
        }
    }
}

fn list(call: &CommandCall, all: &[StoredProvider]) -> Outcome {
    if call.has("json") {
        let row = |provider: &StoredProvider| {
            json!({
                "name": provider.name, "base_url": provider.base_url, "has_key": !provider.sealed_key.is_empty(),
                "key_end": provider.key_end,
            })
        };
        let rows: Vec<Value> = all.iter().map(row).collect();
        return print(json!({ "providers": rows }));
    }
    let mut table = TextTable::new(&["name", "address", "key"]);
    for provider in all {
        let key = match (provider.sealed_key.is_empty(), provider.key_end.as_str()) {
            (true, _) => "none".to_owned(),
            (false, "") => "set".to_owned(),
            (false, end) => format!("ends in {end}"),
        };
        let address = provider.base_url.clone();
        let address = address.unwrap_or_else(|| "its default address".to_owned());
        table.push([provider.name.clone(), address, key]);
    }
    table.print("No providers have been added. Add one: quire provider add openai --key-stdin")
}
