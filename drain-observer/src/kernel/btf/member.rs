//! Finds a member by a dotted path.

use super::wire::{MAX_CHAIN, Member, Raw, Type};
use super::{BtfError, Field};

/// How deep anonymous structs and unions may nest; the kernel's nest four deep.
const MAX_DEPTH: u32 = 16;
/// Members looked at in one lookup: a few thousand in a real kernel's largest structs, exponentially many
/// in a blob whose anonymous structs contain each other.
const MAX_VISITS: u32 = 1 << 20;

/// Why a path led nowhere.
#[derive(Debug)]
pub(super) enum Miss {
    /// No member of this name, or it has no members of its own to go on with.
    NoMember(String),
    Ambiguous,
    Malformed(&'static str),
}

impl Miss {
    pub(super) fn into_error(self, type_name: &str, path: &str) -> BtfError {
        let (type_name, path) = (type_name.to_owned(), path.to_owned());
        match self {
            Miss::NoMember(missing) => BtfError::NoMember { type_name, path, missing },
            Miss::Ambiguous => BtfError::Ambiguous { type_name, path },
            Miss::Malformed(reason) => BtfError::Malformed { type_name, path, reason },
        }
    }
}

/// Looks the path up in every type of the wanted name: those that have the member must agree where it is.
pub(super) fn find(raw: &Raw, owners: &[Type], path: &str) -> Result<Field, Miss> {
    let mut search = Search { raw, visits: MAX_VISITS };
    let mut found: Option<Field> = None;
    let mut miss = Miss::NoMember(path.to_owned());
    for owner in owners {
        match (search.follow(*owner, path), found) {
            (Ok(field), Some(other)) if field != other => return Err(Miss::Ambiguous),
            (Ok(field), _) => found = Some(field),
            (Err(Miss::NoMember(segment)), _) => miss = Miss::NoMember(segment),
            (Err(other), _) => return Err(other),
        }
    }
    found.ok_or(miss)
}

struct Search<'a> {
    raw: &'a Raw,
    visits: u32,
}

/// A member and the bits between the start of the type searched and the struct that holds it.
struct Found {
    member: Member,
    base: u32,
}

impl Search<'_> {
    fn follow(&mut self, owner: Type, path: &str) -> Result<Field, Miss> {
        let mut owner = owner;
        let mut base = 0;
        let mut segments = path.split('.').peekable();
        while let Some(segment) = segments.next() {
            let missing = || Miss::NoMember(segment.to_owned());
            if segment.is_empty() {
                return Err(missing());
            }
            let found = self.search(owner, segment.as_bytes(), 0)?.ok_or_else(missing)?;
            base = add(base, found.base)?;
            match segments.peek() {
                None => return self.field(found.member, base),
                Some(next) => {
                    base = add(base, found.member.bit_offset)?;
                    owner = self
                        .aggregate(found.member.type_id)
                        .ok_or_else(|| Miss::NoMember((*next).to_owned()))?;
                }
            }
        }
        Err(Miss::NoMember(path.to_owned()))
    }

    fn search(&mut self, owner: Type, name: &[u8], depth: u32) -> Result<Option<Found>, Miss> {
        if depth > MAX_DEPTH {
            return Err(Miss::Malformed("anonymous structs nest too deeply"));
        }
        let raw = self.raw;
        for member in raw.members(&owner) {
            self.visits =
                self.visits.checked_sub(1).ok_or(Miss::Malformed("too many members to look through"))?;
            if raw.name_is(member.name, name) {
                return Ok(Some(Found { member, base: 0 }));
            }
            if raw.name_is(member.name, b"")
                && let Some(inner) = raw.strip(member.type_id).filter(|t| t.kind.is_aggregate())
                && let Some(found) = self.search(inner, name, depth + 1)?
            {
                return Ok(Some(Found { base: add(found.base, member.bit_offset)?, ..found }));
            }
        }
        Ok(None)
    }

    fn aggregate(&self, id: u32) -> Option<Type> {
        let mut t = self.raw.strip(id)?;
        for _ in 0..MAX_CHAIN {
            match self.raw.array(&t) {
                Some(array) => t = self.raw.strip(array.element)?,
                None => return Some(t).filter(|t| t.kind.is_aggregate()),
            }
        }
        None
    }

    fn field(&self, member: Member, base: u32) -> Result<Field, Miss> {
        let bit_offset = add(base, member.bit_offset)?;
        if let Some(bits) = member.bitfield_bits {
            return Ok(Field { bit_offset, bits });
        }
        let bits = self.raw.size_of(member.type_id).and_then(|bytes| bytes.checked_mul(8));
        let bits = bits.ok_or(Miss::Malformed("the member's type has no size"))?;
        // Without kind_flag a bitfield is an integer type that uses only some bits of its storage.
        let narrow = self.raw.strip(member.type_id).and_then(|t| self.raw.int_bits(&t));
        match narrow {
            Some((offset, used)) if (offset, used) != (0, bits) && used != 0 => {
                Ok(Field { bit_offset: add(bit_offset, offset)?, bits: used })
            }
            _ => Ok(Field { bit_offset, bits }),
        }
    }
}

fn add(a: u32, b: u32) -> Result<u32, Miss> {
    a.checked_add(b).ok_or(Miss::Malformed("an offset does not fit 32 bits"))
}
