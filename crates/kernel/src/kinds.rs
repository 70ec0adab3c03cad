//! The names of all kinds of entries that this program knows.
//!
//! Taken from what reads entries, not from a list beside it: a kind that is added is in it. Whoever keeps them beside a
//! journal can tell later, without reading it again, whether a program with other kinds has been at work there.

use std::fmt;

use serde::Deserialize as _;
use serde::de::value::MapDeserializer;
use serde::de::{self, IntoDeserializer as _};

use crate::event::Event;

/// The names, in the order in which they are defined.
pub fn kinds() -> &'static [&'static str] {
    let nothing = [("kind", "")].into_iter().map(|(name, value)| (name, value.into_deserializer()));
    let map: MapDeserializer<'_, _, Known> = MapDeserializer::new(nothing);
    match Event::deserialize(map) {
        Err(Known(names)) => names,
        Ok(_) => unreachable!("no kind of entry has the empty name"),
    }
}

/// The refusal of a kind that is not known names those that are.
#[derive(Debug)]
struct Known(&'static [&'static str]);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the kind is not known")
    }
}

impl std::error::Error for Known {}

impl de::Error for Known {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named() {
        let names = kinds();
        assert!(names.len() > 30 && names.iter().all(|name| name.contains('.')), "{names:?}");
        for name in ["log.started", "action.decided", "journal.pruned"] {
            assert!(names.contains(&name), "{name}");
        }
    }
}
