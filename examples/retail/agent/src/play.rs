//! Plays one conversation, call by call, and repeats with the same key whatever may be repeated.
//!
//! The key of a call is made of the conversation and the call's position: a second play of the same recording against
//! the same server is answered from the record and moves no money twice.

use std::time::Duration;

use api::{Action, ProposeAction};

use crate::client::{Client, ClientError, WAIT_MS};
use crate::recording::{Call, Conversation};

/// Tries of one request before the agent gives up.
const TRIES_MAX: u32 = 60;
/// An action whose look-up found nothing may be proposed anew this often.
const ANEW_MAX: u32 = 5;

/// What the agent does when an action waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Goes on with its next call.
    MoveOn,
    /// Waits until it is answered, at most this long.
    For(Duration),
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Played {
    /// The action as it stood when the agent went on.
    pub action: Action,
    /// Requests that were repeated.
    pub repeats: u32,
}

/// Plays conversations as one agent.
#[derive(Clone, Debug)]
pub struct Player {
    /// The agent's connection.
    pub client: Client,
    /// The connector that has the shop's tools.
    pub connector: String,
    /// What to do when an action waits.
    pub waiting: Waiting,
    /// Names this play: the same name repeats it, another one plays anew.
    pub name: String,
}

impl Player {
    /// The idempotency key of the `anew`-th proposal of a call.
    pub fn key(&self, conversation: &Conversation, call: &Call, anew: u32) -> String {
        let base = format!("{}/{}/{}", self.name, conversation.id, call.index);
        if anew == 0 { base } else { format!("{base}/anew-{anew}") }
    }

    /// The proposal of a call.
    pub fn proposal(&self, call: &Call) -> ProposeAction {
        ProposeAction {
            tool: format!("{}.{}", self.connector, call.tool),
            arguments: call.arguments.clone(),
            reason: call.said.clone(),
            based_on: vec![],
            wait_ms: Some(WAIT_MS),
        }
    }

    /// Plays one call to where the agent goes on.
    pub async fn call(
        &self,
        run: &str,
        conversation: &Conversation,
        call: &Call,
    ) -> Result<Played, ClientError> {
        let mut repeats = 0;
        let mut anew = 0;
        loop {
            let key = self.key(conversation, call, anew);
            let (action, again) = self.propose(run, call, &key).await?;
            repeats += again;
            let action = self.settled(action).await?;
            // Nothing was done for certain and the tool did not say why: the agent may ask again.
            let open =
                matches!(action.failure.as_deref(), Some("not_applied" | "unreachable" | "rate_limited"));
            // Where the recording has an error, too, its agent's own next call is the repetition.
            if action.status == "failed" && open && !call.error && anew < ANEW_MAX {
                anew += 1;
                repeats += 1;
                continue;
            }
            return Ok(Played { action, repeats });
        }
    }

    async fn propose(&self, run: &str, call: &Call, key: &str) -> Result<(Action, u32), ClientError> {
        let body = self.proposal(call);
        let mut tries = 0;
        loop {
            match self.client.propose(run, &body, key).await {
                Ok(action) => return Ok((action, tries)),
                Err(ClientError::Again { after, .. }) if tries < TRIES_MAX => {
                    tokio::time::sleep(after).await;
                }
                Err(ClientError::Unreachable(_)) if tries < TRIES_MAX => {
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                Err(error) => return Err(error),
            }
            tries += 1;
        }
    }

    /// Follows an action until it is settled, needs a person, or the agent's patience is over.
    async fn settled(&self, mut action: Action) -> Result<Action, ClientError> {
        let patience = match self.waiting {
            Waiting::MoveOn => Duration::ZERO,
            Waiting::For(patience) => patience,
        };
        let mut waited = Duration::ZERO;
        let mut looks = 0;
        while !action.settled && !action.handed_over && looks < TRIES_MAX {
            if action.status == "waiting" {
                if waited >= patience {
                    break;
                }
                let step = Duration::from_secs(1).min(patience);
                waited += step;
                action = self.client.action(&action.id, 0).await?;
                if action.status == "waiting" {
                    tokio::time::sleep(step).await;
                }
            } else {
                action = self.client.action(&action.id, WAIT_MS).await?;
                looks += 1;
            }
        }
        Ok(action)
    }
}

/// Starts the run of a conversation; a server that is not there yet is asked again.
pub async fn start(
    client: &Client,
    name: &str,
    conversation: &Conversation,
) -> Result<api::Run, ClientError> {
    let id = format!("{name}/{}", conversation.id);
    let mut tries = 0;
    loop {
        match client.start_run(&id, &conversation.title).await {
            Err(ClientError::Unreachable(_) | ClientError::Again { .. }) if tries < TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            other => return other,
        }
    }
}
