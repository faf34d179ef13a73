//! What is known of models by name: data in `assets/models.json`, never code.

use std::sync::OnceLock;

use serde::Deserialize;

use super::Provider;
use crate::domain::model::{Model, Structured, Thinking};
use crate::wire::Listed;

static TEXT: &str = include_str!("../../assets/models.json");

#[derive(Deserialize)]
struct File {
    /// Parts of names that no chat model has.
    not_chat: Vec<String>,
    models: Vec<Model>,
}

fn file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| serde_json::from_str(TEXT).expect("a test reads this file"))
}

fn rows() -> &'static [Model] {
    &file().models
}

/// The models listed for a provider: those configured, else those of its own list, else the catalogue's.
/// Of its own list those that we know come first, and what cannot chat is left out.
pub(super) fn models_of(provider: &Provider, learned: &[Listed]) -> Vec<Model> {
    if let Some(names) = &provider.models {
        return names.iter().map(|name| describe(provider, name)).collect();
    }
    let bare = |row: &Model| row.id.split_once('/').map(|(_, name)| name.to_owned());
    let own = rows().iter().filter(|row| row.provider == provider.id);
    let mut names: Vec<String> = own.filter_map(bare).collect();
    if learned.is_empty() && !provider.is_at_home() {
        // Another server under a vendor's name: what it has is not known before it is asked.
        names.clear();
    }
    let learned: Vec<&String> = learned.iter().map(|model| &model.name).collect();
    if !learned.is_empty() {
        names.retain(|name| learned.contains(&name));
        let rest: Vec<String> = learned
            .into_iter()
            .filter(|name| !names.contains(name) && can_chat(name))
            .cloned()
            .collect();
        names.extend(rest);
    }
    names.iter().map(|name| describe(provider, name)).collect()
}

fn can_chat(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !file()
        .not_chat
        .iter()
        .any(|part| name.contains(part.as_str()))
}

/// A model of a provider: the catalogue's row, else what can be said of any model.
pub(super) fn describe(provider: &Provider, name: &str) -> Model {
    let id = format!("{}/{name}", provider.id);
    if let Some(row) = rows().iter().find(|row| row.id == id) {
        return row.clone();
    }
    Model {
        id,
        name: name.to_owned(),
        provider: provider.id.clone(),
        aliases: Vec::new(),
        context_window: 0,
        price: None,
        price_of: String::new(),
        family: String::new(),
        vision: false,
        structured: Structured::default(),
        thinking: Thinking::default(),
        max_output: 0,
        parameters: Vec::new(),
        tags: Vec::new(),
        mock: false,
        strength: 1,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::parameters::GLOSSARY;

    #[test]
    fn the_catalogue_is_sound() {
        let file: File = serde_json::from_str(TEXT).unwrap();
        let mut seen = BTreeSet::new();
        for model in &file.models {
            assert!(seen.insert(model.id.clone()), "{} twice", model.id);
            assert!(
                model.id.starts_with(&format!("{}/", model.provider)),
                "{}",
                model.id
            );
            assert!(
                super::super::known_base_url(&model.provider).is_some(),
                "{}",
                model.provider
            );
            assert!(can_chat(&model.id), "{}", model.id);
            for name in &model.parameters {
                assert!(
                    GLOSSARY.iter().any(|entry| entry.name == name),
                    "{}: {name}",
                    model.id
                );
            }
        }
    }

    #[test]
    fn of_a_provider_s_list_the_known_come_first_and_the_mute_not_at_all() {
        let provider = |models: Option<Vec<String>>| Provider {
            id: "openai".into(),
            models,
            ..Provider::default()
        };
        let list = |provider: &Provider, learned: &[&str]| -> Vec<String> {
            let listed = |name: &&str| Listed {
                name: (*name).to_owned(),
                ..Listed::default()
            };
            let learned: Vec<Listed> = learned.iter().map(listed).collect();
            let models = models_of(provider, &learned);
            models.into_iter().map(|model| model.id).collect()
        };
        let learned = [
            "text-embedding-3-small",
            "gpt-9",
            "gpt-4o",
            "whisper-1",
            "gpt-5",
        ];
        assert_eq!(
            list(&provider(None), &learned),
            ["openai/gpt-5", "openai/gpt-4o", "openai/gpt-9"]
        );
        assert!(list(&provider(None), &[]).contains(&"openai/gpt-5-mini".to_owned()));
        assert_eq!(
            list(&provider(Some(vec!["x".into()])), &learned),
            ["openai/x"]
        );
    }
}
