//! The shop's CRM of the example: the old system that agents act on, with a durable ledger of its own.
//!
//! It knows nothing of Countersign. Countersign's claims (nothing done twice, nothing lost) are counted from its ledger.

pub mod calculate; // a sum, worked out without evaluating code
pub mod crm; // the whole: state, ledger, faults behind one lock
mod guard; // who may ask: token, loopback, host names
pub mod http; // MCP at `/mcp` and the operator's pages beside it
pub mod ledger; // the file that holds every write
pub mod manifest; // names, parameters and descriptions of the tools
pub mod mcp; // the tools as an MCP server
pub mod python; // JSON and floats printed as Python prints them
mod shape; // what records must look like before anybody trusts them
pub mod shop; // orders, users, products
pub mod tools; // what each tool does
pub mod value; // JSON that keeps the order of its keys
