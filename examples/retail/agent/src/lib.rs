//! The scripted agent of the retail shop: plays recorded conversations through `/v1`.
//!
//! A library too, because `retail-replay` plays the same recordings with crashes in between. There is no model in it:
//! what a model once decided is in the recording, so every play is the same.

mod client; // the REST client of an agent and of a person
mod play; // one conversation, call by call
mod recording; // recorded conversations

pub use client::{Client, ClientError, WAIT_MS};
pub use play::{Played, Player, Waiting, start};
pub use recording::{Call, Conversation, RecordingError, load};
