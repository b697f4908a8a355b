//! Servers at socket files.

mod chain;
mod fixture;
mod gunicorn;
mod puma;
pub(crate) mod stage;
mod tools;
mod unicorn;
