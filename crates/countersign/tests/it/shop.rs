//! A server and the shop's CRM as child processes on a temporary directory, and commands against them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Polls of a process until it is ready, 20 ms apart.
const POLLS_MAX: u32 = 1_500;
const TOKEN: &str = "crm-token-of-the-tests";

/// A running shop. Its processes end with it.
pub(crate) struct Shop {
    pub(crate) dir: TempDir,
    server: Child,
    _crm: Option<Reaper>,
}

/// Ends a child when it is dropped.
struct Reaper(Child);

impl Drop for Reaper {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// The binary under test, without any environment that would change it.
pub(crate) fn countersign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for name in [
        "URL",
        "KEY",
        "KEY_FILE",
        "DATA_DIR",
        "WORKSPACE",
        "LISTEN",
        "ROOT_KEY",
        "ROOT_KEY_FILE",
        "LOG",
        "WITNESS_POLICY",
    ] {
        command.env_remove(format!("COUNTERSIGN_{name}"));
    }
    command.stdin(Stdio::null());
    command
}

/// Standard output, standard error and the exit code, as a transcript.
pub(crate) fn transcript(output: &Output) -> String {
    format!(
        "{}{}exit {}\n",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        output.status.code().unwrap_or(-1)
    )
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Shop {
    /// A server without any outside system.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = serve(dir.path());
        let mut shop = Self { dir, server, _crm: None };
        shop.wait();
        shop
    }

    /// A server with the example's workspace in force, and the CRM behind it.
    pub(crate) fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let crm = Command::new(crm_binary())
            .arg("--data")
            .arg(root().join("examples/retail/data"))
            .arg("--ledger")
            .arg(dir.path().join("ledger.jsonl"))
            .args(["--listen", &format!("127.0.0.1:{port}"), "--token-env", "CRM_TOKEN"])
            .env("CRM_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = serve(dir.path());
        let mut shop = Self { dir, server, _crm: Some(Reaper(crm)) };
        shop.wait();
        let folder = shop.dir.path().join("workspace");
        copy(&root().join("examples/retail/workspace"), &folder);
        let connector = folder.join("connectors/crm.toml");
        let text = std::fs::read_to_string(&connector).unwrap().replace(":7411", &format!(":{port}"));
        std::fs::write(connector, text).unwrap();
        shop.ok(&["apply", folder.to_str().unwrap(), "--yes"]);
        shop
    }

    fn wait(&mut self) {
        for _ in 0..POLLS_MAX {
            assert!(self.server.try_wait().unwrap().is_none(), "the server ended: {}", self.log());
            if self.run(&["--json", "status"]).status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server did not get ready: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    /// Starts the server again.
    pub(crate) fn start(&mut self) {
        self.server = serve(self.dir.path());
        self.wait();
    }

    /// Starts the server again, with more arguments.
    pub(crate) fn start_with(&mut self, arguments: &[&str]) {
        self.server = serving(self.dir.path()).args(arguments).spawn().unwrap();
        self.wait();
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Waits until the server ends by itself; what it said on standard error until then.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        for _ in 0..POLLS_MAX {
            if let Some(status) = self.server.try_wait().unwrap() {
                return (status, self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server goes on: {}", self.log());
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs a command as the local operator.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        countersign().arg("--data").arg(self.data()).args(arguments).output().unwrap()
    }

    /// Runs a command with a key.
    pub(crate) fn run_as(&self, key: &str, arguments: &[&str]) -> Output {
        let mut command = countersign();
        command.env("COUNTERSIGN_KEY", key).arg("--data").arg(self.data()).args(arguments);
        command.output().unwrap()
    }

    /// Runs a command with a key on a terminal, where somebody types. Returns what the terminal showed, what went to
    /// standard output, which is a file, and the exit code.
    pub(crate) fn at_terminal(&self, key: &str, arguments: &[&str], typed: &str) -> (String, String, i32) {
        const TERMINAL: &str =
            "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let printed = self.dir.path().join("printed");
        let binary = countersign();
        let mut command = Command::new("python3");
        command.args(["-c", TERMINAL, "sh", "-c", r#"exec "$@" >"$PRINTED""#, "sh"]);
        command.arg(binary.get_program()).arg("--data").arg(self.data()).args(arguments);
        for (name, _) in binary.get_envs() {
            command.env_remove(name);
        }
        command.env("COUNTERSIGN_KEY", key).env("PRINTED", &printed).env("NO_COLOR", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let printed = std::fs::read_to_string(printed).unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned(), printed, output.status.code().unwrap_or(-1))
    }

    /// Runs a command that must succeed and returns its JSON.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", transcript(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Makes a key and returns its secret.
    pub(crate) fn key(&self, flag: &str, name: &str) -> String {
        self.ok(&["keys", "create", flag, name])["secret"].as_str().unwrap().to_owned()
    }

    /// What the running server left for the operator of the machine.
    fn left(&self, member: &str) -> String {
        let text = std::fs::read_to_string(self.data().join("server.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        file[member].as_str().unwrap().to_owned()
    }

    /// Address of the server.
    pub(crate) fn url(&self) -> String {
        self.left("url")
    }

    /// The operator's token.
    pub(crate) fn operator(&self) -> String {
        self.left("token")
    }

    /// Ends the server as a service manager does, and waits for it.
    pub(crate) fn stop(&mut self) {
        let pid = self.server.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.server.wait().unwrap();
    }
}

fn serve(dir: &Path) -> Child {
    serving(dir).spawn().unwrap()
}

fn serving(dir: &Path) -> Command {
    let log = std::fs::File::create(dir.join("server.log")).unwrap();
    let mut command = countersign();
    command
        .args(["serve", "--workspace", "retail", "--listen", "127.0.0.1:0", "--data"])
        .arg(dir.join("data"))
        .arg("--root-key")
        .arg(dir.join("root.key"))
        .env("CRM_TOKEN", TOKEN)
        .env("COUNTERSIGN_LOG", "warn")
        .stdout(Stdio::null())
        .stderr(log);
    command
}

/// The shop's CRM beside the binary under test; built where only this package was.
fn crm_binary() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_countersign")).with_file_name("retail-crm");
    if !binary.is_file() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built =
            Command::new(cargo).args(["build", "--quiet", "-p", "retail-crm"]).current_dir(root()).status();
        assert!(built.unwrap().success(), "retail-crm could not be built");
    }
    binary
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
