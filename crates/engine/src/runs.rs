//! Starting and ending runs.

use kernel::actor::Actor;
use kernel::event::Event;
use kernel::id::{AgentId, PersonId, RunId};
use kernel::refusal::Refusal;
use kernel::run::{Run, RunOutcome};
use kernel::state;

use crate::engine::Engine;
use crate::error::Error;

/// The longest title of a run.
const TITLE_BYTES_MAX: usize = 1_000;
/// The longest name of a conversation.
const CONVERSATION_BYTES_MAX: usize = 256;

/// A request for a run.
#[derive(Clone, Debug)]
pub struct StartRun {
    /// Whose run it is.
    pub agent: AgentId,
    /// Who starts it.
    pub by: Actor,
    /// A line for people.
    pub title: Option<String>,
    /// For whom it acts.
    pub on_behalf_of: Option<PersonId>,
    /// The conversation or ticket that it serves: the same one gives the same run.
    pub conversation: Option<String>,
    /// The caller's key.
    pub idempotency: Option<String>,
}

impl Engine {
    /// Starts a run, or returns the one that the same conversation or key started.
    pub async fn start_run(&self, start: StartRun) -> Result<Run, Error> {
        self.check_open()?;
        for (what, text, max) in [
            ("title", &start.title, TITLE_BYTES_MAX),
            ("conversation", &start.conversation, CONVERSATION_BYTES_MAX),
            ("idempotency key", &start.idempotency, CONVERSATION_BYTES_MAX),
        ] {
            if text.as_ref().is_some_and(|text| text.len() > max || text.is_empty()) {
                return Err(Refusal::Invalid(format!("the {what} must have 1 to {max} bytes")).into());
            }
        }
        let now = self.inner.clock.now().wall;
        let run = RunId::new(now, kernel::clock::chance(&*self.inner.entropy));
        let title = match &start.title {
            Some(title) => {
                let sealed = self.inner.payloads.seal(
                    &self.inner.payloads.subject(run.as_str()),
                    run.as_str(),
                    title.as_bytes(),
                );
                vec![("title".to_owned(), sealed.map_err(Error::Payload)?)]
            }
            None => vec![],
        };
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let who = start.by.to_string();
        let key = match (&start.idempotency, &start.conversation) {
            (Some(key), _) => Some(("key", key)),
            (None, Some(conversation)) => Some(("conversation", conversation)),
            (None, None) => None,
        };
        let key = key.map(|(kind, key)| {
            self.inner.payloads.pseudonym(
                "countersign/run/v1",
                &[kind.as_bytes(), start.agent.as_str().as_bytes(), key.as_bytes()],
            )
        });
        let behalf = start.on_behalf_of.as_ref().map(ToString::to_string).unwrap_or_default();
        // A conversation finds its run whatever the later calls say; a key asks for the same request.
        let fingerprint = start.idempotency.as_ref().map(|_| {
            let title = text(&start.title);
            let conversation = text(&start.conversation);
            let parts = [who.as_bytes(), title.as_bytes(), conversation.as_bytes(), behalf.as_bytes()];
            self.inner.payloads.pseudonym("countersign/run-request/v1", &parts)
        });
        let intake = self.check_intake();
        self.ask(move |desk| {
            let agent = state::agent(desk.table(), &start.agent)
                .ok_or_else(|| Refusal::AgentUnknown { agent: start.agent.to_string() })?;
            if let Some(person) = &start.on_behalf_of
                && state::person(desk.table(), person).is_none()
            {
                return Err(Refusal::NotFound { what: "person", id: person.to_string() }.into());
            }
            let before = key.and_then(|key| state::made(desk.table(), &key)).and_then(|id| id.parse().ok());
            if let Some(before) = before.and_then(|id| state::run(desk.table(), &id)) {
                return if before.fingerprint == fingerprint {
                    Ok(before)
                } else {
                    Err(Refusal::IdempotencyMismatch.into())
                };
            }
            intake?;
            let event = Event::RunStarted {
                run: run.clone(),
                agent: start.agent.clone(),
                agent_version: agent.version,
                on_behalf_of: start.on_behalf_of.clone(),
                conversation: key,
                fingerprint,
            };
            desk.write(&start.by, Some(&run), vec![(event, title)])?;
            state::run(desk.table(), &run)
                .ok_or_else(|| Refusal::NotFound { what: "run", id: run.to_string() }.into())
        })
        .await
    }

    /// Ends a run.
    pub async fn finish_run(&self, id: &RunId, outcome: RunOutcome, by: Actor) -> Result<Run, Error> {
        let id = id.clone();
        self.ask(move |desk| {
            let not_found = || Error::Refused(Refusal::NotFound { what: "run", id: id.to_string() });
            let run =
                state::run(desk.table(), &id).filter(|run| state::owns(&by, run)).ok_or_else(not_found)?;
            let events: Vec<_> = run.finish(outcome)?.into_iter().map(|event| (event, vec![])).collect();
            if !events.is_empty() {
                desk.write(&by, Some(&id), events)?;
            }
            state::run(desk.table(), &id).ok_or_else(not_found)
        })
        .await
    }
}
