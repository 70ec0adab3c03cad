//! Stories at the crate's border: folder and question in, text out.

mod arguments; // what reaches a tool
mod compensations; // taking back, and answers that do not fit
mod example; // the retail workspace and the guide's snippets
mod facts; // money, other facts, look-ups, keys, headlines
mod limits; // what a hostile folder, agent or system may cost
mod lints; // one golden message for each code
mod people; // who may answer
mod plans; // what changes between two bundles
mod queries; // what jq may not do
mod shop; // the fixture
mod verdicts; // the three levels
