//! One golden message for each code: file, line, what is wrong, what to do.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::shop::{Files, edited, files, problems, told};

/// Every code that compiling can report, as the reference lists them.
pub(super) const CODES: [&str; 69] = [
    "annotation_unknown",
    "argument_invisible",
    "auth_invalid",
    "class_unknown",
    "concurrency_invalid",
    "connector_kind",
    "counter_amount",
    "counter_per",
    "counter_window",
    "currency_missing",
    "duration_invalid",
    "empty_policy",
    "environment_unknown",
    "expires_invalid",
    "fact_type_unknown",
    "fact_unknown",
    "file_missing",
    "file_too_large",
    "file_unused",
    "folder_too_large",
    "forbid_without_level",
    "gate_on_approve",
    "gate_on_permit",
    "gate_without_role",
    "headline_invalid",
    "http_tool_incomplete",
    "http_tool_invalid",
    "idempotency_header_missing",
    "jq_invalid",
    "manifest_invalid",
    "manifest_missing",
    "name_invalid",
    "name_taken",
    "no_conflict_key",
    "no_look_up",
    "not_a_read",
    "obligation_without_gate",
    "path_invalid",
    "people_missing",
    "person_unknown",
    "policy_id_invalid",
    "policy_id_taken",
    "policy_invalid",
    "policy_suspicious",
    "policy_syntax",
    "policy_too_large",
    "policy_without_id",
    "quorum_invalid",
    "quorum_out_of_reach",
    "redact_invalid",
    "redact_unknown",
    "retention_days_invalid",
    "retention_reason_too_long",
    "retention_too_short",
    "retention_unknown",
    "risk_invalid",
    "role_unknown",
    "rounding_unknown",
    "schema_invalid",
    "secret_in_file",
    "stage_unknown",
    "time_zone_unknown",
    "tolerance_invalid",
    "toml_invalid",
    "too_many_policies",
    "too_many_tools",
    "tool_unclassified",
    "tool_unknown",
    "url_invalid",
];
const SPACE: &str = "workspace.toml";
const AGENT: &str = "agents/shop-agent.toml";
const CRM: &str = "connectors/crm.toml";
const PINNED: &str = "connectors/crm.manifest.json";
const RULES: &str = "policies/shop.cedar";

fn all(cases: &[(&str, &str, &str)]) -> String {
    cases.iter().map(|(path, from, to)| told(&problems(&edited(path, from, to)))).collect()
}

fn check(cases: &[(&str, &str, &str)], expected: Expect) {
    expected.assert_eq(&all(cases));
}

const OF_PEOPLE: [(&str, &str, &str); 13] = [
    (SPACE, "title = \"The shop\"", "titel = \"The shop\""),
    (SPACE, "title = \"The shop\"", "title = \"The shop"),
    (SPACE, "name = \"shop\"", "name = \"The Shop\""),
    (SPACE, "America/New_York", "America/New_Yrok"),
    (SPACE, "[people.jonas]\nroles = [\"finance\"]", "[people.jonas]\nroles = [\"finanse\"]"),
    (AGENT, "owner = \"mara\"", "owner = \"marra\""),
    (AGENT, "deputy = \"jonas\"", "deputy = \"nobody\""),
    (AGENT, "\"production\"", "\"live\""),
    (AGENT, "\"production\"", "\"production\"\nconcurrency = 0"),
    ("agents/other.toml", "", "name = \"shop-agent\"\nowner = \"mara\""),
    ("policies/never.ceder", "", "forbid (principal, action, resource);"),
    ("policies/../x.cedar", "", ""),
    ("runbooks/x y.md", "", ""),
];

#[test]
fn workspace_people_and_agents() {
    check(
        &OF_PEOPLE,
        expect![[r#"
            workspace.toml:2: error toml_invalid: unknown field `titel`, expected one of `name`, `title`, `time_zone`, `roles`, `people`, `counters` (did you mean `title`?)
            workspace.toml:2: error toml_invalid: invalid basic string, expected `"` (docs/reference/workspace-files.md lists what may stand here)
            workspace.toml:1: error name_invalid: `The Shop` is not a valid workspace name: 1 to 63 of a-z, 0-9, `-`, `_`, beginning with a letter (rename it)
            workspace.toml:3: error time_zone_unknown: `America/New_Yrok` is not a time zone (an IANA name such as `Europe/Vienna`)
            workspace.toml:9: error role_unknown: `jonas` holds the role `finanse`, which is not declared (did you mean `finance`?)
            agents/shop-agent.toml:3: error person_unknown: the owner `marra` is not a person of the workspace (add `[people.marra]` to workspace.toml)
            agents/shop-agent.toml:4: error person_unknown: the deputy `nobody` is not a person of the workspace (add `[people.nobody]` to workspace.toml)
            agents/shop-agent.toml:5: error stage_unknown: `live` is not a stage (experiment, shadow, canary, production, retired)
            agents/shop-agent.toml:6: error concurrency_invalid: an agent may have 1 to 10000 runs with workers at once (leave it out for 100)
            agents/shop-agent.toml:1: error name_taken: another file declares the agent `shop-agent`, too (rename one)
            policies/never.ceder:0: warning file_unused: no part of the workspace: nothing reads it (see the reference of workspace files for names)
            :0: error path_invalid: `policies/../x.cedar` is not a plain path (letters, digits, `-`, `_` and `.`)
            :0: error path_invalid: `runbooks/x y.md` is not a plain path (letters, digits, `-`, `_` and `.`)
        "#]],
    );
}

const KEPT: &str = "retention.toml";

#[test]
fn classes_of_retention() {
    check(
        &[
            (KEPT, "", "[classes.short]\ndays = 182"),
            (KEPT, "", "[classes.short]\ndays = 182\nreason = \" \""),
            (KEPT, "", "[classes.standard]\ndays = 0"),
            (KEPT, "", "[classes.standard]\ndays = 36501"),
            (KEPT, "", "[classes.Long]\ndays = 4000"),
            (KEPT, "", "[classes.long]\nyears = 7"),
            (KEPT, "", &format!("[classes.short]\ndays = 1\nreason = \"{}\"", "x".repeat(4_097))),
            (AGENT, "owner = \"mara\"", "retention = \"standart\"\nowner = \"mara\""),
            (AGENT, "owner = \"mara\"", "retention = \"ten-years\"\nowner = \"mara\""),
            (KEPT, "", "[classes.floor]\ndays = 183\n[classes.short]\ndays = 1\nreason = \"a pilot\""),
        ],
        expect![[r#"
            retention.toml:1: error retention_too_short: `short` keeps for 182 days, less than 183 (keep for longer, or add `reason = "…"`: it goes on record when the folder is applied)
            retention.toml:1: error retention_too_short: `short` keeps for 182 days, less than 183 (keep for longer, or add `reason = "…"`: it goes on record when the folder is applied)
            retention.toml:1: error retention_days_invalid: `standard` keeps for 0 days (1 to 36500; 183 or more without a reason)
            retention.toml:1: error retention_days_invalid: `standard` keeps for 36501 days (1 to 36500; 183 or more without a reason)
            retention.toml:1: error name_invalid: `Long` is not a valid retention class: 1 to 63 of a-z, 0-9, `-`, `_`, beginning with a letter (rename it)
            retention.toml:2: error toml_invalid: unknown field `years`, expected `days` or `reason` (docs/reference/workspace-files.md lists what may stand here)
            retention.toml:1: error retention_reason_too_long: the reason of `short` is longer than 4096 bytes (shorten it)
            agents/shop-agent.toml:3: error retention_unknown: `standart` is not a class of retention (did you mean `standard`?)
            agents/shop-agent.toml:3: error retention_unknown: `ten-years` is not a class of retention (add `[classes.NAME]` with `days = 183` or more to retention.toml)
        "#]],
    );
}

const OF_CONNECTORS: [(&str, &str, &str); 22] = [
    (CRM, "kind = \"mcp\"", "kind = \"soap\""),
    (CRM, "environment = \"sandbox\"", "environment = \"test\""),
    (CRM, "environment = \"sandbox\"", "timeout = \"5s\""),
    (CRM, "\n\n[tools.get_order]", "\n[auth]\nbearer = \"s3cret\"\n[tools.get_order]"),
    (CRM, "\n\n[tools.get_order]", "\n[auth]\nheader = \"x-key\"\n[tools.get_order]"),
    (CRM, "class = \"once\"", "class = \"onec\""),
    (CRM, "[tools.note]", "[tools.noet]"),
    (CRM, "conflict_key = '\"scale\"'", ""),
    (CRM, "[tools.refund.lookup]\ntool", "[tools.note.lookup]\ntool"),
    (CRM, "'.output.status == \"refunded\"'", "'.output.status == '"),
    (CRM, "\"Refund {.facts", "\"Refund {{.facts"),
    (CRM, "read = \"get_order\"", "read = \"get_ordr\""),
    (CRM, "read = \"get_order\"", "read = \"note\""),
    (CRM, "type = \"money\"", "type = \"decimal\""),
    (CRM, "currency = \"USD\"", ""),
    (CRM, "currency = \"USD\"", "currency = \"USD\"\nrounding = \"down\""),
    (CRM, "tolerance = \"0.50\"", "tolerance = \"a bit\""),
    (
        CRM,
        "[tools.scale]",
        "[tools.scale.facts.Bad-Name]\ntype = \"text\"\nvalue = \".arguments.by\"\n[tools.scale]",
    ),
    (PINNED, "{\"type\": \"integer\"}", "{\"type\": \"whole\"}"),
    (
        PINNED,
        "{\"by\": {\"type\": \"integer\"}",
        "{\"how\": {\"anyOf\": [{\"type\": \"string\"}]}, \"by\": {\"type\": \"integer\"}",
    ),
    (PINNED, "\"name\": \"scale\"", "\"name\": \"note\""),
    (PINNED, "]}\n", "}"),
];

#[test]
fn connectors_and_tools() {
    check(
        &OF_CONNECTORS,
        expect![[r#"
            connectors/crm.manifest.json:0: warning file_unused: there is no connector `crm` that would pin these tools (name it after its connector)
            connectors/crm.toml:2: error connector_kind: `soap` is not `mcp` with `url` or `command`, or `http` with `url` (see the guide to connectors)
            policies/shop.cedar:13: error redact_unknown: `@redact` of `refund-above-500` names `/memo`, which no tool has (name an argument: `input.card_number`)
            policies/shop.cedar:21: error redact_unknown: `@redact` of `day-above-1000` names `/reason`, which no tool has (name an argument: `input.card_number`)
            workspace.toml:18: error tool_unknown: the counter `refunded_today` names `crm.refund`, which is no pinned tool (write `connector.tool`)
            workspace.toml:24: error tool_unknown: the counter `refunds_of_run` names `crm.refund`, which is no pinned tool (write `connector.tool`)
            connectors/crm.toml:4: error environment_unknown: `test` is not an environment (sandbox or production)
            connectors/crm.toml:4: error duration_invalid: `5s` is not a duration of at most 300 s (ISO 8601, for example `PT5S`)
            connectors/crm.toml:6: error secret_in_file: the credential is not a reference (write `env:NAME` or `file:/path`, never the secret itself)
            connectors/crm.manifest.json:0: warning file_unused: there is no connector `crm` that would pin these tools (name it after its connector)
            connectors/crm.toml:6: error auth_invalid: `[auth]` needs `bearer`, or `header` and `secret` (bearer = "env:CRM_TOKEN")
            policies/shop.cedar:13: error redact_unknown: `@redact` of `refund-above-500` names `/memo`, which no tool has (name an argument: `input.card_number`)
            policies/shop.cedar:21: error redact_unknown: `@redact` of `day-above-1000` names `/reason`, which no tool has (name an argument: `input.card_number`)
            workspace.toml:18: error tool_unknown: the counter `refunded_today` names `crm.refund`, which is no pinned tool (write `connector.tool`)
            workspace.toml:24: error tool_unknown: the counter `refunds_of_run` names `crm.refund`, which is no pinned tool (write `connector.tool`)
            connectors/crm.toml:10: error class_unknown: `onec` is not an effect class (did you mean `once`?)
            connectors/crm.toml:0: warning tool_unclassified: `crm.note` has no class and counts as irreversible (add `[tools.note]` with its class)
            connectors/crm.toml:30: error tool_unknown: `crm` has no tool `noet` (did you mean `note`?)
            connectors/crm.toml:34: warning no_conflict_key: `scale` declares no conflict key: two calls on one record may overlap (conflict_key = ".arguments.order_id")
            connectors/crm.toml:10: warning no_look_up: an unknown outcome of `refund` will wait for a person (add `[tools.refund.lookup]`)
            connectors/crm.toml:10: warning no_look_up: an unknown outcome of `refund` will wait for a person (add `[tools.refund.lookup]`)
            connectors/crm.toml:28: error jq_invalid: lookup.applied: it ends where jq expects: term (jq on `.arguments`, `.facts`, `.output`)
            connectors/crm.toml:14: error headline_invalid: headline: a brace is not closed (text with jq in braces: `Cancel {.arguments.order_id}`)
            connectors/crm.toml:16: error tool_unknown: there is no tool `crm.get_ordr` (did you mean `crm.get_order`?)
            workspace.toml:18: error fact_unknown: `crm.refund` has no fact `refund` (declare it at the tool)
            connectors/crm.toml:16: error not_a_read: `crm.note` is not of class read (facts and look-ups may change nothing)
            workspace.toml:18: error fact_unknown: `crm.refund` has no fact `refund` (declare it at the tool)
            connectors/crm.toml:16: error fact_type_unknown: `decimal` is not a type of fact (money, integer, text, bool or texts)
            workspace.toml:18: error fact_unknown: `crm.refund` has no fact `refund` (declare it at the tool)
            connectors/crm.toml:16: error currency_missing: the fact `refund` is money without a currency (currency = "USD")
            workspace.toml:18: error fact_unknown: `crm.refund` has no fact `refund` (declare it at the tool)
            connectors/crm.toml:16: error rounding_unknown: `down` is not a rounding (exact, up or half_even)
            workspace.toml:18: error fact_unknown: `crm.refund` has no fact `refund` (declare it at the tool)
            connectors/crm.toml:16: error tolerance_invalid: the tolerance of `refund` is not an amount (tolerance = "0.50")
            connectors/crm.toml:34: error name_invalid: `Bad-Name` is not a valid role: 1 to 63 of a-z, 0-9, `-`, `_`, beginning with a letter (rename it)
            connectors/crm.toml:34: error schema_invalid: the schema of `crm.scale`: "whole" is not valid under any of the schemas listed in the 'anyOf' keyword (pin the tool again, or ask its makers)
            connectors/crm.manifest.json:0: warning argument_invisible: policy cannot see `/how` of `crm.scale`: its schema has no Cedar type (write no rule on it, or take it as a fact)
            connectors/crm.toml:0: error name_taken: the tool `crm.note` is pinned twice (keep one in the manifest)
            connectors/crm.toml:34: error tool_unknown: `crm` has no tool `scale` (pinned are get_order, note, refund)
            connectors/crm.manifest.json:0: error manifest_invalid: the text is not valid JSON: expected `,` or `]` at line 14 column 1 (run `countersign connector pin crm` again)
            policies/shop.cedar:13: error redact_unknown: `@redact` of `refund-above-500` names `/memo`, which no tool has (name an argument: `input.card_number`)
            policies/shop.cedar:21: error redact_unknown: `@redact` of `day-above-1000` names `/reason`, which no tool has (name an argument: `input.card_number`)
            workspace.toml:18: error tool_unknown: the counter `refunded_today` names `crm.refund`, which is no pinned tool (write `connector.tool`)
            workspace.toml:24: error tool_unknown: the counter `refunds_of_run` names `crm.refund`, which is no pinned tool (write `connector.tool`)
        "#]],
    );
}

#[test]
fn manifests() {
    let mut missing = files();
    missing.remove(PINNED);
    missing.remove(RULES);
    missing.insert(SPACE.to_owned(), "name = \"shop\"\n[people.mara]\nroles = [\"owner\"]\n".to_owned());
    let mut odd = missing.clone();
    odd.insert(PINNED.to_owned(), "{\"nothing\": 1}".to_owned());
    let mut strange = missing.clone();
    strange.insert(
        PINNED.to_owned(),
        "[{\"name\": \"a b\"}, {\"name\": \"spare\", \"inputSchema\": {}}]".to_owned(),
    );
    strange
        .insert(CRM.to_owned(), "name = \"crm\"\nkind = \"mcp\"\nurl = \"http://127.0.0.1:1\"\n".to_owned());
    let mut http = missing.clone();
    let text = "name = \"crm\"\nkind = \"http\"\nurl = \"http://127.0.0.1:1\"\n[tools.a]\nclass = \"read\"\n[tools.b]\nclass = \"read\"\nmethod = \"GET\"\npath = \"/b\"\ninput_schema = '{'\n";
    http.insert(CRM.to_owned(), text.to_owned());
    let mut calls = missing.clone();
    let text = "name = \"crm\"\nkind = \"http\"\nurl = \"ftp://127.0.0.1\"\n[tools.a]\nclass = \"keyed\"\nconflict_key = '\"a\"'\nmethod = \"get\"\npath = \"a\"\n";
    calls.insert(CRM.to_owned(), text.to_owned());
    calls.remove(PINNED);
    let text: String =
        [missing, odd, strange, http, calls].iter().map(|files| told(&problems(files))).collect();
    expect![[r#"
        agents/shop-agent.toml:4: error person_unknown: the deputy `jonas` is not a person of the workspace (add `[people.jonas]` to workspace.toml)
        connectors/crm.toml:0: error manifest_missing: `crm` has no connectors/crm.manifest.json (run `countersign connector pin crm`)
        policies:0: warning empty_policy: there is no policy: every action will be refused (permit what agents may do in policies/*.cedar)
        agents/shop-agent.toml:4: error person_unknown: the deputy `jonas` is not a person of the workspace (add `[people.jonas]` to workspace.toml)
        connectors/crm.manifest.json:0: error manifest_invalid: it is neither a list of tools nor an object with `tools` (run `countersign connector pin crm` again)
        policies:0: warning empty_policy: there is no policy: every action will be refused (permit what agents may do in policies/*.cedar)
        agents/shop-agent.toml:4: error person_unknown: the deputy `jonas` is not a person of the workspace (add `[people.jonas]` to workspace.toml)
        connectors/crm.manifest.json:0: error name_invalid: `"a b"` is not a tool name (letters, digits, `-`, `_`)
        connectors/crm.toml:0: warning tool_unclassified: `crm.spare` has no class and counts as irreversible (add `[tools.spare]` with its class)
        policies:0: warning empty_policy: there is no policy: every action will be refused (permit what agents may do in policies/*.cedar)
        agents/shop-agent.toml:4: error person_unknown: the deputy `jonas` is not a person of the workspace (add `[people.jonas]` to workspace.toml)
        connectors/crm.toml:4: error http_tool_incomplete: `a` does not say how it is called (method = "GET", path = "/orders/{order_id}")
        connectors/crm.toml:6: error schema_invalid: input_schema of `b`: the text is not valid JSON: EOF while parsing an object at line 1 column 1 (JSON Schema as text)
        policies:0: warning empty_policy: there is no policy: every action will be refused (permit what agents may do in policies/*.cedar)
        agents/shop-agent.toml:4: error person_unknown: the deputy `jonas` is not a person of the workspace (add `[people.jonas]` to workspace.toml)
        connectors/crm.toml:3: error url_invalid: `ftp://127.0.0.1` is not an address (url = "https://crm.example.com/mcp")
        connectors/crm.toml:4: error http_tool_invalid: `a` is called by `get a` (a method such as GET, and a path from `/`)
        connectors/crm.toml:4: error idempotency_header_missing: `a` is keyed, but its calls carry no key (idempotency_header = "Idempotency-Key")
        policies:0: warning empty_policy: there is no policy: every action will be refused (permit what agents may do in policies/*.cedar)
    "#]].assert_eq(&text);
}

const OF_COUNTERS: [(&str, &str, &str); 8] = [
    (SPACE, "amount = 1", "amount = -1"),
    (SPACE, "amount = 1", "amount = \"refund\""),
    (SPACE, "amount = \"facts.refund\"", "amount = \"facts.refnd\""),
    (SPACE, "per = \"workspace\"", "per = \"customer\""),
    (SPACE, "window = \"day\"", "window = \"week\""),
    (SPACE, "[\"crm.refund\"]", "[\"crm.refund\", \"crm.refunds\"]"),
    ("counters.toml", "", "[counters.refunds_of_run]\ntools = [\"crm.refund\"]\namount = 1\n"),
    (CRM, "type = \"money\"", "type = \"text\""),
];

#[test]
fn counters() {
    check(
        &OF_COUNTERS,
        expect![[r#"
            workspace.toml:24: error counter_amount: `-1` is not an amount (a whole number from 1, or `facts.NAME` of a fact that is money or an integer)
            workspace.toml:24: error counter_amount: `refund` is not an amount (a whole number from 1, or `facts.NAME` of a fact that is money or an integer)
            workspace.toml:18: error fact_unknown: `crm.refund` has no fact `refnd` (declare it at the tool)
            policies/shop.cedar:29: error policy_invalid: attribute `counters.refunded_today` in context for Action::"crm.refund" not found (did you mean `refunds_of_run`?) (compare with the tool's arguments, facts and counters; docs/guide/policies.md lists what a rule sees)
            workspace.toml:18: error counter_per: `customer` is nobody to count for (workspace, agent, run or on_behalf_of)
            policies/shop.cedar:29: error policy_invalid: attribute `counters.refunded_today` in context for Action::"crm.refund" not found (did you mean `refunds_of_run`?) (compare with the tool's arguments, facts and counters; docs/guide/policies.md lists what a rule sees)
            workspace.toml:18: error counter_window: `week` is not a window (hour, day or run)
            workspace.toml:18: error tool_unknown: the counter `refunded_today` names `crm.refunds`, which is no pinned tool (write `connector.tool`)
            counters.toml:1: error name_taken: workspace.toml declares the counter `refunds_of_run`, too (keep one)
            policies/shop.cedar:19: error policy_invalid: unexpected type: expected Long but saw String (compare with the tool's arguments, facts and counters; docs/guide/policies.md lists what a rule sees)
            policies/shop.cedar:29: error policy_invalid: unexpected type: expected Long but saw String (Cedar does not support string concatenation) (compare with the tool's arguments, facts and counters; docs/guide/policies.md lists what a rule sees)
            policies/shop.cedar:40: error policy_invalid: unexpected type: expected Long but saw String (compare with the tool's arguments, facts and counters; docs/guide/policies.md lists what a rule sees)
            workspace.toml:18: error counter_amount: `refund` of `crm.refund` is no number (a whole number from 1, or `facts.NAME` of a fact that is money or an integer)
        "#]],
    );
}

const OF_RULES: [(&str, &str, &str); 23] = [
    (RULES, "@id(\"look\")", "@id(\"look\\u{202e}\")"),
    (RULES, "", "permit (principal, action, resource)"),
    (RULES, "", "permit (principal, action, resource);"),
    (RULES, "", "@id(\"x\") forbid (principal, action, resource);"),
    (RULES, "", "@id(\"x\") @never(\"yes\") forbid (principal, action, resource);"),
    (RULES, "", "@id(\"x\") @gate(\"approval\") permit (principal, action, resource);"),
    (RULES, "", "@id(\"look\") permit (principal, action, resource);"),
    (RULES, "", "@id(\"floor-not-retired\") permit (principal, action, resource);"),
    (RULES, "", "@id(\"x\") @never(\"true\") @quorum(\"2\") forbid (principal, action, resource);"),
    (RULES, "", "@id(\"x\") @gate(\"approval\") forbid (principal, action in Action::\"write\", resource);"),
    (RULES, "@approver_role(\"finance\")", "@approver_role(\" \")"),
    (
        RULES,
        "",
        "@id(\"x\") @gate(\"approval\") @approver_role(\"legal\") forbid (principal, action == Action::\"approve\", resource);",
    ),
    (RULES, "@approver_role(\"finance\")", "@approver_rule(\"finance\")"),
    (RULES, "@approver_role(\"finance\")", "@approver_role(\"finanse\")"),
    (RULES, "@approver_role(\"finance\")", "@approver_role(\"governor\")"),
    (RULES, "@quorum(\"2\")", "@quorum(\"0\")"),
    (RULES, "@expires(\"PT4H\")", "@expires(\"P1Y\")"),
    (RULES, "@expires(\"PT4H\")", "@expires(\"P60D\")"),
    (RULES, "@risk(\"high\")", "@risk(\"severe\")"),
    (RULES, "@redact(\"input.memo\")", "@redact(\"memo\")"),
    (RULES, "context.facts.refund > 50000", "context.facts.refnd > 50000"),
    (RULES, "context.input has text && ", ""),
    (RULES, "context.facts.refund > 500000", "context.facts.refund > 500000 && false"),
];

#[test]
fn rules() {
    check(
        &OF_RULES,
        expect![[r#"
            policies/shop.cedar:2: error policy_id_invalid: `look\u{202e}` is not an id: it stands in every decision (at most 100 letters, digits, `-`, `_` and `.`)
            policies/shop.cedar:46: error policy_syntax: unexpected end of input (see docs/guide/policies.md for the form of a rule)
            policies/shop.cedar:46: error policy_without_id: the policy has no `@id` (give it one: `@id("refund-above-500")`)
            policies/shop.cedar:46: error forbid_without_level: `x` does not say who may lift it (write `@gate("approval")` if a person may, `@never("true")` if nobody may)
            policies/shop.cedar:46: error forbid_without_level: `x` does not say who may lift it (write `@gate("approval")` if a person may, `@never("true")` if nobody may)
            policies/shop.cedar:46: error gate_on_permit: `x` is a permit with `@gate` or `@never` (a gate is a forbid that a person may lift)
            policies/shop.cedar:46: error policy_id_taken: the id `look` stands also at policies/shop.cedar:2 (rename one)
            policies/shop.cedar:46: error policy_id_taken: the id `floor-not-retired` stands also at (built in):30 (rename one)
            policies/shop.cedar:46: error obligation_without_gate: `@quorum` on `x`, which is no gate (remove it, or make it a gate)
            policies/shop.cedar:46: warning gate_without_role: anybody in the workspace may lift `x` (name a role: `@approver_role("finance")`)
            policies/shop.cedar:13: warning gate_without_role: anybody in the workspace may lift `refund-above-500` (name a role: `@approver_role("finance")`)
            policies/shop.cedar:46: error gate_on_approve: `x` is a gate on approving, and nobody approves an approval (write `@never("true")`, or name tools)
            policies/shop.cedar:13: error annotation_unknown: `@approver_rule` means nothing (did you mean `@approver_role`?)
            policies/shop.cedar:13: warning gate_without_role: anybody in the workspace may lift `refund-above-500` (name a role: `@approver_role("finance")`)
            policies/shop.cedar:13: error role_unknown: `refund-above-500` names the role `finanse`, which is not declared (did you mean `finance`?)
            policies/shop.cedar:13: warning quorum_out_of_reach: `refund-above-500` needs 1 of `governor`, held by 0 (give the role to more people)
            policies/shop.cedar:21: error quorum_invalid: `0` is not a quorum (a whole number from 1 to 20)
            policies/shop.cedar:21: error expires_invalid: `P1Y` is not a duration of at most 30 days (ISO 8601, for example `PT4H`)
            policies/shop.cedar:21: error expires_invalid: `P60D` is not a duration of at most 30 days (ISO 8601, for example `PT4H`)
            policies/shop.cedar:21: error risk_invalid: `severe` is not a risk (low, medium or high)
            policies/shop.cedar:13: error redact_invalid: `memo` is not an argument (write `input.card_number`)
            policies/shop.cedar:19: error policy_invalid: attribute `facts.refnd` in context for Action::"crm.refund" not found (did you mean `refund`?) (compare with the tool's arguments, facts and counters; docs/guide/policies.md lists what a rule sees)
            policies/shop.cedar:45: error policy_invalid: unable to guarantee safety of access to optional attribute `input.text` in context for Action::"crm.note" (try testing for the attribute's presence with `context.input has text && ..`) (compare with the tool's arguments, facts and counters; docs/guide/policies.md lists what a rule sees)
            policies/shop.cedar:38: warning policy_suspicious: policy is impossible: the policy expression evaluates to false for all valid requests (read the rule once more)
        "#]],
    );
}

fn folders() -> Vec<Files> {
    let with = |path: &str, text: String| {
        let mut files = files();
        files.insert(path.to_owned(), text);
        files
    };
    let without = |path: &str| {
        let mut files = files();
        files.remove(path);
        files
    };
    let rule = |n: usize| {
        format!("@id(\"rule-{n}\") permit (principal, action == Action::\"crm.note\", resource);\n")
    };
    let mut rules = files();
    for file in 0..4 {
        rules.insert(format!("policies/{file}.cedar"), (0..500).map(|n| rule(file * 500 + n)).collect());
    }
    let mut many = files();
    many.extend((0..500).map(|n| (format!("runbooks/{n}.md"), String::new())));
    vec![
        Files::new(),
        without(RULES),
        with(SPACE, "name = \"shop\"\n".to_owned()),
        with("runbooks/long.md", "x".repeat(256 * 1024 + 1)),
        with("runbooks/long.md", "x".repeat(5 << 20)),
        many,
        with(
            "policies/long.cedar",
            format!("@id(\"long\") // {}\npermit (principal, action, resource);", "x".repeat(17_000)),
        ),
        rules,
    ]
}

#[test]
fn limits_of_a_folder() {
    let text: String = folders().iter().map(|files| told(&problems(files))).collect();
    expect![[r#"
        workspace.toml:0: error file_missing: the folder has no workspace.toml (begin with `name = "shop"` and your people)
        policies:0: warning empty_policy: there is no policy: every action will be refused (permit what agents may do in policies/*.cedar)
        agents/shop-agent.toml:3: error person_unknown: the owner `mara` is not a person of the workspace (add `[people.mara]` to workspace.toml)
        agents/shop-agent.toml:4: error person_unknown: the deputy `jonas` is not a person of the workspace (add `[people.jonas]` to workspace.toml)
        policies/shop.cedar:13: error role_unknown: `refund-above-500` names the role `finance`, which is not declared (declare it in workspace.toml under `roles`)
        policies/shop.cedar:21: error role_unknown: `day-above-1000` names the role `legal`, which is not declared (declare it in workspace.toml under `roles`)
        policies/shop.cedar:29: error policy_invalid: attribute `counters.refunded_today` in context for Action::"crm.refund" not found (compare with the tool's arguments, facts and counters; docs/guide/policies.md lists what a rule sees)
        policies/shop.cedar:31: error role_unknown: `scale-overflows` names the role `legal`, which is not declared (declare it in workspace.toml under `roles`)
        workspace.toml:0: error people_missing: the workspace has no people (add `[people.mara]` with `roles = ["owner"]`)
        runbooks/long.md:0: error file_too_large: 262145 bytes; at most 262144 (split the file)
        :0: error folder_too_large: 6 files of 5246381 bytes; at most 500 and 4194304 (split the workspace)
        :0: error folder_too_large: 505 files of 3501 bytes; at most 500 and 4194304 (split the workspace)
        policies/long.cedar:1: error policy_too_large: a policy of 17053 bytes; at most 16384 (split it)
        policies:0: error too_many_policies: 2013 policies; at most 2000 (split the workspace)
    "#]].assert_eq(&text);
}

#[test]
fn a_workspace_without_connectors_compiles() {
    let mut files = Files::new();
    files.insert(SPACE.to_owned(), "name = \"shop\"\n[people.mara]\nroles = [\"owner\"]\n".to_owned());
    expect![[r#"
        policies:0: warning empty_policy: there is no policy: every action will be refused (permit what agents may do in policies/*.cedar)
    "#]].assert_eq(&told(&problems(&files)));
}

#[test]
fn all_problems_are_told_at_once() {
    let mut files = edited(SPACE, "America/New_York", "Mars/Olympus");
    files
        .insert(AGENT.to_owned(), "name = \"shop-agent\"\nowner = \"nobody\"\nstage = \"live\"\n".to_owned());
    files.insert(RULES.to_owned(), "permit (principal, action, resource);\nforbid (;\n".to_owned());
    expect![[r#"
        agents/shop-agent.toml:2: error person_unknown: the owner `nobody` is not a person of the workspace (add `[people.nobody]` to workspace.toml)
        agents/shop-agent.toml:3: error stage_unknown: `live` is not a stage (experiment, shadow, canary, production, retired)
        policies/shop.cedar:1: error policy_without_id: the policy has no `@id` (give it one: `@id("refund-above-500")`)
        policies/shop.cedar:2: error policy_syntax: unexpected token `;` (see docs/guide/policies.md for the form of a rule)
        workspace.toml:3: error time_zone_unknown: `Mars/Olympus` is not a time zone (an IANA name such as `Europe/Vienna`)
    "#]].assert_eq(&told(&problems(&files)));
}

#[test]
fn every_code_has_a_golden_message() {
    // Up to here: this function names the marks themselves.
    let (this, _) = include_str!("lints.rs").split_once("fn every_code").expect("this function");
    let told = this.lines().filter_map(|line| line.split_once(": error ").or(line.split_once(": warning ")));
    let mut seen: BTreeSet<&str> = told.filter_map(|(_, rest)| Some(rest.split_once(": ")?.0)).collect();
    // In `an_error_after_many_warnings_still_counts`, whose text nobody would read.
    seen.insert("too_many_tools");
    assert_eq!(seen, BTreeSet::from(CODES));
}

#[test]
fn every_code_of_the_sources_is_listed() {
    let sources = [
        include_str!("../compile.rs"),
        include_str!("../compile/connector.rs"),
        include_str!("../compile/counter.rs"),
        include_str!("../compile/fact.rs"),
        include_str!("../compile/people.rs"),
        include_str!("../compile/retention.rs"),
        include_str!("../compile/rules.rs"),
        include_str!("../rule.rs"),
    ];
    // Words of the files themselves, which look like codes.
    let words = ["approver_role", "conflict_key", "half_even", "on_behalf_of", "time_zone"];
    let quoted = sources.iter().flat_map(|text| text.split('"'));
    let codes = quoted.filter(|text| {
        text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    });
    for code in codes.filter(|code| !words.contains(code)) {
        assert!(CODES.contains(&code), "`{code}` is in no list");
    }
}

/// Not golden: a list of problems that is cut short must not lose the error that stops publishing.
#[test]
fn an_error_after_many_warnings_still_counts() {
    let tool = |n: usize| format!("{{\"name\": \"t{n}\", \"inputSchema\": {{\"type\": \"object\"}}}}");
    let mut files = Files::new();
    files.insert(SPACE.to_owned(), "name = \"shop\"\n[people.mara]\nroles = [\"owner\"]\n".to_owned());
    files.insert(
        CRM.to_owned(),
        "name = \"crm\"\nkind = \"mcp\"\nurl = \"http://127.0.0.1:1/mcp\"\n".to_owned(),
    );
    files.insert(PINNED.to_owned(), format!("[{}]", (0..1_001).map(tool).collect::<Vec<_>>().join(",")));
    let codes = |files: &Files| -> BTreeSet<String> {
        problems(files).into_iter().map(|problem| problem.code).collect()
    };
    assert!(codes(&files).contains("too_many_tools"));
    // As many warnings as can be (two for each tool), and a rule that does not fit.
    files.insert(PINNED.to_owned(), format!("[{}]", (0..600).map(tool).collect::<Vec<_>>().join(",")));
    let rule = "@id(\"x\") permit (principal, action == Action::\"crm.t1\", resource) when { context.facts.none > 1 };";
    files.insert(RULES.to_owned(), rule.to_owned());
    assert!(codes(&files).contains("policy_invalid"));
}
