//! The words of the domain and the rules between them.
//!
//! Pure functions of their arguments: no I/O, no clock, no chance, no runtime.

pub mod action; // one proposed use of a tool: the table of DESIGN §5
pub mod actor; // who does things
pub mod approval; // a person's answer, bound to what was shown
pub mod clock; // time and chance as arguments
pub mod digest; // SHA-256 with domains
pub mod event; // every kind of entry
pub mod id; // names: parsed at the edge, trusted inside
pub mod incident; // what a person must look at
pub mod json; // bounded, strict, canonical JSON
pub mod judge; // what a bundle says about an action
pub mod lease; // who works on a dispatched run
pub mod money; // decimal text to integer minor units
pub mod origin; // names of logs that go on after a restore
pub mod ports; // what the engine needs from outside
pub mod redact; // hiding members of arguments from people
pub mod refusal; // the rules said no
pub mod retention; // how long payloads are kept
pub mod run; // one piece of work of an agent
pub mod signal; // what somebody tells a run
pub mod state; // rows, and how entries change them
pub mod step; // what a run need not do again
pub mod thread; // what a program keeps between its steps
pub mod timer; // things due later
pub mod wait; // a run that has nothing to do until something happens
