//! What to tell an agent: what happened and what to do now, in plain words, different for every way of ending.

use kernel::action::{Action, Status};
use kernel::ports::FailureClass;

/// What is known besides the row.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Who stopped it.
    pub(super) person: Option<String>,
    /// Why, in that person's or the system's words.
    pub(super) why: Option<String>,
    /// Rules that decided.
    pub(super) rules: Vec<api::Rule>,
}

/// One sentence or two.
pub(super) fn message(action: &Action, told: &Told) -> String {
    let why = told.why.as_deref().map(|why| format!(": {}", why.trim_end_matches('.'))).unwrap_or_default();
    match action.status {
        Status::Decided | Status::Approved => {
            "It may be performed and is about to be. Ask again for the outcome; do not propose it again."
                .to_owned()
        }
        Status::Waiting => {
            "A person must countersign this before it is performed. Nothing was done yet. Ask again \
                            later or go on with other work; do not propose it again."
                .to_owned()
        }
        Status::Intended => {
            "It is being performed. Ask again for the outcome; do not propose it again.".to_owned()
        }
        Status::Confirmed if action.output_invalid => {
            "Done; but the answer is not what the tool promises of itself, so do not build on it.".to_owned()
        }
        Status::Confirmed => "Done.".to_owned(),
        Status::Compensated => "It was done, and taken back by another action since.".to_owned(),
        Status::Failed => format!("{}{why}. Nothing was changed.", failed(action.failure)),
        Status::Unknown if action.handed_over => format!(
            "It is not known whether this happened{why}. A person will look and settle it. Do not propose it again."
        ),
        Status::Unknown => format!(
            "It is not known whether this happened{why}. The server is finding out. Ask again for the outcome; do not \
             propose it again."
        ),
        Status::Refused => refused(action.code.as_deref().unwrap_or_default(), told, &why),
        Status::Rejected => {
            let person = told.person.as_deref().unwrap_or("a person");
            match &told.why {
                Some(why) => format!(
                    "{person} rejected this, with the words “{}”. It was not performed. Take the reason into account; \
                     do not propose the same again.",
                    why.trim()
                ),
                None => {
                    format!("{person} rejected this. It was not performed; do not propose the same again.")
                }
            }
        }
        Status::Expired => {
            "Nobody answered the request for approval in time. It was not performed. It may be \
                            proposed again if it is still needed."
                .to_owned()
        }
        Status::Withdrawn => "It was taken back before anybody approved it. It was not performed.".to_owned(),
        Status::Deferred => {
            "No decision was possible then, and nothing was done. Propose it again, with the same key."
                .to_owned()
        }
    }
}

fn refused(code: &str, told: &Told, why: &str) -> String {
    match code {
        "no_permit" => {
            "No rule of this workspace permits this. It was not performed; ask the agent's owner for a \
                        rule if it is needed."
                .to_owned()
        }
        "empty_policy" => {
            "This workspace has no rules yet, so nothing is permitted. It was not performed.".to_owned()
        }
        "policy_error" => {
            "A rule could not be evaluated, so this is refused to be safe. It was not performed; the \
                           agent's owner can see which rule."
                .to_owned()
        }
        "fact_absent" | "fact_invalid" => {
            "A fact that the rules need is not there or not as declared, so this is \
                                           refused. It was not performed; check what the arguments name."
                .to_owned()
        }
        "context_changed" => format!(
            "What this rested on has changed since{why}. It was not performed. Look at the current state and \
             propose again if it is still right."
        ),
        "manifest_changed" => {
            "The tool has changed since this was proposed. It was not performed; propose it again.".to_owned()
        }
        "content_erased" => {
            "The content of this action was erased before it could be performed. It was not performed."
                .to_owned()
        }
        "approvers_changed" => {
            "Those who approved this may no longer do so. It was not performed; propose it again.".to_owned()
        }
        _ => {
            let reasons: Vec<String> = told
                .rules
                .iter()
                .map(|rule| match &rule.reason {
                    Some(reason) => format!("{} (rule `{}`)", reason.trim_end_matches('.'), rule.id),
                    None => format!("rule `{}`", rule.id),
                })
                .collect();
            let because =
                if reasons.is_empty() { why.to_owned() } else { format!(": {}", reasons.join("; ")) };
            format!(
                "The rules of this workspace forbid this{because}. It was not performed; do not propose it again."
            )
        }
    }
}

fn failed(class: Option<FailureClass>) -> &'static str {
    match class {
        None | Some(FailureClass::Refused) => "The system refused it",
        Some(FailureClass::Unauthorized) => "The system did not accept the server's credential",
        Some(FailureClass::RateLimited) => "The system takes no more calls for now",
        Some(FailureClass::Unreachable) => "The system could not be reached",
        Some(FailureClass::ManifestChanged) => "The tool is no longer what was pinned, so it was not called",
        Some(FailureClass::NotApplied) => "It did not happen, as was found out afterwards",
        Some(FailureClass::Blocked) => "The server's own rules for connections stopped the call",
    }
}
