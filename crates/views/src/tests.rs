//! Stories of the views.

mod questions;
mod same;
mod speed;
mod story;
