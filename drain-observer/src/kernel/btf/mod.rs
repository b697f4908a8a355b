//! Reads BTF, the kernel's description of its own types, so that field offsets, enum values and tracepoint
//! arguments are looked up by name on the kernel at hand instead of being guessed from its version.
//!
//! The layout is that of include/uapi/linux/btf.h. The input is not trusted: every read is bounds-checked,
//! memory stays in proportion to the input, and no malformed blob makes a lookup run for long.

mod error;
mod kind;
mod member;
mod render;
mod wire;

#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hasher};

pub use error::BtfError;
use kind::Kind;
use wire::{Raw, Type};

/// Where the running kernel shows its own BTF.
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Tracepoints take at most twelve arguments; a prototype beyond this is not one.
const MAX_ARGUMENTS: u32 = 64;

/// A parsed BTF blob with an index of its named types.
pub struct Btf {
    raw: Raw,
    /// (hash of the name, type id), sorted; hashes of different names may agree, so names are compared
    /// again.
    index: Vec<(u64, u32)>,
}

/// Where a member lies inside the type that a lookup started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Field {
    /// Bits from the start of the outer type.
    pub bit_offset: u32,
    /// Size in bits: a multiple of eight but for bitfields.
    pub bits: u32,
}

impl Field {
    /// Offset of the byte that holds the member's first bit.
    pub fn byte_offset(self) -> u32 {
        self.bit_offset / 8
    }

    /// Whether the member is no plain run of bytes: reading it takes a shift and a mask.
    pub fn is_bitfield(self) -> bool {
        !self.bit_offset.is_multiple_of(8) || !self.bits.is_multiple_of(8)
    }
}

/// One argument of a prototype.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Argument {
    /// Its name; empty where BTF has none, as in the kernel's `btf_trace_*` typedefs.
    pub name: String,
    /// Its type as C would write it: `struct sock *`, `enum skb_drop_reason`, `const int`.
    pub type_name: String,
}

impl Argument {
    /// The name, or the type where there is no name.
    pub fn label(&self) -> &str {
        if self.name.is_empty() { &self.type_name } else { &self.name }
    }
}

impl Btf {
    /// Parses a whole blob, such as the content of [`KERNEL_BTF`].
    pub fn parse(bytes: &[u8]) -> Result<Btf, BtfError> {
        let raw = Raw::parse(bytes)?;
        let mut index: Vec<(u64, u32)> = raw
            .types()
            .filter(|t| is_indexed(t.kind))
            .filter_map(|t| raw.name(t.name).filter(|name| !name.is_empty()).map(|name| (hash(name), t.id)))
            .collect();
        index.sort_unstable();
        Ok(Btf { raw, index })
    }

    /// Finds a member by a dotted path (`icsk_ack.lrcvtime`) in a struct, union or a typedef of one.
    ///
    /// Anonymous structs and unions are looked through at every level; on the way, typedefs and qualifiers
    /// are followed, and an array stands for its first element.
    pub fn member(&self, type_name: &str, path: &str) -> Result<Field, BtfError> {
        let owners: Vec<Type> = self.owners(type_name);
        if owners.is_empty() {
            return Err(BtfError::NoType { type_name: type_name.to_owned() });
        }
        member::find(&self.raw, &owners, path).map_err(|miss| miss.into_error(type_name, path))
    }

    /// The value of an enumerator. Without a sign flag in BTF (pahole before 1.24 wrote none) a 32-bit
    /// value is read as unsigned.
    pub fn enum_value(&self, enum_name: &str, value_name: &str) -> Option<i64> {
        self.named(enum_name).find_map(|t| self.raw.enum_value(&t, value_name.as_bytes()))
    }

    /// The arguments behind a typedef of a function pointer such as `btf_trace_inet_sock_set_state`,
    /// without the leading `void *__data` that every tracepoint's prototype has.
    pub fn prototype(&self, typedef_name: &str) -> Option<Vec<Argument>> {
        self.named(typedef_name).filter(|t| t.kind == Kind::Typedef).find_map(|t| self.arguments(&t))
    }

    /// The size in bytes of a struct, union, enum, typedef or basic type.
    pub fn size_of(&self, type_name: &str) -> Option<u32> {
        let size = |t: Type| self.raw.size_of(t.id);
        // A typedef lives in another name space than a tag and comes second.
        self.named(type_name)
            .filter(|t| t.kind != Kind::Typedef)
            .find_map(size)
            .or_else(|| self.named(type_name).filter(|t| t.kind == Kind::Typedef).find_map(size))
    }

    /// How many types the blob holds, `void` not counted.
    pub fn type_count(&self) -> usize {
        self.raw.type_count()
    }

    fn owners(&self, type_name: &str) -> Vec<Type> {
        let tagged: Vec<Type> = self.named(type_name).filter(|t| t.kind.is_aggregate()).collect();
        if !tagged.is_empty() {
            return tagged;
        }
        self.named(type_name)
            .filter(|t| t.kind == Kind::Typedef)
            .filter_map(|t| self.raw.strip(t.id))
            .filter(|t| t.kind.is_aggregate())
            .collect()
    }

    fn arguments(&self, typedef: &Type) -> Option<Vec<Argument>> {
        let pointer = self.raw.strip(typedef.id).filter(|t| t.kind == Kind::Pointer)?;
        let proto = self.raw.strip(pointer.target()).filter(|t| t.kind == Kind::FuncProto)?;
        if proto.len > MAX_ARGUMENTS {
            return None;
        }
        let mut arguments = self.raw.parameters(&proto).peekable();
        arguments.next_if(|first| self.raw.is_void_pointer(first.type_id));
        let describe = |p: wire::Parameter| Argument {
            name: render::text(self.raw.name(p.name).unwrap_or_default()),
            type_name: if p.is_ellipsis() {
                "...".to_owned()
            } else {
                render::type_name(&self.raw, p.type_id)
            },
        };
        Some(arguments.map(describe).collect())
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Type> + 'a {
        let wanted = hash(name.as_bytes());
        let first = self.index.partition_point(|&(hash, _)| hash < wanted);
        self.index[first..]
            .iter()
            .take_while(move |&&(hash, _)| hash == wanted)
            .filter_map(|&(_, id)| self.raw.get(id))
            .filter(move |t| self.raw.name_is(t.name, name.as_bytes()))
    }
}

fn is_indexed(kind: Kind) -> bool {
    kind.is_aggregate() || matches!(kind, Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Typedef | Kind::Float)
}

fn hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}
