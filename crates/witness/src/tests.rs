//! A witness over crashes, races and lies; and a log that reads its answers.

mod answers; // what a log makes of answers
mod keys; // the key's text
mod lives; // one witness over crashes and races
mod world; // a log to witness
