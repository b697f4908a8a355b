//! Users and groups, by name or number.

use super::names::{self, User};
use nix::unistd::{Gid, Uid};
use std::io;
use std::str::FromStr;

/// A user that daemons of this kind have for themselves.
const OWN: &str = "drain-observer";
/// A user that is there on every host, and that others may have as well.
const NOBODY: &str = "nobody";
/// The numbers of nobody and its group where there are no names for them, as in an image with nothing but this program.
const NOBODY_ID: u32 = 65_534;
/// To the system no number, but that nothing is to be changed.
const NO_ID: u32 = u32::MAX;

/// A user, and perhaps a group, as somebody named them: `USER`, `USER:GROUP`, `998:998`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSpec {
    user: String,
    group: Option<String>,
}

impl FromStr for UserSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group.to_owned())),
            None => (text, None),
        };
        if user.is_empty() || group.as_ref().is_some_and(|group| group.is_empty() || group.contains(':')) {
            return Err(format!("`{text}`: give USER or USER:GROUP, by name or number"));
        }
        Ok(Self { user: user.to_owned(), group })
    }
}

/// Why nobody can be made of what was named.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is no such user.
    #[error(
        "there is no user {0} in /etc/passwd: make one (`useradd --system --no-create-home --shell /usr/sbin/nologin {0}`), or give \
         another --user"
    )]
    NoUser(String),
    /// There is no such group.
    #[error(
        "there is no group {0} in /etc/group: make one (`groupadd --system {0}`), or give another group in --user USER:GROUP"
    )]
    NoGroup(String),
    /// A number without a name has no group of its own.
    #[error("no user has the number {0}, so its group is not known: give it, too, as --user {0}:GROUP")]
    GroupUnknown(u32),
    /// Who is not root cannot become somebody else.
    #[error(
        "only root can run as another user: leave out --user, or start as root; this is the user with the number {0}"
    )]
    NotRoot(u32),
    /// The system's lists could not be read.
    #[error("looking up {what}: {source}; are /etc/passwd and /etc/group readable?")]
    Unreadable {
        /// What was looked up.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A user to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

/// Whom root is to become, and what there is to say about that.
pub(super) fn resolve(wanted: Option<&UserSpec>) -> Result<(Identity, Option<String>), UserError> {
    match wanted {
        Some(spec) => Ok((named(spec)?, None)),
        None => by_default(user(OWN)?),
    }
}

fn by_default(own: Option<User>) -> Result<(Identity, Option<String>), UserError> {
    if let Some(own) = own {
        return Ok((of(own), None));
    }
    let nobody = user(NOBODY)?.map_or_else(
        || Identity { name: NOBODY.into(), uid: Uid::from_raw(NOBODY_ID), gid: Gid::from_raw(NOBODY_ID) },
        of,
    );
    let note = format!(
        "there is no user {OWN}, so this runs as {NOBODY}, as other programs may: \
         `useradd --system --no-create-home --shell /usr/sbin/nologin {OWN}` makes one"
    );
    Ok((nobody, Some(note)))
}

fn named(spec: &UserSpec) -> Result<Identity, UserError> {
    let group = spec.group.as_deref().map(group).transpose()?;
    let number = spec.user.parse::<u32>().ok().filter(|number| *number != NO_ID);
    // A name of digits alone is a name, if there is such a user.
    let known = match (user(&spec.user)?, number) {
        (Some(user), _) => Some(user),
        (None, Some(number)) => looked_up(&spec.user, names::user_numbered(number))?,
        (None, None) => return Err(UserError::NoUser(spec.user.clone())),
    };
    match (known.map(of), number) {
        (Some(known), _) => Ok(Identity { gid: group.unwrap_or(known.gid), ..known }),
        (None, Some(number)) => {
            let gid = group.ok_or(UserError::GroupUnknown(number))?;
            Ok(Identity { name: spec.user.clone(), uid: Uid::from_raw(number), gid })
        }
        (None, None) => Err(UserError::NoUser(spec.user.clone())),
    }
}

fn of(user: User) -> Identity {
    Identity { name: user.name, uid: Uid::from_raw(user.uid), gid: Gid::from_raw(user.gid) }
}

fn user(name: &str) -> Result<Option<User>, UserError> {
    looked_up(name, names::user_named(name))
}

fn group(name: &str) -> Result<Gid, UserError> {
    let known = looked_up(name, names::group_named(name))?.map(Gid::from_raw);
    let number = || name.parse().ok().filter(|number| *number != NO_ID).map(Gid::from_raw);
    known.or_else(number).ok_or_else(|| UserError::NoGroup(name.to_owned()))
}

fn looked_up<T>(what: &str, found: io::Result<Option<T>>) -> Result<Option<T>, UserError> {
    found.map_err(|source| UserError::Unreadable { what: what.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> UserSpec {
        text.parse().expect("a user")
    }

    #[test]
    fn users_are_named_or_numbered() {
        let root = named(&spec("root")).expect("there is always root");
        assert_eq!((root.uid.as_raw(), root.gid.as_raw()), (0, 0));
        assert_eq!(named(&spec("0")).expect("the same"), root);
        let mixed = named(&spec("root:12345")).expect("a group needs no name");
        assert_eq!((mixed.uid.as_raw(), mixed.gid.as_raw()), (0, 12_345));
        let numbers = named(&spec("4000000001:4000000002")).expect("numbers need no names");
        assert_eq!((numbers.uid.as_raw(), numbers.gid.as_raw()), (4_000_000_001, 4_000_000_002));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        let wrong = |text: &str| named(&spec(text)).expect_err("nobody").to_string();
        assert!(wrong("no-such-user").contains("useradd --system"), "{}", wrong("no-such-user"));
        assert!(wrong("root:no-such-group").contains("groupadd --system no-such-group"));
        assert!(wrong("4000000001").contains("--user 4000000001:GROUP"));
        assert!(wrong("4294967295:0").contains("no user 4294967295"), "it would change nothing");
        for text in ["", ":", "root:", ":root", "root:a:b"] {
            assert!(text.parse::<UserSpec>().expect_err("no user").contains("USER:GROUP"), "{text}");
        }
    }

    #[test]
    fn without_a_user_of_its_own_it_is_nobody_and_says_so() {
        let (identity, note) = by_default(None).expect("there is nobody");
        assert_ne!(identity.uid.as_raw(), 0);
        assert!(note.expect("a note").contains("useradd --system"));
        let own = names::user_numbered(0).expect("a list of users");
        assert_eq!(by_default(own).expect("it is there").1, None);
    }
}
