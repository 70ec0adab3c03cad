//! `docs/reference/openapi.json` is what the server serves. `UPDATE_EXPECT=1` writes it anew.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

#[test]
fn the_copy_in_the_reference_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let text = crate::openapi_json();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(copy == text, "run the test once with UPDATE_EXPECT=1 and look at the difference");
}

/// Routes as `routes.rs` has them: path, and methods.
fn routes() -> BTreeMap<String, BTreeSet<String>> {
    let text = include_str!("../routes.rs");
    let (v1, rest) = text.split_once(".nest(\"/v1\", v1)").unwrap();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (prefix, part) in [("/v1", v1), ("", rest)] {
        for route in part.split(".route(").skip(1) {
            let mut quoted = route.split('"');
            let path = format!("{prefix}{}", quoted.nth(1).unwrap()).replace("{*", "{");
            let handlers = route.lines().next().unwrap();
            let methods = ["get", "post", "delete", "put", "patch"].into_iter();
            let methods = methods.filter(|method| {
                handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(").{method}("))
            });
            found.entry(path).or_default().extend(methods.map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_route_is_described() {
    let described: Value = serde_json::from_str(crate::openapi_json()).unwrap();
    let described: BTreeMap<String, BTreeSet<String>> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, operations)| (path.clone(), operations.as_object().unwrap().keys().cloned().collect()))
        .collect();
    let mut routes = routes();
    // The description itself, pages for people, and the workers' WebSocket (docs/guide/durable-runs.md).
    for page in ["/openapi.json", "/docs/errors/{code}", "/v1/work"] {
        assert!(routes.remove(page).is_some(), "{page}");
    }
    assert_eq!(described, routes);
}

#[test]
fn every_operation_has_a_name_a_group_a_key_and_its_problems() {
    let api: Value = serde_json::from_str(crate::openapi_json()).unwrap();
    let groups: BTreeSet<&str> =
        api["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let (mut names, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (path, operations) in api["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{method} {path}: the name `{name}` is taken");
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{method} {path}");
            let tags = operation["tags"].as_array().unwrap();
            assert_eq!(tags.len(), 1, "{method} {path}");
            let tag = tags[0].as_str().unwrap();
            assert!(groups.contains(tag), "{method} {path}: `{tag}`");
            used.insert(tag);
            assert!(operation["security"].is_array(), "{method} {path}");
            let answers = operation["responses"].as_object().unwrap();
            let problem = &answers["default"]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{method} {path}");
            let open = operation["security"] == serde_json::json!([]);
            assert_eq!(answers.contains_key("401"), !open, "{method} {path}");
        }
    }
    assert_eq!(used, groups, "groups without an operation");
}
