//! Names of things: parsed at the edge, trusted inside.
//!
//! Two families. *Slugs* are chosen by people and written in files (`shop-agent`, `crm`); *handles* are made by
//! the server (`run_…`, `act_…`) and carry their moment and 80 bits of chance, so they cannot be guessed.
//! All are plain ASCII: no look-alikes, no case games, no path separators (THREATS 15 and 50).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Millis;

/// A name that does not have the form of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a valid {kind}: {rule}", shown(text))]
pub struct ParseIdError {
    /// What was expected: "run id", "agent name".
    pub kind: &'static str,
    /// The text that was given.
    pub text: String,
    /// The rule in words.
    pub rule: &'static str,
}

/// Names come from outside: what is echoed is short and free of control characters.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

const SLUG_RULE: &str = "1 to 63 of a-z, 0-9, `-`, `_`, beginning with a letter";
const TOOL_RULE: &str = "`connector.tool`, where tool is 1 to 64 of A-Z, a-z, 0-9, `-`, `_`";
const HANDLE_RULE: &str = "its prefix and 26 characters of 0-9, a-z without i, l, o, u";

/// Crockford's base 32, lower case: sorts like the bytes it encodes and has no look-alikes.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// Encodes 48 bits of time and 80 bits of chance as 26 characters that sort by time.
fn handle(at: Millis, chance: [u8; 10]) -> String {
    let time = u128::from(at.0.cast_unsigned() & 0xffff_ffff_ffff);
    let noise = chance.iter().fold(0_u128, |acc, byte| (acc << 8) | u128::from(*byte));
    let value = (time << 80) | noise;
    (0..26).rev().map(|i| char::from(ALPHABET[((value >> (5 * i)) & 31) as usize])).collect()
}

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);
        text_id!($name);
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                if is_slug(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ParseIdError { kind: $kind, text: text.to_owned(), rule: SLUG_RULE })
                }
            }
        }
    };
}

macro_rules! handle_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);
        text_id!($name);
        impl $name {
            /// Makes a new handle from the moment and 80 bits of chance.
            pub fn new(at: Millis, chance: [u8; 10]) -> Self {
                Self(format!("{}{}", $prefix, handle(at, chance)))
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                match text.strip_prefix($prefix) {
                    Some(rest) if rest.len() == 26 && rest.bytes().all(|b| ALPHABET.contains(&b)) => {
                        Ok(Self(text.to_owned()))
                    }
                    _ => Err(ParseIdError { kind: $kind, text: text.to_owned(), rule: HANDLE_RULE }),
                }
            }
        }
    };
}

slug!(/// A team with its agents, people and policies: the unit of isolation, order and proof.
    WorkspaceId, "workspace name");
slug!(/// A registered agent.
    AgentId, "agent name");
slug!(/// A person. A pseudonym: it appears in entries, so it must not be a real name or an address.
    PersonId, "person name");
slug!(/// A connector: one outside system.
    ConnectorId, "connector name");
slug!(/// A role that a person holds in a workspace.
    Role, "role");
slug!(/// The name of a piece of work that an agent's workers know how to do.
    TaskName, "task name");
slug!(/// A class of retention: how long payloads are kept.
    RetentionClass, "retention class");

handle_id!(/// One run of one agent.
    RunId, "run_", "run id");
handle_id!(/// One proposed use of a tool.
    ActionId, "act_", "action id");
handle_id!(/// One request for a person's countersignature.
    ApprovalId, "apr_", "approval id");
handle_id!(/// One timer.
    TimerId, "tmr_", "timer id");
handle_id!(/// One incident.
    IncidentId, "inc_", "incident id");
handle_id!(/// One connected worker.
    WorkerId, "wrk_", "worker id");
handle_id!(/// One API key (its name, not its secret).
    KeyId, "key_", "key id");

/// A tool of a connector, written `connector.tool`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolId(String);
text_id!(ToolId);

impl ToolId {
    /// Joins the parts; fails where the tool's own name is not plain ASCII.
    pub fn new(connector: &ConnectorId, name: &str) -> Result<Self, ParseIdError> {
        format!("{connector}.{name}").parse()
    }

    /// The connector's name.
    pub fn connector(&self) -> ConnectorId {
        ConnectorId(self.0.split_once('.').expect("checked when parsed").0.to_owned())
    }

    /// The tool's name at the connector.
    pub fn name(&self) -> &str {
        self.0.split_once('.').expect("checked when parsed").1
    }
}

impl FromStr for ToolId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let valid = text.split_once('.').is_some_and(|(connector, name)| {
            is_slug(connector)
                && (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        });
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseIdError { kind: "tool name", text: text.to_owned(), rule: TOOL_RULE })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_sort_by_time_and_parse_back() {
        let early = RunId::new(Millis(1_000), [0xff; 10]);
        let late = RunId::new(Millis(1_001), [0; 10]);
        assert!(early < late);
        assert_eq!(early.as_str().parse::<RunId>().unwrap(), early);
    }

    #[test]
    fn names_that_could_confuse_are_refused() {
        for text in ["", "Crm", "crm ", "crm/..", "cr\u{0}m", "сrm", "-crm", "..", "c:\\x", &"a".repeat(64)]
        {
            assert!(text.parse::<ConnectorId>().is_err(), "{text:?}");
        }
        for text in ["crm", "crm.", ".x", "crm.a b", "crm.a.b", "crm.ａ", &format!("crm.{}", "a".repeat(65))]
        {
            assert!(text.parse::<ToolId>().is_err(), "{text:?}");
        }
        for text in ["run_", "act_00000000000000000000000000", "run_0000000000000000000000000i"] {
            assert!(text.parse::<RunId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_error_never_echoes_control_characters() {
        let error = "\u{1b}[2Jx".parse::<AgentId>().unwrap_err().to_string();
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}
