//! Policy: a workspace folder in, a judge out. Texts in, values out: no I/O.
//!
//! A *bundle* is the content-addressed folder: Cedar policies, pinned tools, extractors, conflict keys, counters, people.
//! Compiling it collects every problem with file, line, cause and remedy; what compiles answers each question of
//! `kernel::judge` as a pure function.

mod ask;
mod bundle; // the compiled folder and what it gives to others
mod compile; // files to bundle, all problems at once
mod counter; // counts over windows
mod fact; // values taken out of answers
mod files; // the form of the files
mod headline; // one line for people
mod judge; // the bundle as a judge
mod plan; // what changes between two bundles
mod problem; // what is wrong with a file
mod query; // jq, bounded
mod rule; // Cedar policies with their annotations
mod schema; // Cedar schema from pinned tools
#[cfg(test)]
mod tests;
mod tool; // tools as pinned
mod verdict; // the three verdicts

pub use bundle::{AgentSpec, Auth, Bundle, Compiled, ConnectorKind, ConnectorSpec, HttpTool};
pub use plan::{Change, plan};
pub use problem::{Problem, Severity};
pub use rule::Rule;
pub use tool::manifest_digest;
