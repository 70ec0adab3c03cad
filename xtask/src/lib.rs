//! The rules of the tree, kept true by tests: who may depend on whom, what the kernel may not touch, how files begin.
//!
//! ARCHITECTURE.md states them for people; `tests.rs` reads that page and the tree and compares.

#[cfg(test)]
mod tests;
