//! The one integration binary: the command line as its users meet it, against real processes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod approvals; // from the agent's proposal to the countersignature
mod backup; // a backup beside a running server, and what comes back
mod disk; // a disk that fails, and one that is full
mod evidence; // an action packed, and checked when its server is gone
mod journal; // verify on journals that were damaged on purpose
mod json; // how every command fails for scripts
mod offline; // what works without a server
mod receipts; // what outsiders check
mod settle; // an outcome that only a person knows
mod shop; // a server and the shop's CRM as child processes
mod witness; // cosigning as a process, killed without a warning
mod workspace; // applying a folder
