//! The system's time and chance. The only place in the server that asks for them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kernel::clock::{Clock, Entropy, Millis, Now};

/// The clocks of this machine.
#[derive(Debug)]
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the others are handed")]
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that the others are handed")]
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = |span: std::time::Duration| Millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
        Now { wall: millis(wall), steady: millis(self.started.elapsed()) }
    }
}

/// Chance from the operating system.
#[derive(Debug)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        // Without chance there are no ids and no keys: going on would be worse than stopping.
        getrandom::fill(buffer).expect("the operating system gives random bytes");
    }
}

/// A secret of that many random bytes, as hexadecimal text.
pub(crate) fn secret<const N: usize>(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    hex::encode(bytes)
}
