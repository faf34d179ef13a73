//! Tests when the registry keeps and when it discards the state of a provider.

use super::*;

fn provider(id: &str, key: &str, owner: Option<&UserId>) -> Provider {
    Provider {
        id: id.into(),
        api_key: Some(key.into()),
        owner: owner.cloned(),
        ..Provider::default()
    }
}

#[test]
fn users_own_providers_override_shared_ones() {
    let ada = UserId::new(Timestamp::from_millis(1), 1);
    let bob = UserId::new(Timestamp::from_millis(1), 2);
    let registry = ProviderRegistry::default();
    registry.replace(
        ProviderSource::Discovered,
        vec![provider("ollama", "found", None)],
    );
    registry.replace(
        ProviderSource::Configured,
        vec![
            provider("openai", "house", None),
            provider("ollama", "set", None),
        ],
    );
    registry.replace(
        ProviderSource::Stored,
        vec![
            provider("openai", "ada", Some(&ada)),
            provider("groq", "admin", None),
            provider("ollama", "admin", None),
        ],
    );
    let key = |user: Option<&UserId>, model: &str| {
        let (entry, _) = registry.resolve(user, model)?;
        entry.provider.api_key.clone()
    };
    for (user, model, expected) in [
        (Some(&ada), "openai/m", Some("ada")),
        (Some(&bob), "openai/m", Some("house")),
        (None, "openai/m", Some("house")),
        (None, "groq/a/b", Some("admin")),
        (None, "ollama/m", Some("admin")),
        (None, "xai/m", None),
        (None, "openai", None),
    ] {
        assert_eq!(key(user, model).as_deref(), expected, "{user:?} {model}");
    }
    assert_eq!(registry.providers_of(Some(&bob)).len(), 3);
    registry.replace(ProviderSource::Stored, Vec::new());
    assert_eq!(key(Some(&ada), "openai/m").as_deref(), Some("house"));
}

#[test]
fn state_survives_changes_to_other_providers() {
    let registry = ProviderRegistry::default();
    registry.replace(ProviderSource::Stored, vec![provider("a", "1", None)]);
    registry.all_providers()[0].remember_refusal("m", "top_k");
    registry.replace(
        ProviderSource::Stored,
        vec![provider("b", "1", None), provider("a", "1", None)],
    );
    let refused_at = |at: usize| registry.all_providers()[at].refused_fields("m");
    assert_eq!(
        (refused_at(0), refused_at(1)),
        (vec![], vec!["top_k".to_owned()])
    );
    // With another key, it is a different provider.
    registry.replace(ProviderSource::Stored, vec![provider("a", "2", None)]);
    assert_eq!(refused_at(0), Vec::<String>::new());
}
