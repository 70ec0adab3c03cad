//! `retail-replay`: plays recorded work through a real server and compares every output and final state.
//!
//! Why: a recording of what an agent did is the only test whose expectations nobody wrote for the occasion. The CRM's
//! own ledger, not the server's journal, says how often each write happened.

mod args; // the command line: an interface
mod crash; // when the server is killed
mod ledger; // what really happened, by the CRM
mod play; // one call, also across a crash
mod proxy; // between server and CRM
mod report; // what was found
mod sources; // recordings and their data
mod talk; // `/v1` or `/mcp`
mod workspace; // the example's workspace with other policies
mod world; // the processes

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use retail_agent::{Conversation, Player, Waiting, start};

use args::{Args, Via};
use crash::Plan;
use ledger::Effects;
use report::Report;
use sources::{Changed, Sources};
use talk::Talk;
use world::World;

#[tokio::main]
async fn main() -> ExitCode {
    match replay(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
            writeln!(std::io::stderr(), "error: {}", chain.join(": ")).ok();
            ExitCode::FAILURE
        }
    }
}

async fn replay(args: Args) -> Result<bool> {
    let Some(sources) = sources::find(&args)? else {
        writeln!(std::io::stdout(), "real-data: ran 0, skipped 1")?;
        if std::env::var("COUNTERSIGN_REQUIRE_DATA").is_ok_and(|value| value == "1") {
            bail!(
                "recordings are required here: give --domain, --trajectories, --final-state or COUNTERSIGN_DATA"
            );
        }
        writeln!(
            std::io::stderr(),
            "no recordings: give --domain, --trajectories and --final-state, or set COUNTERSIGN_DATA"
        )?;
        return Ok(true);
    };
    let mut dir = tempfile::Builder::new().prefix("retail-replay-").tempdir()?;
    if args.keep {
        dir.disable_cleanup(true);
        writeln!(std::io::stderr(), "kept: {}", dir.path().display())?;
    }
    let begin = moment();
    let mut report = run(&args, &sources, dir.path()).await?;
    report.wall_s = begin.elapsed().as_secs_f64();
    let mut stdout = std::io::stdout().lock();
    for line in report.lines() {
        writeln!(stdout, "{line}")?;
    }
    writeln!(stdout, "real-data: ran {}, skipped 0", report.conversations)?;
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| format!("`{}` cannot be written", path.display()))?;
    }
    Ok(report.holds())
}

#[allow(clippy::disallowed_methods, reason = "how long a replay takes; nothing depends on it")]
fn moment() -> Instant {
    Instant::now()
}

async fn run(args: &Args, sources: &Sources, dir: &std::path::Path) -> Result<Report> {
    let mut world = World::start(args, &sources.db, dir).await?;
    let mut report = Report { seed: args.seed, ..Report::default() };
    let mut plan = Plan::new(args.crash_every, args.seed);
    let mut talk = match args.via {
        Via::Api => Talk::Api,
        Via::Mcp => Talk::Mcp { url: world.mcp_url(), session: None },
    };
    let player = Player {
        client: world.agent.clone(),
        connector: "crm".to_owned(),
        waiting: Waiting::MoveOn,
        name: "replay".to_owned(),
    };
    let calls: usize = sources.conversations.iter().map(|c| c.calls.len()).sum();
    let bar = ProgressBar::with_draw_target(Some(calls as u64), ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} calls, {msg} crashes, {elapsed}")?);
    for conversation in &sources.conversations {
        world.reset_crm().await?;
        let mut one = One { args, player: &player, report: &mut report, bar: &bar };
        let played = one.play(&mut world, &mut talk, &mut plan, conversation).await?;
        compare(&mut report, sources, conversation, &played, &world).await?;
    }
    bar.finish_and_clear();
    talk.forget();
    report.crashes = plan.crashes();
    report.crash_windows = plan.windows();
    let (verified, entries, said) = world.finish().await?;
    report.verified = verified;
    report.entries = entries;
    if !verified {
        report.differs(format!("verify: {said}"));
    }
    Ok(report)
}

/// What a conversation should have done, when its agent went on to the end.
#[derive(Default)]
struct Played {
    expected: Effects,
    held_back: Effects,
}

struct One<'a> {
    args: &'a Args,
    player: &'a Player,
    report: &'a mut Report,
    bar: &'a ProgressBar,
}

impl One<'_> {
    async fn play(
        &mut self,
        world: &mut World,
        talk: &mut Talk,
        plan: &mut Plan,
        conversation: &Conversation,
    ) -> Result<Played> {
        let run = start(&world.agent, &self.player.name, conversation).await?;
        let mut played = Played::default();
        for call in &conversation.calls {
            self.bar.set_message(plan.crashes().to_string());
            let done = play::play(
                world,
                talk,
                plan,
                self.player,
                conversation,
                call,
                &run.id,
                self.args.approve,
                &played.expected,
            )
            .await?;
            let action = &done.reply.action;
            let report = &mut *self.report;
            report.calls += 1;
            let gated = action.approval.is_some();
            let confirmed =
                action.status == "confirmed" && !action.output.as_ref().is_some_and(|output| output.is_error);
            report.gated += u64::from(gated);
            report.gated_ok += u64::from(gated && confirmed);
            report.approved += u64::from(gated && done.approved);
            report.rejected += u64::from(action.status == "rejected");
            report.refused += u64::from(action.status == "refused");
            if action.status == "waiting" {
                ledger::count(&mut played.held_back, &call.tool, &call.arguments);
            } else {
                if ledger::is_write(&call.tool) && !call.error {
                    ledger::count(&mut played.expected, &call.tool, &call.arguments);
                }
                // What was held back changes what comes after it.
                if played.held_back.is_empty() {
                    report.outputs_compared += 1;
                    if done.reply.text.as_deref() == Some(call.output.as_str()) {
                        report.outputs_identical += 1;
                    } else {
                        let said: String =
                            done.reply.text.as_deref().unwrap_or(&action.message).chars().take(160).collect();
                        report.differs(format!(
                            "{} call {} ({}, {}): {said}",
                            conversation.id, call.index, call.tool, action.status
                        ));
                    }
                }
            }
            self.bar.inc(1);
        }
        if played.held_back.is_empty() {
            world.agent.finish_run(&run.id, "done").await?;
        }
        Ok(played)
    }
}

/// Compares a conversation's final state and effects, as the CRM itself tells them.
async fn compare(
    report: &mut Report,
    sources: &Sources,
    conversation: &Conversation,
    played: &Played,
    world: &World,
) -> Result<()> {
    report.conversations += 1;
    let happened = ledger::applied(&world.ask_crm("/ledger").await?)?;
    report.writes_ok += happened.values().sum::<u64>();
    let untouched = played.held_back.iter().filter(|(write, _)| !happened.contains_key(*write));
    report.gated_untouched += untouched.map(|(_, count)| count).sum::<u64>();
    if !played.held_back.is_empty() {
        // Later writes met another state than the recording's: only those held back can be judged.
        return Ok(());
    }
    let (duplicated, lost) = ledger::compare(&played.expected, &happened);
    report.effects_duplicated += duplicated;
    report.effects_lost += lost;
    if duplicated + lost > 0 {
        report.differs(format!(
            "{}: {duplicated} effects too many, {lost} missing; recorded {:?}, the CRM's ledger {happened:?}",
            conversation.id, played.expected
        ));
    }
    let Some(wanted) = sources.finals.get(&(conversation.task.clone(), conversation.trial)) else {
        return Ok(());
    };
    let changed: Changed = serde_json::from_str(&world.ask_crm("/state/changed").await?)
        .context("the CRM's changed records cannot be read")?;
    report.final_states_compared += 1;
    if changed == *wanted {
        report.final_states_equal += 1;
    } else {
        report.differs(format!("{}: the final state is another one", conversation.id));
    }
    Ok(())
}
