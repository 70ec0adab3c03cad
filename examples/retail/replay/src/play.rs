//! Plays one call, kills the server where the plan says so, and repeats the same call with the same key.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use retail_agent::{Call, ClientError, Conversation, Player};

use crate::args::Approve;
use crate::crash::{Plan, Window};
use crate::ledger::{self, Effects};
use crate::proxy::Hold;
use crate::talk::{Proposal, Reply, Talk};
use crate::world::World;

/// Requests that are answered with "again" before the replay gives up.
const TRIES_MAX: u32 = 200;
/// How often a write that certainly did not happen is proposed anew.
const ANEW_MAX: u32 = 5;

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) reply: Reply,
    /// A person approved it on the way.
    pub(crate) approved: bool,
}

/// One call on its way. Survives a crash of the server: what was asked is known, what was answered is not.
struct OnItsWay<'a> {
    player: &'a Player,
    conversation: &'a Conversation,
    call: &'a Call,
    run: &'a str,
    approve: Approve,
    /// Writes of this conversation that the agent knows of.
    accounted: &'a Effects,
}

/// Plays `call` to where the agent goes on.
#[expect(clippy::too_many_arguments, reason = "the parts of a replay, each used once")]
pub(crate) async fn play(
    world: &mut World,
    talk: &mut Talk,
    plan: &mut Plan,
    player: &Player,
    conversation: &Conversation,
    call: &Call,
    run: &str,
    approve: Approve,
    accounted: &Effects,
) -> Result<Done> {
    let way = OnItsWay { player, conversation, call, run, approve, accounted };
    let Some(window) = plan.next() else { return way.exchange(world, talk).await };
    match window {
        Window::BeforeIntent => {
            let body = serde_json::to_vec(&player.proposal(call))?;
            let key = player.key(conversation, call, 0);
            world.crash_during_request(&format!("/v1/runs/{run}/actions"), &body, &key).await?;
            plan.count(window);
        }
        Window::IntentToSend | Window::CommittedToRecord => {
            let hold = if window == Window::IntentToSend { Hold::BeforeCrm } else { Hold::AfterCrm };
            world.proxy.arm(hold, &call.tool);
            let held = tokio::select! {
                biased;
                () = async { world.proxy.held().await } => true,
                done = way.exchange(world, talk) => { drop(done?); false }
            };
            world.proxy.disarm();
            // A call that never reaches the CRM (a gate nobody lifts) has only its reply to lose.
            plan.count(if held { window } else { Window::BeforeReply });
            world.crash().await?;
        }
        Window::BeforeReply => {
            drop(way.exchange(world, talk).await?);
            plan.count(window);
            world.crash().await?;
        }
    }
    talk.forget();
    way.exchange(world, talk).await
}

impl OnItsWay<'_> {
    /// The whole exchange of one call: proposed, perhaps approved, followed to its end.
    async fn exchange(&self, world: &World, talk: &mut Talk) -> Result<Done> {
        let mut approved = false;
        for anew in 0..=ANEW_MAX {
            let key = self.player.key(self.conversation, self.call, anew);
            let mut reply = self.propose(world, talk, key).await?;
            let mut looks = 0;
            while !reply.action.settled {
                looks += 1;
                if looks > TRIES_MAX {
                    bail!(
                        "the action {} does not come to an end: it is {}",
                        reply.action.id,
                        reply.action.status
                    );
                }
                let action = &reply.action;
                if action.status == "waiting" {
                    if self.approve == Approve::None {
                        return Ok(Done { reply, approved });
                    }
                    approve(world, action).await?;
                    approved = true;
                } else if action.handed_over {
                    self.resolve(world, &action.id).await?;
                }
                let id = action.id.clone();
                reply = match talk.follow(&world.agent, &id).await {
                    Ok(reply) => reply,
                    Err(ClientError::Again { after, .. }) => {
                        tokio::time::sleep(after).await;
                        continue;
                    }
                    Err(error) => return Err(error).context("an action could not be followed"),
                };
            }
            // A lifted gate stays recorded in the action, also when this process only sees the end of it.
            let gated = reply.action.approval.is_some();
            approved |=
                gated && !matches!(reply.action.status.as_str(), "rejected" | "expired" | "withdrawn");
            let failure = reply.action.failure.as_deref();
            let open =
                matches!(failure, Some("not_applied" | "unreachable" | "rate_limited" | "manifest_changed"));
            if reply.action.status == "failed" && open && anew < ANEW_MAX {
                continue;
            }
            return Ok(Done { reply, approved });
        }
        bail!("call {} of {} was not done in {ANEW_MAX} proposals", self.call.index, self.conversation.id)
    }

    async fn propose(&self, world: &World, talk: &mut Talk, key: String) -> Result<Reply> {
        let proposal = Proposal {
            run: self.run.to_owned(),
            conversation: format!("{}/{}", self.player.name, self.conversation.id),
            body: self.player.proposal(self.call),
            key,
        };
        for _ in 0..TRIES_MAX {
            match talk.propose(&world.agent, &proposal).await {
                Ok(reply) => return Ok(reply),
                Err(ClientError::Again { after, .. }) => tokio::time::sleep(after).await,
                // A session of a server that was killed; with a server that lives, the next try succeeds or tells why.
                Err(ClientError::Unreachable(_)) => {
                    talk.forget();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("conversation `{}`, call {}", self.conversation.id, self.call.index)
                    });
                }
            }
        }
        bail!("conversation `{}`, call {}: no answer", self.conversation.id, self.call.index)
    }

    /// The owner looks into the CRM's own ledger and says what happened.
    async fn resolve(&self, world: &World, action: &str) -> Result<()> {
        let happened = ledger::applied(&world.ask_crm("/ledger").await?)?;
        let applied = ledger::holds(&happened, self.accounted, self.call);
        let answer = world.owner.resolve(action, applied, "looked into the ledger of the CRM").await;
        match answer {
            Ok(_) => Ok(()),
            // Settled by a look-up in the same moment.
            Err(ClientError::Refused(problem)) if problem.code == "action_state" => Ok(()),
            Err(error) => Err(error).context("an unknown outcome could not be settled"),
        }
    }
}

/// The reviewer reads the page and approves exactly that.
async fn approve(world: &World, action: &api::Action) -> Result<()> {
    let id = action.approval.as_deref().context("a waiting action names no approval")?;
    let approval = world.reviewer.approval(id).await.context("the reviewer cannot open a request")?;
    if approval.status != "waiting" {
        return Ok(());
    }
    if approval.page.is_none() {
        bail!("the request {id} has no page to read");
    }
    match world.reviewer.approve(id, &approval.digest).await {
        Ok(_) => Ok(()),
        Err(ClientError::Refused(problem)) if problem.code == "approval_settled" => Ok(()),
        Err(error) => Err(error).context("the reviewer's answer was not taken"),
    }
}
