//! The tools as an MCP server: a thin skin over `Crm`, the same over HTTP and over standard input and output.

use std::sync::Arc;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer, ServiceExt as _};

use crate::crm::{Answer, CallError, Crm, Request, UNAVAILABLE};
use crate::manifest::{TOOLS, ToolSpec};

/// One MCP server. Cheap to make: all state is in the `Crm`.
#[derive(Clone, Debug)]
pub struct Server {
    crm: Arc<Crm>,
    /// Over HTTP a fault is a status and was answered before the call comes here; elsewhere it is an error text.
    faults_in_band: bool,
}

impl Server {
    /// The server behind HTTP.
    pub fn behind_http(crm: Arc<Crm>) -> Self {
        Self { crm, faults_in_band: false }
    }

    /// Serves one client over standard input and output until the input ends.
    pub async fn serve_stdio(crm: Arc<Crm>) -> anyhow::Result<()> {
        let server = Self { crm, faults_in_band: true };
        server.serve(rmcp::transport::stdio()).await?.waiting().await?;
        Ok(())
    }

    fn perform(&self, request: &Request) -> Result<Answer, CallError> {
        if self.faults_in_band && self.crm.is_unavailable(request)? {
            return Ok(Answer { text: UNAVAILABLE.to_owned(), is_error: true });
        }
        self.crm.call(request)
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let mut config = ServerConfig::new(capabilities);
        config.server_info = Implementation::new("retail-crm", env!("CARGO_PKG_VERSION"));
        config
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(TOOLS.iter().map(tool).collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        ToolSpec::named(name).map(tool)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let meta = context.meta.0.0.clone();
        let request = Request {
            tool: params.name.into_owned(),
            arguments: params.arguments.unwrap_or_default(),
            meta: (!meta.is_empty()).then_some(meta),
        };
        let server = self.clone();
        // A write waits for the disk: not on the threads that serve everybody.
        let done = tokio::task::spawn_blocking(move || server.perform(&request)).await;
        match done {
            Ok(Ok(Answer { text, is_error: false })) => {
                Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
            }
            Ok(Ok(Answer { text, is_error: true })) => {
                Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into())
            }
            Ok(Err(CallError::Arguments(error))) => Err(ErrorData::invalid_params(error.to_string(), None)),
            Ok(Err(CallError::Ledger(error))) => Err(ErrorData::internal_error(error.to_string(), None)),
            Err(_) => Err(ErrorData::internal_error("the call broke off", None)),
        }
    }
}

fn tool(spec: &ToolSpec) -> Tool {
    Tool::new(spec.name, spec.description, spec.input_schema())
}
