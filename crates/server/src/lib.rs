//! The HTTP surface and the wiring: who calls, what they may do, and which crates stand behind it.
//!
//! Everything that decides lives in the engine and in policy; everything that is kept lives in the journal. This crate
//! turns requests into commands, rows into answers, and refusals into problems with a code and a hint.

mod access; // who may do what, one table
mod app; // one workspace with all its parts
mod apply; // a workspace folder coming into force
mod assets; // console and error pages, built in
mod backup; // copying a data directory, beside a server at work
mod base; // what remains of entries that are pruned
mod beside; // what a pruned journal cannot tell any more
mod body; // request bodies, bounded before they are parsed
mod bundle; // from the policy crate's words to those of connectors and the wire
mod caller; // whom a request speaks for
mod clock; // the system's time and chance
mod codes; // every error code with its status
mod config; // what a server is started with
mod cosigning; // witnesses for our own checkpoints
mod guard; // host, origin, load, headers: before and after every request
mod listen; // connections
mod local; // `server.json`: how the CLI of this machine finds the server
mod logs; // the two logs: what they are called, and who signs them
mod mcp; // the gateway's host
mod offline; // what commands without a server share
mod openapi; // the description of `/v1`
mod payloads; // sealing and opening, over vault, views and journal
mod problem; // refusals and errors as problem details
mod proofs; // proofs about the log
mod prune; // taking whole segments away
mod rebuild; // views made anew, offline
mod restore; // a data directory from a backup
mod rotate; // another root key, other log keys
mod routes; // one file for each resource
mod server; // starting and stopping
mod sessions; // one-time links and browser sessions
mod show; // rows and entries as the wire shows them
mod space; // room on the disk
mod sweep; // letting go of what is past its retention
#[cfg(test)]
mod tests;
mod witness;
mod work; // workers, on a WebSocket // a witness of our own, over HTTP

pub use apply::lint;
pub use backup::{BackedUp, BackupPlan, backup};
pub use config::Config;
pub use openapi::openapi_json;
pub use rebuild::{Rebuilt, rebuild};
pub use restore::{Point, RestorePlan, Restored, restore};
pub use rotate::{rotate_log, rotate_root};
pub use server::{Running, Server, serve};
pub use witness::{RunningWitness, WitnessConfig, serve_witness};
