//! Cosignatures of witnesses, version 1 (c2sp.org/tlog-cosignature, Ed25519): "by this time, this was the largest
//! consistent tree that I had seen of this log".

use kernel::ports::Signer;

use crate::checkpoint::Checkpoint;
use crate::key::{WitnessKey, is_key_name, signature_line};
use crate::note::{Note, NoteError};

/// The latest time that fits: the specification keeps the highest bit free.
const TIME_MAX: u64 = i64::MAX as u64;
/// Bytes of a cosignature: time and Ed25519 signature.
const COSIGNATURE_LEN: usize = 8 + 64;

/// That a witness saw a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// When, in seconds since 1970. Whether that is plausible is for somebody with a clock to say.
    pub time: u64,
}

impl WitnessKey {
    /// This witness' cosignature of a note; the latest, if there are several. One that says it is this witness', and
    /// is not, is an error.
    pub fn cosigned(&self, note: &Note<'_>) -> Result<Option<Cosignature>, NoteError> {
        let mut latest = None;
        for line in self.signatures(note) {
            let time = self.time_of(note.text(), &line.bytes).ok_or(NoteError::Signature)?;
            latest = latest.max(Some(time));
        }
        Ok(latest.map(|time| Cosignature { time }))
    }

    fn time_of(&self, text: &str, bytes: &[u8]) -> Option<u64> {
        let (time, signature) = bytes.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        (time <= TIME_MAX && self.verifies(message(text, time).as_bytes(), signature)).then_some(time)
    }

    /// The line to put under a checkpoint's note. For the witness only, and only for what [`crate::Witness`] accepted.
    pub(crate) fn cosign(
        checkpoint: &Checkpoint,
        signer: &dyn Signer,
        time: u64,
    ) -> Result<String, NoteError> {
        if !is_key_name(signer.name()) {
            return Err(NoteError::Form("the witness' name cannot stand on a signature line"));
        }
        if time > TIME_MAX {
            return Err(NoteError::Form("the time is too far in the future"));
        }
        let mut bytes = Vec::with_capacity(COSIGNATURE_LEN);
        bytes.extend_from_slice(&time.to_be_bytes());
        bytes.extend_from_slice(&signer.sign(message(&checkpoint.encode(), time).as_bytes()));
        Ok(signature_line(&Self::of(signer), &bytes))
    }
}

/// What is signed: a header, the time, and the whole text of the note.
fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}
