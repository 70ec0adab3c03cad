//! A witness' signing key as text: `PRIVATE+KEY+name+id+base64(04 ‖ seed)`, as notes' keys are commonly written.
//!
//! The type byte is that of cosignatures: the key cannot be taken for a log's.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use kernel::clock::Entropy;
use kernel::ports::Signer;
use tlog::{WitnessKey, is_key_name};

/// How the text begins.
const PREFIX: &str = "PRIVATE+KEY+";
/// Timestamped Ed25519 (tlog-cosignature).
const TYPE: u8 = 0x04;

/// Why a text is not a key. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the form.
    #[error("it is not `PRIVATE+KEY+name+id+key`")]
    Form,
    /// Another kind of key, a log's for example.
    #[error("it is not a key for cosignatures")]
    Kind,
    /// A name that cannot stand on a signature line.
    #[error("a key's name has 1 to 255 bytes without spaces and `+`")]
    Name,
    /// The id is not that of name and key.
    #[error("its id is not that of its name and key: was it typed by hand?")]
    Id,
}

/// A witness' signing key.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.name)
    }
}

impl SigningKey {
    /// A new key.
    pub fn make(name: &str, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let mut seed = [0; 32];
        entropy.fill(&mut seed);
        Ok(Self { name: name.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(&seed) })
    }

    /// Reads the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let rest = text.trim_end().strip_prefix(PREFIX).ok_or(KeyError::Form)?;
        let (name, rest) = rest.split_once('+').ok_or(KeyError::Form)?;
        let (id, bytes) = rest.split_once('+').ok_or(KeyError::Form)?;
        let bytes = STANDARD.decode(bytes).map_err(|_| KeyError::Form)?;
        let (kind, seed) = bytes.split_first().ok_or(KeyError::Form)?;
        if *kind != TYPE {
            return Err(KeyError::Kind);
        }
        let seed: [u8; 32] = seed.try_into().map_err(|_| KeyError::Form)?;
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let key = Self { name: name.to_owned(), key: ed25519_dalek::SigningKey::from_bytes(&seed) };
        if key.id() == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// The text: secret.
    pub fn encode(&self) -> String {
        let bytes = [&[TYPE], &self.key.to_bytes()[..]].concat();
        format!("{PREFIX}{}+{}+{}\n", self.name, self.id(), STANDARD.encode(bytes))
    }

    /// What others verify its cosignatures with.
    pub fn verifier_key(&self) -> String {
        WitnessKey::of(self).encode()
    }

    fn id(&self) -> String {
        let text = self.verifier_key();
        text.strip_prefix(&self.name).and_then(|rest| rest.split('+').nth(1)).unwrap_or_default().to_owned()
    }
}

impl Signer for SigningKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}
