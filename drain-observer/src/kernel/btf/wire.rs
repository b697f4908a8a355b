//! The bytes of BTF: header, types and strings, each read bounds-checked.

use super::BtfError;
use super::kind::Kind;

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
/// `struct btf_header` up to `str_len`; newer headers may be longer.
const HEADER_BYTES: usize = 24;
/// `struct btf_type` without what its kind appends.
const TYPE_BYTES: usize = 12;
/// Distributions' kernels have 4 to 12 MB of it.
const MAX_BYTES: usize = 64 << 20;
/// KSYM_NAME_LEN, the longest name that the kernel's own BTF verifier accepts.
const MAX_NAME: usize = 512;
/// How many typedefs, qualifiers or array dimensions may follow each other; C code has less than ten.
pub(super) const MAX_CHAIN: usize = 64;
/// The kernels that drain-observer runs on are 64-bit.
const POINTER_BYTES: u32 = 8;

/// `struct btf_type`, and where its entries begin in the type section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    pub(super) id: u32,
    pub(super) name: u32,
    pub(super) kind: Kind,
    /// `kind_flag`: bitfields in members, signed enumerators, a forward declaration of a union.
    pub(super) flag: bool,
    pub(super) len: u32,
    size_or_type: u32,
    body: usize,
}

impl Type {
    /// The type that a pointer, modifier, function or variable refers to.
    pub(super) fn target(&self) -> u32 {
        self.size_or_type
    }
}

/// `struct btf_member`, its offset still as encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) name: u32,
    pub(super) type_id: u32,
    pub(super) bit_offset: u32,
    /// Set for bitfields in the encoding with `kind_flag`.
    pub(super) bitfield_bits: Option<u32>,
}

/// `struct btf_param`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    pub(super) name: u32,
    pub(super) type_id: u32,
}

impl Parameter {
    pub(super) fn is_ellipsis(&self) -> bool {
        self.name == 0 && self.type_id == 0
    }
}

/// `struct btf_array`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Array {
    pub(super) element: u32,
    pub(super) count: u32,
}

/// The two sections of a blob, and where each type begins.
pub(super) struct Raw {
    types: Box<[u8]>,
    strings: Box<[u8]>,
    /// Offset in the type section of type `id` at `id - 1`.
    starts: Vec<u32>,
}

impl Raw {
    pub(super) fn parse(bytes: &[u8]) -> Result<Raw, BtfError> {
        if bytes.len() > MAX_BYTES {
            return Err(BtfError::TooLarge(bytes.len()));
        }
        let header = Header::parse(bytes)?;
        let types =
            section(bytes, header.length, header.type_offset, header.type_length, "the type section")?;
        let strings =
            section(bytes, header.length, header.string_offset, header.string_length, "the string section")?;
        let starts = walk(types, header.length.saturating_add(header.type_offset as usize))?;
        Ok(Raw { types: types.into(), strings: strings.into(), starts })
    }

    pub(super) fn type_count(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn types(&self) -> impl Iterator<Item = Type> + '_ {
        // Ids fit: a type takes at least 12 bytes of a section of at most MAX_BYTES.
        (1..=self.starts.len() as u32).filter_map(|id| self.get(id))
    }

    /// The type of this number; none for 0, which is `void`.
    pub(super) fn get(&self, id: u32) -> Option<Type> {
        let start = *self.starts.get(id.checked_sub(1)? as usize)? as usize;
        read_type(&self.types, start, id).ok()
    }

    pub(super) fn name(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.strings.get(offset as usize..)?;
        let end = rest.iter().take(MAX_NAME).position(|&byte| byte == 0)?;
        rest.get(..end)
    }

    pub(super) fn name_is(&self, offset: u32, wanted: &[u8]) -> bool {
        self.strings
            .get(offset as usize..)
            .and_then(|rest| rest.strip_prefix(wanted))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    pub(super) fn members(&self, t: &Type) -> impl Iterator<Item = Member> + '_ {
        let flag = t.flag;
        let entries = if t.kind.is_aggregate() { self.entries::<3>(t) } else { Entries::none() };
        entries.map(move |[name, type_id, offset]| match (flag, offset >> 24) {
            (false, _) => Member { name, type_id, bit_offset: offset, bitfield_bits: None },
            (true, 0) => Member { name, type_id, bit_offset: offset, bitfield_bits: None },
            (true, bits) => {
                Member { name, type_id, bit_offset: offset & 0x00ff_ffff, bitfield_bits: Some(bits) }
            }
        })
    }

    pub(super) fn parameters(&self, t: &Type) -> impl Iterator<Item = Parameter> + '_ {
        let entries = if t.kind == Kind::FuncProto { self.entries::<2>(t) } else { Entries::none() };
        entries.map(|[name, type_id]| Parameter { name, type_id })
    }

    pub(super) fn enum_value(&self, t: &Type, wanted: &[u8]) -> Option<i64> {
        match t.kind {
            Kind::Enum => {
                let [_, value] = self.entries::<2>(t).find(|entry| self.name_is(entry[0], wanted))?;
                Some(if t.flag { i64::from(value.cast_signed()) } else { i64::from(value) })
            }
            Kind::Enum64 => {
                let [_, low, high] = self.entries::<3>(t).find(|entry| self.name_is(entry[0], wanted))?;
                Some((u64::from(high) << 32 | u64::from(low)).cast_signed())
            }
            _ => None,
        }
    }

    pub(super) fn array(&self, t: &Type) -> Option<Array> {
        if t.kind != Kind::Array {
            return None;
        }
        let [element, _index_type, count] = words(&self.types, t.body)?;
        Some(Array { element, count })
    }

    /// Bit offset and number of bits that a BTF_KIND_INT uses of its storage.
    pub(super) fn int_bits(&self, t: &Type) -> Option<(u32, u32)> {
        if t.kind != Kind::Int {
            return None;
        }
        let [encoding] = words(&self.types, t.body)?;
        Some((encoding >> 16 & 0xff, encoding & 0xff))
    }

    /// Follows typedefs and qualifiers to the type behind them; none for `void` and for endless chains.
    pub(super) fn strip(&self, id: u32) -> Option<Type> {
        let mut t = self.get(id)?;
        for _ in 0..MAX_CHAIN {
            if !t.kind.is_modifier() {
                return Some(t);
            }
            t = self.get(t.target())?;
        }
        None
    }

    /// Size in bytes; none for what has no size.
    pub(super) fn size_of(&self, id: u32) -> Option<u32> {
        let mut count = 1u32;
        let mut t = self.get(id)?;
        for _ in 0..MAX_CHAIN {
            match t.kind {
                Kind::Pointer => return count.checked_mul(POINTER_BYTES),
                Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Float
                | Kind::DataSection => return count.checked_mul(t.size_or_type),
                Kind::Array => {
                    let array = self.array(&t)?;
                    count = count.checked_mul(array.count)?;
                    t = self.get(array.element)?;
                }
                kind if kind.is_modifier() => t = self.get(t.target())?,
                _ => return None,
            }
        }
        None
    }

    pub(super) fn is_void_pointer(&self, id: u32) -> bool {
        self.get(id).is_some_and(|t| t.kind == Kind::Pointer && t.target() == 0)
    }

    fn entries<const N: usize>(&self, t: &Type) -> Entries<'_, N> {
        let body = self.types.get(t.body..).unwrap_or_default();
        Entries { rest: body, left: t.len }
    }
}

/// The `len` records of N words that follow a type.
struct Entries<'a, const N: usize> {
    rest: &'a [u8],
    left: u32,
}

impl<const N: usize> Entries<'_, N> {
    fn none() -> Self {
        Entries { rest: &[], left: 0 }
    }
}

impl<const N: usize> Iterator for Entries<'_, N> {
    type Item = [u32; N];

    fn next(&mut self) -> Option<[u32; N]> {
        self.left = self.left.checked_sub(1)?;
        let entry = words(self.rest, 0)?;
        self.rest = self.rest.get(N * 4..)?;
        Some(entry)
    }
}

/// What is needed of `struct btf_header`. Offsets count from the header's end.
struct Header {
    length: usize,
    type_offset: u32,
    type_length: u32,
    string_offset: u32,
    string_length: u32,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Header, BtfError> {
        let truncated = BtfError::Truncated { what: "the header", offset: 0 };
        let magic = u16::from_ne_bytes(*bytes.first_chunk().ok_or_else(|| truncated.clone())?);
        if magic == MAGIC.swap_bytes() {
            return Err(BtfError::ForeignByteOrder);
        }
        if magic != MAGIC {
            return Err(BtfError::NotBtf { found: magic });
        }
        let version = *bytes.get(2).ok_or_else(|| truncated.clone())?;
        if version != VERSION {
            return Err(BtfError::Version(version));
        }
        let [length, type_offset, type_length, string_offset, string_length] =
            words(bytes, 4).ok_or_else(|| truncated.clone())?;
        let length = length as usize;
        if length < HEADER_BYTES || length > bytes.len() {
            return Err(truncated);
        }
        Ok(Header { length, type_offset, type_length, string_offset, string_length })
    }
}

fn section<'a>(
    bytes: &'a [u8],
    header: usize,
    offset: u32,
    length: u32,
    what: &'static str,
) -> Result<&'a [u8], BtfError> {
    let start = header.saturating_add(offset as usize);
    bytes.get(start..start.saturating_add(length as usize)).ok_or(BtfError::Truncated { what, offset: start })
}

/// Finds where each type begins. `base` is the section's place in the blob, for messages.
fn walk(types: &[u8], base: usize) -> Result<Vec<u32>, BtfError> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at < types.len() {
        let id = starts.len() as u32 + 1;
        let t = read_type(types, at, id).map_err(|fault| fault.into_error(id, base + at))?;
        starts.push(at as u32);
        at = t.body + t.kind.extra_bytes(t.len);
        if at > types.len() {
            return Err(BtfError::Truncated { what: "a type's entries", offset: base + t.body });
        }
    }
    Ok(starts)
}

enum Fault {
    Truncated,
    UnknownKind(u8),
}

impl Fault {
    fn into_error(self, id: u32, offset: usize) -> BtfError {
        match self {
            Fault::Truncated => BtfError::Truncated { what: "a type", offset },
            Fault::UnknownKind(kind) => BtfError::UnknownKind { id, kind },
        }
    }
}

fn read_type(types: &[u8], at: usize, id: u32) -> Result<Type, Fault> {
    let [name, info, size_or_type] = words(types, at).ok_or(Fault::Truncated)?;
    // Older headers use 5 bits for the kind and 16 for the length and leave the rest zero: the wide masks
    // of newer ones read both.
    let number = (info >> 24 & 0x7f) as u8;
    let kind = Kind::from_number(number).ok_or(Fault::UnknownKind(number))?;
    let (flag, len) = (info >> 31 != 0, info & 0x00ff_ffff);
    Ok(Type { id, name, kind, flag, len, size_or_type, body: at + TYPE_BYTES })
}

fn words<const N: usize>(bytes: &[u8], at: usize) -> Option<[u32; N]> {
    let bytes = bytes.get(at..at.checked_add(N * 4)?)?;
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_ne_bytes(*chunk);
    }
    Some(words)
}
