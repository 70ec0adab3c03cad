//! The checkpointer: a thread that signs what became durable, at most one interval later.
//!
//! A checkpoint that cannot be written does no harm to the entries: it is announced in health and tried again with the
//! next ones.

use std::sync::Arc;
use std::time::Duration;

use kernel::ports::Signer;
use tlog::Checkpoint;

use crate::checkpoint::{checkpoint_dir, file_name};
use crate::disk::replace;
use crate::error::Error;
use crate::shared::Shared;
use crate::stopwatch::Stopwatch;

/// Runs until closed. The last checkpoints are written by whoever closes.
pub(crate) fn run(shared: &Shared, interval: Duration) {
    loop {
        let mut gate = shared.gate();
        while !gate.dirty && !gate.closing {
            gate = shared.tick.wait(gate).expect("no panic while the lock is held");
        }
        // More entries may come meanwhile: one signature for all of them. Waking early is no harm but a waste.
        let watch = Stopwatch::start();
        while !gate.closing {
            let Some(rest) = interval.checked_sub(watch.elapsed()).filter(|rest| !rest.is_zero()) else {
                break;
            };
            (gate, _) = shared.tick.wait_timeout(gate, rest).expect("no panic while the lock is held");
        }
        if gate.closing {
            return;
        }
        gate.dirty = false;
        drop(gate);
        // Recorded in health by the call itself.
        drop(checkpoint_all(shared));
    }
}

/// Signs and keeps a checkpoint for every log that grew since its last one.
pub(crate) fn checkpoint_all(shared: &Shared) -> Result<(), Error> {
    let _one_at_a_time = shared.signing.lock().expect("no panic while the lock is held");
    let grown: Vec<(usize, Arc<dyn Signer>, Checkpoint)> = {
        let view = shared.view();
        let grown = view.logs.iter().enumerate().filter_map(|(number, log)| {
            let kept = log.checkpoint.as_ref().map_or(0, |(size, _)| *size);
            let signer = log.signer.clone().filter(|_| log.size > kept)?;
            let checkpoint = Checkpoint::new(&log.name, log.size, log.root).expect("a log's name is a line");
            Some((number, signer, checkpoint))
        });
        grown.collect()
    };
    let mut result = Ok(());
    for (number, signer, checkpoint) in grown {
        // INVARIANT: a log is defined only with a key that bears its name.
        let note = tlog::sign(&checkpoint.encode(), &*signer).expect("a log's name can name a key");
        let place = checkpoint_dir(&shared.dir);
        let name = file_name(checkpoint.origin());
        match replace(&*shared.disk, &place, &name, note.as_bytes()) {
            Ok(()) => shared.view_mut().logs[number].checkpoint = Some((checkpoint.size(), note)),
            Err(error) => result = Err(Error::io("write the checkpoint", &place.join(&name))(error)),
        }
    }
    shared.view_mut().health.checkpoint_failed = result.as_ref().err().map(ToString::to_string);
    result
}
