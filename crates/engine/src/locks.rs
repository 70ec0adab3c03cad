//! One at a time, by key: proposals with one idempotency key, writes with one conflict key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kernel::digest::Digest;
use tokio::sync::OwnedMutexGuard;

type Slot = Arc<tokio::sync::Mutex<()>>;

/// Keyed locks; a key costs memory only while somebody holds or awaits it.
#[derive(Default)]
pub(crate) struct Locks {
    slots: Mutex<HashMap<Digest, Slot>>,
}

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    _held: OwnedMutexGuard<()>,
}

impl Locks {
    pub(crate) async fn lock(&self, key: Digest) -> Guard {
        let slot = {
            let mut slots = self.slots.lock().expect("no panic while the lock is held");
            if slots.len() > 1_024 {
                slots.retain(|_, slot| Arc::strong_count(slot) > 1);
            }
            slots.entry(key).or_default().clone()
        };
        Guard { _held: slot.lock_owned().await }
    }
}
