//! The wire: requests, answers and error codes of `/v1`, as types.
//!
//! The server answers with them, the CLI, the examples and (generated) the SDKs read them. Times are milliseconds
//! since 1970 UTC; ids are text. No logic lives here,
//! except how text is made visible: everybody who shows it must do it in the same way.

mod action; // propose, follow, explain
mod approval; // the inbox
mod error; // problem details (RFC 9457)
mod incident; // what a person must look at
mod reconcile; // after a restore to a point in the past
mod retention; // how long runs are kept
mod run; // runs
mod step; // steps of a run
mod subject; // erasing and legal holds
mod thread; // what a program keeps between its steps
mod visible; // text for people, with nothing hidden in it
mod wait; // waits and signals
mod work; // what workers and the server say to each other
mod workspace; // apply, agents, connectors, policies, keys, status

pub use action::*;
pub use approval::*;
pub use error::*;
pub use incident::*;
pub use reconcile::*;
pub use retention::*;
pub use run::*;
pub use step::*;
pub use subject::*;
pub use thread::*;
pub use visible::{visible, visible_value};
pub use wait::*;
pub use work::*;
pub use workspace::*;
