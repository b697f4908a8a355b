//! The live screen for the person on call. Facts come in frames from an engine; commands and frames change the
//! state; drawing only reads it.

pub mod engine;
pub mod frame;
pub(crate) mod text;
pub mod theme;
pub(crate) mod view;
