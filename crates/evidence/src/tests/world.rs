//! A log of one shop: one agent, a tool with a fact, and rules of all three levels.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ed25519_dalek::{Signer as _, SigningKey};
use kernel::action::{self, ApprovalDraft, Proposal, Ruling};
use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::{Entry, Event, FactRef};
use kernel::id::{ActionId, ApprovalId, RunId, TimerId, ToolId};
use kernel::judge::{Fact, Judge as _, Question, RunSubject};
use kernel::ports::{Output, Signer};
use policy::Bundle;
use serde_json::{Value, json};
use tlog::{Checkpoint, Levels, Receipt, VerifierKey, inclusion, leaf_hash, root, sign};

use crate::{FORMAT, Pack, PackedBundle, PackedEntry, PackedPayload, Report, check};

pub(super) const LOG: &str = "shop";
const NOW: Millis = Millis(1_772_470_800_000);

pub(super) fn files() -> BTreeMap<String, String> {
    let schema = r#"'{"type":"object","properties":{"order":{"type":"string"},"amount":{"type":"integer"}},"required":["order"],"additionalProperties":false}'"#;
    let tool = |name: &str, class: &str| {
        format!(
            "[tools.{name}]\nclass = \"{class}\"\nmethod = \"POST\"\npath = \"/{name}\"\ninput_schema = {schema}\n\n"
        )
    };
    let fact = "[tools.refund.facts.paid]\ntype = \"money\"\ncurrency = \"USD\"\nread = \"order\"\n\
                arguments = \"{order: .arguments.order}\"\nvalue = \".output.paid\"\nmax_age = \"PT60S\"\n\n\
                [tools.refund.facts.asked]\ntype = \"integer\"\nvalue = \".arguments.amount\"\n";
    let connector = format!(
        "name = \"crm\"\nkind = \"http\"\nurl = \"http://127.0.0.1:9\"\nallow_private = true\nenvironment = \"sandbox\"\n\n{}{}{}{fact}",
        tool("order", "read"),
        tool("wipe", "irreversible"),
        tool("refund", "irreversible")
    );
    let rules = r#"
@id("refund")
permit (principal, action == Action::"crm.refund", resource);
@id("large")
@gate("approval")
@approver_role("finance")
@expires("PT1H")
@reason("Large refunds need finance.")
forbid (principal, action == Action::"crm.refund", resource) when { context.facts.paid > 50000 };
@id("wipe")
@never("true")
@reason("Nothing is wiped.")
forbid (principal, action == Action::"crm.wipe", resource);
"#;
    [
        ("workspace.toml", "name = \"shop\"\nroles = [\"finance\"]\n[people.mara]\nroles = [\"owner\"]\n[people.ines]\nroles = [\"finance\"]\n".to_owned()),
        ("agents/bot.toml", "name = \"bot\"\nowner = \"mara\"\nstage = \"production\"\n".to_owned()),
        ("connectors/crm.toml", connector),
        ("policies/shop.cedar", rules.to_owned()),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text))
    .collect()
}

pub(super) struct LogSigner;

impl Signer for LogSigner {
    fn name(&self) -> &str {
        LOG
    }

    fn public_key(&self) -> [u8; 32] {
        SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        SigningKey::from_bytes(&[7; 32]).sign(message).to_bytes()
    }
}

/// What a lying server would change before it writes.
#[derive(Default)]
pub(super) struct Lies {
    /// Changes the recorded request.
    pub(super) request: Option<fn(&mut Value)>,
    /// Changes events before they become entries.
    pub(super) event: Option<fn(&mut Event)>,
    /// Changes entries before they are hashed.
    pub(super) entry: Option<fn(&mut Entry)>,
}

type Written = Vec<(Event, Vec<(&'static str, Vec<u8>)>)>;

fn ruling(bundle: &Bundle, tool: &ToolId, run: &RunId, arguments: &Value, paid: &str) -> (Ruling, Vec<Fact>) {
    let answer = Output::text_of(format!("{{\"paid\": {paid}}}"), false);
    let facts: Vec<Fact> = bundle
        .needs(tool, arguments)
        .unwrap()
        .iter()
        .map(|need| {
            let answer = need.read.as_ref().map(|_| &answer);
            bundle.fact(tool, &need.name, arguments, answer, Millis(NOW.0 - 250)).unwrap()
        })
        .collect();
    let question = Question {
        workspace: "shop".parse().unwrap(),
        run: RunSubject {
            run: run.clone(),
            agent: "bot".parse().unwrap(),
            owner: "mara".parse().unwrap(),
            deputy: None,
            stage: "production".to_owned(),
            on_behalf_of: None,
            depth: 0,
            tainted: false,
        },
        tool: tool.clone(),
        arguments: arguments.clone(),
        facts: facts.clone(),
        counters: BTreeMap::new(),
    };
    let refs = facts.iter().map(|fact| FactRef {
        name: fact.name.clone(),
        source: fact.source.clone(),
        version: fact.version,
        read_at: fact.read_at,
    });
    let ruling = Ruling {
        judgement: bundle.judge(&question),
        bundle: bundle.bundle(),
        judge: bundle.version().to_owned(),
        facts: refs.collect(),
        counters: vec![],
    };
    (ruling, facts)
}

fn salt(bytes: &[u8]) -> [u8; 32] {
    Digest::of("salt", &[bytes]).0
}

/// The pack of one action, as a server makes it. An approved one is asked about and countersigned by `ines`.
pub(super) fn pack(tool: &str, paid: &str, lies: &Lies) -> Pack {
    let bundle = Bundle::compile(&files()).unwrap().bundle;
    let tool: ToolId = tool.parse().unwrap();
    let run = RunId::new(NOW, [1; 10]);
    let arguments = json!({ "order": "W1", "amount": 3 });
    let plain = kernel::json::canonical(&arguments);
    let pinned = &bundle.tools()[&tool];
    let proposal = Proposal {
        action: ActionId::new(NOW, [2; 10]),
        run: run.clone(),
        tool: tool.clone(),
        class: pinned.class,
        manifest: pinned.manifest,
        arguments: Digest::commitment(&salt(&plain), &plain),
        subject: Digest::of("subject", &[]),
        idempotency: None,
        conflict_key: None,
        reverses: None,
        based_on: vec![],
    };
    let (ruling, facts) = ruling(&bundle, &tool, &run, &arguments, paid);
    let page = b"{\"headline\":\"a refund\"}".to_vec();
    let draft = ApprovalDraft {
        approval: ApprovalId::new(NOW, [3; 10]),
        timer: TimerId::new(NOW, [4; 10]),
        shown: Digest::commitment(&salt(&page), &page),
    };
    let mut request = json!({ "request": ruling.judgement.request, "counters": {} });
    if let Some(lie) = lies.request {
        lie(&mut request);
    }
    let mut decided = vec![("request", kernel::json::canonical(&request))];
    for (name, fact) in ["fact.asked", "fact.paid"].into_iter().zip(["asked", "paid"]) {
        decided.extend(
            facts.iter().find(|known| known.name == fact).map(|fact| (name, kernel::json::canonical(fact))),
        );
    }
    let mut written: Written = vec![];
    for event in action::propose(&proposal, &ruling, &draft, None, NOW) {
        let payloads = match &event {
            Event::ActionProposed { .. } => vec![("arguments", plain.clone())],
            Event::ActionDecided(_) => decided.clone(),
            Event::ApprovalRequested { .. } => vec![("shown", page.clone())],
            _ => vec![],
        };
        let asked = matches!(event, Event::TimerSet { .. });
        written.push((event, payloads));
        if asked {
            let (approval, action) = (draft.approval.clone(), proposal.action.clone());
            written.push((
                Event::ApprovalGiven {
                    approval: approval.clone(),
                    action: action.clone(),
                    by: "ines".parse().unwrap(),
                    roles: ["finance".parse().unwrap()].into(),
                    seen: draft.shown,
                },
                vec![],
            ));
            written.push((Event::ApprovalUsed { approval, action: action.clone() }, vec![]));
            let intended = Event::ActionIntended {
                action,
                attempt: 1,
                idempotency_key: None,
                reserves: vec![],
                compensation: None,
            };
            written.push((intended, vec![]));
        }
    }
    if let Some(lie) = lies.event {
        for (event, _) in &mut written {
            lie(event);
        }
    }
    let bundles =
        [(bundle.bundle(), PackedBundle::Whole { files: files(), floor: Bundle::floor().to_owned() })];
    publish(&proposal.action, written, bundles.into(), lies)
}

/// Writes the entries among others, and packs them.
fn publish(
    action: &ActionId,
    written: Written,
    bundles: BTreeMap<Digest, PackedBundle>,
    lies: &Lies,
) -> Pack {
    let (mut levels, mut texts, mut payloads) = (Levels::default(), vec![], BTreeMap::new());
    for n in 0..5 {
        levels.push(leaf_hash(format!("before {n}").as_bytes()));
    }
    for (at, (event, named)) in written.into_iter().enumerate() {
        let commits = named.into_iter().map(|(name, plain)| {
            let commitment = Digest::commitment(&salt(&plain), &plain);
            payloads.insert(commitment, PackedPayload::revealed(&salt(&plain), plain));
            (name.to_owned(), commitment)
        });
        let mut entry = Entry {
            v: 1,
            log: LOG.to_owned(),
            seq: 5 + at as u64,
            at: NOW,
            run: None,
            actor: Actor::Server,
            cause: None,
            event,
            commits: commits.collect(),
        };
        if let Some(lie) = lies.entry {
            lie(&mut entry);
        }
        let text = String::from_utf8(entry.encode()).unwrap();
        levels.push(leaf_hash(text.as_bytes()));
        texts.push(text);
    }
    levels.push(leaf_hash(b"after"));
    let size = 6 + texts.len() as u64;
    let checkpoint = Checkpoint::new(LOG, size, root(&levels, size).unwrap()).unwrap();
    let note = sign(&checkpoint.encode(), &LogSigner).unwrap();
    let entries = (5..).zip(texts).map(|(seq, entry)| {
        let path = inclusion(&levels, seq, size).unwrap();
        PackedEntry { entry, proof: Receipt::new(seq, path, None, note.clone()).unwrap().encode() }
    });
    Pack {
        format: FORMAT.to_owned(),
        log: LOG.to_owned(),
        verifier_key: VerifierKey::of(&LogSigner).encode(),
        action: action.clone(),
        made_at: NOW,
        entries: entries.collect(),
        payloads,
        bundles,
        checkpoint: note,
    }
}

pub(super) fn refund() -> Pack {
    pack("crm.refund", "712.40", &Lies::default())
}

/// A report as text, without what is only proved unless `all`.
pub(super) fn told(report: &Report, all: bool) -> String {
    let mut text = String::new();
    for line in report.lines.iter().filter(|line| all || line.mark != crate::Mark::Proved) {
        writeln!(text, "{:?} {}: {}", line.mark, line.part, line.text).unwrap();
    }
    writeln!(text, "{} of {} decided again", report.decided_again, report.decisions).unwrap();
    text
}

/// What fails in a pack, after a way through its file.
pub(super) fn failed(pack: &Pack) -> Vec<String> {
    let again = Pack::parse(&pack.encode()).unwrap();
    assert_eq!(&again, pack, "a file holds all of a pack");
    let report = check(&again, None);
    let lines = report.lines.iter().filter(|line| line.mark == crate::Mark::Failed);
    lines.map(|line| format!("{}: {}", line.part, line.text)).collect()
}
