//! Stories over HTTP: the real server on a free port, a real journal, real policies, and a small HTTP tool server.

mod backup; // a backup taken while it runs, and what comes back
mod bad_input; // every refusal: code, status, and nothing changed
mod behind; // while the views cannot follow
mod brief; // what whoever takes a run up is told
mod cosigning; // witnesses of our checkpoints
mod doors; // hosts, origins, sessions, tokens
mod erasure; // what is erased is gone
mod errors; // codes and their pages
mod evidence; // one action, packed and checked elsewhere
mod log; // the log as outsiders read it
mod matrix; // who may do what
mod mcp; // `/mcp` with the official client, and with others
mod openapi; // the copy of the description
mod origin; // other keys, other origins
mod prune; // segments that go
mod redaction; // what rules redact, wherever it comes back
mod resolve; // what only a person can settle
mod retention; // what is past its retention is let go
mod reverse; // taking back what was done
mod room; // at the quota
mod slow; // clients that trickle
mod steps; // what a run need not do again
mod stories; // the life of an action over REST
mod threads; // what programs keep between their steps
mod torn; // what a crash left of the journal
mod upgrade; // what another version left
mod work; // workers on their WebSocket
mod world; // the server under test
