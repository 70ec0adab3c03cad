//! The form of a sealed payload: `key number u64 · nonce 24 · XChaCha20-Poly1305(salt 32 ‖ plain bytes)`.
//!
//! The commitment is `SHA-256("countersign/payload/v1" ‖ 0 ‖ salt ‖ plain bytes)`. The salt is
//! `HMAC-SHA-256(salt key, scope ‖ 0 ‖ plain bytes)`, where the salt key is derived from the data key: equal payloads of
//! one subject in one scope have one commitment, nobody without the data key can test a guess, and the salt is gone
//! with the key.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use kernel::clock::Entropy;
use kernel::digest::Digest;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::Error;

/// Sealed bytes begin with the number of their key.
pub const KEY_NUMBER_BYTES: usize = 8;
/// The largest plain payload.
pub(crate) const BYTES_MAX: usize = 8 << 20;

/// A payload, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Salted commitment: what the entry holds.
    pub commitment: Digest,
    /// The data key's number.
    pub key: u64,
    /// What is stored.
    pub bytes: Vec<u8>,
}

/// A payload, opened, with what its commitment was made of.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// Whoever is given it can show that the bytes are those of the commitment.
    pub salt: [u8; 32],
    /// The plain bytes.
    pub plain: Vec<u8>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({} bytes)", self.plain.len())
    }
}

pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn about(commitment: &Digest, subject: &Digest) -> Vec<u8> {
    [commitment.0, subject.0].concat()
}

pub(crate) fn seal(
    number: u64,
    key: &[u8; 32],
    subject: &Digest,
    scope: &str,
    plain: &[u8],
    entropy: &dyn Entropy,
) -> Result<Sealed, Error> {
    if plain.len() > BYTES_MAX {
        return Err(Error::TooLarge { bytes: plain.len(), max: BYTES_MAX });
    }
    let salt_key = Zeroizing::new(mac(key, &[b"salt"]));
    let salt = mac(&*salt_key, &[scope.as_bytes(), &[0], plain]);
    let commitment = Digest::commitment(&salt, plain);
    let mut nonce = [0; 24];
    entropy.fill(&mut nonce);
    let inner = Zeroizing::new([&salt[..], plain].concat());
    let cipher = XChaCha20Poly1305::new(key.into());
    let payload = Payload { msg: &inner, aad: &about(&commitment, subject) };
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| Error::Damaged)?;
    let bytes = [&number.to_le_bytes()[..], &nonce, &sealed].concat();
    Ok(Sealed { commitment, key: number, bytes })
}

/// The data key's number of sealed bytes.
pub(crate) fn key_of(bytes: &[u8]) -> Result<u64, Error> {
    Ok(u64::from_le_bytes(*bytes.first_chunk::<8>().ok_or(Error::Damaged)?))
}

pub(crate) fn open(
    key: &[u8; 32],
    bytes: &[u8],
    expected: &Digest,
    subject: &Digest,
) -> Result<Opened, Error> {
    let (nonce, sealed) =
        bytes.get(8..).and_then(|rest| rest.split_first_chunk::<24>()).ok_or(Error::Damaged)?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let payload = Payload { msg: sealed, aad: &about(expected, subject) };
    let inner = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Error::Damaged)?;
    let inner = Zeroizing::new(inner);
    let (salt, plain) = inner.split_first_chunk::<32>().ok_or(Error::Damaged)?;
    if Digest::commitment(salt, plain) == *expected {
        Ok(Opened { salt: *salt, plain: plain.to_vec() })
    } else {
        Err(Error::Damaged)
    }
}
