//! The screens as a user sees them.

pub(crate) mod frames;
