//! Telling a run something.

use kernel::actor::Actor;
use kernel::digest::Digest;
use kernel::id::RunId;
use kernel::refusal::Refusal;
use kernel::signal::{self, Inbox};
use kernel::state;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::error::Error;

/// The longest name of a signal.
pub(crate) const NAME_BYTES_MAX: usize = 200;

/// Something that somebody tells a run.
#[derive(Clone, Debug)]
pub struct SendSignal {
    /// The run.
    pub run: RunId,
    /// Who tells.
    pub by: Actor,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// The caller's key: the same one is the same signal.
    pub idempotency: Option<String>,
}

impl Engine {
    /// Keeps a signal until the run reads it. Returns its entry.
    pub async fn signal(&self, send: SendSignal) -> Result<u64, Error> {
        self.check_open()?;
        self.check_intake()?;
        if send.name.is_empty() || send.name.len() > NAME_BYTES_MAX {
            let what = format!("the name of a signal has 1 to {NAME_BYTES_MAX} bytes");
            return Err(Refusal::Invalid(what).into());
        }
        if send.idempotency.as_ref().is_some_and(|key| key.is_empty() || key.len() > 256) {
            return Err(Refusal::Invalid("an idempotency key has 1 to 256 bytes".to_owned()).into());
        }
        let (payloads, scope) = (&self.inner.payloads, send.run.as_str());
        let name = self.signal_name(&send.run, &send.name);
        let content = kernel::json::canonical(&json!({ "name": send.name, "value": send.value }));
        let key = send
            .idempotency
            .as_ref()
            .map(|key| payloads.pseudonym("countersign/signal/v1", &[scope.as_bytes(), key.as_bytes()]));
        let fingerprint =
            key.map(|_| payloads.pseudonym("countersign/signal-request/v1", &[scope.as_bytes(), &content]));
        let sealed = payloads.seal(&payloads.subject(scope), scope, &content).map_err(Error::Payload)?;
        self.ask(move |desk| {
            let table = desk.table();
            let inbox = state::inbox(table, &Inbox::row_id(&send.run, &name)).unwrap_or_default();
            let found = state::with_run(table, &send.run, |run| {
                if !state::owns(&send.by, run) {
                    return None;
                }
                if let Some(before) = key.and_then(|key| state::made(table, &key)) {
                    return Some(known(&before, fingerprint.as_ref()).map(Err));
                }
                Some(signal::receive(run, inbox, name, (key, fingerprint)).map(Ok))
            });
            let not_found = || Refusal::NotFound { what: "run", id: send.run.to_string() };
            match found.flatten().ok_or_else(not_found)?? {
                Ok(event) => {
                    desk.write(&send.by, Some(&send.run), vec![(event, vec![("signal".to_owned(), sealed)])])
                }
                Err(seq) => Ok(seq),
            }
        })
        .await
    }

    /// What stands in entries for the name of a signal.
    pub(crate) fn signal_name(&self, run: &RunId, name: &str) -> Digest {
        let parts = [run.as_str().as_bytes(), name.as_bytes()];
        self.inner.payloads.pseudonym("countersign/signal-name/v1", &parts)
    }
}

/// The entry that this key made before, if it was for the same request.
fn known(made: &str, fingerprint: Option<&Digest>) -> Result<u64, Refusal> {
    let (seq, _) = made.split_once(' ').unwrap_or((made, ""));
    match seq.parse() {
        Ok(seq) if signal::made(seq, fingerprint) == made => Ok(seq),
        _ => Err(Refusal::IdempotencyMismatch),
    }
}
