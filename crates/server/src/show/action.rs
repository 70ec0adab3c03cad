//! An action, with the sentence that tells its agent what to do.

use kernel::action::{Action, SettledBy, Status};
use kernel::id::AgentId;
use kernel::ports::{FailureClass, Output};
use kernel::refusal::Refusal;
use kernel::state::{Noun, Row, RowKey};

use crate::app::App;
use crate::problem::Fault;

use super::Veil;
use super::words::{self, Told};

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The action's own agent: it gets its answer as it came.
    Agent,
    /// Anybody else: what rules redact is hidden.
    Person,
}

/// The action as it stands, at once where everything is at hand, else after a look into the views: they lag behind, and
/// who waits for an answer should not wait for them.
pub(crate) async fn action_now(
    app: &std::sync::Arc<App>,
    action: Action,
    agent: AgentId,
    reader: Reader,
) -> Result<api::Action, Fault> {
    let at_hand = action.status != Status::Rejected && (reader == Reader::Agent || action.approval.is_none());
    if at_hand && let Ok(shown) = self::action(app, &action, &agent, true, &Veil::default()) {
        return Ok(shown);
    }
    app.look(move |app| {
        let veil = if reader == Reader::Agent { Veil::default() } else { Veil::of(app, &action)? };
        self::action(app, &action, &agent, true, &veil)
    })
    .await
}

/// The action for the wire. `whole`: with output and with why it stopped, which lists leave out.
pub(crate) fn action(
    app: &App,
    action: &Action,
    agent: &AgentId,
    whole: bool,
    veil: &Veil,
) -> Result<api::Action, Fault> {
    let headline = match &action.headline {
        Some(commitment) => app.text(commitment)?.map(|text| veil.text(&text)),
        None => None,
    };
    let output = match &action.output {
        Some(commitment) if whole && veil.is_empty() => app.sealed::<Output>(commitment)?.map(output),
        Some(commitment) if whole => {
            let value = app.sealed::<serde_json::Value>(commitment)?.map(|value| veil.value(value));
            value.map(serde_json::from_value::<Output>).transpose().map_err(Fault::internal)?.map(output)
        }
        _ => None,
    };
    let told = if whole { told(app, action, veil)? } else { Told::default() };
    Ok(api::Action {
        id: action.id.to_string(),
        run: action.run.to_string(),
        agent: agent.to_string(),
        tool: action.tool.to_string(),
        class: word(&action.class),
        status: action.status.word().to_owned(),
        settled: action.status.is_final(),
        verdict: action.verdict.as_ref().map(word),
        code: action.code.clone(),
        message: words::message(action, &told),
        headline: headline.unwrap_or_else(|| action.tool.to_string()),
        approval: action.approval.as_ref().map(ToString::to_string),
        proposed_at: action.proposed_at.0,
        settled_at: action.settled_at.map(|at| at.0),
        settled_by: action.settled_by.as_ref().map(|by| match by {
            SettledBy::Answer => "answer".to_owned(),
            SettledBy::LookUp => "look_up".to_owned(),
            SettledBy::Person(person) => format!("person:{person}"),
        }),
        failure: action.failure.as_ref().map(word::<FailureClass>),
        handed_over: action.handed_over,
        output_invalid: action.output_invalid,
        reversible: action.status == Status::Confirmed && action.compensation.is_some(),
        reverses: action.reverses.as_ref().map(ToString::to_string),
        reversed_by: action.reversed_by.as_ref().map(ToString::to_string),
        based_on: action.based_on.iter().map(|read| api::BasedOn { action: read.to_string() }).collect(),
        output,
        entry: action.proposed_seq,
    })
}

/// A word of the kernel as it stands on the wire.
pub(super) fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn output(output: Output) -> api::Output {
    api::Output {
        text: output.text(),
        content: output.content,
        structured: output.structured,
        is_error: output.is_error,
    }
}

/// What the sentence needs besides the row: who stopped it, and why.
fn told(app: &App, action: &Action, veil: &Veil) -> Result<Told, Fault> {
    let mut told = Told::default();
    match action.status {
        Status::Rejected => {
            let Some(id) = &action.approval else { return Ok(told) };
            let row = app.views.row(&RowKey::new(Noun::Approval, id))?;
            if let Some(Row::Approval(approval)) = row.as_deref()
                && let Some((person, reason)) = &approval.rejected
            {
                told.person = Some(person.to_string());
                told.why = reason.as_ref().map(|reason| app.text(reason)).transpose()?.flatten();
            }
        }
        Status::Refused | Status::Failed | Status::Unknown if action.output.is_none() => {
            if let Some((bundle, rules)) = &action.judged {
                told.rules = super::explain::rules(app, bundle, rules);
            }
            told.why = action.why.as_ref().map(|why| app.text(why)).transpose()?.flatten();
        }
        _ => {}
    }
    told.why = told.why.map(|text| veil.text(&text));
    Ok(told)
}

impl From<kernel::id::ParseIdError> for Fault {
    fn from(error: kernel::id::ParseIdError) -> Self {
        Refusal::Invalid(error.to_string()).into()
    }
}
