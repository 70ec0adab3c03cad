//! Lets go of what is past its retention, four times a day.

use std::sync::Arc;
use std::time::Duration;

use kernel::actor::Actor;

use crate::app::App;

/// The first time: not while the server is busy with starting.
const AFTER_START: Duration = Duration::from_mins(5);
/// Between two times. Retention is counted in days.
const EVERY: Duration = Duration::from_hours(6);

pub(crate) async fn sweep(app: Arc<App>) {
    let mut pause = AFTER_START;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = EVERY;
        // Else the next start would have all of them to make.
        let keeper = app.clone();
        let hashed = move || {
            keeper.note_understood();
            keeper.hashes(keeper.journal.head(keeper.log).size).map(drop)
        };
        if let Ok(Err(fault)) = tokio::task::spawn_blocking(hashed).await {
            tracing::error!(error = fault.detail, "the hashes of the log could not be brought up to date");
        }
        match app.engine.sweep().await {
            Ok(done) if done.due.runs > 0 => {
                tracing::info!(runs = done.due.runs, keys = done.keys, "let go of runs past their retention");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "retention could not be applied"),
        }
        if app.engine.stats().retention_waits || app.engine.stats().clock_off != 0 {
            continue;
        }
        match app.prune(Actor::Server, false).await {
            Ok(went) if went.segments > 0 => {
                tracing::info!(segments = went.segments, bytes = went.bytes, "pruned the journal");
            }
            Ok(_) => {}
            Err(fault) => tracing::error!(error = fault.detail, "the journal could not be pruned"),
        }
    }
}
