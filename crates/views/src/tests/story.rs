//! Builds journals by hand: every way in which an action can go, with payloads beside the entries.

use std::collections::{BTreeMap, BTreeSet};

use journal::{PayloadAt, Stored};
use kernel::action::{Cause, SettledBy};
use kernel::actor::{Actor, Principal, Scope};
use kernel::approval::{Binding, WithdrawnWhy};
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::{Decided, Entry, Event, FactRef};
use kernel::id::{ActionId, ApprovalId, KeyId, PersonId, RunId, TimerId};
use kernel::judge::{CounterUse, EffectClass, Obligations, Verdict};
use kernel::ports::FailureClass;
use kernel::run::RunOutcome;
use kernel::timer::Purpose;

/// Words of a payload that must never reach the file.
pub(super) const CANARY: &str = "canary-7f3a-the-customer-said";

/// How an action goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Confirmed,
    Refused,
    Approved,
    Rejected,
    Expired,
    Withdrawn,
    Waiting,
    HandedOver,
    SettledByPerson,
    Deferred,
    Failed,
}

pub(super) const WAYS: [Way; 11] = [
    Way::Confirmed,
    Way::Refused,
    Way::Approved,
    Way::Rejected,
    Way::Expired,
    Way::Withdrawn,
    Way::Waiting,
    Way::HandedOver,
    Way::SettledByPerson,
    Way::Deferred,
    Way::Failed,
];

#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) entries: Vec<Stored>,
    at: i64,
    chance: u64,
    run: Option<RunId>,
}

pub(super) fn digest(text: &str) -> Digest {
    Digest::of("test", &[text.as_bytes()])
}

pub(super) fn ada() -> PersonId {
    "ada".parse().unwrap()
}

impl Story {
    /// A workspace with an agent, two people, a connector and a key that was revoked.
    pub(super) fn begin() -> Self {
        let mut story = Self { at: 1_000_000, ..Self::default() };
        let key = KeyId::new(Millis(1), [1; 10]);
        let bob: PersonId = "bob".parse().unwrap();
        for event in [
            Event::LogStarted { format: 1, verifier_key: "shop+1234+key".to_owned() },
            Event::PersonRegistered { person: ada(), roles: ["owner".parse().unwrap()].into() },
            Event::PersonRegistered { person: bob.clone(), roles: ["reviewer".parse().unwrap()].into() },
            Event::AgentRegistered {
                agent: "shop-agent".parse().unwrap(),
                version: 3,
                owner: ada(),
                deputy: Some(bob),
                stage: "production".to_owned(),
                concurrency: None,
            },
            Event::ConnectorRegistered {
                connector: "crm".parse().unwrap(),
                environment: "sandbox".to_owned(),
                definition: digest("crm"),
            },
            Event::KeyCreated {
                key: key.clone(),
                principal: Principal::Person(ada()),
                scopes: BTreeSet::from([Scope::Read, Scope::Answer]),
                secret_hash: digest("secret"),
            },
            Event::KeyRevoked { key },
        ] {
            story.add(event);
        }
        story.add_with(
            Event::BundlePublished { bundle: digest("b1"), previous: None, setup: false },
            &["files"],
        );
        story
    }

    fn chance(&mut self) -> [u8; 10] {
        self.chance += 1;
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&self.chance.to_be_bytes());
        bytes
    }

    pub(super) fn add(&mut self, event: Event) {
        self.add_with(event, &[]);
    }

    fn add_with(&mut self, event: Event, payloads: &[&str]) {
        let seq = self.entries.len() as u64;
        self.at += 700;
        let commits: BTreeMap<_, _> = payloads
            .iter()
            .map(|name| ((*name).to_owned(), digest(&format!("{CANARY} {seq} {name}"))))
            .collect();
        let entry = Entry {
            v: 1,
            log: "shop".to_owned(),
            seq,
            at: Millis(self.at),
            run: self.run.clone(),
            actor: Actor::Operator,
            cause: None,
            event,
            commits: commits.clone(),
        };
        let payloads = commits.values().enumerate().map(|(index, commitment)| PayloadAt {
            commitment: commitment.0,
            subject: format!("customer-{}", seq % 3),
            at: locator(seq * 10 + index as u64),
        });
        self.entries.push(Stored { seq, bytes: entry.encode(), payloads: payloads.collect() });
    }

    /// A run with these actions; it ends where `outcome` says how.
    pub(super) fn run(&mut self, ways: &[Way], outcome: Option<RunOutcome>) -> RunId {
        let run = RunId::new(Millis(self.at), self.chance());
        self.run = Some(run.clone());
        self.add_with(
            Event::RunStarted {
                run: run.clone(),
                agent: "shop-agent".parse().unwrap(),
                agent_version: 3,
                on_behalf_of: None,
                conversation: None,
                fingerprint: None,
                task: None,
                priority: None,
                deadline: None,
                parent: None,
            },
            &["title"],
        );
        for way in ways {
            self.action(*way);
        }
        if let Some(outcome) = outcome {
            self.add(Event::RunFinished { run: run.clone(), outcome });
        }
        self.run = None;
        run
    }

    fn decided(&mut self, action: &ActionId, round: u32, verdict: Verdict) {
        let fact = FactRef {
            name: "total".to_owned(),
            source: "crm.get_order".to_owned(),
            version: digest("v"),
            read_at: Millis(self.at),
        };
        let decided = Decided {
            action: action.clone(),
            round,
            verdict,
            code: "permitted".to_owned(),
            rules: vec!["small-refunds".to_owned()],
            bundle: digest("b1"),
            judge: "cedar 4.14.1".to_owned(),
            facts: vec![fact],
            obligations: None,
        };
        self.add_with(Event::ActionDecided(decided), &["request", "headline", "fact.total"]);
    }

    fn intend(&mut self, action: &ActionId) {
        let count =
            CounterUse { name: "refunded".to_owned(), key: "refunded/shop-agent".to_owned(), amount: 5 };
        self.add(Event::ActionIntended {
            action: action.clone(),
            attempt: 1,
            idempotency_key: None,
            reserves: vec![count],
        });
    }

    fn confirm(&mut self, action: &ActionId, settled_by: SettledBy) {
        self.add_with(Event::ActionConfirmed { action: action.clone(), attempt: 1, settled_by }, &["output"]);
    }

    fn ask(&mut self, action: &ActionId) -> (ApprovalId, TimerId, Millis) {
        let (approval, timer) =
            (ApprovalId::new(Millis(self.at), self.chance()), TimerId::new(Millis(1), self.chance()));
        // Later requests may expire earlier: the inbox goes by expiry, not by age.
        let due = Millis(90_000_000 - i64::try_from(self.chance % 7).unwrap() * 1_000);
        let obligations = Obligations { quorum: 1, expires_in: Millis(60_000), ..Obligations::default() };
        let binds = Binding {
            action: digest("a"),
            manifest: digest("m"),
            obligations: digest("o"),
            shown: digest("s"),
            bundle: digest("b1"),
        };
        self.add_with(
            Event::ApprovalRequested {
                approval: approval.clone(),
                action: action.clone(),
                binds,
                obligations,
                expires_at: due,
                timer: timer.clone(),
            },
            &["shown"],
        );
        let purpose = Purpose::Expire { approval: approval.clone(), action: action.clone() };
        self.add(Event::TimerSet { timer: timer.clone(), due, purpose });
        (approval, timer, due)
    }

    fn action(&mut self, way: Way) {
        let action = ActionId::new(Millis(self.at), self.chance());
        let tool = if matches!(way, Way::Confirmed) { "crm.get_order" } else { "crm.refund" };
        let name = action.to_string();
        self.add_with(
            Event::ActionProposed {
                action: action.clone(),
                run: self.run.clone().unwrap(),
                tool: tool.parse().unwrap(),
                class: EffectClass::Once,
                manifest: digest("m"),
                digest: digest(&name),
                idempotency: Some(digest(&format!("key {name}"))),
                conflict_key: Some(digest("order 7")),
                subject: digest("customer"),
            },
            &["arguments", "reason"],
        );
        match way {
            Way::Confirmed => {
                self.decided(&action, 1, Verdict::Autonomous);
                self.intend(&action);
                self.confirm(&action, SettledBy::Answer);
            }
            Way::Failed => {
                self.decided(&action, 1, Verdict::Autonomous);
                self.intend(&action);
                self.add(Event::ActionFailed {
                    action,
                    attempt: 1,
                    class: FailureClass::Refused,
                    settled_by: SettledBy::Answer,
                });
            }
            Way::Refused => {
                self.decided(&action, 1, Verdict::Never);
                self.add(Event::ActionRefused { action, code: "no_permit".to_owned() });
            }
            Way::Deferred => self.add(Event::ActionDeferred { action, code: "fact_unavailable".to_owned() }),
            Way::HandedOver | Way::SettledByPerson => {
                self.decided(&action, 1, Verdict::Autonomous);
                self.intend(&action);
                self.add(Event::ActionUnknown { action: action.clone(), attempt: 1, cause: Cause::TimeOut });
                self.add(Event::ActionHandedOver { action: action.clone(), attempt: 1 });
                if matches!(way, Way::SettledByPerson) {
                    self.confirm(&action, SettledBy::Person(ada()));
                }
            }
            Way::Approved | Way::Rejected | Way::Expired | Way::Withdrawn | Way::Waiting => {
                self.decided(&action, 1, Verdict::Approve);
                self.gated(way, &action);
            }
        }
    }

    fn gated(&mut self, way: Way, action: &ActionId) {
        let (approval, timer, due) = self.ask(action);
        let action = action.clone();
        match way {
            Way::Approved => {
                let roles = BTreeSet::new();
                let (by, seen) = (ada(), digest("s"));
                self.add(Event::ApprovalGiven {
                    approval: approval.clone(),
                    action: action.clone(),
                    by,
                    roles,
                    seen,
                });
                self.decided(&action, 2, Verdict::Approve);
                self.add(Event::ApprovalUsed { approval, action: action.clone() });
                self.intend(&action);
                self.confirm(&action, SettledBy::Answer);
            }
            Way::Rejected => {
                self.add_with(Event::ApprovalRejected { approval, action, by: ada() }, &["reason"]);
            }
            Way::Expired => {
                self.add(Event::TimerFired { timer, due });
                self.add(Event::ApprovalExpired { approval, action });
            }
            Way::Withdrawn => {
                self.add(Event::ApprovalWithdrawn { approval, action, why: WithdrawnWhy::ByAgent });
            }
            _ => {}
        }
    }
}

/// Any place in the journal, told apart by a number.
fn locator(number: u64) -> journal::Locator {
    journal::Locator { segment: 0, offset: number, len: 64 }
}

/// All ways, twice, in runs that end in every way.
pub(super) fn long() -> Story {
    let mut story = Story::begin();
    story.run(&WAYS, None);
    story.run(&WAYS[2..7], Some(RunOutcome::Done));
    story.run(&[], Some(RunOutcome::Cancelled));
    story.run(&[Way::Confirmed, Way::HandedOver], Some(RunOutcome::Failed));
    story.run(&[Way::Waiting, Way::Approved, Way::Waiting], None);
    story
}
