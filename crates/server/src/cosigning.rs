//! Cosignatures for our own checkpoints: every new one is shown to the witnesses of the policy, and what they sign is kept
//! beside it.
//!
//! Nothing waits for a witness: one that is down is named in health and asked again at the next round. One that holds
//! another history of the log is an alarm, kept in a file until a person takes it away. A round is one pass over all
//! witnesses with the checkpoint of that moment; rounds follow each other at an interval, never at once.

mod post; // one request to a witness
mod proof; // that the checkpoint continues what a witness saw
mod store; // cosigned checkpoints and disputes, on disk

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::witness::{Next, read_answer};
use anyhow::{Context as _, Result, bail};
use journal::{Backend, Hashes, LogId};
use kernel::clock::{Clock, Millis};
use tlog::{AddCheckpoint, Checkpoint, Note, Policy, VerifierKey, WitnessKey, with_signatures};
use tokio_util::sync::CancellationToken;

use self::post::Poster;
use self::store::{Dispute, Store};

/// Requests to one witness in one round: it may say once from where to begin.
const TRIES: usize = 2;

/// A witness, and how it went with it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Entries of the last checkpoint that it cosigned; 0 before the first of this start.
    pub(crate) size: u64,
    /// Why it did not sign the last one it was shown, and since when.
    pub(crate) failing: Option<(Millis, String)>,
}

/// The witnesses of a log.
pub(crate) struct Cosigning {
    log: LogId,
    origin: String,
    policy: Policy,
    witnesses: Vec<Witness>,
    poster: Poster,
    store: Store,
    journal: Arc<dyn Backend>,
    /// Hashes of the log, unless they are damaged.
    hashes: Option<Arc<Hashes>>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct Witness {
    name: String,
    key: WitnessKey,
    url: String,
}

#[derive(Default)]
struct State {
    seen: BTreeMap<String, Seen>,
    /// The last checkpoint with cosignatures, whether they are enough or not.
    latest: Option<(u64, String)>,
    /// The last one that the policy trusts.
    trusted: Option<(u64, String)>,
    disputes: Vec<Dispute>,
}

impl Cosigning {
    /// Reads what was kept. Witnesses without an address are not asked: somebody else brings their cosignatures.
    pub(crate) fn open(
        data: &Path,
        policy: &Policy,
        (log, key): (LogId, &VerifierKey),
        journal: Arc<dyn Backend>,
        hashes: Option<Arc<Hashes>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let policy = policy.clone().with_log(key.clone());
        let witnesses = policy
            .witnesses()
            .filter_map(|(name, key, url)| Some((name, key, url?)))
            .map(|(name, key, url)| {
                let url = post::address(url).with_context(|| format!("the witness `{name}`"))?;
                Ok(Witness { name: name.to_owned(), key: key.clone(), url })
            })
            .collect::<Result<Vec<_>>>()?;
        let store = Store::open(data)?;
        let kept = store.cosigned(key.name())?.filter(|note| policy.check(note).is_ok());
        let trusted = kept.and_then(|note| Some((size_of(&note)?, note)));
        let head = journal.head(log).size;
        if let Some((size, _)) = trusted.as_ref().filter(|(size, _)| *size > head) {
            bail!(
                "witnesses cosigned {size} entries of the log `{}`, and {head} are there: this is an older copy of it. \
                 Going on would make a second history under one key; restore the newest backup, or move `{}` away if you \
                 know what became of the rest",
                key.name(),
                store.file(key.name()).display()
            );
        }
        let seen = witnesses.iter().map(|witness| (witness.name.clone(), Seen { size: 0, failing: None }));
        let state =
            State { seen: seen.collect(), latest: trusted.clone(), trusted, disputes: store.disputes()? };
        Ok(Self {
            log,
            origin: key.name().to_owned(),
            policy,
            witnesses,
            poster: Poster::new()?,
            store,
            journal,
            hashes,
            clock,
            state: Mutex::new(state),
        })
    }

    /// The last checkpoint that enough witnesses cosigned.
    pub(crate) fn trusted(&self) -> Option<String> {
        self.state().trusted.as_ref().map(|(_, note)| note.clone())
    }

    /// How it went with each witness.
    pub(crate) fn witnesses(&self) -> BTreeMap<String, Seen> {
        self.state().seen.clone()
    }

    /// How many times a witness held another history.
    pub(crate) fn disputes(&self) -> u64 {
        self.state().disputes.len() as u64
    }

    /// What somebody should look at.
    pub(crate) fn attention(&self) -> Vec<String> {
        let now = self.clock.now().wall;
        let state = self.state();
        let failing = state.seen.iter().filter_map(|(name, seen)| {
            let (since, why) = seen.failing.as_ref()?;
            let seconds = now.since(*since).0 / 1_000;
            Some(format!("The witness {name} has not cosigned for {seconds} s: {why}."))
        });
        let disputes = state.disputes.iter().map(|dispute| {
            format!(
                "The witness {} holds another history of the log {} (it answered {}): see docs/guide/witness.md and \
                 {}.",
                dispute.witness,
                dispute.log,
                dispute.status,
                store::DISPUTES
            )
        });
        disputes.chain(failing).map(|line| api::visible(&line)).collect()
    }

    /// Asks for cosignatures until the server stops.
    pub(crate) async fn run(self: Arc<Self>, interval: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                // Given up in the middle, a round is a request that a witness answers and nobody hears: the next start asks
                // again.
                done = self.round() => if let Err(cause) = done {
                    tracing::error!(%cause, "cosignatures could not be kept");
                },
            }
        }
    }

    /// Shows the checkpoint of now to every witness that has not cosigned it.
    pub(crate) async fn round(self: &Arc<Self>) -> Result<()> {
        let Some(note) = self.journal.checkpoint(self.log) else { return Ok(()) };
        let Some(now) = claimed(&note).filter(|now| now.size() > 0) else { return Ok(()) };
        let size = now.size();
        let before = self.state().latest.clone().filter(|(kept, _)| *kept == size).map(|(_, note)| note);
        let mut cosigned = before.clone().unwrap_or_else(|| note.clone());
        let missing = self.witnesses.iter().filter(|witness| !has_signed(&witness.key, &cosigned));
        let shown = (note.as_str(), &now);
        let asked = missing.map(|witness| async move { (witness, self.ask(witness, shown).await) });
        let answers = futures_util::future::join_all(asked).await;
        for (witness, answer) in answers {
            let now = self.clock.now().wall;
            let mut state = self.state();
            let seen = state.seen.entry(witness.name.clone()).or_insert(Seen { size: 0, failing: None });
            match answer {
                Ok(lines) => {
                    *seen = Seen { size, failing: None };
                    cosigned = with_signatures(&cosigned, &lines)?;
                }
                Err(why) => {
                    let since = seen.failing.as_ref().map_or(now, |(since, _)| *since);
                    tracing::warn!(witness = %witness.name, %why, "a checkpoint was not cosigned");
                    seen.failing = Some((since, why));
                }
            }
        }
        if before.as_ref() == Some(&cosigned) || cosigned == note {
            return Ok(());
        }
        self.keep(size, cosigned).await
    }

    async fn keep(self: &Arc<Self>, size: u64, note: String) -> Result<()> {
        let enough = self.policy.check(&note).is_ok();
        if enough {
            let (this, kept) = (self.clone(), note.clone());
            tokio::task::spawn_blocking(move || this.store.keep(&this.origin, &kept)).await??;
        }
        let mut state = self.state();
        state.latest = Some((size, note.clone()));
        if enough {
            state.trusted = Some((size, note));
        }
        Ok(())
    }

    /// One witness: its signature lines, or why there are none.
    async fn ask(
        self: &Arc<Self>,
        witness: &Witness,
        (note, now): (&str, &Checkpoint),
    ) -> Result<String, String> {
        let size = now.size();
        let mut old = self.state().seen.get(&witness.name).map_or(0, |seen| seen.size).min(size);
        for _ in 0..TRIES {
            let (this, now) = (self.clone(), now.clone());
            let proof = tokio::task::spawn_blocking(move || {
                let hashes = this.hashes.as_ref().context("the hashes of the log are damaged")?;
                proof::continues(hashes, &*this.journal, this.log, old, &now)
            });
            let proof =
                proof.await.map_err(|error| error.to_string())?.map_err(|error| format!("{error:#}"))?;
            let body = AddCheckpoint { old, proof, note: note.to_owned() }.encode();
            let (status, answer) = self.poster.post(&witness.url, body).await?;
            match read_answer(status, &answer, note, old, &witness.key) {
                Next::Cosigned(cosigned) => {
                    return Ok(cosigned.strip_prefix(note).unwrap_or_default().to_owned());
                }
                Next::From(seen) => old = seen,
                Next::Failed(why) => return Err(why),
                Next::Disputed { size } => {
                    let told = String::from_utf8_lossy(&answer).chars().take(1_000).collect();
                    self.dispute(Dispute {
                        at: self.clock.now().wall,
                        witness: witness.name.clone(),
                        key: witness.key.encode(),
                        log: self.origin.clone(),
                        status,
                        size,
                        old,
                        checkpoint: note.to_owned(),
                        answer: told,
                    })
                    .await;
                    return Err(format!("{status}: it holds another history of this log"));
                }
            }
        }
        Err("it names another size each time it is asked".to_owned())
    }

    /// Keeps an alarm, once.
    async fn dispute(self: &Arc<Self>, dispute: Dispute) {
        {
            let mut state = self.state();
            if state.disputes.iter().any(|known| known.is_same(&dispute))
                || state.disputes.len() >= store::DISPUTES_MAX
            {
                return;
            }
            state.disputes.push(dispute.clone());
        }
        tracing::error!(witness = %dispute.witness, status = dispute.status, "a witness holds another history of the log");
        let this = self.clone();
        let kept = tokio::task::spawn_blocking(move || this.store.dispute(&dispute)).await;
        if let Ok(Err(cause)) = kept {
            tracing::error!(%cause, "the dispute could not be kept");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn claimed(note: &str) -> Option<Checkpoint> {
    Checkpoint::claimed(&Note::parse(note).ok()?).ok()
}

fn size_of(note: &str) -> Option<u64> {
    Some(claimed(note)?.size())
}

fn has_signed(key: &WitnessKey, note: &str) -> bool {
    Note::parse(note).is_ok_and(|note| matches!(key.cosigned(&note), Ok(Some(_))))
}
