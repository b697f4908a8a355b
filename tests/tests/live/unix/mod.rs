//! Servers at socket files.

mod chain;
mod fixture;
mod gunicorn;
mod puma;
mod stage;
mod tools;
mod unicorn;
