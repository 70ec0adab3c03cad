//! Briefs of a run, whole and short.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::{Line, Section, TEXT_CHARS_MAX, TOKENS_MIN, Tokenizer, write};

fn run() -> Vec<Line> {
    let mut lines = vec![Line::new(Section::Goal, "Refund of order W2378156", 3)];
    for number in 0..20 {
        let text = format!("chose way {number}, because the way before it was closed; not: waiting");
        lines.push(Line::new(Section::Decisions, &text, 10 + number));
    }
    lines.push(Line::new(Section::Open, "a person is asked: Refund 712.40 USD to Yusuf Rossi", 40));
    lines.push(Line::new(Section::Facts, "order total: 712.40 USD (crm.get_order, 3 h old)", 5));
    lines
}

fn check(lines: &[Line], tokens_max: usize, expect: Expect) {
    let brief = write(lines, tokens_max, Tokenizer::O200kBase);
    expect.assert_eq(&format!("{}{} tokens\n", brief.text, brief.tokens));
}

#[test]
fn a_short_brief_keeps_what_matters_and_says_what_it_left_out() {
    check(
        &run(),
        150,
        expect![[r#"
        Goal
        - Refund of order W2378156 [3]
        Open
        - a person is asked: Refund 712.40 USD to Yusuf Rossi [40]
        Decisions, oldest first
        - (17 left out: entries 10 to 26)
        - chose way 17, because the way before it was closed; not: waiting [27]
        - chose way 18, because the way before it was closed; not: waiting [28]
        - chose way 19, because the way before it was closed; not: waiting [29]
        Facts, with source and age
        - order total: 712.40 USD (crm.get_order, 3 h old) [5]
        141 tokens
    "#]],
    );
}

#[test]
fn a_brief_of_nothing_is_nothing() {
    check(
        &[],
        1_000,
        expect![[r#"
        0 tokens
    "#]],
    );
}

#[test]
fn a_long_text_is_cut_and_says_so() {
    let line = Line::new(Section::Goal, &"ж\n".repeat(TEXT_CHARS_MAX), 1);
    assert!(line.text.ends_with("… (cut)"), "{}", line.text);
    assert!(!line.text.contains('\n'));
}

#[test]
fn tokenizers_count_as_their_name_says() {
    // Pinned: another table would count otherwise.
    let text = "Refund 712.40 USD to Yusuf Rossi (order W2378156)";
    let counts: Vec<_> = Tokenizer::ALL.iter().map(|one| (one.name(), one.count(text))).collect();
    assert_eq!(counts, [("o200k_base", 16), ("cl100k_base", 18)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_brief_is_larger_than_asked(
        texts in proptest::collection::vec((0..5usize, "\\PC{0,90}"), 0..60),
        tokens_max in 0..2_000usize,
    ) {
        let lines: Vec<_> = texts
            .iter()
            .zip(0..)
            .map(|((section, text), entry)| Line::new(Section::ALL[*section], text, entry))
            .collect();
        let brief = write(&lines, tokens_max, Tokenizer::O200kBase);
        prop_assert!(brief.tokens <= tokens_max.max(TOKENS_MIN));
        let left: u64 = brief.left.values().map(|left| left.count).sum();
        prop_assert_eq!(brief.lines.len() as u64 + left, lines.len() as u64);
        // A larger budget never knows less.
        let more = write(&lines, tokens_max + 500, Tokenizer::O200kBase);
        prop_assert!(more.lines.len() >= brief.lines.len());
    }
}
