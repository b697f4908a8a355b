//! The live screen for the person on call. Facts come in frames from an engine; commands and frames change the
//! state; drawing only reads it.

mod app;
pub mod engine;
mod export;
pub mod frame;
mod input;
mod run;
mod terminal;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub mod theme;
pub(crate) mod view;

pub use run::{Options, run};
