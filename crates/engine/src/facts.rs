//! Facts, fetched by the server as its own principal: what the agent says is never believed.

use kernel::clock::Millis;
use kernel::id::ToolId;
use kernel::judge::{Fact, FactFault, Judge, ReadCall};
use kernel::ports::{Answer, Call, Output};
use serde_json::Value;

use crate::engine::Engine;

/// A read that fails for a passing reason is made this often.
const TRIES: u32 = 3;

/// Why there are no facts.
#[derive(Debug)]
pub(crate) enum NoFacts {
    /// A passing failure: no verdict now.
    Transient { cause: String },
    /// The fact is not there, or not what was declared: verdict `never`.
    Fault { name: String, fault: FactFault },
}

impl Engine {
    /// Fetches every fact that the bundle wants for this action. Equal reads are made once.
    pub(crate) async fn fetch_facts(
        &self,
        judge: &dyn Judge,
        tool: &ToolId,
        arguments: &Value,
    ) -> Result<Vec<Fact>, NoFacts> {
        let needs = judge
            .needs(tool, arguments)
            .map_err(|fault| NoFacts::Fault { name: "facts".to_owned(), fault })?;
        let mut answers: Vec<(ReadCall, Output, Millis)> = Vec::new();
        let mut facts = Vec::with_capacity(needs.len());
        for need in needs {
            let (answer, read_at) = match &need.read {
                None => (None, self.inner.clock.now().wall),
                Some(read) => {
                    if let Some((_, output, at)) = answers.iter().find(|(made, _, _)| made == read) {
                        (Some(output.clone()), *at)
                    } else {
                        let output = self.read(read).await.map_err(|cause| NoFacts::Transient { cause })?;
                        let at = self.inner.clock.now().wall;
                        answers.push((read.clone(), output.clone(), at));
                        (Some(output), at)
                    }
                }
            };
            let fact = judge
                .fact(tool, &need.name, arguments, answer.as_ref(), read_at)
                .map_err(|fault| NoFacts::Fault { name: need.name.clone(), fault })?;
            facts.push(fact);
        }
        Ok(facts)
    }

    /// Calls a read tool; repeats after passing failures, for reads change nothing.
    pub(crate) async fn read(&self, read: &ReadCall) -> Result<Output, String> {
        let call = Call {
            tool: read.tool.clone(),
            arguments: read.arguments.clone(),
            idempotency_key: None,
            manifest: read.manifest,
            timeout: read.timeout,
        };
        match self.call_read(call).await {
            Answer::Output(output) => Ok(output),
            Answer::Failed { cause, .. } | Answer::Unknown { cause, .. } => Err(cause),
        }
    }

    /// Calls a read tool up to three times.
    pub(crate) async fn call_read(&self, call: Call) -> Answer {
        let mut pause = self.inner.limits.retry_pause.0.unsigned_abs();
        for _ in 1..TRIES {
            match self.inner.effector.call(call.clone()).await {
                Answer::Failed { retryable: true, .. } | Answer::Unknown { .. } => {}
                done => return done,
            }
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
            pause = pause.saturating_mul(3);
        }
        self.inner.effector.call(call).await
    }
}
