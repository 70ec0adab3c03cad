//! Stories over HTTP: the real server on a free port, a real journal, real policies, and a small HTTP tool server.

mod backup; // a backup taken while it runs, and what comes back
mod bad_input; // every refusal: code, status, and nothing changed
mod cosigning; // witnesses of our checkpoints
mod doors; // hosts, origins, sessions, tokens
mod erasure; // what is erased is gone
mod errors; // codes and their pages
mod evidence; // one action, packed and checked elsewhere
mod log; // the log as outsiders read it
mod matrix; // who may do what
mod openapi; // the copy of the description
mod origin; // other keys, other origins
mod prune; // segments that go
mod retention; // what is past its retention is let go
mod room; // at the quota
mod steps; // what a run need not do again
mod stories; // the life of an action over REST
mod threads; // what programs keep between their steps
mod work; // workers on their WebSocket
mod world; // the server under test
