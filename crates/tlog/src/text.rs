//! Numbers and hashes as the formats write them: one spelling each, so that equal things have equal bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tree::Hash;

/// Base64 digits of a hash, padding included.
const HASH_LEN: usize = 44;

/// Says where a text does not have the form of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct FormError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A decimal number: digits only, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    (canonical && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A hash in base64, padded, with no stray bits at its end.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    (text.len() == HASH_LEN).then(|| bytes(text))??.try_into().ok()
}

/// Bytes in base64, padded, with no stray bits at their end.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The base64 of bytes.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Whether a text may stand in a note: no control characters except line breaks.
pub(crate) fn is_clean(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' || byte == b'\n')
}
