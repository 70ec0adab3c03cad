//! How fast entries are taken in. Printed, not asserted: a busy machine is no mistake of ours.

use std::time::Instant;

use super::story::{Story, WAYS};
use crate::Views;

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures; nothing depends on what it reads")]
fn a_long_journal_is_followed() {
    if std::env::var_os("RUN_SLOW_TESTS").is_none() {
        return;
    }
    let mut story = Story::begin();
    while story.entries.len() < 100_000 {
        story.run(&WAYS, None);
    }
    let dir = tempfile::tempdir().unwrap();
    let (views, _) = Views::open(&dir.path().join("views.db"), 0).unwrap();
    let start = Instant::now();
    for batch in story.entries.chunks(4_096) {
        views.follow(batch).unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    let count = story.entries.len();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = count as f64 / seconds;
    println!("{count} entries in {seconds:.2} s: {rate:.0} a second");
}
