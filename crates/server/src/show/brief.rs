//! A run's brief: which of its entries make which lines.
//!
//! Facts of the server stand as they are. What the agent said stands in quotation marks as the agent's, because whoever
//! reads the brief may be a model, and must be able to tell the two apart.

use std::collections::BTreeMap;

use brief::{Line, Section, Tokenizer};
use kernel::action::{Action, Status};
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::event::{Entry, Event};
use kernel::id::ActionId;
use kernel::judge::{EffectClass, Fact};
use kernel::run::Run;
use kernel::state::{Noun, Row, RowKey};
use kernel::step::{Step, StepKind, StepOutcome};
use serde_json::Value;

use crate::app::App;
use crate::problem::Fault;

use super::{Reader, Veil};

/// Entries of a run that are looked at, the oldest first: a brief of a longer run says that there are more.
const ENTRIES_MAX: usize = 100_000;
/// Lines of which the payloads are opened, the newest: no brief holds more.
const OPENED_MAX: usize = 4_096;

/// Lines before their payloads are opened, each with its entry.
enum Plan {
    Goal { title: Option<Digest>, input: Option<Digest>, entry: u64 },
    Step { step: Step },
    Action { id: ActionId, entry: u64 },
    Wait { key: Digest, entry: u64 },
}

/// The brief of a run.
pub(crate) fn brief(
    app: &App,
    run: &Run,
    reader: Reader,
    now: Millis,
    tokens_max: usize,
    tokenizer: Tokenizer,
) -> Result<api::Brief, Fault> {
    let (plans, rejections, entries) = plan(app, run)?;
    let skipped = plans.len().saturating_sub(OPENED_MAX);
    let mut lines = vec![];
    for (number, plan) in plans.iter().enumerate() {
        // The goal comes first and is always opened.
        if number == 0 || number >= skipped {
            lines.extend(open(app, run, reader, plan, &rejections, now)?);
        }
    }
    // A run that no agent finished and that a person must look at is open whatever else is.
    if let Some(incident) = run.dispatch.as_ref().and_then(|dispatch| dispatch.incident.as_ref()) {
        lines.push(Line::new(Section::Open, &format!("parked: it failed too often; {incident}"), entries));
    }
    let brief = brief::write(&newest_facts(lines), tokens_max, tokenizer);
    Ok(api::Brief {
        run: run.id.to_string(),
        entries,
        at: now.0,
        tokens: brief.tokens as u64,
        tokenizer: tokenizer.name().to_owned(),
        lines: brief
            .lines
            .into_iter()
            .map(|line| api::BriefLine {
                section: line.section.word().to_owned(),
                text: line.text,
                entry: line.entry,
            })
            .collect(),
        left: brief
            .left
            .into_iter()
            .map(|(section, left)| api::BriefLeft {
                section: section.word().to_owned(),
                count: left.count,
                first: left.first,
                last: left.last,
            })
            .collect(),
        text: brief.text,
    })
}

type Planned = (Vec<Plan>, BTreeMap<ActionId, (String, Option<Digest>)>, u64);

/// What there is to say, in the order of the log, and who rejected what and why.
fn plan(app: &App, run: &Run) -> Result<Planned, Fault> {
    let (mut plans, mut rejections) = (vec![], BTreeMap::new());
    let (mut after, mut seen, mut end) = (None::<String>, 0, 0);
    loop {
        let page = app.views.entries_of_run(&run.id, after.as_deref(), views::LIMIT_MAX)?;
        for item in page.items {
            let Entry { event, seq, commits, at, .. } = item.entry;
            end = seq + 1;
            seen += 1;
            match event {
                Event::RunStarted { .. } => plans.push(Plan::Goal {
                    title: commits.get("title").copied(),
                    input: commits.get("input").copied(),
                    entry: seq,
                }),
                Event::StepRecorded { kind, input, outcome, .. }
                    if matches!(kind, StepKind::Decide | StepKind::Context) =>
                {
                    let result = commits.get("step").copied();
                    plans.push(Plan::Step { step: Step { kind, input, outcome, result, seq, at } });
                }
                Event::ActionProposed { action, .. } => plans.push(Plan::Action { id: action, entry: seq }),
                Event::ApprovalRejected { action, by, .. } => {
                    rejections.insert(action, (by.to_string(), commits.get("reason").copied()));
                }
                Event::WaitOpened { key, .. } => plans.push(Plan::Wait { key, entry: seq }),
                _ => {}
            }
        }
        match page.next {
            Some(next) if seen < ENTRIES_MAX => after = Some(next),
            _ => return Ok((plans, rejections, end)),
        }
    }
}

fn open(
    app: &App,
    run: &Run,
    reader: Reader,
    plan: &Plan,
    rejections: &BTreeMap<ActionId, (String, Option<Digest>)>,
    now: Millis,
) -> Result<Vec<Line>, Fault> {
    match plan {
        Plan::Goal { title, input, entry } => {
            let mut lines = vec![];
            let title = title.as_ref().map(|title| app.text(title)).transpose()?.flatten();
            lines.extend(title.map(|title| Line::new(Section::Goal, &api::visible(&title), *entry)));
            let input = input.as_ref().map(|input| app.sealed::<Value>(input)).transpose()?.flatten();
            lines.extend(input.map(|input| {
                Line::new(Section::Goal, &api::visible(&format!("asked for: {}", short(&input))), *entry)
            }));
            Ok(lines)
        }
        Plan::Step { step } => Ok(of_step(app, step, now)?.into_iter().collect()),
        Plan::Action { id, entry } => match app.views.row(&RowKey::new(Noun::Action, id))?.as_deref() {
            Some(Row::Action(action)) => {
                let veil = match reader {
                    Reader::Agent => Veil::default(),
                    Reader::Person => Veil::of(app, action)?,
                };
                of_action(app, action, &veil, rejections.get(id), *entry, now)
            }
            _ => Ok(vec![]),
        },
        Plan::Wait { key, entry } => of_wait(app, run, key, *entry, now),
    }
}

fn of_step(app: &App, step: &Step, now: Millis) -> Result<Option<Line>, Fault> {
    let Some((key, value)) = app.engine.step_value(step)? else { return Ok(None) };
    let failed = if step.outcome == StepOutcome::Failed { " (failed)" } else { "" };
    let (section, text) = match step.kind {
        StepKind::Decide => (Section::Decisions, format!("{key}{failed}: {}", choice(&value))),
        StepKind::Context => {
            (Section::Facts, format!("{key}{failed}: {} ({})", short(&value), age(step.at, now)))
        }
        StepKind::Task | StepKind::Think => return Ok(None),
    };
    Ok(Some(Line::new(section, &api::visible(&text), step.seq)))
}

/// A decision as SDKs record it: what was chosen, why, and what was not. Anything else as it is.
fn choice(value: &Value) -> String {
    let Some(chosen) = value.get("chosen") else { return short(value) };
    let mut text = format!("chose {}", short(chosen));
    if let Some(because) = value.get("because").filter(|because| !because.is_null()) {
        text = format!("{text}, because “{}”", short(because));
    }
    if let Some(rejected) = value.get("rejected").and_then(Value::as_array).filter(|list| !list.is_empty()) {
        let rejected: Vec<String> = rejected.iter().map(short).collect();
        text = format!("{text}; not: {}", rejected.join(", "));
    }
    text
}

fn of_action(
    app: &App,
    action: &Action,
    veil: &Veil,
    rejection: Option<&(String, Option<Digest>)>,
    entry: u64,
    now: Millis,
) -> Result<Vec<Line>, Fault> {
    let headline = action.headline.as_ref().map(|headline| app.text(headline)).transpose()?.flatten();
    let headline = headline.unwrap_or_else(|| action.tool.to_string());
    let mut lines = vec![];
    for (fact, value) in &action.facts {
        if let Some(known) = app.sealed::<Fact>(value)? {
            let shown = veil.fact(&known).shown;
            let text = format!("{}: {shown} ({}, {})", fact.name, fact.source, age(fact.read_at, now));
            lines.push(Line::new(Section::Facts, &text, entry));
        }
    }
    let (section, state) = match action.status {
        Status::Waiting => {
            (Section::Open, format!("a person is asked since {}", span(action.proposed_at, now)))
        }
        Status::Unknown if action.handed_over => {
            (Section::Open, "whether it happened is not known; a person must settle it".to_owned())
        }
        Status::Unknown => (Section::Open, "whether it happened is being found out".to_owned()),
        Status::Decided | Status::Approved | Status::Intended => (Section::Open, "under way".to_owned()),
        Status::Confirmed if action.class == EffectClass::Read => {
            lines.push(Line::new(
                Section::Facts,
                &veil.text(&format!("read: {headline} ({})", age(action.proposed_at, now))),
                entry,
            ));
            return Ok(lines);
        }
        Status::Confirmed => (Section::Decisions, "done".to_owned()),
        Status::Compensated => (Section::Decisions, "done, and taken back later".to_owned()),
        Status::Failed => (Section::Decisions, "failed; nothing was changed".to_owned()),
        Status::Refused => {
            let code = action.code.as_deref().unwrap_or("refused");
            (Section::Decisions, format!("refused by the rules ({code})"))
        }
        Status::Rejected => (Section::Decisions, "rejected by a person".to_owned()),
        Status::Expired => (Section::Decisions, "nobody answered in time; not done".to_owned()),
        Status::Withdrawn => (Section::Decisions, "taken back; not done".to_owned()),
        Status::Deferred => (Section::Decisions, "no decision was possible; not done".to_owned()),
    };
    let mut text = format!("{headline} ({}): {state}", action.id);
    if let Some((person, reason)) = rejection {
        let reason = reason.as_ref().map(|reason| app.text(reason)).transpose()?.flatten();
        text = format!("{text}; {person} said “{}”", reason.as_deref().unwrap_or("").trim());
    }
    if let Some(reason) = action.reason.as_ref().map(|reason| app.text(reason)).transpose()?.flatten() {
        text = format!("{text}; the agent said “{}”", reason.trim());
    }
    lines.push(Line::new(section, &veil.text(&text), entry));
    Ok(lines)
}

fn of_wait(app: &App, run: &Run, key: &Digest, entry: u64, now: Millis) -> Result<Vec<Line>, Fault> {
    let id = Step::row_id(&run.id, key);
    let row = app.views.row(&RowKey::new(Noun::Step, id))?;
    let Some(Row::Wait(wait)) = row.as_deref() else { return Ok(vec![]) };
    if wait.met.is_some() {
        return Ok(vec![]);
    }
    let words = wait.content.as_ref().map(|content| app.sealed::<Value>(content)).transpose()?.flatten();
    let words = words.unwrap_or(Value::Null);
    let name = words["key"].as_str().unwrap_or("a wait").to_owned();
    let text = format!(
        "waits ({name}) since {}: {} {}",
        span(wait.at, now),
        words["mode"].as_str().unwrap_or(""),
        short(&words["on"])
    );
    Ok(vec![Line::new(Section::Open, &api::visible(&text), entry)])
}

/// A fact that was read again stands once, as it was read last.
fn newest_facts(lines: Vec<Line>) -> Vec<Line> {
    let name = |line: &Line| line.text.split(" (").next().unwrap_or_default().to_owned();
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.section == Section::Facts) {
        last.insert(name(line), at);
    }
    let keep = |at: usize, line: &Line| line.section != Section::Facts || last.get(&name(line)) == Some(&at);
    lines.iter().enumerate().filter(|(at, line)| keep(*at, line)).map(|(_, line)| line.clone()).collect()
}

/// A value in a line: texts as they are, the rest as JSON.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => kernel::json::canonical_text(other),
    }
}

fn age(at: Millis, now: Millis) -> String {
    format!("{} old", span(at, now))
}

/// How long ago, in one unit.
fn span(at: Millis, now: Millis) -> String {
    let seconds = now.since(at).0.max(0) / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
