//! Seeded chance and virtual time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use kernel::clock::{Clock, Entropy, Millis, Now};

/// A small generator (SplitMix64, Steele et al. 2014): good enough to draw faults, and the same everywhere.
#[derive(Debug)]
pub struct Dice(Mutex<u64>);

impl Dice {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// The next 64 bits.
    pub fn roll(&self) -> u64 {
        let mut state = self.0.lock().expect("no panic while the lock is held");
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`.
    pub fn below(&self, sides: u64) -> u64 {
        self.roll() % sides.max(1)
    }
}

impl Entropy for Dice {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.roll().to_be_bytes()[..chunk.len()]);
        }
    }
}

/// Time that moves only when everybody waits: the runtime's paused clock.
#[derive(Debug)]
pub struct Virtual {
    epoch: tokio::time::Instant,
    /// By how much the wall clock was moved.
    moved: AtomicI64,
}

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;

impl Virtual {
    /// Begins at a fixed date. Only inside a paused runtime.
    pub fn begin() -> Self {
        Self { epoch: tokio::time::Instant::now(), moved: AtomicI64::new(0) }
    }

    /// Somebody sets the wall clock.
    pub fn jump(&self, by: Millis) {
        self.moved.fetch_add(by.0, Ordering::Relaxed);
    }
}

impl Clock for Virtual {
    fn now(&self) -> Now {
        let steady = i64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(i64::MAX);
        let moved = self.moved.load(Ordering::Relaxed);
        Now { wall: Millis(START + steady + moved), steady: Millis(steady) }
    }
}
