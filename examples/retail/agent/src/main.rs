//! `retail-agent`: the scripted shop agent as a program.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use retail_agent::{Call, Client, Player, Waiting, load, start};
use serde_json::json;

/// Plays recorded shop conversations through a countersign server, one run a conversation.
#[derive(Debug, Parser)]
#[command(name = "retail-agent", version)]
struct Args {
    /// Recordings: a `.jsonl` file, or a folder of them
    recordings: PathBuf,
    /// Address of the server
    #[arg(long, env = "COUNTERSIGN_URL", default_value = "http://127.0.0.1:7400")]
    server: String,
    /// The agent's API key
    #[arg(long, env = "COUNTERSIGN_KEY", hide_env_values = true, required_unless_present = "key_file")]
    key: Option<String>,
    /// File that holds the agent's API key
    #[arg(long, env = "COUNTERSIGN_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// The connector that has the shop's tools
    #[arg(long, default_value = "crm")]
    connector: String,
    /// Seconds to wait for a person before going on
    #[arg(long, default_value_t = 0)]
    wait: u64,
    /// Name of this play: the same name is answered from the record, another one plays anew
    #[arg(long, default_value = "play")]
    name: String,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match play(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
            writeln!(std::io::stderr(), "error: {}", chain.join(": ")).ok();
            ExitCode::FAILURE
        }
    }
}

async fn play(args: Args) -> Result<()> {
    let key = match (&args.key, &args.key_file) {
        (Some(key), _) => key.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .with_context(|| format!("the key file `{}` cannot be read", file.display()))?,
        (None, None) => anyhow::bail!("no key: give --key-file"),
    };
    let conversations = load(&args.recordings)?;
    let player = Player {
        client: Client::new(&args.server, &key)?,
        connector: args.connector,
        waiting: if args.wait == 0 { Waiting::MoveOn } else { Waiting::For(Duration::from_secs(args.wait)) },
        name: args.name,
    };
    let calls: usize = conversations.iter().map(|c| c.calls.len()).sum();
    let bar = ProgressBar::with_draw_target(Some(calls as u64), ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} calls  {msg}")?);
    let mut statuses: BTreeMap<String, u64> = BTreeMap::new();
    let (mut same, mut repeats, mut skipped) = (0_u64, 0_u64, 0_u64);
    for conversation in &conversations {
        let run = start(&player.client, &player.name, conversation).await?;
        bar.set_message(conversation.task.clone());
        let mut waits = false;
        // A call that failed then and succeeded now: the recorded repetition of it would be a second write.
        let mut spared: Option<&Call> = None;
        for call in &conversation.calls {
            if spared.is_some_and(|before| before.tool == call.tool && before.arguments == call.arguments) {
                spared = None;
                skipped += 1;
                bar.inc(1);
                continue;
            }
            let played = player.call(&run.id, conversation, call).await.with_context(|| {
                format!("conversation `{}`, call {} ({})", conversation.id, call.index, call.tool)
            })?;
            repeats += u64::from(played.repeats);
            waits |= !played.action.settled;
            let done = played.action.status == "confirmed"
                && !played.action.output.as_ref().is_some_and(|output| output.is_error);
            spared = (call.error && done).then_some(call);
            *statuses.entry(played.action.status).or_default() += 1;
            same += u64::from(played.action.output.is_some_and(|output| output.text == call.output));
            bar.inc(1);
        }
        // A run with a waiting action stays open: the answer belongs to it.
        if !waits {
            player.client.finish_run(&run.id, "done").await?;
        }
    }
    bar.finish_and_clear();
    let mut stdout = std::io::stdout().lock();
    if args.json {
        let summary = json!({
            "conversations": conversations.len(), "calls": calls, "outputs_identical": same,
            "repeats": repeats, "skipped": skipped, "actions": statuses,
        });
        writeln!(stdout, "{summary}")?;
        return Ok(());
    }
    writeln!(stdout, "{} conversations, {calls} calls, {repeats} repeated", conversations.len())?;
    for (status, count) in statuses {
        writeln!(stdout, "  {count:>5} {status}")?;
    }
    writeln!(stdout, "  {same:>5} answered as recorded")?;
    if skipped > 0 {
        writeln!(stdout, "  {skipped:>5} recorded repetitions were not needed")?;
    }
    Ok(())
}
