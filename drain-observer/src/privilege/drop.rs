//! Giving up what is not needed any more, for good.

use super::needs::kept_of;
use super::user::{Identity, resolve};
use super::{UserError, UserSpec};
use nix::unistd::{Uid, geteuid, setgroups, setresgid, setresuid};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits, set_keep_capabilities, set_no_new_privs,
};
use std::{fs, io};

/// Whom a process becomes, and what it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privileges {
    /// `None` = who it is.
    identity: Option<Identity>,
    drop_sys_admin: bool,
}

/// Why privileges could not be given up: then this process must not go on.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// Capabilities are a thread's own: other threads would keep theirs.
    #[error(
        "giving up privileges with {0} threads running: those would keep theirs; this is a fault of the program, \
         please report it"
    )]
    Threads(usize),
    /// The system refused a step.
    #[error("giving up privileges: {doing}: {source}; {remedy}")]
    Refused {
        /// The step.
        doing: String,
        /// What the system said.
        source: io::Error,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The system took it all without complaint, and yet it is not so.
    #[error("giving up privileges: this process can still do more than it should; please report this kernel")]
    NotGivenUp,
}

/// What changing the user takes.
const CHANGE_USER: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID);

impl Privileges {
    /// Whom this process would become, and what there is to say about that. Root becomes `user`, or by default a user of
    /// the daemon's own, or nobody; who is not root stays who it is.
    pub fn plan(user: Option<&UserSpec>, drop_sys_admin: bool) -> Result<(Self, Option<String>), UserError> {
        let staying = |note| Ok((Self { identity: None, drop_sys_admin }, note));
        let own = geteuid();
        if !own.is_root() {
            return match user {
                Some(spec) if resolve(Some(spec))?.0.uid != own => Err(UserError::NotRoot(own.as_raw())),
                _ => staying(None),
            };
        }
        // As in a container that has root and nothing else.
        let may_change = capabilities(None).is_ok_and(|sets| sets.effective.contains(CHANGE_USER));
        if user.is_none() && !may_change {
            return staying(Some("without CAP_SETUID and CAP_SETGID this stays root".into()));
        }
        let (identity, note) = resolve(user)?;
        Ok((Self { identity: Some(identity), drop_sys_admin }, note))
    }

    /// The numbers of the user and group to become, of whom everything has to be that is written later; `None` = this
    /// process stays who it is.
    pub fn owner(&self) -> Option<(u32, u32)> {
        self.identity.as_ref().map(|identity| (identity.uid.as_raw(), identity.gid.as_raw()))
    }

    /// Gives up all but what observing goes on with: no other user, group, capability or program can be had back.
    /// To be called before there are other threads; those that begin later have no more than this one.
    pub fn give_up(&self) -> Result<(), DropError> {
        expect_no_other_threads()?;
        let permitted = held()?.permitted;
        let kept = kept_of(permitted, self.drop_sys_admin);
        // Where it is not there, what it takes away from cannot be had back either: no program can be run for it.
        let setpcap = permitted & CapabilitySet::SETPCAP;
        if !setpcap.is_empty() {
            set_both(permitted)?;
            limit_bounding_set(kept)?;
        }
        if let Some(identity) = &self.identity {
            become_user(identity)?;
        }
        set_both(kept | setpcap)?;
        if !setpcap.is_empty() {
            step("locking the secure bits", set_capabilities_secure_bits(locked_bits()))?;
        }
        step("emptying the ambient set", clear_ambient_capability_set())?;
        set_both(kept)?;
        step("forbidding new privileges", set_no_new_privs(true))?;
        step("forbidding core dumps", set_dumpable_behavior(DumpableBehavior::NotDumpable))?;
        self.check(kept)
    }

    fn check(&self, kept: CapabilitySet) -> Result<(), DropError> {
        let CapabilitySets { effective, permitted, inheritable } = held()?;
        let exact = (effective, permitted, inheritable) == (kept, kept, CapabilitySet::empty());
        let is_back = |uid: Uid| setresuid(uid, uid, uid).is_ok();
        let root = Uid::from_raw(0);
        let became = self
            .identity
            .as_ref()
            .is_none_or(|identity| geteuid() == identity.uid && (identity.uid == root || !is_back(root)));
        if exact && became { Ok(()) } else { Err(DropError::NotGivenUp) }
    }
}

fn expect_no_other_threads() -> Result<(), DropError> {
    let threads =
        fs::read_dir("/proc/self/task").map(Iterator::count).map_err(|source| DropError::Refused {
            doing: "counting this process's threads in /proc/self/task".into(),
            source,
            remedy: "is /proc mounted?",
        })?;
    if threads == 1 { Ok(()) } else { Err(DropError::Threads(threads)) }
}

/// What may be had again by running a program.
fn limit_bounding_set(kept: CapabilitySet) -> Result<(), DropError> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            // The kernel has no more.
            Err(Errno::INVAL) => break,
            Ok(true) if !kept.contains(capability) => {
                step("limiting the bounding set", remove_capability_from_bounding_set(capability))?;
            }
            known => drop(step("reading the bounding set", known)?),
        }
    }
    Ok(())
}

fn become_user(identity: &Identity) -> Result<(), DropError> {
    let Identity { name, uid, gid } = identity;
    let refused = |errno: nix::Error| DropError::Refused {
        doing: format!("becoming the user {name} ({uid}:{gid})"),
        source: errno.into(),
        remedy: "it takes CAP_SETUID and CAP_SETGID, and a user namespace that has this user; --user root stays root",
    };
    step("keeping capabilities over a change of the user", set_keep_capabilities(true))?;
    setgroups(&[]).map_err(refused)?;
    setresgid(*gid, *gid, *gid).map_err(refused)?;
    setresuid(*uid, *uid, *uid).map_err(refused)
}

/// Root has nothing without being given it, nobody is given anything by becoming root, and nothing is passed on; and it
/// stays so.
fn locked_bits() -> CapabilitiesSecureBits {
    use CapabilitiesSecureBits as Bits;
    Bits::NO_ROOT
        | Bits::NO_ROOT_LOCKED
        | Bits::NO_SETUID_FIXUP
        | Bits::NO_SETUID_FIXUP_LOCKED
        | Bits::KEEP_CAPS_LOCKED
        | Bits::NO_CAP_AMBIENT_RAISE
        | Bits::NO_CAP_AMBIENT_RAISE_LOCKED
}

fn set_both(kept: CapabilitySet) -> Result<(), DropError> {
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    step("setting this process's capabilities", set_capabilities(None, sets))
}

fn held() -> Result<CapabilitySets, DropError> {
    step("reading this process's capabilities", capabilities(None))
}

fn step<T>(doing: &str, done: rustix::io::Result<T>) -> Result<T, DropError> {
    let refused = |errno: Errno| DropError::Refused {
        doing: doing.into(),
        source: errno.into(),
        remedy: "is there a sandbox that forbids it?",
    };
    done.map_err(refused)
}
