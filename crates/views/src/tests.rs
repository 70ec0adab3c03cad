//! Stories of the views.

mod base; // what pruning leaves
mod questions;
mod same;
mod speed;
mod story;
