//! So many workflows in flight for so long: the Rust twin of `load.py`.

use std::future::Future;
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_secs(1);

/// Keeps `concurrency` workflows in flight, and prints a line of JSON about those that ended within the span.
pub async fn drive<F, R>(peer: &str, one: F, concurrency: u64, seconds: u64)
where
    F: Fn(String) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let begin = Instant::now();
    let (from, end) = (begin + WARM_UP, begin + WARM_UP + Duration::from_secs(seconds));
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..concurrency {
        let one = one.clone();
        lanes.spawn(async move {
            let (mut n, mut times) = (0, vec![]);
            while Instant::now() < end {
                n += 1;
                let sent = Instant::now();
                one(format!("{lane}-{n}-{}", std::process::id())).await;
                let done = Instant::now();
                if from <= done && done < end {
                    times.push((done - sent).as_micros());
                }
            }
            times
        });
    }
    let mut times = lanes.join_all().await.concat();
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0);
    println!(
        "{}",
        serde_json::json!({
            "peer": peer,
            "concurrency": concurrency,
            "workflows": times.len(),
            "steps_per_s": times.len() as u64 * 5 / seconds,
            "workflow_p50_us": at(50) as u64,
            "workflow_p99_us": at(99) as u64,
        })
    );
}
