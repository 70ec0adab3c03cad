//! A child process as an MCP server: this test program, started again.

use std::collections::BTreeMap;
use std::path::Path;

use kernel::clock::Millis;
use kernel::ports::Call;
use rmcp::ServiceExt;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData as McpError, ServerHandler};
use serde_json::{Value, json};

use super::support::{crm, pay, spec, told, with};
use crate::{Endpoint, Kind, Spec};

const LEDGER: &str = "FIXTURE_LEDGER";

/// What the child serves; every call leaves a line in its ledger first.
struct Fixture {
    ledger: String,
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, McpError> {
        let schema = json!({"type": "object"}).as_object().unwrap().clone();
        Ok(ListToolsResult::with_all_items(vec![Tool::new("pay", "Pays.", schema)]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, McpError> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let mut lines = std::fs::read_to_string(&self.ledger).unwrap_or_default();
        lines.extend([arguments.to_string().as_str(), "\n"]);
        std::fs::write(&self.ledger, lines)
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let said = match arguments["do"].as_str() {
            Some("die") => std::process::abort(),
            Some("hang") => std::future::pending().await,
            Some("pid") => std::process::id().to_string(),
            Some("large") => "x".repeat(5 << 20),
            Some("env") => {
                let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
                names.sort();
                names.join(",")
            }
            _ => "paid".to_owned(),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(said)]).into())
    }
}

/// Not a test: what the child runs. Does nothing unless it was started by `child`.
#[tokio::test]
async fn serves_when_started_as_a_child() {
    let Ok(ledger) = std::env::var(LEDGER) else { return };
    let service = Fixture { ledger }.serve(rmcp::transport::stdio()).await.unwrap();
    service.waiting().await.unwrap();
}

/// A connector whose server is this program, with its ledger in `dir`.
fn child(dir: &Path) -> Spec {
    let place = dir.join("where");
    std::fs::write(&place, dir.join("ledger").display().to_string()).unwrap();
    let program = std::env::current_exe().unwrap().display().to_string();
    let command = [&program, "--exact", "tests::stdio::serves_when_started_as_a_child", "--nocapture"];
    let command = command.iter().map(ToString::to_string).collect();
    let env = BTreeMap::from([(LEDGER.to_owned(), format!("file:{}", place.display()).parse().unwrap())]);
    spec(Kind::Mcp { endpoint: Endpoint::Stdio { command, env } })
}

fn ledger(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("ledger")).unwrap_or_default().lines().count()
}

fn ask(what: &str) -> Call {
    Call { arguments: json!({"do": what}), timeout: Millis(10_000), ..pay() }
}

#[tokio::test]
async fn a_child_is_called_and_ends_with_the_set() {
    let dir = tempfile::tempdir().unwrap();
    let (connectors, _) = with(child(dir.path()));
    assert_eq!(told(&connectors, ask("")).await, "ok: paid");
    let pid = told(&connectors, ask("pid")).await;
    let process = Path::new("/proc").join(pid.strip_prefix("ok: ").unwrap());
    assert!(process.exists());
    assert_eq!(ledger(dir.path()), 2);
    connectors.shutdown().await;
    assert!(!process.exists(), "the child was killed and waited for");
}

#[tokio::test]
async fn a_child_sees_little_of_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let (connectors, _) = with(child(dir.path()));
    let said = told(&connectors, ask("env")).await;
    let names = said.strip_prefix("ok: ").unwrap();
    for name in names.split(',') {
        assert!([LEDGER, "PATH", "HOME", "TMPDIR", "LANG"].contains(&name), "{name} was passed on");
    }
    assert!(names.contains(LEDGER));
    connectors.shutdown().await;
}

#[tokio::test]
async fn a_child_that_dies_during_a_call_leaves_it_unknown_and_is_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let (connectors, _) = with(child(dir.path()));
    assert_eq!(told(&connectors, ask("die")).await, "unknown: the session ended before the answer");
    assert_eq!(ledger(dir.path()), 1, "not sent again by itself");
    assert_eq!(told(&connectors, ask("")).await, "ok: paid");
    assert_eq!(ledger(dir.path()), 2);
    connectors.shutdown().await;
}

#[tokio::test]
async fn a_child_that_does_not_answer_leaves_it_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let (connectors, _) = with(child(dir.path()));
    assert_eq!(told(&connectors, ask("")).await, "ok: paid");
    let short = Call { timeout: Millis(150), ..ask("hang") };
    assert_eq!(told(&connectors, short).await, "late: no answer within 150 ms");
    assert_eq!(ledger(dir.path()), 2);
    let large = Call { timeout: Millis(3_000), ..ask("large") };
    let told = told(&connectors, large).await;
    let not_known = told.starts_with("unknown: ") || told.starts_with("late: ");
    assert!(not_known, "a line beyond the limit is not kept: {told}");
    assert_eq!(ledger(dir.path()), 3);
    connectors.shutdown().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_or_says_no_is_a_certain_failure() {
    let start = |command: &[&str]| {
        let command = command.iter().map(ToString::to_string).collect();
        spec(Kind::Mcp { endpoint: Endpoint::Stdio { command, env: BTreeMap::new() } })
    };
    let (connectors, _) = with(start(&["/no/such/program"]));
    let said = told(&connectors, pay()).await;
    assert!(
        said.starts_with("failed unreachable (retry): `/no/such/program` could not be started: "),
        "{said}"
    );

    let program = std::env::current_exe().unwrap().display().to_string();
    connectors.replace(vec![start(&[&program, "--no-such-flag"])]).unwrap();
    let said = told(&connectors, pay()).await;
    assert!(said.contains("did not open a session"), "{said}");
    let report = connectors.test(&crm(), &BTreeMap::new()).await.unwrap();
    assert!(!report.is_ok() && report.steps.len() == 1, "{report:?}");

    let dir = tempfile::tempdir().unwrap();
    let trap = dir.path().join("trap");
    let (touch, list) = (format!("$(touch {})", trap.display()), format!("; touch {}", trap.display()));
    connectors.replace(vec![start(&[&program, &touch, &list, "--exact"])]).unwrap();
    told(&connectors, pay()).await;
    assert!(!trap.exists(), "no shell reads the words of a command");
    connectors.shutdown().await;
}
