//! Bundles coming into force, and plain records: keys.

use std::fmt;
use std::sync::Arc;

use kernel::actor::Actor;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::Event;
use kernel::id::AgentId;
use kernel::judge::Judge;
use kernel::refusal::Refusal;
use kernel::retention::Retention;
use kernel::state;

use crate::engine::Engine;
use crate::error::Error;
use crate::roster::Roster;
use crate::subject::WORKSPACE;

/// The data key's name under which workspace files are sealed.
const FILES_SUBJECT: &str = "workspace-files";

/// How long what an agent's runs hold is kept, from a bundle.
#[derive(Clone, Debug)]
pub struct KeepFor {
    /// The agent.
    pub agent: AgentId,
    /// How long.
    pub retention: Retention,
    /// Why that is less than the floor, where it is.
    pub reason: Option<String>,
}

/// A bundle that is to come into force.
pub struct Publish {
    /// The bundle, compiled.
    pub judge: Arc<dyn Judge>,
    /// Its files, as canonical JSON.
    pub files: Vec<u8>,
    /// Whom and what it names; what is so already is not recorded again.
    pub roster: Roster,
    /// How long what each agent's runs hold is kept; what is so already is not recorded again.
    pub retention: Vec<KeepFor>,
    /// Whether it acts on production, which ends the setting up of a workspace for good.
    pub production: bool,
    /// The bundle against which the plan was made.
    pub expected: Option<Digest>,
    /// Who publishes.
    pub by: Actor,
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish").field("judge", &self.judge).field("by", &self.by).finish_non_exhaustive()
    }
}

impl Engine {
    /// Brings a bundle into force: files, agents, people and connectors in one append. Every decision after it is
    /// taken by the new bundle.
    pub async fn publish(&self, publish: Publish) -> Result<u64, Error> {
        let Publish { judge, files, roster, retention, production, expected, by } = publish;
        let sealed = self
            .inner
            .payloads
            .seal(&self.inner.payloads.subject(FILES_SUBJECT), "workspace", &files)
            .map_err(Error::Payload)?;
        let new = judge.clone();
        let seq = self
            .ask(move |desk| {
                let workspace = state::workspace(desk.table());
                let before = workspace.bundle.map(|(bundle, _)| bundle);
                let setup = workspace.setup && !production;
                if expected.is_some() && expected != before {
                    return Err(Refusal::Invalid(
                        "another bundle came into force since the plan was made; make the plan again"
                            .to_owned(),
                    )
                    .into());
                }
                let published = Event::BundlePublished { bundle: judge.bundle(), previous: before, setup };
                let mut all = vec![(published, vec![("files".to_owned(), sealed)])];
                all.extend(roster.changes(&desk.book).into_iter().map(|event| (event, vec![])));
                for KeepFor { agent, retention, reason } in retention {
                    if state::retention(desk.table(), &agent) == retention {
                        continue;
                    }
                    let workspace = desk.payloads.subject(WORKSPACE);
                    let reason = reason
                        .map(|reason| desk.seal("reason", &workspace, WORKSPACE, reason.as_bytes()))
                        .transpose()?;
                    all.push((Event::RetentionSet { agent, retention }, reason.into_iter().collect()));
                }
                let seq = desk.write(&by, None, all)?;
                desk.set_judge(judge);
                Ok(seq)
            })
            .await?;
        *self.inner.judge.write().expect("no panic while the lock is held") = Some(new);
        Ok(seq)
    }

    /// An operator looked at a jumped clock and accepts it: expiries go on. Without a jump nothing is recorded.
    pub async fn accept_clock(&self, by: Actor) -> Result<(), Error> {
        self.ask(move |desk| {
            if state::workspace(desk.table()).clock_off != Millis(0) {
                desk.write(&by, None, vec![(Event::ClockAccepted {}, vec![])])?;
            }
            Ok(())
        })
        .await
    }

    /// Records events that need no decision of a noun: keys made and revoked.
    pub async fn record(&self, by: Actor, events: Vec<Event>) -> Result<u64, Error> {
        self.ask(move |desk| desk.write(&by, None, events.into_iter().map(|event| (event, vec![])).collect()))
            .await
    }
}
