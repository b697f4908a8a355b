//! Servers, clients and restarts made up from a seed, told to the correlator as the kernel would tell them, in the orders
//! that it may and with parts missing; and whether the correlator finds what they did.
//!
//! A [`world`] is a host for a few minutes: services that are restarted, clients that use them. What each of them does
//! and goes through is the truth, kept apart from what the kernel knows; [`check`] compares it with what the correlator
//! concludes. [`case`] names a world, or part of one, so that it can be had again; [`shrink`] finds the smallest part
//! that still fails.

mod blame;
pub mod case;
pub mod check;
pub mod deliver;
pub mod disorder;
pub mod gist;
pub mod memory;
pub mod run;
pub mod shrink;
pub mod soak;
pub mod truth;
pub mod world;
