//! The key's text.

use super::world::{Sevens, key};
use crate::{KeyError, SigningKey};

#[test]
fn a_key_is_read_back_and_a_mistyped_one_is_not() {
    let text = key().encode();
    assert!(text.starts_with("PRIVATE+KEY+witness.example/w1+"), "{text}");
    assert_eq!(SigningKey::parse(&text).unwrap().verifier_key(), key().verifier_key());
    assert_eq!(SigningKey::parse(&text.replace("w1", "w2")).unwrap_err(), KeyError::Id);
    let log = text.replace("+BAcH", "+AQcH");
    assert_ne!(log, text);
    assert_eq!(SigningKey::parse(&log).unwrap_err(), KeyError::Kind, "a log's key signs other bytes");
    for bad in ["", "PRIVATE+KEY+", "PRIVATE+KEY+a+b", "PRIVATE+KEY+a+b+?", "a+b+c"] {
        assert_eq!(SigningKey::parse(bad).unwrap_err(), KeyError::Form, "{bad}");
    }
    assert_eq!(SigningKey::make("two words", &Sevens).unwrap_err(), KeyError::Name);
    assert!(!format!("{:?}", key()).contains("7, 7"), "a key is never shown");
}
