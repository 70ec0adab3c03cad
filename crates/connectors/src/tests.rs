//! Stories about calls that go well and badly, against real servers on loopback and real child processes.

mod addresses; // which addresses may be reached
mod hostile; // servers that hang, cut, flood and lie
mod limits; // bulkhead, breaker, replacing the set
mod mcp; // a well-behaved MCP server over HTTP, and one that changes its tools
mod probes; // `connector test`
mod rest; // plain HTTP tools
mod secrets; // credentials in, nothing out
mod stdio; // a child process
mod support; // clock, server and words for answers
