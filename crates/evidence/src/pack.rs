//! The form of a pack: one JSON document (docs/format.md, "Evidence").
//!
//! A pack comes from outside: bytes, depth and values are bounded before it is parsed, members that nobody knows are
//! refused, and what has the right form is still not believed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::id::ActionId;
use kernel::json::{self, JsonError, Limits};
use serde::{Deserialize, Serialize};

/// The form that this program writes and reads.
pub const FORMAT: &str = "countersign/evidence/v1";
/// The largest file.
pub const EVIDENCE_BYTES_MAX: usize = 64 << 20;
/// Plain bytes of payloads that a pack reveals at most: with escapes and the rest, the file stays below its limit.
pub const REVEALED_BYTES_MAX: usize = 8 << 20;
/// The most entries: an action that has more is verified in its log.
pub const ENTRIES_MAX: usize = 1_000;
/// The most bundles: one judges twice as a rule.
pub const BUNDLES_MAX: usize = 64;
/// The file itself is flat: entries, proofs and payloads stand in it as text.
const LIMITS: Limits = Limits { bytes_max: EVIDENCE_BYTES_MAX, depth_max: 8, values_max: 100_000 };

/// One action, with all that is needed to check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// [`FORMAT`].
    pub format: String,
    /// Name of the log.
    pub log: String,
    /// Key of the log, as the log itself has it: only a policy of the reader's own makes it trusted.
    pub verifier_key: String,
    /// The checkpoint, as a note. All proofs are against this one.
    pub checkpoint: String,
    /// The action.
    pub action: ActionId,
    /// When the pack was made. Nothing vouches for it.
    pub made_at: Millis,
    /// The action's entries, oldest first.
    pub entries: Vec<PackedEntry>,
    /// What the entries commit to, by commitment.
    #[serde(default)]
    pub payloads: BTreeMap<Digest, PackedPayload>,
    /// The bundles that judged, by content address.
    #[serde(default)]
    pub bundles: BTreeMap<Digest, PackedBundle>,
}

/// An entry, and that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackedEntry {
    /// The bytes that were hashed: canonical JSON is text.
    pub entry: String,
    /// A C2SP tlog-proof.
    pub proof: String,
}

/// What stands behind a commitment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum PackedPayload {
    /// The bytes and their salt.
    Revealed {
        /// 64 hexadecimal digits.
        salt: String,
        /// The bytes, where they are UTF-8.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The bytes in base64, where they are not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    /// A rule hides parts of it from readers.
    Redacted,
    /// Its key was destroyed: nobody can read it again.
    Erased,
    /// It is too large for a pack.
    TooLarge,
    /// It is kept no longer, or was not found.
    Missing,
}

/// The folder that judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum PackedBundle {
    /// All of it.
    Whole {
        /// Files by path.
        files: BTreeMap<String, String>,
        /// The rules that the program brought along: part of the address.
        floor: String,
    },
    /// It is kept no longer, or was not found.
    Missing,
}

/// Why a file is not a pack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Too large, too deep, or not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Another kind of file, or a later form.
    #[error("its format is `{0}`; this program reads `{FORMAT}`")]
    Format(String),
    /// More of something than is read.
    #[error("it has {count} {what}; at most {max} are read")]
    Many {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many are read.
        max: usize,
    },
    /// Not as the form has it.
    #[error("it does not have the form of a pack: {0}")]
    Form(String),
}

impl PackedPayload {
    /// A payload that is given away.
    pub fn revealed(salt: &[u8; 32], bytes: Vec<u8>) -> Self {
        let (text, base64) = match String::from_utf8(bytes) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
        };
        Self::Revealed { salt: hex::encode(salt), text, base64 }
    }

    /// The bytes, if they are there and are what the commitment was made of.
    pub(crate) fn open(&self, commitment: &Digest) -> Result<Option<Vec<u8>>, &'static str> {
        let Self::Revealed { salt, text, base64 } = self else { return Ok(None) };
        let mut salted = [0; 32];
        hex::decode_to_slice(salt, &mut salted).map_err(|_| "its salt is not 64 hexadecimal digits")?;
        let bytes = match (text, base64) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(text)) => STANDARD.decode(text).map_err(|_| "its bytes are not base64")?,
            _ => return Err("it has not one of `text` and `base64`"),
        };
        if Digest::commitment(&salted, &bytes) == *commitment {
            Ok(Some(bytes))
        } else {
            Err("salt and bytes do not give the commitment that the entry holds")
        }
    }

    /// Why it cannot be read, in words.
    pub(crate) fn absence(&self) -> &'static str {
        match self {
            Self::Revealed { .. } => "revealed",
            Self::Redacted => "redacted by a rule",
            Self::Erased => "erased",
            Self::TooLarge => "too large for a pack",
            Self::Missing => "kept no longer",
        }
    }
}

impl Pack {
    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackError> {
        let value = json::parse(bytes, LIMITS)?;
        match value.get("format").and_then(serde_json::Value::as_str) {
            Some(FORMAT) => {}
            other => {
                let told: String = other.unwrap_or("not told").chars().take(80).collect();
                return Err(PackError::Format(told));
            }
        }
        let pack: Self = serde_json::from_value(value).map_err(|error| {
            PackError::Form(error.to_string().chars().take(200).flat_map(char::escape_default).collect())
        })?;
        let counts =
            [("entries", pack.entries.len(), ENTRIES_MAX), ("bundles", pack.bundles.len(), BUNDLES_MAX)];
        match counts.into_iter().find(|(_, count, max)| count > max) {
            Some((what, count, max)) => Err(PackError::Many { what, count, max }),
            None => Ok(pack),
        }
    }

    /// The file.
    pub fn encode(&self) -> Vec<u8> {
        json::canonical(self)
    }
}
