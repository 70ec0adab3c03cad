//! Tables, indexes, and their version.
//!
//! A change of anything here is a new [`VERSION`]: files of another version are wiped and rebuilt, never migrated.
//! List tables are keyed by the position of the entry that made the row, so newest first is the order of the key.

/// Version of the tables below.
pub(crate) const VERSION: i64 = 4;

/// All tables, and the order in which a dump lists their rows.
pub(crate) const TABLES: &[(&str, &str)] = &[
    ("state", "noun, id"),
    ("entries", "seq"),
    ("payloads", "commitment"),
    ("runs", "seq"),
    ("actions", "seq"),
    ("approvals", "seq"),
    ("incidents", "seq"),
    ("totals", "what, word"),
    ("verdicts", "minute, verdict"),
    ("checkpoints", "seq"),
];

/// Makes an empty file.
pub(crate) const CREATE: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE state(noun TEXT NOT NULL, id TEXT NOT NULL, row TEXT NOT NULL, PRIMARY KEY(noun, id)) WITHOUT ROWID;

CREATE TABLE entries(
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL,
    run TEXT, action TEXT, approval TEXT, bytes TEXT NOT NULL);
CREATE INDEX entries_run ON entries(run) WHERE run IS NOT NULL;
CREATE INDEX entries_bundle ON entries(kind) WHERE kind = 'bundle.published';
CREATE INDEX entries_action ON entries(action) WHERE action IS NOT NULL;

CREATE TABLE payloads(
    commitment BLOB PRIMARY KEY, subject TEXT NOT NULL, locator TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX payloads_subject ON payloads(subject, seq);

CREATE TABLE runs(
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, status TEXT NOT NULL,
    last_at INTEGER NOT NULL, waiting INTEGER NOT NULL, stopped INTEGER NOT NULL, unknown INTEGER NOT NULL,
    phase TEXT);
CREATE INDEX runs_agent ON runs(agent);
CREATE INDEX runs_status ON runs(status);
CREATE INDEX runs_phase ON runs(phase) WHERE phase IS NOT NULL;

CREATE TABLE actions(
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, run TEXT NOT NULL, agent TEXT NOT NULL, tool TEXT NOT NULL,
    verdict TEXT, status TEXT NOT NULL);
CREATE INDEX actions_run ON actions(run);
CREATE INDEX actions_agent ON actions(agent);
CREATE INDEX actions_tool ON actions(tool);
CREATE INDEX actions_verdict ON actions(verdict);
CREATE INDEX actions_status ON actions(status);

CREATE TABLE approvals(
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, action TEXT NOT NULL, agent TEXT NOT NULL, status TEXT NOT NULL,
    requested_at INTEGER NOT NULL, expires_at INTEGER NOT NULL);
CREATE INDEX approvals_action ON approvals(action);
CREATE INDEX approvals_status ON approvals(status);
CREATE INDEX approvals_expiry ON approvals(status, expires_at);

CREATE TABLE incidents(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, status TEXT NOT NULL);
CREATE INDEX incidents_agent ON incidents(agent);
CREATE INDEX incidents_status ON incidents(status);

CREATE TABLE totals(what TEXT NOT NULL, word TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(what, word)) WITHOUT ROWID;

CREATE TABLE verdicts(
    minute INTEGER NOT NULL, verdict TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY(minute, verdict)) WITHOUT ROWID;

CREATE TABLE checkpoints(
    seq INTEGER PRIMARY KEY, agent TEXT NOT NULL, thread TEXT NOT NULL, namespace TEXT NOT NULL,
    checkpoint TEXT NOT NULL, run TEXT, row TEXT NOT NULL);
CREATE INDEX checkpoints_agent ON checkpoints(agent);
CREATE INDEX checkpoints_thread ON checkpoints(thread);
CREATE INDEX checkpoints_namespace ON checkpoints(namespace);
CREATE INDEX checkpoints_checkpoint ON checkpoints(checkpoint);
CREATE INDEX checkpoints_run ON checkpoints(run);
";
