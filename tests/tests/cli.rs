//! The observer's command line: bad input, lasting promises about its output, and its help texts.

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/gate.rs"]
mod gate;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/journals.rs"]
mod journals;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/readme.rs"]
mod readme;
#[path = "cli/recorded.rs"]
mod recorded;
#[path = "cli/schemas.rs"]
mod schemas;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/unix.rs"]
mod unix;
