//! What the server asks.

use std::sync::atomic::{AtomicBool, Ordering};

use kernel::action::Status;
use kernel::approval::ApprovalStatus;
use kernel::clock::Millis;
use kernel::digest::Digest;
use kernel::incident::IncidentStatus;
use kernel::judge::Verdict;
use kernel::ports::StateStore;
use kernel::run::{Phase, RunOutcome};
use kernel::state::{Noun, Row, RowKey};
use rusqlite::types::Value;
use tempfile::TempDir;

use super::story::{Story, WAYS, Way, long};
use crate::{
    ActionFilter, ApprovalFilter, Error, IncidentFilter, Page, RunFilter, RunStatus, Views, entries,
    incidents, overview, runs, store,
};

fn told(story: &Story) -> (TempDir, Views) {
    let dir = tempfile::tempdir().unwrap();
    let (views, _) = Views::open(&dir.path().join("views.db"), 0).unwrap();
    views.follow(&story.entries).unwrap();
    (dir, views)
}

/// All pages of a list, and how many there were.
fn all<T>(page: impl Fn(Option<&str>) -> Page<T>) -> (Vec<T>, usize) {
    let (mut items, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let found = page(after.as_deref());
        items.extend(found.items);
        pages += 1;
        after = found.next;
        if after.is_none() {
            return (items, pages);
        }
    }
}

#[test]
fn runs_come_newest_first_with_what_their_actions_came_to() {
    let (_dir, views) = told(&long());
    let (runs, pages) = all(|after| views.runs(&RunFilter::default(), after, 2).unwrap());
    assert_eq!((runs.len(), pages), (5, 3));
    let counts: Vec<_> =
        runs.iter().map(|item| (item.run.actions, item.waiting, item.stopped, item.unknown)).collect();
    assert_eq!(counts, [(3, 2, 0, 0), (2, 0, 0, 1), (0, 0, 0, 0), (5, 1, 2, 0), (11, 1, 4, 1)]);
    assert!(runs.windows(2).all(|pair| pair[0].run.started_at > pair[1].run.started_at));
    assert!(runs.iter().all(|item| item.last_at >= item.run.started_at));
    for item in &runs {
        assert_eq!(views.run(&item.run.id).unwrap().as_ref(), Some(item));
    }
    let done = RunFilter { status: Some(RunStatus::Ended(RunOutcome::Done)), ..RunFilter::default() };
    assert_eq!(views.runs(&done, None, 10).unwrap().items, [runs[3].clone()]);
    let nobody = RunFilter { agent: Some("nobody".parse().unwrap()), ..RunFilter::default() };
    assert_eq!(views.runs(&nobody, None, 10).unwrap(), Page { items: vec![], next: None });
}

#[test]
fn actions_are_found_by_what_is_asked_of_them() {
    let mut story = Story::begin();
    let run = story.run(&WAYS, None);
    story.run(&[Way::Confirmed], None);
    let (_dir, views) = told(&story);
    let count = |filter: ActionFilter| all(|after| views.actions(&filter, after, 3).unwrap()).0.len();
    let any = ActionFilter::default;
    assert_eq!(count(any()), 12);
    assert_eq!(count(ActionFilter { run: Some(run), ..any() }), 11);
    assert_eq!(count(ActionFilter { status: Some(Status::Confirmed), ..any() }), 4);
    assert_eq!(count(ActionFilter { tool: Some("crm.get_order".parse().unwrap()), ..any() }), 2);
    assert_eq!(count(ActionFilter { verdict: Some(Verdict::Approve), ..any() }), 5);
    assert_eq!(count(ActionFilter { agent: Some("shop-agent".parse().unwrap()), ..any() }), 12);
    let both = ActionFilter { verdict: Some(Verdict::Autonomous), status: Some(Status::Unknown), ..any() };
    assert_eq!(count(both), 1);
}

#[test]
fn the_inbox_goes_by_expiry() {
    let mut story = Story::begin();
    story.run(&[Way::Waiting; 9], None);
    story.run(&[Way::Approved, Way::Rejected], None);
    let (_dir, views) = told(&story);
    let inbox = ApprovalFilter { status: Some(ApprovalStatus::Waiting), action: None };
    let (items, pages) = all(|after| views.approvals(&inbox, after, 2).unwrap());
    assert_eq!((items.len(), pages), (9, 5));
    assert!(items.windows(2).all(|pair| pair[0].approval.expires_at <= pair[1].approval.expires_at));
    let ids: std::collections::BTreeSet<_> = items.iter().map(|item| &item.approval.id).collect();
    assert_eq!(ids.len(), 9, "equal expiries neither repeat nor hide rows");
    assert!(items.iter().all(|item| item.about.action.status == Status::Waiting));
    let one = ApprovalFilter { action: Some(items[4].approval.action.clone()), status: None };
    assert_eq!(views.approvals(&one, None, 10).unwrap().items, [items[4].clone()]);
    assert_eq!(all(|after| views.approvals(&ApprovalFilter::default(), after, 4).unwrap()).0.len(), 11);
}

#[test]
fn the_overview_counts_what_is_there() {
    let (_dir, views) = told(&long());
    let overview = views.overview(Millis(0)).unwrap();
    let words = |map: &std::collections::BTreeMap<String, u64>| {
        map.iter().map(|(word, n)| format!("{word} {n}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(words(&overview.runs), "cancelled 1, done 1, failed 1, open 2");
    assert_eq!(
        words(&overview.actions),
        "confirmed 6, deferred 1, expired 2, failed 1, refused 1, rejected 2, unknown 2, waiting 4, withdrawn 2"
    );
    assert_eq!(words(&overview.verdicts), "approve 13, autonomous 6, never 1");
    assert_eq!((overview.waiting, overview.handed_over), (4, 2));
    let waiting = ApprovalFilter { status: Some(ApprovalStatus::Waiting), action: None };
    let waiting = views.approvals(&waiting, None, 10).unwrap().items;
    assert_eq!(overview.next_expiry_at, waiting.iter().map(|item| item.approval.expires_at).min());
    assert_eq!(overview.oldest_waiting_at, waiting.iter().map(|item| item.approval.requested_at).min());
    assert!(views.overview(Millis(i64::MAX)).unwrap().verdicts.is_empty());
}

#[test]
fn entries_and_payload_places_are_found() {
    let story = long();
    let (_dir, views) = told(&story);
    let run = views.runs(&RunFilter::default(), None, 1).unwrap().items.remove(0).run.id;
    let (of_run, _) = all(|after| views.entries_of_run(&run, after, 5).unwrap());
    assert!(of_run.iter().all(|item| item.entry.run.as_ref() == Some(&run)));
    assert!(of_run.windows(2).all(|pair| pair[0].entry.seq < pair[1].entry.seq));
    let filter = ActionFilter { run: Some(run), ..ActionFilter::default() };
    let action = views.actions(&filter, None, 2).unwrap().items.remove(1).action.id;
    let kinds: Vec<_> =
        views.entries_of_action(&action).unwrap().iter().map(|item| item.entry.event.kind()).collect();
    assert_eq!(kinds.first(), Some(&"action.proposed"));
    assert_eq!(kinds.last(), Some(&"action.confirmed"));
    assert_eq!(
        views.entries(3, 4).unwrap().iter().map(|item| item.entry.seq).collect::<Vec<_>>(),
        [3, 4, 5, 6]
    );
    for stored in &story.entries {
        assert_eq!(views.entry(stored.seq).unwrap().unwrap().text.as_bytes(), stored.bytes);
        for payload in &stored.payloads {
            let found = views.payload_at(&Digest(payload.commitment)).unwrap();
            assert_eq!(found, Some((payload.subject.clone(), payload.at.clone())));
        }
    }
    assert_eq!(views.entry(u64::MAX).unwrap(), None);
    assert_eq!(views.payload_at(&Digest([9; 32])).unwrap(), None);
}

#[test]
fn the_registry_is_read_whole() {
    let (_dir, views) = told(&Story::begin());
    assert_eq!(views.agents().unwrap()[0].id.as_str(), "shop-agent");
    assert_eq!(
        views.persons().unwrap().iter().map(|person| person.id.as_str()).collect::<Vec<_>>(),
        ["ada", "bob"]
    );
    assert_eq!(views.connectors().unwrap()[0].environment, "sandbox");
    assert!(views.keys().unwrap()[0].revoked_at.is_some());
    let store: &dyn StateStore = &views;
    assert_eq!(store.applied(), 8);
    assert!(matches!(store.get(&RowKey::new(Noun::Workspace, "")).as_deref(), Some(Row::Workspace(_))));
    assert_eq!(store.get(&RowKey::new(Noun::Run, "run_")), None);
    assert_eq!(store.range(Noun::Person, "b", 5).len(), 1);
    assert_eq!(store.range(Noun::Person, "", 1).len(), 1);
}

#[test]
fn a_place_that_no_list_gave_is_refused() {
    let (_dir, views) = told(&long());
    for after in
        ["", "s", "s-1", "s+1", "x1", "d1", "d1.", "sffffffffffffffffff", "\u{1b}[2J", "s1 OR 1=1", "d1.2"]
    {
        let error = views.runs(&RunFilter::default(), Some(after), 5).unwrap_err();
        assert!(matches!(error, Error::After { .. }), "{after:?}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
    let inbox = ApprovalFilter { status: Some(ApprovalStatus::Waiting), action: None };
    assert!(matches!(views.approvals(&inbox, Some("s1"), 5), Err(Error::After { .. })));
    assert_eq!(
        views.actions(&ActionFilter::default(), None, 0).unwrap().items.len(),
        1,
        "limits are bounded"
    );
}

#[test]
fn no_question_reads_a_whole_table() {
    let mut questions: Vec<(String, usize)> = [
        (store::GET, 2),
        (store::RANGE, 3),
        (runs::ONE, 1),
        (entries::ONE, 1),
        (entries::FROM, 2),
        (entries::OF_ACTION, 3),
        (entries::PUBLISHED, 1),
        (entries::OF_RUN, 3),
        (entries::WAITS_OF_RUN, 3),
        (incidents::ONE, 1),
        (entries::PAYLOAD, 1),
        (overview::TOTALS, 1),
        (overview::VERDICTS, 1),
        (overview::OLDEST, 0),
        (overview::NEXT, 0),
    ]
    .map(|(sql, values)| (sql.to_owned(), values))
    .into();
    let mut ask = |(sql, values): (String, Vec<Value>)| questions.push((sql, values.len()));
    let story = long();
    let (_dir, views) = told(&story);
    let item = views.actions(&ActionFilter::default(), None, 1).unwrap().items.remove(0);
    let (action, agent) = (item.action, item.agent);
    for bits in 0..32_u32 {
        let on = |bit: u32| bits & (1 << bit) != 0;
        ask(ActionFilter {
            run: on(0).then(|| action.run.clone()),
            status: on(1).then_some(Status::Waiting),
            tool: on(2).then(|| action.tool.clone()),
            verdict: on(3).then_some(Verdict::Approve),
            agent: on(4).then(|| agent.clone()),
        }
        .query(7, 5));
        ask(RunFilter {
            agent: on(0).then(|| agent.clone()),
            status: on(1).then_some(RunStatus::Open),
            phase: on(2).then_some(Phase::Waiting),
        }
        .query(7, 5));
        ask(IncidentFilter {
            agent: on(0).then(|| agent.clone()),
            status: on(1).then_some(IncidentStatus::Open),
        }
        .query(7, 5));
        let status = on(0).then_some(if on(2) { ApprovalStatus::Used } else { ApprovalStatus::Waiting });
        ask(ApprovalFilter { status, action: on(1).then(|| action.id.clone()) }.query(None, 5).unwrap());
    }
    let reader = views.pool.take().unwrap();
    for (sql, values) in questions {
        let mut statement = reader.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        // A search by position alone reads the whole table where few rows are what was asked for.
        let chosen = sql.contains(" AS t ") && values > 2;
        let values = rusqlite::params_from_iter(vec![1_i64; values]);
        let steps: Vec<String> =
            statement.query_map(values, |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        for step in &steps {
            assert!(step.starts_with("SEARCH"), "{step}\n{sql}");
        }
        assert!(!chosen || steps[0].contains("USING INDEX"), "{}\n{sql}", steps[0]);
        assert!(!steps.is_empty());
    }
}

#[test]
fn readers_see_whole_batches_while_entries_arrive() {
    let story = long();
    let (_dir, views) = told(&Story::begin());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let applied = views.applied();
                    if applied > 0 {
                        assert!(
                            views.entry(applied - 1).unwrap().is_some(),
                            "what counts as applied is there"
                        );
                    }
                    let overview = views.overview(Millis(0)).unwrap();
                    assert_eq!(overview.waiting > 0, overview.next_expiry_at.is_some());
                    views.actions(&ActionFilter::default(), None, 50).unwrap();
                }
            });
        }
        for stored in &story.entries {
            views.follow(std::slice::from_ref(stored)).unwrap();
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(views.applied(), story.entries.len() as u64);
}
