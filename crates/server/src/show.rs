//! Rows and entries as the wire shows them. Every text that came from outside passes through `api::visible`.

mod action; // an action, with the sentence for its agent
mod approval; // a request for a countersignature, with its page
mod connector; // connectors and their health
mod evidence; // an action packed for those who were not there
mod explain; // the whole decision
mod incident; // an incident
mod receipt; // that an entry is in the log
mod run; // a run
mod timeline; // one sentence for each entry
mod wait; // a wait and its answers
mod words; // what to tell an agent

pub(crate) use action::{action, action_now};
pub(crate) use approval::approval;
pub(crate) use connector::{connectors, tools};
pub(crate) use evidence::evidence;
pub(crate) use explain::{checkpoint_size, explain};
pub(crate) use incident::incident;
pub(crate) use receipt::receipt;
pub(crate) use run::{run, run_started, run_whole};
pub(crate) use wait::wait;
