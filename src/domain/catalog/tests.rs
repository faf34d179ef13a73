//! Tests catalog lookups and the validation of sheets.

use super::*;
use crate::domain::model::{Structured, Thinking};
use crate::domain::money::Price;

fn catalog_with(text: &str) -> Catalog {
    Catalog::new(CatalogSheet::parse(text).unwrap())
}

fn described_model(catalog: &Catalog, id: &str) -> Model {
    let (provider, name) = id.split_once('/').unwrap();
    catalog.describe(provider, name, ListedFacts::default())
}

/// Providers, each with model names that Quire's predecessor used or that are in common use.
const LEGACY_MODEL_NAMES: &[(&str, &[&str])] = &[
    (
        "openai",
        &[
            "gpt4",
            "gpt-4",
            "gpt-4-turbo",
            "gpt4o",
            "gpt4o-mini",
            "gpt4omini",
            "gpt-3.5-turbo",
            "gpt5",
        ],
    ),
    (
        "anthropic",
        &[
            "claude",
            "claude-3",
            "claude3opus",
            "claude-3-opus",
            "claude-3-sonnet",
        ],
    ),
    (
        "google",
        &["gemini", "gemini-pro", "gemini-1.5", "gemini-1.5-pro"],
    ),
    ("deepseek", &["deepseek"]),
    ("mistral", &["mistral-large", "mistral-small"]),
    ("groq", &["llama3", "llama-3"]),
    ("xai", &["grok", "grok-4"]),
    ("together", &["llama3", "llama-3"]),
    (
        "openrouter",
        &[
            "claude",
            "claude3opus",
            "claude-3",
            "gemini",
            "gemini-pro",
            "gemini-1.5",
            "gpt4o",
            "gpt-4",
            "llama3",
        ],
    ),
];

#[test]
fn the_built_in_sheet_is_valid() {
    let sheet = CatalogSheet::parse_with_classes(BUILT_IN_SHEET, &BTreeMap::new());
    let sheet = sheet.unwrap_or_else(|errors| panic!("{}", errors.join("\n")));
    let catalog = catalog_with("{}");
    let mut used_names = std::collections::BTreeSet::new();
    assert!((60..200).contains(&sheet.len()), "{} models", sheet.len());
    for row in &sheet.rows {
        let (provider, name) = row.id.split_once('/').unwrap();
        let model = described_model(&catalog, &row.id);
        assert!(catalog.can_chat(name), "{}", row.id);
        assert_eq!(
            model.price.is_some(),
            !model.price_of.is_empty(),
            "{}",
            row.id
        );
        assert_eq!(row.name.as_ref(), Some(&model.name));
        assert!(model.strength > 1 && !model.family.is_empty(), "{}", row.id);
        assert!(!model.parameters.is_empty(), "{}", row.id);
        // A model with effort levels must specify how they are sent to its provider.
        let accepts_effort = model
            .parameters
            .iter()
            .any(|name| name == "reasoning_effort");
        let is_specified = !matches!(model.thinking, Thinking::Fixed | Thinking::Unknown);
        assert_eq!(accepts_effort, is_specified, "{}", row.id);
        // On a hosted provider, an old name maps to exactly one model; on a local server, to any that is installed.
        if !sheet.servers.contains_key(provider) {
            for alias in &model.aliases {
                assert!(
                    used_names.insert((provider, alias.clone())),
                    "{provider}: {alias} twice"
                );
            }
        }
    }
    for (start, family) in &sheet.families {
        assert_eq!(*start, start.to_ascii_lowercase());
        assert!(!family.is_empty());
    }
}

#[test]
fn every_old_name_resolves_at_each_configured_provider() {
    let catalog = catalog_with("{}");
    for (provider, names) in LEGACY_MODEL_NAMES {
        let models: Vec<Model> = catalog
            .names_of(provider)
            .map(|name| described_model(&catalog, &format!("{provider}/{name}")))
            .collect();
        for name in *names {
            let named = |model: &Model| {
                model.id == format!("{provider}/{name}")
                    || model.aliases.iter().any(|alias| alias == name)
            };
            assert!(models.iter().any(named), "{provider}: {name}");
        }
    }
}

#[test]
fn a_row_inherits_missing_fields_from_its_class() {
    let model = described_model(&catalog_with("{}"), "anthropic/claude-haiku-4-5");
    assert_eq!(
        (model.family.as_str(), model.thinking, model.context_window),
        ("claude", Thinking::Budget, 200_000)
    );
    let price = model.price.unwrap();
    assert_eq!((price.input, price.output), (1.0, 5.0));
    assert_eq!(model.price_of, "2026-10-02");
}

#[test]
fn admin_rows_replace_and_add() {
    let catalog = catalog_with(
        r#"{"classes": {"ours": {"family": "llama", "structured": "tool", "context_window": 9000}},
            "not_chat": ["Secret"],
            "models": [
              {"id": "openai/gpt-5", "price": {"input": 1, "output": 1}},
              {"id": "openai/gpt-5-mini", "price": {"input": 0.2, "output": 1}, "price_of": "2026-11-20"},
              {"id": "openai/gpt-4o", "aliases": []},
              {"id": "office/big", "like": "ours", "name": "The big one", "strength": 99},
              {"id": "office/small", "like": "ours", "context_window": 1000}
            ]}"#,
    );
    let model = described_model(&catalog, "openai/gpt-5");
    // The price comes from the provider, which gives no date for it. Everything else stays the same.
    assert_eq!(model.price.unwrap().input, 1.0);
    assert_eq!(
        (
            model.price_of.as_str(),
            model.name.as_str(),
            model.context_window
        ),
        ("", "GPT-5", 400_000)
    );
    assert_eq!(
        described_model(&catalog, "openai/gpt-5-mini").price_of,
        "2026-11-20"
    );
    assert!(
        described_model(&catalog, "openai/gpt-4o")
            .aliases
            .is_empty()
    );
    let big = described_model(&catalog, "office/big");
    assert_eq!(
        (
            big.name.as_str(),
            big.structured,
            big.context_window,
            big.provider.as_str()
        ),
        ("The big one", Structured::Tool, 9_000, "office")
    );
    assert_eq!(
        described_model(&catalog, "office/small").context_window,
        1_000
    );
    assert_eq!(
        catalog.names_of("office").collect::<Vec<_>>(),
        ["big", "small"]
    );
    let openai: Vec<&str> = catalog.names_of("openai").collect();
    assert_eq!(openai.iter().filter(|name| **name == "gpt-5").count(), 1);
    assert!(!catalog.can_chat("top-secret-1") && !catalog.can_chat("text-embedding-3"));
}

#[test]
fn invalid_rows_are_rejected_with_a_reason() {
    for (text, expected) in [
        ("[]", "not a model sheet"),
        (r#"{"modles": []}"#, "unknown field `modles`"),
        (
            r#"{"models": [{"id": "a/b", "cost": 1}]}"#,
            "model \"a/b\": unknown field `cost`",
        ),
        (
            r#"{"models": [{"name": "x"}]}"#,
            "\"id\" must be provider/name",
        ),
        (r#"{"models": [7]}"#, "model 1: it must be an object"),
        (
            r#"{"models": [{"id": "b"}]}"#,
            "\"id\" must be provider/name",
        ),
        (
            r#"{"models": [{"id": "a/b"}, {"id": "a/b"}]}"#,
            "is listed twice",
        ),
        (
            r#"{"models": [{"id": "a/b", "like": "gtp"}]}"#,
            "unknown class \"gtp\"",
        ),
        (
            r#"{"models": [{"id": "a/b", "context_window": -1}]}"#,
            "invalid value: integer `-1`",
        ),
        (
            r#"{"models": [{"id": "a/b", "context_window": 5000000000}]}"#,
            "at most 1,000,000,000",
        ),
        (
            r#"{"models": [{"id": "a/b", "vision": "yes"}]}"#,
            "invalid type: string \"yes\"",
        ),
        (
            r#"{"models": [{"id": "a/b", "thinking": "loud"}]}"#,
            "unknown variant `loud`",
        ),
        (
            r#"{"models": [{"id": "a/b", "price": {"input": 1}}]}"#,
            "missing field `output`",
        ),
        (
            r#"{"models": [{"id": "a/b", "price": {"input": 1, "output": 2, "per": "k"}}]}"#,
            "unknown field `per`",
        ),
        (
            r#"{"models": [{"id": "a/b", "price": {"input": -1, "output": 2}}]}"#,
            "dollars per million",
        ),
        (
            r#"{"models": [{"id": "a/b", "price": {"input": 1, "output": 2000000}}]}"#,
            "dollars per million",
        ),
        (
            r#"{"models": [{"id": "a/b", "price": {"input": 1, "output": 2, "cached_input": 3}}]}"#,
            "dollars per million",
        ),
        (
            r#"{"models": [{"id": "a/b", "price": {"input": 2, "output": 2, "long": {"over": 9, "input": 1, "output": 2}}}]}"#,
            "dollars per million",
        ),
        (
            r#"{"models": [{"id": "a/b", "price_of": "November"}]}"#,
            "\"price_of\" is the date",
        ),
        (
            r#"{"models": [{"id": "a/b", "price_of": "2026-13"}]}"#,
            "\"price_of\" is the date",
        ),
        (
            r#"{"models": [{"id": "a/b", "parameters": ["heat"]}]}"#,
            "\"parameters\" can contain temperature",
        ),
        (
            r#"{"models": [{"id": "a/b", "efforts": ["huge"]}]}"#,
            "\"efforts\" can contain none",
        ),
        (
            r#"{"models": [{"id": "a/b", "aliases": [""]}]}"#,
            "\"aliases\" and \"tags\"",
        ),
        (
            r#"{"classes": {"c": {"id": "a/b"}}}"#,
            "class \"c\": a class cannot have \"id\"",
        ),
        (
            r#"{"servers": {"s": "c"}}"#,
            "server \"s\": unknown class \"c\"",
        ),
    ] {
        let errors = CatalogSheet::parse(text).expect_err(text).join("\n");
        assert!(errors.contains(expected), "{text}\n{errors}");
    }
    let all = CatalogSheet::parse(
        r#"{"models": [{"id": "a"}, {"id": "a/b", "x": 1}, {"id": "a/c", "price_of": "?"}]}"#,
    );
    assert_eq!(all.unwrap_err().len(), 3, "all errors are reported at once");
}

#[test]
fn unknown_facts_are_not_guessed_from_a_name() {
    let catalog = catalog_with("{}");
    for (id, family) in [
        ("openai/gpt-99-ultra", "gpt"),
        ("openrouter/meta-llama/llama-9", "llama"),
        ("openrouter/anthropic/claude-vision-9", "claude"),
        ("openai/o1-mini", "gpt"),
        ("x/gpt-oss-999b", "gpt"),
        ("x/whatever", ""),
    ] {
        let model = described_model(&catalog, id);
        assert_eq!(model.family, family, "{id}");
        assert_eq!(
            (
                model.vision,
                model.price,
                model.context_window,
                model.structured,
                model.strength
            ),
            (None, None, 0, Structured::Native, 1),
            "{id}"
        );
    }
}

#[test]
fn a_local_model_is_found_without_its_tag() {
    let catalog = catalog_with(r#"{"models": [{"id": "ollama/gemma3:4b", "strength": 7}]}"#);
    let model = described_model(&catalog, "ollama/gemma3:27b-it-qat");
    assert_eq!(
        (
            model.id.as_str(),
            model.name.as_str(),
            model.vision,
            model.family.as_str()
        ),
        (
            "ollama/gemma3:27b-it-qat",
            "gemma3:27b-it-qat",
            Some(true),
            "gemma"
        )
    );
    let model = described_model(&catalog, "ollama/gemma3:4b");
    assert_eq!((model.strength, model.vision), (7, Some(true)));
    // The class of a local server supplies the parameters of all of its models.
    let model = described_model(&catalog, "ollama/somebody/else:1b");
    assert_eq!(
        (model.structured, model.thinking, model.vision),
        (Structured::Native, Thinking::Unknown, None)
    );
    assert_eq!(model.tags, ["offline"]);
    // The operator installs the models of a local server, so they are unknown until the server is queried.
    assert_eq!(catalog.names_of("ollama").count(), 0);
    // On a hosted provider, the tag is part of the name: a free variant has a different price.
    let model = described_model(&catalog, "openrouter/z-ai/glm-5.3:free");
    assert_eq!(model.price, None);
}

#[test]
fn provider_data_ranks_between_the_two_sheets() {
    let catalog = catalog_with(r#"{"models": [{"id": "openai/gpt-5", "context_window": 5}]}"#);
    let listed_facts = || ListedFacts {
        context_window: Some(7),
        price: Some((
            Price {
                input: 9.0,
                output: 9.0,
                ..Price::default()
            },
            "2026-11-23".into(),
        )),
        vision: Some(false),
        parameters: Some(vec!["top_k".into()]),
    };
    let model = catalog.describe("openai", "gpt-5", listed_facts());
    assert_eq!((model.context_window, model.price.unwrap().input), (5, 9.0));
    assert_eq!(model.price_of, "2026-11-23");
    assert!(model.vision == Some(true) && !model.parameters.contains(&"top_k".to_owned()));
    let model = catalog.describe("openai", "new", listed_facts());
    assert_eq!(
        (model.context_window, model.parameters),
        (7, vec!["top_k".to_owned()])
    );
}
