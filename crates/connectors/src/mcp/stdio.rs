//! MCP over the standard input and output of a child process.
//!
//! The program is started as it is written, never through a shell, in an environment of its own (the server's holds
//! keys). It dies with its session. Its last words on standard error are kept for the one who asks why.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, GetExtensions};
use rmcp::service::{RoleClient, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_util::task::TaskTracker;

use crate::fault::Fault;
use crate::flight::Flight;
use crate::secret::{Keyring, SecretRef};
use crate::spec::shown;

/// What a child sees of the server's environment.
const PASSED_ON: &[&str] = &["PATH", "HOME", "TMPDIR", "LANG"];
/// How much of what a child says on standard error is kept.
const LAST_WORDS_MAX: usize = 2 << 10;
/// How long the end of a killed child is waited for.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    command: Vec<String>,
    env: BTreeMap<String, SecretRef>,
    tasks: TaskTracker,
}

/// A running child.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    program: String,
    last_words: Arc<Mutex<Vec<u8>>>,
}

impl Program {
    pub(crate) fn new(command: Vec<String>, env: BTreeMap<String, SecretRef>, tasks: TaskTracker) -> Self {
        Self { command, env, tasks }
    }

    /// Starts the program.
    pub(super) async fn start(&self, keyring: &Keyring, line_max: usize) -> Result<(Gate, Child), Fault> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Fault::blocked("the command is empty"));
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear().kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for (name, place) in &self.env {
            command.env(name, keyring.read(place).await?);
        }
        let mut process = command.spawn().map_err(|error| {
            Fault::unreachable(format!("`{}` could not be started: {error}", shown(program)))
        })?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Fault::unreachable(format!("`{}` has no standard input or output", shown(program))));
        };
        let last_words = Arc::new(Mutex::new(vec![]));
        if let Some(stderr) = process.stderr.take() {
            self.tasks.spawn(listen(stderr, Arc::clone(&last_words)));
        }
        let inner = AsyncRwTransport::new_client(stdout, stdin).with_max_line_length(line_max);
        Ok((Gate { inner }, Child { process, program: program.clone(), last_words }))
    }
}

/// Reads standard error to its end, so that the child never blocks on it; keeps the newest part.
async fn listen(mut stderr: ChildStderr, last_words: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = vec![0; LAST_WORDS_MAX];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        let mut kept = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&chunk[..read]);
        let surplus = kept.len().saturating_sub(LAST_WORDS_MAX);
        kept.drain(..surplus);
    }
}

impl Child {
    /// What happened to it, in its own last words where it left some.
    pub(super) fn obituary(&self, what: &str) -> String {
        let kept = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let said = crate::fault::one_line(&String::from_utf8_lossy(&kept));
        let program = shown(&self.program);
        if said.is_empty() {
            format!("`{program}` {what}")
        } else {
            format!("`{program}` {what}; it said: {said}")
        }
    }

    /// Kills it and waits a little for its end.
    pub(super) async fn kill(mut self) {
        if tokio::time::timeout(END_PATIENCE, self.process.kill()).await.is_err() {
            tracing::warn!(program = self.program, "a connector's child process did not end");
        }
    }
}

/// Lines in and out; a request whose caller has given up does not pass.
pub(super) struct Gate {
    inner: AsyncRwTransport<RoleClient, ChildStdout, ChildStdin>,
}

impl Transport<RoleClient> for Gate {
    type Error = std::io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let flight = match &message {
            ClientJsonRpcMessage::Request(request) => {
                request.request.extensions().get::<Arc<Flight>>().cloned()
            }
            _ => None,
        };
        let may_leave = flight.is_none_or(|flight| flight.leave());
        let sending = may_leave.then(|| self.inner.send(message));
        async move {
            match sending {
                Some(sending) => sending.await,
                None => Err(std::io::Error::other("nobody waits for the answer any more")),
            }
        }
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleClient>>> + Send {
        self.inner.receive()
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}
