//! What this process may do: whether that is enough to observe, and giving up what is not needed any more.

mod drop;
mod names;
mod needs;
mod user;

pub use drop::{DropError, Privileges};
pub use names::group_named;
pub use needs::{NEEDS, Need, NotAllowed, check, missing};
pub use user::{UserError, UserSpec};
