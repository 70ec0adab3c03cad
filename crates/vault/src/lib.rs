//! Keys: what makes a payload readable, and what makes it unreadable for ever.
//!
//! Every subject (a customer, a run) has a data key; payloads are sealed with it and carry the key's number in clear.
//! Data keys lie in `keys.db`, wrapped by a root key that lives outside the data directory. Destroying a data key
//! destroys the salts of its commitments, too. Signing keys of logs are kept apart from data keys.

mod backup; // copies of the key store
mod envelope; // the form of a sealed payload
mod error; // what can go wrong
mod root; // the root key and what it wraps
mod rotate; // another root key
mod signing; // Ed25519 keys of logs
#[cfg(test)]
mod tests;
mod vault; // data keys by subject

pub use backup::{copy_keys, copy_without, last_key};
pub use envelope::KEY_NUMBER_BYTES;
pub use envelope::{Opened, Sealed};
pub use error::Error;
pub use root::{RootKey, lies_inside};
pub use rotate::rotate_root;
pub use signing::LogKey;
pub use vault::Vault;
