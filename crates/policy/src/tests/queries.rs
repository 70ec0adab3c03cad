//! What jq may not do: run for ever, look outside, or hide either in a string.

use expect_test::expect;

use crate::query::{Query, Scope};

#[test]
fn expressions_that_could_harm_are_refused() {
    let bad = [
        "repeat(1)",
        "def f: f; f",
        "range(1e9)",
        "env",
        "$ENV",
        "..env",
        "input",
        "now",
        "\"\\(env)\"",
        "\"a\\(\"b\\(repeat(1))\")c\" | .",
        "\"x\" # \"\n| env",
        "\".\" + \"\\(1)\" | until(false; .)",
        ")",
        ".a |",
        "nosuch(.a)",
        "$x",
    ];
    let told: String = bad
        .iter()
        .map(|text| match Query::compile(text) {
            Ok(_) => format!("{text:?}: TAKEN\n"),
            Err(cause) => format!("{text:?}: {cause}\n"),
        })
        .collect();
    expect![[r#"
        "repeat(1)": `repeat` is not allowed: an expression must end, and see only what it is given
        "def f: f; f": `def` is not allowed: an expression must end, and see only what it is given
        "range(1e9)": `range` is not allowed: an expression must end, and see only what it is given
        "env": `env` is not allowed: an expression must end, and see only what it is given
        "$ENV": `ENV` is not allowed: an expression must end, and see only what it is given
        "..env": `env` is not allowed: an expression must end, and see only what it is given
        "input": `input` is not allowed: an expression must end, and see only what it is given
        "now": `now` is not allowed: an expression must end, and see only what it is given
        "\"\\(env)\"": `env` is not allowed: an expression must end, and see only what it is given
        "\"a\\(\"b\\(repeat(1))\")c\" | .": `repeat` is not allowed: an expression must end, and see only what it is given
        "\"x\" # \"\n| env": comments are not allowed: write them beside the expression
        "\".\" + \"\\(1)\" | until(false; .)": `until` is not allowed: an expression must end, and see only what it is given
        ")": a bracket is closed that was not opened
        ".a |": it ends where jq expects: term
        "nosuch(.a)": there is no filter `nosuch`
        "$x": there is no variable `$x`
    "#]].assert_eq(&told);
    assert!(Query::compile(&format!("\"{}\"", "a".repeat(5_000))).is_err());
}

#[test]
fn words_in_strings_and_members_are_only_names() {
    let good = [
        "\"now and while\"",
        ".arguments.limit",
        ".output.env | length",
        "\"order/\\(.arguments.id)/range\"",
        "(.a) | (\"\\((1 + 2) | tostring) env\")",
        "\"a quote \\\" and now\"",
    ];
    for text in good {
        assert!(Query::compile(text).is_ok(), "{text}");
    }
}

#[test]
fn outputs_are_counted() {
    let many = format!("[{}]", vec!["1"; 20_000].join(","));
    let scope = Scope { output: Some(&many), ..Scope::default() };
    assert_eq!(Query::compile(".output[]").unwrap().run(scope).unwrap_err(), "more than 10000 outputs");
    assert_eq!(Query::compile(".output | length").unwrap().one(scope).unwrap().to_string(), "20000");
}

#[test]
fn an_answer_that_is_nested_too_deep_or_says_a_key_twice_is_a_text() {
    let query = Query::compile(".output | type").unwrap();
    let kind =
        |output: &str| query.one(Scope { output: Some(output), ..Scope::default() }).unwrap().to_string();
    assert_eq!(kind(r#"{"a":1}"#), "\"object\"");
    assert_eq!(kind(r#"{"a":1,"a":2}"#), "\"string\"");
    assert_eq!(kind(&"[".repeat(100_000)), "\"string\"");
    // Reading JSON by name has the same bounds: a parser without them would exhaust the stack.
    let deep = "[".repeat(100_000);
    let query = Query::compile(".output | fromjson").unwrap();
    assert!(query.one(Scope { output: Some(&deep), ..Scope::default() }).is_err());
}
