//! As many lines as a budget takes.
//!
//! The goal, what changed and what is open come before decisions and facts, and newer before older. What was left out is
//! said, with its entries, so that a short brief never passes for a whole one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::line::{Line, Section};
use crate::tokens::Tokenizer;

/// The smallest budget: what says that everything was left out.
pub const TOKENS_MIN: usize = 128;

/// Lines of a section that were left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How many.
    pub count: u64,
    /// The entry of the first one.
    pub first: u64,
    /// The entry of the last one.
    pub last: u64,
}

/// A brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The text for whoever takes the run up.
    pub text: String,
    /// The lines that are in it, as they stand there.
    pub lines: Vec<Line>,
    /// What was left out, by section.
    pub left: BTreeMap<Section, Left>,
    /// Tokens of the text, never more than the budget.
    pub tokens: usize,
}

/// Writes a brief of at most `tokens_max` tokens, at least [`TOKENS_MIN`]. Lines of a section are given oldest first.
pub fn write(lines: &[Line], tokens_max: usize, tokenizer: Tokenizer) -> Brief {
    let budget = tokens_max.max(TOKENS_MIN);
    let order = by_importance(lines);
    // Tokens of a whole are not the sum of those of its parts, so the count is of the text itself. It grows with each
    // line but for a token or two; the search finds the last count that fits, and then makes sure.
    let (mut fits, mut too_many) = (0, order.len() + 1);
    while fits + 1 < too_many {
        let middle = usize::midpoint(fits, too_many);
        let text = render(lines, &order[..middle]).0;
        if tokenizer.count(&text) <= budget { fits = middle } else { too_many = middle }
    }
    loop {
        let (text, left) = render(lines, &order[..fits]);
        let tokens = tokenizer.count(&text);
        if tokens <= budget || fits == 0 {
            let mut kept = order[..fits].to_vec();
            kept.sort_by_key(|at| (lines[*at].section, *at));
            return Brief {
                text,
                lines: kept.into_iter().map(|at| lines[at].clone()).collect(),
                left,
                tokens,
            };
        }
        fits -= 1;
    }
}

/// Places of the lines, the most important first.
fn by_importance(lines: &[Line]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    let mut age: BTreeMap<Section, usize> = BTreeMap::new();
    let mut rank = vec![(0, 0, 0); lines.len()];
    for at in (0..lines.len()).rev() {
        let section = lines[at].section;
        let newer = age.entry(section).or_default();
        // Decisions and facts take turns, so that neither crowds out the other; the rest comes first.
        let class = usize::from(matches!(section, Section::Decisions | Section::Facts));
        rank[at] = if class == 0 { (0, section as usize, *newer) } else { (1, *newer, section as usize) };
        *newer += 1;
    }
    order.sort_by_key(|at| rank[*at]);
    order
}

fn render(lines: &[Line], kept: &[usize]) -> (String, BTreeMap<Section, Left>) {
    let mut is_kept = vec![false; lines.len()];
    for at in kept {
        is_kept[*at] = true;
    }
    let (mut text, mut left) = (String::new(), BTreeMap::new());
    for section in Section::ALL {
        let mut heading = Some(section.heading());
        let mut body = String::new();
        for (line, kept) in lines.iter().zip(&is_kept).filter(|(line, _)| line.section == section) {
            if *kept {
                writeln!(body, "- {} [{}]", line.text, line.entry).expect("a text takes all that is written");
            } else {
                let out =
                    left.entry(section).or_insert(Left { count: 0, first: line.entry, last: line.entry });
                out.count += 1;
                out.first = out.first.min(line.entry);
                out.last = out.last.max(line.entry);
            }
        }
        if let Some(Left { count, first, last }) = left.get(&section) {
            writeln!(text, "{}", heading.take().unwrap_or_default()).expect("as above");
            writeln!(text, "- ({count} left out: entries {first} to {last})").expect("as above");
        }
        if !body.is_empty() {
            if let Some(heading) = heading {
                writeln!(text, "{heading}").expect("as above");
            }
            text.push_str(&body);
        }
    }
    (text, left)
}
