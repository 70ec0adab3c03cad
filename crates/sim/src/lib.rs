//! Deterministic simulation: the real kernel and engine, with journal, time, chance, outside system and crashes drawn
//! from a seed. A failure prints the seed, which replays it.
//!
//! The specification is the table of DESIGN §5: each row with each place at which the process can stop.

pub mod chance; // seeded chance and virtual time
#[cfg(test)]
mod clock; // the wall clock jumps
pub mod crm; // the outside system, with a ledger of its own
pub mod life; // a dispatched run's life, played with stops and taken up again
pub mod memory; // journal and rows in memory, with a place to stop
pub mod rules; // a judge of four tools and three verdicts
#[cfg(test)]
mod runs; // what must hold whatever happens to workers
pub mod story; // one action's life, played with stops and taken up again
#[cfg(test)]
mod tests;
