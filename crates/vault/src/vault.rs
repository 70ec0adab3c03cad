//! Data keys by subject.
//!
//! Keys are made ahead in blocks and flushed before the first of a block is used, so sealing never waits for the disk.
//! Which subject has which key is written down a little later ([`Vault::flush`]). What a crash lost of that is learned
//! again from the journal at the start, since a sealed payload names its key's number and its subject
//! ([`Vault::learn`]): a request that is repeated after the crash has the commitment that it had before. A key that was
//! given out once is never given to another subject.
//!
//! Subjects are known by pseudonyms here and in the journal: their names are personal data, and entries stay.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::clock::Entropy;
use kernel::digest::Digest;
use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use crate::envelope::{self, Opened, Sealed};
use crate::error::Error;
use crate::root::RootKey;
use crate::signing::LogKey;

/// Keys made at once: one flush for this many new subjects.
const BLOCK: u64 = 256;
/// Keys kept unwrapped in memory.
const CACHED_MAX: usize = 50_000;
/// Assignments that may wait to be written.
const UNWRITTEN_MAX: usize = 128;
/// Entries after which the mark is moved although no assignment is new.
const MARK_EVERY: u64 = 4_096;
const DATA_KEYS: &str = "CREATE TABLE IF NOT EXISTS data_keys
    (number INTEGER PRIMARY KEY AUTOINCREMENT, subject BLOB, current INTEGER NOT NULL DEFAULT 0, wrapped BLOB NOT NULL) STRICT;
    CREATE INDEX IF NOT EXISTS data_keys_subject ON data_keys(subject) WHERE subject IS NOT NULL;";
pub(crate) const CHECK: [u8; 32] = *b"countersign vault: the right key";

type Key = Arc<Zeroizing<[u8; 32]>>;

struct State {
    db: Connection,
    /// Keys by subject, as used lately.
    by_subject: HashMap<Digest, (u64, Key)>,
    /// Keys that are flushed and that nobody has yet.
    free: BTreeMap<u64, Key>,
    /// Assignments that are not written yet.
    unwritten: Vec<(u64, Digest)>,
    /// Entries of the journal whose assignments are all written.
    mark: u64,
    flushes: u64,
}

/// The keys of a data directory.
pub struct Vault {
    root: RootKey,
    entropy: Arc<dyn Entropy>,
    /// Makes pseudonyms. Outlives every subject: it opens nothing.
    names: Zeroizing<[u8; 32]>,
    state: Mutex<State>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// Opens `keys.db` in the data directory, or makes it.
    pub fn open(dir: &Path, root: RootKey, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        let path = dir.join("keys.db");
        let db = Connection::open(&path)?;
        restrict(&path)?;
        db.execute_batch(
            "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, entries INTEGER NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS log_keys (log TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;",
        )?;
        db.execute_batch(DATA_KEYS)?;
        let check: Option<Vec<u8>> = db
            .query_row("SELECT value FROM settings WHERE name = 'check'", [], |row| row.get(0))
            .optional()?;
        if let Some(wrapped) = check {
            drop(root.unwrap(&wrapped, "check")?);
        } else {
            let wrapped = root.wrap(&CHECK, "check", &*entropy);
            db.execute("INSERT INTO settings (name, value) VALUES ('check', ?1)", params![wrapped])?;
        }
        let names = names_key(&db, &root, &*entropy)?;
        let mark = mark(&db)?;
        let state = State {
            db,
            by_subject: HashMap::new(),
            free: BTreeMap::new(),
            unwritten: Vec::new(),
            mark,
            flushes: 0,
        };
        Ok(Self { root, entropy, names, state: Mutex::new(state) })
    }

    /// What stands for names and keys of the outside in the journal: a keyed hash, so that nobody without the root key
    /// can test a guess (HMAC-SHA-256, RFC 2104, over the digest of the parts in the domain).
    pub fn pseudonym(&self, domain: &str, parts: &[&[u8]]) -> Digest {
        Digest(envelope::mac(&*self.names, &[&Digest::of(domain, parts).0]))
    }

    /// Seals bytes with the key of `subject`, a pseudonym. Equal bytes of one subject in one scope have one commitment.
    pub fn seal(&self, subject: &Digest, scope: &str, plain: &[u8]) -> Result<Sealed, Error> {
        let (number, key) = self.key_for(subject)?;
        envelope::seal(number, &key, subject, scope, plain, &*self.entropy)
    }

    /// Opens sealed bytes and checks them against their commitment.
    pub fn open_payload(
        &self,
        bytes: &[u8],
        commitment: &Digest,
        subject: &Digest,
    ) -> Result<Vec<u8>, Error> {
        Ok(self.disclose(bytes, commitment, subject)?.plain)
    }

    /// The same, with the salt: for those who shall be able to check the commitment themselves.
    pub fn disclose(&self, bytes: &[u8], commitment: &Digest, subject: &Digest) -> Result<Opened, Error> {
        let number = envelope::key_of(bytes)?;
        let key = {
            let state = self.state.lock().expect("no panic while the lock is held");
            match state.by_subject.get(subject).filter(|(known, _)| *known == number) {
                Some((_, key)) => key.clone(),
                None => self.read_key(&state.db, number)?.ok_or(Error::Erased)?,
            }
        };
        envelope::open(&key, bytes, commitment, subject)
    }

    /// The signing key of a log, made on first use.
    pub fn log_key(&self, log: &str) -> Result<LogKey, Error> {
        Ok(LogKey::new(log, &*self.seed(log)?))
    }

    /// The seed of a signing key, made on first use.
    fn seed(&self, name: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
        let state = self.state.lock().expect("no panic while the lock is held");
        let about = about_log(name);
        if let Some(wrapped) = wrapped_log_key(&state.db, name)? {
            return self.root.unwrap(&wrapped, &about);
        }
        let mut seed = Zeroizing::new([0; 32]);
        self.entropy.fill(&mut *seed);
        let wrapped = self.root.wrap(&seed, &about, &*self.entropy);
        state.db.execute("INSERT INTO log_keys (log, wrapped) VALUES (?1, ?2)", params![name, wrapped])?;
        Ok(seed)
    }

    /// The key that a log is to have next, made where there is none yet. It bears the log's name, and is not the log's
    /// before [`Vault::promote_log_key`].
    pub fn next_log_key(&self, log: &str) -> Result<LogKey, Error> {
        Ok(LogKey::new(log, &*self.seed(&next(log))?))
    }

    /// The same, where one was made.
    pub fn pending_log_key(&self, log: &str) -> Result<Option<LogKey>, Error> {
        let state = self.state.lock().expect("no panic while the lock is held");
        let wrapped = wrapped_log_key(&state.db, &next(log))?;
        let seed = wrapped.map(|wrapped| self.root.unwrap(&wrapped, &about_log(&next(log)))).transpose()?;
        Ok(seed.map(|seed| LogKey::new(log, &seed)))
    }

    /// The next key of a log is its key from now on; the one until now is destroyed.
    pub fn promote_log_key(&self, log: &str) -> Result<(), Error> {
        let mut state = self.state.lock().expect("no panic while the lock is held");
        let Some(wrapped) = wrapped_log_key(&state.db, &next(log))? else { return Ok(()) };
        let seed = self.root.unwrap(&wrapped, &about_log(&next(log)))?;
        let wrapped = self.root.wrap(&seed, &about_log(log), &*self.entropy);
        let transaction = state.db.transaction()?;
        transaction.execute("DELETE FROM log_keys WHERE log = ?1", [next(log)])?;
        transaction.execute(
            "INSERT OR REPLACE INTO log_keys (log, wrapped) VALUES (?1, ?2)",
            params![log, wrapped],
        )?;
        transaction.commit()?;
        state.flushes += 1;
        Ok(())
    }

    /// Takes the subject's key out of use and returns the numbers of all keys that are on record for it: what is sealed
    /// from now on has a new one. `sealed` are payloads of the subject, wherever they were found: a key whose assignment
    /// a crash lost is known by them alone. Nothing is destroyed yet.
    pub fn keys_of<'a>(
        &self,
        subject: &Digest,
        sealed: impl Iterator<Item = &'a [u8]>,
    ) -> Result<BTreeSet<u64>, Error> {
        let mut numbers = sealed.map(envelope::key_of).collect::<Result<BTreeSet<u64>, _>>()?;
        let mut state = self.state.lock().expect("no panic while the lock is held");
        write_down(&mut state, None)?;
        state.by_subject.remove(subject);
        state.db.execute("UPDATE data_keys SET current = 0 WHERE subject = ?1", [subject.0])?;
        let mut statement = state.db.prepare("SELECT number FROM data_keys WHERE subject = ?1")?;
        for number in statement.query_map([subject.0], |row| row.get::<_, u64>(0))? {
            numbers.insert(number?);
        }
        Ok(numbers)
    }

    /// Destroys keys: nothing that they sealed can be opened any more, here or in a later backup. Keys that are gone
    /// already stay gone. The store overwrites what it deletes.
    pub fn destroy(&self, numbers: impl Iterator<Item = u64>) -> Result<(), Error> {
        let mut state = self.state.lock().expect("no panic while the lock is held");
        let transaction = state.db.transaction()?;
        let mut gone = BTreeSet::new();
        for number in numbers {
            transaction.execute("DELETE FROM data_keys WHERE number = ?1", [number])?;
            gone.insert(number);
        }
        transaction.commit()?;
        state.flushes += 1;
        state.by_subject.retain(|_, (number, _)| !gone.contains(number));
        Ok(())
    }

    /// Writes down which subject has which key. What sealed the first `entries` of the journal need not be learned again.
    pub fn flush(&self, entries: u64) -> Result<(), Error> {
        let mut state = self.state.lock().expect("no panic while the lock is held");
        if state.unwritten.is_empty() && entries < state.mark.saturating_add(MARK_EVERY) {
            return Ok(());
        }
        let entries = entries.max(state.mark);
        write_down(&mut state, Some(entries))
    }

    /// Everything was learned that the journal tells, which has so many entries now: fewer than before, where an older
    /// copy of it was restored.
    pub fn learned(&self, entries: u64) -> Result<(), Error> {
        write_down(&mut self.state.lock().expect("no panic while the lock is held"), Some(entries))
    }

    /// Entries of the journal of which nothing is to be learned.
    pub fn mark(&self) -> u64 {
        self.state.lock().expect("no panic while the lock is held").mark
    }

    /// Whether a subject has a key in use.
    pub fn knows(&self, subject: &Digest) -> Result<bool, Error> {
        let state = self.state.lock().expect("no panic while the lock is held");
        in_use(&state, subject)
    }

    /// Takes note of whose key sealed a payload of the journal, unless the subject has a key already: what is sealed from
    /// now on has the same one. A key that was destroyed stays so.
    pub fn learn(&self, subject: &Digest, sealed: &[u8]) -> Result<(), Error> {
        let number = envelope::key_of(sealed)?;
        let mut state = self.state.lock().expect("no panic while the lock is held");
        if in_use(&state, subject)? {
            return Ok(());
        }
        let nobodys = state
            .db
            .prepare_cached("SELECT 1 FROM data_keys WHERE number = ?1 AND subject IS NULL")?
            .exists([number])?;
        if nobodys {
            state.unwritten.push((number, *subject));
        }
        if state.unwritten.len() >= UNWRITTEN_MAX { write_down(&mut state, None) } else { Ok(()) }
    }

    /// Flushes of the key store since it was opened.
    pub fn flushes(&self) -> u64 {
        self.state.lock().expect("no panic while the lock is held").flushes
    }

    fn key_for(&self, subject: &Digest) -> Result<(u64, Key), Error> {
        let mut state = self.state.lock().expect("no panic while the lock is held");
        if let Some((number, key)) = state.by_subject.get(subject) {
            return Ok((*number, key.clone()));
        }
        let found = if let Some(number) = stored(&state.db, subject)? {
            (number, self.read_key(&state.db, number)?.ok_or(Error::Erased)?)
        } else {
            if state.free.is_empty() {
                self.make_block(&mut state)?;
            }
            let (number, key) =
                state.free.pop_first().ok_or_else(|| Error::Store("no key was made".to_owned()))?;
            state.unwritten.push((number, *subject));
            (number, key)
        };
        if state.by_subject.len() >= CACHED_MAX {
            write_down(&mut state, None)?;
            state.by_subject.clear();
        }
        state.by_subject.insert(*subject, found.clone());
        if state.unwritten.len() >= UNWRITTEN_MAX {
            write_down(&mut state, None)?;
        }
        Ok(found)
    }

    /// Makes the next keys and flushes them before any is used.
    fn make_block(&self, state: &mut State) -> Result<(), Error> {
        // Numbers are never used again, not those of destroyed keys either: a sealed payload must not find another key.
        let first: u64 = state
            .db
            .query_row("SELECT seq + 1 FROM sqlite_sequence WHERE name = 'data_keys'", [], |row| row.get(0))
            .optional()?
            .unwrap_or(1);
        let transaction = state.db.transaction()?;
        let mut made = Vec::new();
        for number in first..first + BLOCK {
            let mut key = Zeroizing::new([0; 32]);
            self.entropy.fill(&mut *key);
            let wrapped = self.root.wrap(&key, &about(number), &*self.entropy);
            transaction.execute(
                "INSERT INTO data_keys (number, wrapped) VALUES (?1, ?2)",
                params![number, wrapped],
            )?;
            made.push((number, Arc::new(key)));
        }
        transaction.commit()?;
        state.flushes += 1;
        state.free.extend(made);
        Ok(())
    }

    fn read_key(&self, db: &Connection, number: u64) -> Result<Option<Key>, Error> {
        let wrapped: Option<Vec<u8>> = db
            .prepare_cached("SELECT wrapped FROM data_keys WHERE number = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        wrapped.map(|wrapped| self.root.unwrap(&wrapped, &about(number)).map(Arc::new)).transpose()
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        // What is not written is found again in the journal.
        drop(write_down(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), None));
    }
}

/// Under which name the next key of a log lies: no log is called so.
fn next(log: &str) -> String {
    format!("{log}#next")
}

fn wrapped_log_key(db: &Connection, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut statement = db.prepare_cached("SELECT wrapped FROM log_keys WHERE log = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

pub(crate) fn about(number: u64) -> String {
    format!("data/{number}")
}

pub(crate) fn about_log(log: &str) -> String {
    format!("log/{log}")
}

fn stored(db: &Connection, subject: &Digest) -> Result<Option<u64>, Error> {
    let mut statement =
        db.prepare_cached("SELECT number FROM data_keys WHERE subject = ?1 AND current = 1")?;
    Ok(statement.query_row([subject.0], |row| row.get(0)).optional()?)
}

fn in_use(state: &State, subject: &Digest) -> Result<bool, Error> {
    let unwritten = state.unwritten.iter().any(|(_, known)| known == subject);
    Ok(unwritten || stored(&state.db, subject)?.is_some())
}

fn mark(db: &Connection) -> Result<u64, Error> {
    let mut statement = db.prepare("SELECT entries FROM marks WHERE name = 'assigned'")?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Writes the assignments, and with them the mark where there is a new one.
fn write_down(state: &mut State, mark: Option<u64>) -> Result<(), Error> {
    if state.unwritten.is_empty() && mark.is_none() {
        return Ok(());
    }
    let transaction = state.db.transaction()?;
    for (number, subject) in &state.unwritten {
        transaction.execute(
            "UPDATE data_keys SET subject = ?2, current = 1 WHERE number = ?1 AND subject IS NULL",
            params![number, subject.0],
        )?;
    }
    if let Some(mark) = mark {
        transaction
            .execute("INSERT OR REPLACE INTO marks (name, entries) VALUES ('assigned', ?1)", params![mark])?;
    }
    transaction.commit()?;
    state.flushes += 1;
    state.unwritten.clear();
    state.mark = mark.unwrap_or(state.mark);
    Ok(())
}

fn restrict(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| Error::Store(error.to_string()))
}

/// The key of pseudonyms, made on first use.
fn names_key(db: &Connection, root: &RootKey, entropy: &dyn Entropy) -> Result<Zeroizing<[u8; 32]>, Error> {
    let wrapped: Option<Vec<u8>> =
        db.query_row("SELECT value FROM settings WHERE name = 'names'", [], |row| row.get(0)).optional()?;
    if let Some(wrapped) = wrapped {
        return root.unwrap(&wrapped, "names");
    }
    let mut key = Zeroizing::new([0; 32]);
    entropy.fill(&mut *key);
    db.execute(
        "INSERT INTO settings (name, value) VALUES ('names', ?1)",
        params![root.wrap(&key, "names", entropy)],
    )?;
    Ok(key)
}
