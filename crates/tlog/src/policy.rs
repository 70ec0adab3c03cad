//! Whom to trust (c2sp.org/tlog-policy): logs by their keys, witnesses, and how many of them must have seen a
//! checkpoint.
//!
//! Names of witnesses and groups are bytes, as the specification has it: the file need not be UTF-8.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::key::{VerifierKey, WitnessKey};
use crate::note::{Note, NoteError};
use crate::text::decimal;

/// The largest policy that is read.
pub const POLICY_BYTES_MAX: usize = 256 * 1024;
/// The most logs; and of witnesses and groups together, twice as many. The specification asks for 32 of each at least.
const ITEMS_MAX: usize = 256;

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    /// Witnesses and groups, in the order in which they were defined.
    nodes: Vec<(String, Node)>,
    /// The node that must have seen a checkpoint; `None` asks for nobody.
    quorum: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Witness {
        key: WitnessKey,
        /// Where it takes checkpoints, as the policy has it.
        url: Option<String>,
    },
    /// INVARIANT: members stand before the group, and there are `threshold` of them at least.
    Group { threshold: usize, members: Vec<usize> },
}

/// Why a text is not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// A checkpoint that the policy trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// What the log vouches for.
    pub checkpoint: Checkpoint,
    /// Witnesses that saw it, by their names in the policy, and when: seconds since 1970.
    pub seen_by: Vec<(String, u64)>,
}

/// Why a checkpoint is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Not a note.
    #[error("the checkpoint is not a signed note: {0}")]
    Note(NoteError),
    /// Not a checkpoint.
    #[error("the note is not a checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// No key of the policy is this log's.
    #[error("the policy does not know the log `{0}`")]
    UnknownLog(String),
    /// No key of this log signed, or a signature in its name is wrong.
    #[error("the checkpoint carries no valid signature of the log `{0}`")]
    LogSignature(String),
    /// A signature in a witness' name is wrong.
    #[error("the cosignature of witness `{0}` is not valid")]
    WitnessSignature(String),
    /// Too few witnesses.
    #[error("too few witnesses have seen the checkpoint")]
    Quorum,
}

impl Policy {
    /// Trusts one log by its key, and asks for no witnesses.
    pub fn of_log(key: VerifierKey) -> Self {
        Self { logs: vec![key], nodes: Vec::new(), quorum: None }
    }

    /// Reads the text form.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        let fault = |line, why: &str| PolicyError { line, why: why.to_owned() };
        if text.len() > POLICY_BYTES_MAX {
            return Err(fault(1, "the policy is too large"));
        }
        let count = text.split(|byte| *byte == b'\n').count() - 1;
        let body = match text.strip_suffix(b"\n") {
            Some(body) => body,
            None if text.is_empty() => return Err(fault(1, "there is no `quorum` line")),
            None => return Err(fault(count + 1, "the line is not ended by a line break")),
        };
        let mut reader = Reader::default();
        for (at, line) in (1..).zip(body.split(|byte| *byte == b'\n')) {
            reader.line(line).map_err(|why| PolicyError { line: at, why })?;
        }
        let Quorum(quorum) = reader.quorum.ok_or_else(|| fault(count, "there is no `quorum` line"))?;
        Ok(Self { logs: reader.logs, nodes: reader.nodes, quorum })
    }

    /// The keys of the logs.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses: name, key, and where they take checkpoints, if the policy says so.
    pub fn witnesses(&self) -> impl Iterator<Item = (&str, &WitnessKey, Option<&str>)> {
        self.nodes.iter().filter_map(|(name, node)| match node {
            Node::Witness { key, url } => Some((name.as_str(), key, url.as_deref())),
            Node::Group { .. } => None,
        })
    }

    /// The same policy, for another log besides.
    #[must_use]
    pub fn with_log(mut self, key: VerifierKey) -> Self {
        if !self.logs.contains(&key) {
            self.logs.push(key);
        }
        self
    }

    /// Holds a checkpoint's note against the policy.
    pub fn check(&self, note: &str) -> Result<Trusted, Rejected> {
        let note = Note::parse(note).map_err(Rejected::Note)?;
        let checkpoint = Checkpoint::claimed(&note).map_err(Rejected::Checkpoint)?;
        let origin = || checkpoint.origin().to_owned();
        let mut keys = self.logs.iter().filter(|key| key.name() == checkpoint.origin()).peekable();
        if keys.peek().is_none() {
            return Err(Rejected::UnknownLog(origin()));
        }
        let mut signed = false;
        for key in keys {
            signed |= key.signed(&note).map_err(|_| Rejected::LogSignature(origin()))?;
        }
        if !signed {
            return Err(Rejected::LogSignature(origin()));
        }
        let mut seen_by = Vec::new();
        let mut saw: Vec<bool> = Vec::new();
        for (name, node) in &self.nodes {
            let seen = match node {
                Node::Witness { key, .. } => {
                    let found = key.cosigned(&note).map_err(|_| Rejected::WitnessSignature(name.clone()))?;
                    seen_by.extend(found.map(|found| (name.clone(), found.time)));
                    found.is_some()
                }
                Node::Group { threshold, members } => {
                    members.iter().filter(|member| saw[**member]).count() >= *threshold
                }
            };
            saw.push(seen);
        }
        match self.quorum {
            Some(node) if !saw[node] => Err(Rejected::Quorum),
            _ => Ok(Trusted { checkpoint, seen_by }),
        }
    }
}

/// What a `quorum` line asks for: a node, or nobody.
#[derive(Debug)]
struct Quorum(Option<usize>);

/// What has been read of a policy.
#[derive(Debug, Default)]
struct Reader<'a> {
    logs: Vec<VerifierKey>,
    nodes: Vec<(String, Node)>,
    names: BTreeMap<&'a [u8], usize>,
    /// Nodes that are members of a group: of one at most.
    members: BTreeSet<usize>,
    quorum: Option<Quorum>,
}

fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), String> {
        if line.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            return Err("the line has control characters".to_owned());
        }
        let words: Vec<&[u8]> =
            line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] | [b"log", key, _] => self.log(key),
            [b"witness", name, key] => self.witness(name, key, None),
            [b"witness", name, key, url] => self.witness(name, key, Some(shown(url))),
            [b"group", name, threshold, members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.quorum(name),
            [word @ (b"log" | b"witness" | b"group" | b"quorum"), ..] => {
                Err(format!("`{}` has too few words or too many", shown(word)))
            }
            [word, ..] => Err(format!("`{}` is not `log`, `witness`, `group` or `quorum`", shown(word))),
        }
    }

    fn log(&mut self, key: &[u8]) -> Result<(), String> {
        let key = std::str::from_utf8(key)
            .ok()
            .and_then(VerifierKey::parse)
            .ok_or_else(|| format!("`{}` is not the key of a log", shown(key)))?;
        if self.logs.iter().any(|known| known.public() == key.public()) {
            return Err("the log's key stands there already".to_owned());
        }
        if self.logs.len() == ITEMS_MAX {
            return Err(format!("there are more than {ITEMS_MAX} logs"));
        }
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &'a [u8], key: &[u8], url: Option<String>) -> Result<(), String> {
        let key = std::str::from_utf8(key)
            .ok()
            .and_then(WitnessKey::parse)
            .ok_or_else(|| format!("`{}` is not the key of a witness", shown(key)))?;
        let same =
            |node: &Node| matches!(node, Node::Witness { key: known, .. } if known.public() == key.public());
        if self.nodes.iter().any(|(_, node)| same(node)) {
            return Err("the witness' key stands there already".to_owned());
        }
        self.define(name, Node::Witness { key, url })
    }

    fn group(&mut self, name: &'a [u8], threshold: &[u8], members: &[&'a [u8]]) -> Result<(), String> {
        let count = members.len();
        let threshold = match threshold {
            b"all" => count,
            b"any" => 1,
            number => std::str::from_utf8(number)
                .ok()
                .and_then(decimal)
                .and_then(|number| usize::try_from(number).ok())
                .ok_or_else(|| format!("`{}` is not `all`, `any` or a number", shown(number)))?,
        };
        if !(1..=count).contains(&threshold) {
            return Err(format!("a group of {count} cannot ask for {threshold}"));
        }
        let mut nodes = Vec::new();
        for member in members {
            let node = self.find(member)?;
            if !self.members.insert(node) {
                return Err(format!("`{}` is a member of a group already", shown(member)));
            }
            nodes.push(node);
        }
        self.define(name, Node::Group { threshold, members: nodes })
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        if self.quorum.is_some() {
            return Err("there is a second `quorum` line".to_owned());
        }
        self.quorum = Some(Quorum(if name == b"none" { None } else { Some(self.find(name)?) }));
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<usize, String> {
        self.names.get(name).copied().ok_or_else(|| format!("`{}` is not defined above", shown(name)))
    }

    fn define(&mut self, name: &'a [u8], node: Node) -> Result<(), String> {
        if name == b"none" || self.names.contains_key(name) {
            return Err(format!("the name `{}` is taken", shown(name)));
        }
        if self.nodes.len() == 2 * ITEMS_MAX {
            return Err(format!("there are more than {} witnesses and groups", 2 * ITEMS_MAX));
        }
        let _none = self.names.insert(name, self.nodes.len());
        self.nodes.push((shown(name), node));
        Ok(())
    }
}
