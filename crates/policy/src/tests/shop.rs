//! A small shop: one agent, one connector, rules of all three levels. Stories are lines of text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::{PersonId, ToolId};
use kernel::judge::{Fact, FactFault, Judge, Judgement, Question, RunSubject, Verdict};
use kernel::ports::Output;
use serde_json::{Value, json};

use crate::{Bundle, Compiled, Problem, Severity};

/// 2026-03-02, noon in New York.
pub(super) const NOON: Millis = Millis(1_772_470_800_000);

const WORKSPACE: &str = r#"name = "shop"
title = "The shop"
time_zone = "America/New_York"
roles = ["finance", "legal"]

[people.mara]
roles = ["owner", "finance"]

[people.jonas]
roles = ["finance"]

[people.lea]
roles = ["finance", "legal"]

[people.noor]
roles = ["legal"]

[counters.refunded_today]
tools = ["crm.refund"]
amount = "facts.refund"
per = "workspace"
window = "day"

[counters.refunds_of_run]
tools = ["crm.refund"]
amount = 1
per = "run"
window = "run"
"#;

const AGENT: &str = r#"name = "shop-agent"
version = 3
owner = "mara"
deputy = "jonas"
stage = "production"
"#;

const CRM: &str = r#"name = "crm"
kind = "mcp"
url = "http://127.0.0.1:7411/mcp"
environment = "sandbox"
subject = ".arguments.order_id"

[tools.get_order]
class = "read"

[tools.refund]
class = "once"
conflict_key = '"order/\(.arguments.order_id)"'
settle_after = "PT1S"
headline = "Refund {.facts.refund} of order {.arguments.order_id}"

[tools.refund.facts.refund]
type = "money"
currency = "USD"
read = "get_order"
arguments = "{id: .arguments.order_id}"
value = "[.output.items[].price]"
max_age = "PT60S"
tolerance = "0.50"

[tools.refund.lookup]
tool = "get_order"
arguments = "{id: .arguments.order_id}"
applied = '.output.status == "refunded"'

[tools.note]
class = "keyed"
conflict_key = ".arguments.order_id"

[tools.scale]
class = "keyed"
conflict_key = '"scale"'
"#;

const MANIFEST: &str = r#"{"tools": [
  {"name": "get_order", "description": "Reads an order", "inputSchema": {
    "type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"], "additionalProperties": false}},
  {"name": "refund", "description": "Refunds an order", "inputSchema": {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "reason": {"type": "string", "default": "none"}, "memo": {"type": "string"}},
    "required": ["order_id"]}},
  {"name": "note", "description": "Writes a note", "inputSchema": {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "text": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["order_id"], "additionalProperties": false}},
  {"name": "scale", "description": "Scales a number", "inputSchema": {
    "type": "object", "properties": {"by": {"type": "integer"}}, "required": ["by"]}}
]}
"#;

const RULES: &str = r#"// Level 1.
@id("look")
permit (principal, action in Action::"read", resource in Connector::"crm");

@id("work")
permit (
    principal in Agent::"shop-agent",
    action in [Action::"crm.refund", Action::"crm.note", Action::"crm.scale"],
    resource
);

// Level 2; a semicolon; and "a quote" in a comment.
@id("refund-above-500")
@gate("approval")
@approver_role("finance")
@expires("PT24H")
@redact("input.memo")
@risk("medium")
forbid (principal, action == Action::"crm.refund", resource) when { context.facts.refund > 50000 };

@id("day-above-1000")
@gate("approval")
@approver_role("legal")
@quorum("2")
@expires("PT4H")
@redact("input.reason")
@risk("high")
forbid (principal, action == Action::"crm.refund", resource)
when { context.counters.refunded_today + context.facts.refund > 100000 };

@id("scale-overflows")
@gate("approval")
@approver_role("legal")
forbid (principal, action == Action::"crm.scale", resource)
when { context.input.by * 4611686018427387904 > 0 };

// Level 3.
@id("refund-above-5000")
@never("true")
forbid (principal, action == Action::"crm.refund", resource) when { context.facts.refund > 500000 };

@id("no-secrets-in-notes")
@never("true")
forbid (principal, action == Action::"crm.note", resource)
when { context.input has text && context.input.text like "*password*" };
"#;

pub(super) type Files = BTreeMap<String, String>;

pub(super) fn files() -> Files {
    let all = [
        ("workspace.toml", WORKSPACE),
        ("agents/shop-agent.toml", AGENT),
        ("connectors/crm.toml", CRM),
        ("connectors/crm.manifest.json", MANIFEST),
        ("policies/shop.cedar", RULES),
    ];
    all.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect()
}

/// The shop with one passage of one file replaced; an empty passage stands for the end of the file.
pub(super) fn edited(path: &str, from: &str, to: &str) -> Files {
    let mut files = files();
    let text = files.entry(path.to_owned()).or_default();
    assert!(text.contains(from), "no `{from}` in {path}");
    *text = if from.is_empty() { format!("{text}{to}") } else { text.replacen(from, to, 1) };
    files
}

pub(super) fn bundle(files: &Files) -> Arc<Bundle> {
    let compiled = Bundle::compile(files).unwrap_or_else(|problems| panic!("{}", told(&problems)));
    compiled.bundle
}

pub(super) fn problems(files: &Files) -> Vec<Problem> {
    match Bundle::compile(files) {
        Ok(Compiled { warnings, .. }) => warnings,
        Err(problems) => problems,
    }
}

/// Problems as people read them.
pub(super) fn told(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
        let Problem { file, line, code, message, hint, .. } = problem;
        writeln!(text, "{file}:{line}: {severity} {code}: {message} ({hint})").unwrap();
    }
    text
}

pub(super) fn tool(name: &str) -> ToolId {
    name.parse().unwrap()
}

pub(super) fn run() -> RunSubject {
    RunSubject {
        run: "run_00000000000000000000000001".parse().unwrap(),
        agent: "shop-agent".parse().unwrap(),
        owner: "mara".parse().unwrap(),
        deputy: None,
        stage: "production".to_owned(),
        on_behalf_of: None,
        depth: 0,
        tainted: false,
    }
}

/// A day at the shop: what was counted stays.
pub(super) struct Day {
    pub(super) bundle: Arc<Bundle>,
    pub(super) run: RunSubject,
    pub(super) at: Millis,
    counts: BTreeMap<String, i64>,
}

impl Day {
    pub(super) fn new(files: &Files) -> Self {
        Self::of(bundle(files))
    }

    pub(super) fn of(bundle: Arc<Bundle>) -> Self {
        Self { bundle, run: run(), at: NOON, counts: BTreeMap::new() }
    }

    fn facts(&self, tool: &ToolId, arguments: &Value, answer: &str) -> Result<Vec<Fact>, FactFault> {
        let answer = Output::text_of(answer, false);
        let needs = self.bundle.needs(tool, arguments)?;
        let taken = needs.iter().map(|need| {
            let answer = need.read.as_ref().map(|_| &answer);
            self.bundle.fact(tool, &need.name, arguments, answer, self.at)
        });
        taken.collect()
    }

    pub(super) fn question(&self, tool: &ToolId, arguments: Value, answer: &str) -> Result<Question, String> {
        let arguments = self.bundle.parse(tool, arguments).map_err(|error| error.to_string())?;
        let facts = self.facts(tool, &arguments, answer).map_err(|fault| format!("fact {fault:?}"))?;
        Ok(Question {
            workspace: "shop".parse().unwrap(),
            run: self.run.clone(),
            tool: tool.clone(),
            arguments,
            facts,
            counters: BTreeMap::new(),
        })
    }

    /// Judges, and counts what would run at once.
    pub(super) fn ask(&mut self, tool: &ToolId, arguments: Value, answer: &str) -> Result<Judgement, String> {
        let mut question = self.question(tool, arguments, answer)?;
        let used = self.bundle.counters(&question, self.at).map_err(|fault| format!("counter {fault:?}"))?;
        for count in &used {
            let value = self.counts.get(&count.key).copied().unwrap_or_default();
            question.counters.insert(count.name.clone(), value);
        }
        let judgement = self.bundle.judge(&question);
        let again = self.bundle.judge_again(tool, judgement.request.clone()).expect("the tool is pinned");
        assert_eq!(again, judgement, "a recorded request gives the same verdict");
        if judgement.verdict == Verdict::Autonomous {
            for count in used {
                *self.counts.entry(count.key).or_default() += count.amount;
            }
        }
        Ok(judgement)
    }

    /// One line: `TOOL ARGUMENTS`, or `TOOL ARGUMENTS <- ANSWER OF THE READ`; or a setting of the run, `stage=canary`.
    pub(super) fn line(&mut self, line: &str) -> String {
        match line.split_once('=') {
            Some(("stage", stage)) => stage.clone_into(&mut self.run.stage),
            Some(("agent", agent)) => self.run.agent = agent.parse().unwrap(),
            Some(("behalf", person)) => self.run.on_behalf_of = Some(person.parse::<PersonId>().unwrap()),
            Some(("hours", hours)) => self.at = Millis(self.at.0 + hours.parse::<i64>().unwrap() * 3_600_000),
            _ => {
                let (call, answer) = line.split_once(" <- ").unwrap_or((line, ""));
                let (name, arguments) = call.split_once(' ').unwrap_or((call, "{}"));
                let arguments = serde_json::from_str(arguments).unwrap();
                return match self.ask(&tool(name), arguments, answer) {
                    Ok(judgement) => verdict(&judgement),
                    Err(refusal) => refusal,
                };
            }
        }
        "ok".to_owned()
    }
}

/// A judgement in a line.
pub(super) fn verdict(judgement: &Judgement) -> String {
    let mut text = format!("{:?} {} {}", judgement.verdict, judgement.code, json!(judgement.rules));
    if let Some(asked) = &judgement.obligations {
        let roles: Vec<&str> = asked.approver_roles.iter().map(kernel::id::Role::as_str).collect();
        write!(text, " roles={roles:?} quorum={} expires={}s", asked.quorum, asked.expires_in.0 / 1_000)
            .unwrap();
        write!(text, " redact={:?} risk={:?}", asked.redact, asked.risk.as_deref().unwrap_or("-")).unwrap();
    }
    text
}

/// Plays a story, one line after the other.
pub(super) fn play(files: &Files, story: &str) -> String {
    let mut day = Day::new(files);
    let lines = story.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.fold(String::new(), |told, line| format!("{told}{}\n", day.line(line)))
}

pub(super) fn check(story: &str, expected: expect_test::Expect) {
    expected.assert_eq(&play(&files(), story));
}

/// The fixture itself is spotless.
#[test]
fn the_shop_has_no_problems() {
    assert_eq!(told(&problems(&files())), "");
    assert_eq!(bundle(&files()).bundle(), bundle(&files()).bundle());
    assert_ne!(bundle(&files()).bundle(), bundle(&edited("runbooks/a.md", "", "x")).bundle());
    assert_ne!(bundle(&files()).bundle(), Digest::of("countersign/bundle/v1", &[]));
}
