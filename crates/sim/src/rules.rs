//! A judge of six tools, with the verdict in the arguments: the engine is under test here, not Cedar.

use std::collections::BTreeMap;

use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::ToolId;
use kernel::judge::{
    ApproverQuestion, Compensation, CounterUse, EffectClass, Fact, FactFault, FactNeed, Judge, Judgement,
    Obligations, ParseError, Question, ReadCall, Tool, Verdict,
};
use kernel::ports::Output;
use serde_json::{Value, json};

/// How long a look-up waits.
pub const SETTLE_AFTER: Millis = Millis(1_000);
/// How long an approval stands.
pub const EXPIRES_IN: Millis = Millis(60_000);
/// What may be spent in all.
pub const BUDGET: i64 = 300;

/// The judge.
#[derive(Debug)]
pub struct Rules {
    tools: BTreeMap<ToolId, Tool>,
    edition: Edition,
}

/// Editions of the rules. The bundle's address tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// As the workspace begins.
    First,
    /// Every gate became a prohibition.
    Strict,
    /// The tools are not what they were.
    OtherTools,
    /// The same rules; somebody lost their roles with it.
    OtherPeople,
}

impl Edition {
    const ALL: [Self; 4] = [Self::First, Self::Strict, Self::OtherTools, Self::OtherPeople];

    /// The bundle's address.
    pub fn address(self) -> Digest {
        Digest::of("sim/bundle", &[&[self as u8]])
    }

    /// The edition of this address.
    pub fn of(address: Digest) -> Option<Self> {
        Self::ALL.into_iter().find(|edition| edition.address() == address)
    }
}

impl Rules {
    /// The tools: `crm.read`, `crm.once` (look-up), `crm.keyed`, `crm.wire` (neither), `crm.book` (look-up) and
    /// `crm.unbook`, which takes a booking back.
    pub fn new(edition: Edition) -> Self {
        let classes = [
            ("crm.read", EffectClass::Read),
            ("crm.once", EffectClass::Once),
            ("crm.keyed", EffectClass::Keyed),
            ("crm.wire", EffectClass::Irreversible),
            ("crm.book", EffectClass::Compensable),
            ("crm.unbook", EffectClass::Keyed),
        ];
        let tools = classes.into_iter().map(|(name, class)| {
            let id: ToolId = name.parse().expect("a tool name");
            let tool = Tool {
                id: id.clone(),
                description: String::new(),
                input_schema: json!({}),
                class,
                manifest: match edition {
                    Edition::OtherTools if class.writes() => manifest("another"),
                    _ => manifest(name),
                },
                timeout: Millis(1_000),
            };
            (id, tool)
        });
        Self { tools: tools.collect(), edition }
    }
}

fn manifest(name: &str) -> Digest {
    Digest::of("sim/manifest", &[name.as_bytes()])
}

/// Reads a record, or what became of one write on it.
fn read_back(arguments: Value) -> ReadCall {
    ReadCall {
        tool: "crm.read".parse().expect("a tool name"),
        arguments,
        manifest: manifest("crm.read"),
        timeout: Millis(1_000),
    }
}

impl Judge for Rules {
    fn bundle(&self) -> Digest {
        self.edition.address()
    }

    fn version(&self) -> &'static str {
        "sim 1"
    }

    fn tools(&self) -> &BTreeMap<ToolId, Tool> {
        &self.tools
    }

    fn parse(&self, tool: &ToolId, arguments: Value) -> Result<Value, ParseError> {
        if self.tools.contains_key(tool) {
            Ok(arguments)
        } else {
            Err(ParseError::UnknownTool { tool: tool.to_string(), nearest: None })
        }
    }

    fn needs(&self, tool: &ToolId, arguments: &Value) -> Result<Vec<FactNeed>, FactFault> {
        let wanted = self.tools[tool].class.writes();
        Ok(wanted
            .then(|| FactNeed {
                name: "count".to_owned(),
                read: Some(read_back(json!({ "record": arguments["record"] }))),
            })
            .into_iter()
            .collect())
    }

    fn fact(
        &self,
        _tool: &ToolId,
        name: &str,
        _arguments: &Value,
        answer: Option<&Output>,
        read_at: Millis,
    ) -> Result<Fact, FactFault> {
        let answer = answer.filter(|answer| !answer.is_error);
        let text = answer.map(Output::text).ok_or(FactFault::Absent)?;
        Ok(Fact {
            name: name.to_owned(),
            value: json!(text.parse::<i64>().map_err(|_| FactFault::Invalid)?),
            shown: text.clone(),
            source: "crm.read".to_owned(),
            version: Digest::of("sim/version", &[text.as_bytes()]),
            read_at,
            age_max: Millis(60_000),
        })
    }

    fn moved(&self, _tool: &ToolId, shown: &Fact, current: &Fact) -> Option<String> {
        (shown.value != current.value)
            .then(|| format!("{} was {}, is {}", shown.name, shown.shown, current.shown))
    }

    fn conflict_key(
        &self,
        _tool: &ToolId,
        arguments: &Value,
        _facts: &[Fact],
    ) -> Result<Option<String>, FactFault> {
        Ok(arguments["record"].as_str().map(str::to_owned))
    }

    fn counters(&self, question: &Question, _at: Millis) -> Result<Vec<CounterUse>, FactFault> {
        let amount = question.arguments["amount"].as_i64().unwrap_or(0);
        Ok((amount != 0)
            .then(|| CounterUse { name: "spent".to_owned(), key: "spent/all".to_owned(), amount })
            .into_iter()
            .collect())
    }

    fn judge(&self, question: &Question) -> Judgement {
        let over = question.counters.get("spent").copied().unwrap_or(0)
            + question.arguments["amount"].as_i64().unwrap_or(0)
            > BUDGET;
        let level = question.arguments["level"].as_str().unwrap_or("alone");
        let gate = |roles: &[&str], quorum| Obligations {
            approver_roles: roles.iter().map(|role| role.parse().expect("a role")).collect(),
            quorum,
            expires_in: EXPIRES_IN,
            ..Obligations::default()
        };
        let strict = self.edition == Edition::Strict;
        let (verdict, code, obligations) = match level {
            _ if over => (Verdict::Never, "forbidden", None),
            "alone" => (Verdict::Autonomous, "permitted", None),
            "gate" if !strict => (Verdict::Approve, "gated", Some(gate(&["finance"], 1))),
            // Two people of one role; one person of each of two roles.
            "quorum" if !strict => (Verdict::Approve, "gated", Some(gate(&["finance"], 2))),
            "roles" if !strict => (Verdict::Approve, "gated", Some(gate(&["finance", "legal"], 1))),
            _ => (Verdict::Never, "forbidden", None),
        };
        Judgement { verdict, rules: vec![], code: code.to_owned(), obligations, request: json!({}) }
    }

    fn may_answer(&self, question: &ApproverQuestion) -> Result<(), String> {
        let own = question.person == question.run.owner;
        let held = question.obligations.approver_roles.iter().any(|role| question.roles.contains(role));
        match (own, held) {
            (true, _) => Err("you own the agent".to_owned()),
            (false, false) => Err("you do not hold the role".to_owned()),
            (false, true) => Ok(()),
        }
    }

    fn look_up(&self, tool: &ToolId, arguments: &Value) -> Option<(ReadCall, Millis)> {
        let class = self.tools[tool].class;
        matches!(class, EffectClass::Once | EffectClass::Compensable).then(|| {
            let write = json!({ "record": arguments["record"], "mark": arguments["mark"] });
            (read_back(write), SETTLE_AFTER)
        })
    }

    fn looked_up(&self, _tool: &ToolId, _arguments: &Value, answer: &Output) -> Result<bool, FactFault> {
        Ok(answer.text() != "0")
    }

    fn compensation(&self, tool: &ToolId) -> Option<Compensation> {
        (self.tools[tool].class == EffectClass::Compensable).then(|| Compensation {
            tool: "crm.unbook".parse().expect("a tool name"),
            arguments: "record".to_owned(),
        })
    }

    fn compensate(
        &self,
        registered: &Compensation,
        arguments: &Value,
        _facts: &[Fact],
        _output: &Output,
    ) -> Result<Value, FactFault> {
        let name = registered.arguments.as_str();
        let level = arguments["undo"].as_str().unwrap_or("alone");
        let mark = format!("{} undone", arguments["mark"].as_str().unwrap_or_default());
        Ok(json!({ name: arguments[name], "level": level, "mark": mark }))
    }

    fn output_problem(&self, _tool: &ToolId, output: &Output) -> Option<String> {
        (output.text() == "odd").then(|| "it is odd".to_owned())
    }

    fn headline(&self, tool: &ToolId, arguments: &Value, _facts: &[Fact]) -> String {
        format!("{tool} {}", arguments["record"].as_str().unwrap_or_default())
    }

    fn subject(&self, _tool: &ToolId, _arguments: &Value) -> Option<String> {
        None
    }
}
