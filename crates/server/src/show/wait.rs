//! A wait and its answers.

use engine::{Answered, Waited};
use views::RunStatus;

use crate::app::App;
use crate::problem::Fault;

pub(crate) fn wait(app: &App, waited: &Waited) -> Result<api::Wait, Fault> {
    let answers = waited.answers.iter().map(|(_, answer)| answered(app, answer));
    Ok(api::Wait {
        key: waited.key.clone(),
        met: waited.wait.met.is_some(),
        by: waited.answers.iter().map(|(on, _)| *on).collect(),
        answers: answers.collect::<Result<_, _>>()?,
    })
}

fn answered(app: &App, answered: &Answered) -> Result<api::Answered, Fault> {
    let mut shown = api::Answered::default();
    match answered {
        Answered::Signal(signal) => (shown.signal, shown.value) = signal.clone().unzip(),
        Answered::At(at) => shown.at = Some(at.0),
        Answered::Action(Some(action)) => {
            shown.action = Some(action.id.to_string());
            shown.status = Some(action.status.word().to_owned());
        }
        Answered::Run(Some(run)) => {
            shown.run = Some(run.id.to_string());
            shown.status = Some(RunStatus::of(run).word().to_owned());
            shown.value = run.result.as_ref().map(|commitment| app.sealed(commitment)).transpose()?.flatten();
            shown.error = run.error.as_ref().map(|commitment| app.sealed(commitment)).transpose()?.flatten();
        }
        // Nothing is left of it.
        Answered::Action(None) | Answered::Run(None) => {}
    }
    Ok(shown)
}
