//! The CRM as others see it: its answers, its ledger, its addresses, its death and return.

#![allow(clippy::unwrap_used, reason = "a test that finds nothing there has failed")]

mod answers; // what each tool answers and changes, on the example's data
mod files; // the example's manifest and recordings are what this CRM says
mod ledger; // what the file holds, and what is found at start
mod process; // the program itself: killed, restarted, over standard input
mod recorded; // conversations recorded elsewhere, call by call
mod stage; // a CRM on a stage: data, ledger, clock
mod web; // MCP and the operator's pages
mod workspace; // the workspace as Countersign reads it, on the CRM's own answers
