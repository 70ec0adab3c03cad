//! Whatever comes from outside is read or refused, never a reason to stop; and what is read has one spelling.

use proptest::prelude::*;

use crate::{AddCheckpoint, Checkpoint, Note, Policy, Receipt, Tile, VerifierKey, WitnessKey, parse_bundle};

/// Words of all the formats, in any order: more of it is nearly right than of random bytes.
fn soup() -> impl Strategy<Value = String> {
    let words = [
        "\n",
        "\n\n",
        " ",
        "\u{2014} ",
        "a",
        "+",
        "=",
        "0",
        "1",
        "18446744073709551615",
        "18446744073709551616",
        "c2sp.org/tlog-proof@v1\n",
        "extra ",
        "AA==",
        "index ",
        "old ",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "origin\n",
        "\u{2014} a AAAAAP8=\n",
        "log ",
        "witness ",
        "group ",
        "quorum ",
        "none",
        "all",
        "any",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "\t",
        "\r",
        "#",
        "\u{0}",
        "\u{a0}",
        "é",
        "tile/",
        "x001/",
        ".p/",
        "255",
        "000",
        "entries/",
    ];
    proptest::collection::vec(prop::sample::select(words.to_vec()).prop_map(str::to_owned), 0..24)
        .prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn nothing_from_outside_stops_the_program(text in soup(), lead in 0_usize..3) {
        // With a good beginning, more of it reaches the end of a parser.
        let text = match lead {
            0 => text,
            1 => format!("c2sp.org/tlog-proof@v1\nindex 0\n{text}\n\norigin\n1\n{text}"),
            _ => format!("old 0\n{text}"),
        };
        if let Ok(note) = Note::parse(&text) {
            prop_assert!(text.starts_with(note.text()));
        }
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(&checkpoint.encode(), &text);
        }
        if let Ok(receipt) = Receipt::parse(&text) {
            prop_assert_eq!(&receipt.encode(), &text);
        }
        if let Ok(request) = AddCheckpoint::parse(&text) {
            prop_assert_eq!(&request.encode(), &text);
        }
        if let Ok(tile) = text.parse::<Tile>() {
            prop_assert_eq!(&tile.to_string(), &text);
        }
        if let Some(key) = VerifierKey::parse(&text) {
            prop_assert_eq!(&key.encode(), &text);
        }
        if let Some(key) = WitnessKey::parse(&text) {
            prop_assert_eq!(&key.encode(), &text);
        }
        let _policy = Policy::parse(text.as_bytes());
        let _bundle = parse_bundle(text.as_bytes(), text.len() as u64);
    }

    #[test]
    fn any_bytes_are_a_policy_or_refused_with_a_line_that_exists(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Err(error) = Policy::parse(&bytes) {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            prop_assert!((1..=lines).contains(&error.line));
        }
    }
}
