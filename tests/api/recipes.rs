//! Tests recipes through the whole server: they are saved, versioned, and shared, and they provide the fields that a
//! request omits.

use serde_json::{Value, json};

use crate::support::Server;

fn brief(pattern: &str) -> Value {
    json!({ "name": "My brief", "pattern": pattern, "models": ["demo/extract", "demo/sceptic"],
        "ultra_model": "demo/merge", "parameters": { "temperature": 0.3 }, "depth": "full" })
}

#[test]
fn every_field_of_a_recipe_is_kept_and_returned() {
    let server = Server::start();
    let mut ada = server.user("ada@example.org");
    let body = json!({
        "prompt": "Briefly: {{question}}", "models": ["demo/extract", "demo/sceptic"], "pattern": "gut",
        "ultra_model": "demo/merge", "parameters": { "temperature": 0.25 },
        "model_parameters": { "demo/extract": { "temperature": 0.5 } }, "preset": "precise", "depth": "full",
        "stop_when_agreed": 0.9, "adaptive": false, "samples": 3, "budget_usd": 0.5, "passages": 4,
        "evidence": { "mode": "off" },
    });
    for field in quire::domain::request::RECIPE_FIELDS {
        assert!(body.get(field).is_some(), "{field} is missing in this test");
    }
    let mut named_recipe = body.clone();
    named_recipe["name"] = json!("Whole");
    let created = ada.post("/api/recipes", named_recipe);
    assert_eq!(created.status, 201, "{}", created.text());
    let new_one = created.json()["recipe"].clone();
    for (field, value) in body.as_object().expect("an object") {
        let is_stored = match value {
            Value::Object(parts) => parts
                .iter()
                .all(|(part, value)| &new_one[field][part] == value),
            value => &new_one[field] == value,
        };
        assert!(is_stored, "{field}: {} instead of {value}", new_one[field]);
    }
}

#[test]
fn recipes_supply_omitted_request_fields() {
    let server = Server::start();
    let mut ada = server.user("ada@example.org");
    let created = ada.post("/api/recipes", brief("gut"));
    assert_eq!(created.status, 201, "{}", created.text());
    let new_one = created.json()["recipe"].clone();
    assert_eq!(
        (&new_one["version"], &new_one["own"], &new_one["shared"]),
        (&json!(1), &json!(true), &json!(false))
    );
    for reference in ["My brief", "My brief@1", new_one["id"].as_str().unwrap()] {
        let request = json!({ "prompt": "What is a quire?", "recipe": reference });
        let answer = ada.post("/api/analyze", request);
        assert_eq!(answer.status, 200, "{reference}: {}", answer.text());
        let metadata = &answer.json()["metadata"];
        assert_eq!(metadata["pattern"], "gut");
        assert_eq!(metadata["recipe"], "My brief@1");
        assert_eq!(metadata["depth"], "full");
        assert_eq!(
            metadata["models_used"],
            json!(["demo/extract", "demo/sceptic"])
        );
        assert_eq!(metadata["ultra_model"], "demo/merge");
        assert_eq!(metadata["parameters"]["temperature"], 0.3);
    }
    let body = json!({ "prompt": "What is a quire?", "recipe": "My brief", "pattern": "summarize", "models": ["demo/phrases"], "parameters": { "temperature": 0.9 } });
    let metadata = ada.post("/api/analyze", body).json()["metadata"].clone();
    assert_eq!(
        (&metadata["pattern"], &metadata["models_used"]),
        (&json!("summarize"), &json!(["demo/phrases"]))
    );
    assert_eq!(metadata["parameters"]["temperature"], 0.9);
    let estimate = ada.post(
        "/api/estimate",
        json!({ "prompt": "What is a quire?", "recipe": "My brief" }),
    );
    assert_eq!(estimate.status, 200, "{}", estimate.text());
    for reference in [
        "nobody's",
        "My brief@7",
        "recipe_01ARYZ6S410000000000000000",
    ] {
        let refusal = ada.post(
            "/api/analyze",
            json!({ "prompt": "x", "recipe": reference }),
        );
        refusal.refused(422, "VALIDATION_ERROR");
        assert!(
            refusal.text().contains("there is no recipe"),
            "{}",
            refusal.text()
        );
    }
    let body = json!({ "prompt": "What is a quire?", "recipe": "My brief" });
    server
        .client()
        .post("/api/analyze", body)
        .refused(401, "UNAUTHENTICATED");
}

#[test]
fn every_save_is_a_version_and_old_ones_stay() {
    let server = Server::start();
    let mut ada = server.user("ada@example.org");
    let id = ada.post("/api/recipes", brief("gut")).json()["recipe"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/recipes/{id}");
    let second = ada.post("/api/recipes", brief("summarize"));
    assert_eq!(
        (second.status, &second.json()["recipe"]["version"]),
        (200, &json!(2))
    );
    // Saving a recipe without changes does not create a version.
    assert_eq!(
        ada.post("/api/recipes", brief("summarize")).json()["recipe"]["version"],
        2
    );
    let change = json!({ "pattern": "analyze", "depth": null });
    let response = ada.put(&path, change).json();
    assert_eq!(response["recipe"]["depth"], json!(null), "null takes away");
    assert_eq!(response["recipe"]["version"], 3);
    assert_eq!(
        response["recipe"]["models"],
        json!(["demo/extract", "demo/sceptic"])
    );
    let renamed = ada.put(&path, json!({ "name": "Notes" })).json();
    assert_eq!(
        (&renamed["recipe"]["version"], &renamed["recipe"]["name"]),
        (&json!(3), &json!("Notes"))
    );
    let versions = ada.get(&format!("{path}/versions")).json();
    let patterns: Vec<&Value> = versions["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| &version["pattern"])
        .collect();
    assert_eq!(patterns, ["analyze", "summarize", "gut"]);
    assert_eq!(ada.get("/api/recipes/Notes@1").json()["pattern"], "gut");
    assert_eq!(ada.get("/api/recipes/Notes@2").json()["version"], 2);
    let request = json!({ "prompt": "What is a quire?", "recipe": "Notes@1" });
    assert_eq!(
        ada.post("/api/analyze", request).json()["metadata"]["pattern"],
        "gut"
    );
    assert_eq!(ada.delete(&path).status, 200);
    ada.get(&path).refused(404, "NOT_FOUND");
}

#[test]
fn shared_recipe_is_usable_by_all_and_editable_by_its_owner() {
    let server = Server::start();
    let mut root = server.user("root@example.org");
    let mut ada = server.user("ada@example.org");
    let mut bob = server.user("bob@example.org");
    let id = ada.post("/api/recipes", brief("gut")).json()["recipe"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/recipes/{id}");
    bob.get(&path).refused(404, "NOT_FOUND");
    assert_eq!(ada.put(&path, json!({ "shared": true })).status, 200);
    let shared_view = bob.get(&path).json();
    assert_eq!(
        (&shared_view["own"], &shared_view["shared"]),
        (&json!(false), &json!(true))
    );
    let request = json!({ "prompt": "What is a quire?", "recipe": "My brief" });
    assert_eq!(bob.post("/api/analyze", request.clone()).status, 200);
    bob.put(&path, json!({ "pattern": "critique" }))
        .refused(403, "FORBIDDEN");
    bob.delete(&path).refused(403, "FORBIDDEN");
    // A user's own recipe takes precedence over a shared recipe with the same name.
    assert_eq!(bob.post("/api/recipes", brief("summarize")).status, 201);
    assert_eq!(
        bob.post("/api/analyze", request.clone()).json()["metadata"]["pattern"],
        "summarize"
    );
    // If two shared recipes have the same name, this name is ambiguous.
    let bobs = bob.get("/api/recipes").json()["recipes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|recipe| recipe["own"] == true)
        .unwrap()["id"]
        .clone();
    bob.put(
        &format!("/api/recipes/{}", bobs.as_str().unwrap()),
        json!({ "shared": true }),
    );
    let refusal = root.post("/api/analyze", request);
    refusal.refused(422, "VALIDATION_ERROR");
    assert!(refusal.text().contains(&id), "{}", refusal.text());
    assert_eq!(root.delete(&path).status, 200);
    ada.get(&path).refused(404, "NOT_FOUND");
}

#[test]
fn unusable_recipes_are_rejected() {
    let server = Server::start();
    let mut ada = server.user("ada@example.org");
    let own = json!({ "id": "mine", "name": "Mine", "stages": [
        { "name": "initial", "prompt": "{question}" }, { "name": "ultra", "prompt": "{peers}" } ] });
    assert_eq!(ada.post("/api/patterns", own).status, 201);
    for (body, words) in [
        (json!({ "pattern": "gut" }), "needs a name"),
        (
            json!({ "name": "a@b", "pattern": "gut" }),
            "cannot contain control characters or @",
        ),
        (
            json!({ "name": "x", "pattern": "nothing" }),
            "must be one of",
        ),
        (
            json!({ "name": "x", "models": ["nobody/none"] }),
            "no model is called",
        ),
        (
            json!({ "name": "x", "parameters": { "temperature": 9 } }),
            "temperature",
        ),
        (
            json!({ "name": "x", "preset": "wild" }),
            "precise, balanced, or creative",
        ),
        (
            json!({ "name": "x", "prompt": "why?" }),
            "needs {{question}}",
        ),
        (
            json!({ "name": "x", "question": "why?" }),
            "not a known field",
        ),
        (
            json!({ "name": "x", "pattern": "mine", "shared": true }),
            "everyone has",
        ),
    ] {
        let refusal = ada.post("/api/recipes", body.clone());
        refusal.refused(422, "VALIDATION_ERROR");
        assert!(refusal.text().contains(words), "{body}: {}", refusal.text());
    }
    assert_eq!(ada.get("/api/recipes").json()["recipes"], json!([]));
    assert_eq!(
        ada.post("/api/recipes", json!({ "name": "x", "pattern": "mine" }))
            .status,
        201
    );
}
