//! The daemon's local socket: what people on call see through it, without privileges.

mod clients;
mod crowds;
mod person;
