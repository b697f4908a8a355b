//! What can go wrong with BTF, in words that name the type and the member.

/// Why a blob could not be read or a name not be found in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// The blob does not start with the magic number.
    #[error(
        "reading BTF: no BTF header found (it starts with {found:#06x}, not 0xeb9f); is this a raw BTF \
         blob such as /sys/kernel/btf/vmlinux?"
    )]
    NotBtf {
        /// The first two bytes.
        found: u16,
    },
    /// The blob was made for a machine of the other byte order.
    #[error("reading BTF: it has the other byte order; use the BTF of the kernel that runs here")]
    ForeignByteOrder,
    /// The header's version is not 1.
    #[error("reading BTF: version {0} is not known, only version 1 is; a newer drain-observer may read it")]
    Version(u8),
    /// More bytes than any kernel has.
    #[error("reading BTF: {0} bytes are more than any kernel's BTF has; is this the right file?")]
    TooLarge(usize),
    /// The blob ends inside something, or an offset leads out of it.
    #[error(
        "reading BTF: {what} at byte {offset} reaches past the end; the file is cut off or damaged, \
         read it again"
    )]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it begins, counted from the start of the blob.
        offset: usize,
    },
    /// A kind of type that this reader does not know, so the types after it cannot be found.
    #[error("reading BTF: type {id} is of unknown kind {kind}; a newer drain-observer may read it")]
    UnknownKind {
        /// The type's number.
        id: u32,
        /// The kind as BTF numbers it.
        kind: u8,
    },
    /// No struct, union or typedef of one has this name.
    #[error("this kernel's BTF has no struct or union named `{type_name}`")]
    NoType {
        /// The name looked for.
        type_name: String,
    },
    /// The type is there and the member is not.
    #[error("this kernel's BTF has no member `{missing}` on the path `{type_name}.{path}`")]
    NoMember {
        /// The type that the lookup started from.
        type_name: String,
        /// The whole path asked for.
        path: String,
        /// The part of the path that was not found.
        missing: String,
    },
    /// Several types have the name, and the member lies elsewhere in each.
    #[error("this kernel's BTF has several types `{type_name}` that disagree about where `{path}` is")]
    Ambiguous {
        /// The type that the lookup started from.
        type_name: String,
        /// The whole path asked for.
        path: String,
    },
    /// Types nest or refer to each other beyond what C and the kernel do.
    #[error("this BTF is malformed around `{type_name}.{path}`: {reason}")]
    Malformed {
        /// The type that the lookup started from.
        type_name: String,
        /// The whole path asked for.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}
