//! The screens as a user sees them: key by key, and as pictures at the sizes of real terminals.

pub(crate) mod frames;
mod pictures;
mod sessions;
mod stage;
