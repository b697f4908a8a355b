//! What is drawn: functions from facts to lines and cells. They read, and change nothing.

pub(crate) mod connection;
pub(crate) mod restart;
pub(crate) mod words;
