//! What is known of models by name: data in `assets/models.json`, never code.

use std::sync::OnceLock;

use serde::Deserialize;

use super::Provider;
use crate::domain::model::Model;

static TEXT: &str = include_str!("../../assets/models.json");

#[derive(Deserialize)]
struct File {
    models: Vec<Model>,
}

fn rows() -> &'static [Model] {
    static ROWS: OnceLock<Vec<Model>> = OnceLock::new();
    // The file is part of the program; a test reads it.
    ROWS.get_or_init(|| {
        serde_json::from_str::<File>(TEXT)
            .map(|file| file.models)
            .unwrap_or_default()
    })
}

/// The names listed for a provider.
pub(super) fn names_of(provider: &str) -> Vec<String> {
    let bare = |model: &Model| model.id.split_once('/').map(|(_, name)| name.to_owned());
    rows()
        .iter()
        .filter(|model| model.provider == provider)
        .filter_map(bare)
        .collect()
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
            for name in &model.parameters {
                assert!(
                    GLOSSARY.iter().any(|entry| entry.name == name),
                    "{}: {name}",
                    model.id
                );
            }
        }
    }
}
