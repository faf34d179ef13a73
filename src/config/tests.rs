//! Tests of settings as users write them, and of the resulting configuration.

use super::*;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned_pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    list.iter().map(owned_pair).collect()
}

fn from_environment(list: &[(&str, &str)]) -> Config {
    let layers = ConfigLayers {
        environment: pairs(list),
        ..ConfigLayers::default()
    };
    load(&layers).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(list: &[(&str, &str)]) -> Vec<String> {
    let layers = ConfigLayers {
        environment: pairs(list),
        ..ConfigLayers::default()
    };
    load(&layers).expect_err("must be refused").0
}

#[test]
fn the_admins_models_are_read_and_validated() {
    let path = std::env::temp_dir().join(format!("quire-models-{}.json", std::process::id()));
    let setting = path.to_str().unwrap().to_owned();
    std::fs::write(&path, r#"{"models": [{"id": "a/b"}]}"#).unwrap();
    assert_eq!(
        from_environment(&[("QUIRE_MODELS", &setting)]).models.len(),
        1
    );
    std::fs::write(
        &path,
        r#"{"models": [{"id": "a/b", "cost": 1}, {"id": "c"}]}"#,
    )
    .unwrap();
    let config_errors = errors(&[("QUIRE_MODELS", &setting)]);
    assert_eq!(config_errors.len(), 2, "{config_errors:?}");
    assert!(
        config_errors[0].starts_with("QUIRE_MODELS")
            && config_errors[0].contains("unknown field `cost`"),
        "{config_errors:?}"
    );
    std::fs::remove_file(&path).unwrap();
    assert!(errors(&[("QUIRE_MODELS", &setting)])[0].contains("cannot read"));
}

#[test]
fn unset_settings_have_the_tables_defaults() {
    let config = from_environment(&[]);
    assert_eq!(config.host.to_string(), "127.0.0.1");
    assert_eq!((config.port, config.ui_port), (8080, None));
    assert_eq!(config.data_dir, PathBuf::from("./quire-data"));
    assert_eq!(config.limits.max_upload, 50 << 20);
    assert_eq!(config.password_rounds, 600_000);
    assert_eq!(config.registration, Registration::Open);
    assert_eq!((config.allow_anonymous, config.use_mock), (None, None));
    assert!(config.providers.is_empty() && config.warnings.is_empty());
    assert!(
        config
            .sources
            .iter()
            .all(|(_, source)| *source == ValueSource::Default)
    );
}

#[test]
fn mistaken_names_are_recognized() {
    for (name, meant) in [
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("QUIRE_PORT", "PORT"),
        ("QUIRE_DTA", "QUIRE_DATA"),
    ] {
        let warnings = from_environment(&[(name, "x")]).warnings;
        let expected = format!("{name} (environment) has no effect; did you mean {meant}?");
        assert_eq!(warnings, [expected]);
    }
    for list in [
        &[("OPENAI_KEY", "x"), ("OPENAI_API_KEY", "sk-0123456789")][..],
        &[("QUIRE_API_KEY", "x")],
        &[("OPENAI_KEY", "")],
        &[("EDITOR", "vi")],
    ] {
        let warnings = from_environment(list).warnings;
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[test]
fn later_layers_override_earlier_ones() {
    let layers = ConfigLayers {
        file: Some((
            "q.conf".into(),
            "PORT = 1\nUI_PORT = 11\nHOST=::1\nMAX_RUNS=2".into(),
        )),
        dotenv: Some("PORT=2\nUI_PORT=12\nMAX_RUNS=3\nFOREIGN thing".into()),
        environment: pairs(&[("PORT", "3"), ("MAX_RUNS", "")]),
        flags: pairs(&[("PORT", "4")]),
    };
    let config = load(&layers).expect("sound");
    assert_eq!((config.port, config.ui_port), (4, Some(12)));
    assert_eq!(config.host.to_string(), "::1");
    assert_eq!(config.limits.max_runs, 3, "an empty value is no value");
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(
        config
            .sources
            .contains(&("HOST", ValueSource::File("q.conf".into())))
    );
}

#[test]
fn port_in_the_environment_listens_on_all_interfaces() {
    for (list, host) in [
        (vec![("PORT", "10000")], "0.0.0.0"),
        (vec![("PORT", "10000"), ("HOST", "127.0.0.1")], "127.0.0.1"),
        (vec![("HOST", "localhost")], "127.0.0.1"),
        (vec![("HOST", "[::]")], "::"),
    ] {
        assert_eq!(from_environment(&list).host.to_string(), host, "{list:?}");
    }
    let flags = ConfigLayers {
        flags: pairs(&[("PORT", "9")]),
        ..ConfigLayers::default()
    };
    assert_eq!(load(&flags).expect("sound").host.to_string(), "127.0.0.1");
}

#[test]
fn a_database_on_a_server_excludes_copies_of_a_file() {
    let address = ("DATABASE_URL", "postgres://quire:geheim@db.internal/quire");
    let config = from_environment(&[address]);
    assert_eq!(
        config.database_url.as_ref().map(Secret::expose),
        Some(address.1)
    );
    assert!(!format!("{config:?}").contains("geheim"));
    assert_eq!(from_environment(&[]).database_url, None);
    for copies in ["QUIRE_REPLICA", "QUIRE_BACKUP_DIR"] {
        let config_errors = errors(&[address, (copies, "file:///backups")]);
        assert_eq!(config_errors.len(), 1, "{config_errors:?}");
        assert!(config_errors[0].starts_with(copies), "{config_errors:?}");
    }
}

#[test]
fn a_direct_address_belongs_to_that_of_a_database_on_a_server() {
    let address = ("DATABASE_URL", "postgres://quire@pooler.internal/quire");
    let direct = (
        "DATABASE_DIRECT_URL",
        "postgres://quire:geheim@db.internal/quire",
    );
    let config = from_environment(&[address, direct]);
    let found = config.database_direct_url.as_ref().map(Secret::expose);
    assert_eq!(found, Some(direct.1));
    assert!(!format!("{config:?}").contains("geheim"));
    let config = from_environment(&[direct]);
    assert_eq!(config.database_direct_url, None);
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    let config_errors = errors(&[address, ("DATABASE_DIRECT_URL", "db.internal")]);
    assert!(
        config_errors[0].starts_with("DATABASE_DIRECT_URL"),
        "{config_errors:?}"
    );
}

#[test]
fn the_predecessors_names_are_accepted() {
    let config = from_environment(&[
        ("JWT_SECRET", "0123456789abcdef"),
        ("ENABLE_MOCK_LLM", "TRUE"),
        ("DATA_DIR", "/data"),
        ("ENV", "prod"),
        ("LOG_LEVEL", "WARNING"),
        (
            "CORS_ORIGINS",
            r#"["http://localhost:3000", "https://A.example/"]"#,
        ),
        ("DATABASE_URL", "sqlite:///./app.db"),
        ("ANTHROPIC_API_KEY", "sk"),
    ]);
    assert_eq!(config.secret.map(|s| s.expose().len()), Some(16));
    assert_eq!(config.use_mock, Some(true));
    assert_eq!(config.data_dir, PathBuf::from("/data"));
    assert_eq!(config.environment, Environment::Production);
    assert_eq!(config.log_level, "warn");
    assert_eq!(
        config.cors_origins,
        ["http://localhost:3000", "https://a.example"]
    );
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    let ids: Vec<&str> = config.providers.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["anthropic"]);
}

#[test]
fn the_main_name_wins_over_its_aliases() {
    let config = from_environment(&[
        ("JWT_SECRET", "aaaaaaaaaaaaaaaa"),
        ("QUIRE_SECRET", "bbbbbbbbbbbbbbbb"),
        ("ENV", "/home/ada/.shinit"),
    ]);
    assert_eq!(
        config.secret.as_ref().map(Secret::expose),
        Some("bbbbbbbbbbbbbbbb")
    );
    assert_eq!(
        config.warnings,
        ["JWT_SECRET is ignored because QUIRE_SECRET is set too"]
    );
    assert_eq!(config.environment, Environment::Development);
}

#[test]
fn secrets_are_never_printed() {
    let config = from_environment(&[
        ("QUIRE_SECRET", "very-secret-text-1"),
        ("OPENAI_API_KEY", "very-secret-text-2"),
        ("SMTP_URL", "smtp://u:very-secret-text-3@h"),
    ]);
    assert!(!format!("{config:?}").contains("very-secret"));
    let short = errors(&[("JWT_SECRET", "very-secret")]);
    assert!(
        short[0].starts_with("JWT_SECRET (environment): it needs at least 16"),
        "{short:?}"
    );
    assert!(!short[0].contains("very-secret"));
}

#[test]
fn all_errors_are_reported_together() {
    let layers = ConfigLayers {
        file: Some(("q.conf".into(), "PROT=1\nnonsense\nMAX_RUNS=0".into())),
        environment: pairs(&[
            ("PORT", "70000"),
            ("HOST", "example.org"),
            ("ENVIRONMENT", "moon"),
            ("PUBLIC_URL", "ftp://x"),
            ("TRUSTED_PROXIES", "10.0.0.0/33,::1"),
            ("CORS_ORIGINS", "https://a.example/path"),
            ("ALLOW_ANONYMOUS", "maybe"),
            ("CACHE_TTL", "-1"),
            ("PASSWORD_ROUNDS", "1000"),
            ("QUIRE_PROVIDERS", "[{\"id\":\"x\",\"kind\":\"soap\"}]"),
        ]),
        ..ConfigLayers::default()
    };
    let errors = load(&layers).expect_err("must be refused").0;
    assert_eq!(errors.len(), 13, "{errors:#?}");
    for expected in [
        "q.conf line 1: there is no setting PROT",
        "q.conf line 2: expected NAME = value",
        "MAX_RUNS (file q.conf): \"0\" is not a whole number from 1 to 10000",
        "PORT (environment): \"70000\" is not a port",
        "ENVIRONMENT (environment): \"moon\" is not one of development, production, test",
        "TRUSTED_PROXIES (environment): \"10.0.0.0/33\"",
        "must be one of openai, responses, anthropic, gemini, ollama, not \"soap\"",
    ] {
        assert!(
            errors.iter().any(|error| error.contains(expected)),
            "{expected} in {errors:#?}"
        );
    }
}

#[test]
fn providers_come_from_keys_urls_and_the_list() {
    let config = from_environment(&[
        ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/"),
        ("GROQ_API_KEY", "g"),
        ("OLLAMA_BASE_URL", "http://127.0.0.1:11434"),
        ("KEY_OF_MINE", "k"),
        (
            "QUIRE_PROVIDERS",
            r#"[{"id":"mine","base_url":"https://m.example/v1","api_key_env":"KEY_OF_MINE","models":["a","b"],"concurrency":2},
                {"id":"groq","kind":"openai","api_key":"other","models":"*"}]"#,
        ),
    ]);
    let provider_list: Vec<_> = config
        .providers
        .iter()
        .map(|p| {
            (
                p.id.as_str(),
                p.base_url.as_deref(),
                p.api_key.as_ref().map(Secret::expose),
            )
        })
        .collect();
    assert_eq!(
        provider_list,
        [
            ("openai", Some("http://127.0.0.1:9/v1"), None),
            ("ollama", Some("http://127.0.0.1:11434"), None),
            ("mine", Some("https://m.example/v1"), Some("k")),
            ("groq", None, Some("other")),
        ]
    );
    assert_eq!(
        config.providers[2].models,
        ProviderModels::List(vec!["a".into(), "b".into()])
    );
    assert_eq!(config.providers[2].concurrency, Some(2));
}

#[test]
fn invalid_provider_lists_are_rejected() {
    for (list, why) in [
        ("[{}]", "missing field `id`"),
        ("[", "not a list of providers"),
        ("nowhere.json", "cannot read nowhere.json"),
        (
            r#"[{"id":"a","base_url":"http://h","colour":1}]"#,
            "unknown field",
        ),
        (r#"[{"id":"a"}]"#, "needs a \"base_url\""),
        (r#"[{"id":"A/b","base_url":"http://h"}]"#, "lowercase"),
        (r#"[{"id":"demo","base_url":"http://h"}]"#, "reserved"),
        (r#"[{"id":"a","base_url":"http://u:p@h"}]"#, "no user name"),
        (
            r#"[{"id":"a","base_url":"file:///etc/passwd"}]"#,
            "begin with http",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","api_key_env":"NOT_THERE"}]"#,
            "NOT_THERE",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","api_key":"x","api_key_env":"Y"}]"#,
            "not both",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","models":[]}]"#,
            "list of names",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","models":[1]}]"#,
            "list of names",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","concurrency":0}]"#,
            "at least 1",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","price":{"input":-1,"output":1}}]"#,
            "\"price\" is in dollars",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","price":{"input":1,"output":1,"per":1000}}]"#,
            "\"price\": unknown field `per`",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","price":0.5}]"#,
            "\"price\": invalid type",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","rpm":3}]"#,
            "unknown field `rpm`",
        ),
        (
            r#"[{"id":"a","base_url":"http://h","model_settings":{"m":{"price":1}}}]"#,
            "unknown field `price`",
        ),
    ] {
        let errors = errors(&[("QUIRE_PROVIDERS", list)]);
        assert!(errors[0].contains(why), "{list}: {errors:?}");
    }
}

#[test]
fn a_wildcard_origin_is_ignored_with_a_warning() {
    let config = from_environment(&[("CORS_ORIGINS", "*, https://a.example")]);
    assert_eq!(config.cors_origins, ["https://a.example"]);
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn cheap_password_hashes_are_allowed_only_in_tests() {
    let config = from_environment(&[("ENVIRONMENT", "test"), ("PASSWORD_ROUNDS", "1000")]);
    assert_eq!(config.password_rounds, 1000);
}
