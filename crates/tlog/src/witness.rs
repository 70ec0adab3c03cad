//! A witness (c2sp.org/tlog-witness): sees the checkpoints of logs one after the other, and signs only those that
//! continue what it saw before.
//!
//! The decision and the memory it rests on; the server around them keeps the memory on a disk before it signs.

use std::collections::BTreeMap;

use kernel::ports::Signer;

use crate::checkpoint::Checkpoint;
use crate::key::{VerifierKey, WitnessKey};
use crate::note::{NOTE_BYTES_MAX, Note, NoteError};
use crate::proof::{PROOF_LEN_MAX, verify_consistency};
use crate::text::{FormError, base64, decimal, hash};
use crate::tree::{Hash, empty_root};

/// The largest request: a note and a proof in front of it.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + 4 * 1024;

/// Asks a witness to cosign: the body of `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Entries of the checkpoint that the witness cosigned last, as the log believes.
    pub old: u64,
    /// That the new tree continues the old one.
    pub proof: Vec<Hash>,
    /// The new checkpoint, signed by the log.
    pub note: String,
}

impl AddCheckpoint {
    /// The body.
    pub fn encode(&self) -> String {
        let lines: String = self.proof.iter().map(|hash| base64(hash) + "\n").collect();
        format!("old {}\n{lines}\n{}", self.old, self.note)
    }

    /// Reads the body.
    pub fn parse(body: &str) -> Result<Self, FormError> {
        let form = |line, why| FormError { line, why };
        if body.len() > REQUEST_BYTES_MAX {
            return Err(form(1, "the request is too large"));
        }
        let (head, note) = body.split_once("\n\n").ok_or(form(1, "there is no empty line"))?;
        let mut lines = (1..).zip(head.split('\n'));
        let old = lines
            .next()
            .and_then(|(_, line)| decimal(line.strip_prefix("old ")?))
            .ok_or(form(1, "the line is not `old` and a number"))?;
        let mut proof = Vec::new();
        for (at, line) in lines {
            if proof.len() == PROOF_LEN_MAX {
                return Err(form(at, "the proof is too long"));
            }
            proof.push(hash(line).ok_or(form(at, "the line is not a hash in base64"))?);
        }
        Ok(Self { old, proof, note: note.to_owned() })
    }
}

/// Why a witness does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request does not have its form.
    #[error("the request cannot be read: {0}")]
    Form(String),
    /// A log that the witness does not follow.
    #[error("the log is not known here")]
    UnknownLog,
    /// No key of the log signed.
    #[error("the checkpoint carries no valid signature of the log")]
    UnknownKey,
    /// The log believes that another checkpoint was the last.
    #[error("the last checkpoint that was seen has {size} entries")]
    Stale {
        /// Entries of the last one.
        size: u64,
    },
    /// As many entries as before, but other ones.
    #[error("another checkpoint of {size} entries was seen before")]
    Fork {
        /// Entries of both.
        size: u64,
    },
    /// The new tree does not continue the old one, or this was not shown.
    #[error("the proof does not show that the log only grew")]
    Proof,
}

impl Refusal {
    /// The HTTP status that says it.
    pub fn status(&self) -> u16 {
        match self {
            Self::Form(_) => 400,
            Self::UnknownKey => 403,
            Self::UnknownLog => 404,
            Self::Stale { .. } | Self::Fork { .. } => 409,
            Self::Proof => 422,
        }
    }

    /// The body of the answer where the protocol has one of its own (`text/x.tlog.size`): the size that was seen last.
    pub fn size_body(&self) -> Option<String> {
        match self {
            Self::Stale { size } | Self::Fork { size } => Some(format!("{size}\n")),
            _ => None,
        }
    }
}

/// A checkpoint that the witness took in. Whoever has it keeps its size and root durably, then consumes it by signing.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    checkpoint: Checkpoint,
}

impl Accepted {
    /// What to keep before signing.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The answer: the line that goes under the checkpoint. `time` is in seconds since 1970.
    pub fn cosign(self, signer: &dyn Signer, time: u64) -> Result<String, NoteError> {
        WitnessKey::cosign(&self.checkpoint, signer, time)
    }
}

/// What a witness knows of a log.
#[derive(Clone, Debug)]
struct Seen {
    keys: Vec<VerifierKey>,
    /// INVARIANT: the largest checkpoint that was accepted; size 0 and the root of the empty tree before the first.
    size: u64,
    root: Hash,
}

/// The memory of a witness: for each log the last checkpoint that it took in.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    logs: BTreeMap<String, Seen>,
}

impl Witness {
    /// Follows a log from now on, by all keys that may sign for it. A log that is followed already keeps what was seen
    /// of it and has these keys from now on.
    pub fn follow(&mut self, origin: &str, keys: Vec<VerifierKey>) {
        let new = Seen { keys: Vec::new(), size: 0, root: empty_root() };
        self.logs.entry(origin.to_owned()).or_insert(new).keys = keys;
    }

    /// Remembers what was kept from an earlier life. Never goes back to a smaller tree; `false` if it would have to,
    /// if the log is not followed, or if another tree of this size was seen.
    pub fn restore(&mut self, origin: &str, size: u64, root: Hash) -> bool {
        match self.logs.get_mut(origin) {
            Some(seen) if seen.size < size => {
                (seen.size, seen.root) = (size, root);
                true
            }
            Some(seen) => seen.size == size && seen.root == root,
            None => false,
        }
    }

    /// Takes in a checkpoint, or says why not. What is accepted is remembered at once, before anything is signed: so no
    /// second request can be judged by what was true before the first.
    pub fn add(&mut self, body: &str) -> Result<Accepted, Refusal> {
        let accepted = self.decide(body)?;
        let seen = self.logs.get_mut(accepted.checkpoint.origin()).ok_or(Refusal::UnknownLog)?;
        (seen.size, seen.root) = (accepted.checkpoint.size(), *accepted.checkpoint.root());
        Ok(accepted)
    }

    fn decide(&self, body: &str) -> Result<Accepted, Refusal> {
        let request = AddCheckpoint::parse(body).map_err(|error| Refusal::Form(error.to_string()))?;
        let note = Note::parse(&request.note).map_err(|error| Refusal::Form(error.to_string()))?;
        let checkpoint = Checkpoint::claimed(&note).map_err(|error| Refusal::Form(error.to_string()))?;
        let seen = self.logs.get(checkpoint.origin()).ok_or(Refusal::UnknownLog)?;
        let signed = |key: &VerifierKey| key.signed(&note).map_err(|_| Refusal::UnknownKey);
        let signatures = seen.keys.iter().map(signed).collect::<Result<Vec<_>, _>>()?;
        if !signatures.contains(&true) {
            return Err(Refusal::UnknownKey);
        }
        let (old, new) = (request.old, checkpoint.size());
        if old > new {
            return Err(Refusal::Form("the old size is larger than the checkpoint's".to_owned()));
        }
        if old != seen.size {
            return Err(Refusal::Stale { size: seen.size });
        }
        if old == new && seen.root != *checkpoint.root() {
            return Err(Refusal::Fork { size: seen.size });
        }
        if !verify_consistency(old, &seen.root, new, checkpoint.root(), &request.proof) {
            return Err(Refusal::Proof);
        }
        Ok(Accepted { checkpoint })
    }
}
