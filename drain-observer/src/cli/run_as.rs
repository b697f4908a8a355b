//! Whom a daemon runs as once everything is in place.

use super::record;
use crate::privilege::{Privileges, UserSpec};
use anyhow::Result;
use clap::Args;

/// What a daemon keeps of its privileges.
#[derive(Args, Clone, Debug)]
pub(super) struct RunAs {
    /// User, by name or number, that the daemon becomes when its probes are in place, and whose the journal directory is
    /// then. By default drain-observer where there is such a user, else nobody; `root` stays root. Whichever it is, it
    /// keeps no more capabilities than `doctor` lists. Who is not root when it starts stays who it is
    #[arg(help_heading = "Privileges", long, value_name = "USER[:GROUP]")]
    user: Option<UserSpec>,
    /// Do without CAP_SYS_ADMIN, on hosts without containers: of other network namespaces /proc tells less, and nothing of
    /// their unix listeners
    #[arg(help_heading = "Privileges", long)]
    drop_sys_admin: bool,
}

impl RunAs {
    /// What that means on this host. Says so where it is not what it could be.
    pub(super) fn privileges(&self) -> Result<Privileges> {
        let (privileges, note) = Privileges::plan(self.user.as_ref(), self.drop_sys_admin)?;
        note.iter().for_each(|note| record::say(&format!("note: {note}")));
        Ok(privileges)
    }
}
