//! The words of the domain and the rules between them.
//!
//! Pure functions of their arguments: no I/O, no clock, no chance, no runtime.

pub mod clock;
pub mod digest;
pub mod id;
pub mod judge;
pub mod ports;
