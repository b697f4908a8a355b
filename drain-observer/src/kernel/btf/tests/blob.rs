//! Writes BTF by hand.

use std::collections::HashMap;

const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
pub(super) const STRUCT: u32 = 4;
pub(super) const UNION: u32 = 5;
const ENUM: u32 = 6;
pub(super) const FORWARD: u32 = 7;
pub(super) const TYPEDEF: u32 = 8;
pub(super) const VOLATILE: u32 = 9;
pub(super) const CONST: u32 = 10;
pub(super) const RESTRICT: u32 = 11;
pub(super) const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
pub(super) const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
pub(super) const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// A blob in the making. Each method adds a type and returns its id.
#[derive(Default)]
pub(super) struct Blob {
    types: Vec<u8>,
    strings: Vec<u8>,
    names: HashMap<String, u32>,
    count: u32,
    /// Bytes after `str_len` in the header, as a newer kernel may have.
    pub(super) header_extra: Vec<u8>,
}

impl Blob {
    pub(super) fn new() -> Blob {
        Blob { strings: vec![0], ..Blob::default() }
    }

    pub(super) fn int(&mut self, name: &str, bytes: u32) -> u32 {
        self.int_bits(name, bytes, 0, bytes * 8)
    }

    pub(super) fn int_bits(&mut self, name: &str, bytes: u32, offset: u32, bits: u32) -> u32 {
        self.add(name, INT, false, 0, bytes, &[offset << 16 | bits])
    }

    pub(super) fn pointer(&mut self, to: u32) -> u32 {
        self.add("", PTR, false, 0, to, &[])
    }

    pub(super) fn array(&mut self, element: u32, count: u32) -> u32 {
        self.add("", ARRAY, false, 0, 0, &[element, 0, count])
    }

    /// Members are (name, type, bit offset).
    pub(super) fn aggregate(
        &mut self,
        kind: u32,
        name: &str,
        bytes: u32,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let words: Vec<u32> = members.iter().flat_map(|&(n, t, at)| [self.string(n), t, at]).collect();
        self.add(name, kind, false, members.len() as u32, bytes, &words)
    }

    /// Members are (name, type, bit offset, bits; 0 bits = not a bitfield), in the encoding with kind_flag.
    pub(super) fn bitfields(&mut self, name: &str, bytes: u32, members: &[(&str, u32, u32, u32)]) -> u32 {
        let words: Vec<u32> =
            members.iter().flat_map(|&(n, t, at, bits)| [self.string(n), t, bits << 24 | at]).collect();
        self.add(name, STRUCT, true, members.len() as u32, bytes, &words)
    }

    /// A modifier, function or forward declaration.
    pub(super) fn refer(&mut self, kind: u32, name: &str, to: u32) -> u32 {
        self.add(name, kind, false, 0, to, &[])
    }

    pub(super) fn enumeration(&mut self, name: &str, signed: bool, values: &[(&str, u32)]) -> u32 {
        let words: Vec<u32> = values.iter().flat_map(|&(n, value)| [self.string(n), value]).collect();
        self.add(name, ENUM, signed, values.len() as u32, 4, &words)
    }

    pub(super) fn enumeration64(&mut self, name: &str, values: &[(&str, u64)]) -> u32 {
        let words: Vec<u32> =
            values.iter().flat_map(|&(n, v)| [self.string(n), v as u32, (v >> 32) as u32]).collect();
        self.add(name, ENUM64, false, values.len() as u32, 8, &words)
    }

    pub(super) fn prototype(&mut self, parameters: &[(&str, u32)]) -> u32 {
        let words: Vec<u32> = parameters.iter().flat_map(|&(n, t)| [self.string(n), t]).collect();
        self.add("", FUNC_PROTO, false, parameters.len() as u32, 0, &words)
    }

    /// The kinds that no lookup cares for but that the walk must step over.
    pub(super) fn bystanders(&mut self, type_id: u32) {
        self.add("variable", VAR, false, 0, type_id, &[1]);
        self.add(".data", DATASEC, false, 1, 16, &[type_id, 0, 16]);
        self.add("tag", DECL_TAG, false, 0, type_id, &[u32::MAX]);
        self.refer(FUNC, "function", type_id);
        self.refer(RESTRICT, "", type_id);
    }

    pub(super) fn raw_type(&mut self, info: u32) {
        self.count += 1;
        for word in [0, info, 0] {
            self.types.extend(word.to_ne_bytes());
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(0xeb9fu16.to_ne_bytes());
        bytes.extend([1, 0]);
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        for word in [24 + self.header_extra.len() as u32, 0, types, types, strings] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(&self.header_extra);
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }

    fn add(&mut self, name: &str, kind: u32, flag: bool, len: u32, last: u32, words: &[u32]) -> u32 {
        let name = self.string(name);
        for word in [name, u32::from(flag) << 31 | kind << 24 | len, last].iter().chain(words) {
            self.types.extend(word.to_ne_bytes());
        }
        self.count += 1;
        self.count
    }

    fn string(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        if let Some(&offset) = self.names.get(name) {
            return offset;
        }
        let offset = self.strings.len() as u32;
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        self.names.insert(name.to_owned(), offset);
        offset
    }
}

/// A blob with every kind, small enough to be cut off at each of its bytes.
pub(super) fn sample() -> Blob {
    let mut b = Blob::new();
    let u32_ = b.int("unsigned int", 4);
    let u8_ = b.int("unsigned char", 1);
    let void_ptr = b.pointer(0);
    let inner = b.aggregate(STRUCT, "", 8, &[("deep", u32_, 0), ("deeper", u32_, 32)]);
    let middle = b.aggregate(UNION, "", 8, &[("alias", u32_, 0), ("", inner, 0)]);
    let ack = b.aggregate(STRUCT, "", 12, &[("pending", u8_, 0), ("lrcvtime", u32_, 64)]);
    let ack_t = b.refer(TYPEDEF, "ack_t", ack);
    let const_ack = b.refer(CONST, "", ack_t);
    let acks = b.array(const_ack, 3);
    let volatile = b.refer(VOLATILE, "", u32_);
    let tagged = b.refer(TYPE_TAG, "rcu", volatile);
    b.aggregate(
        STRUCT,
        "outer",
        64,
        &[("first", tagged, 0), ("", middle, 64), ("ack", const_ack, 128), ("acks", acks, 224)],
    );
    b.bitfields(
        "flags",
        8,
        &[("low", u8_, 0, 3), ("high", u8_, 3, 5), ("whole", u32_, 32, 0), ("arr", acks, 64, 0)],
    );
    let old_bits = b.int_bits("bits", 4, 2, 3);
    b.aggregate(STRUCT, "old_flags", 8, &[("lead", u32_, 0), ("narrow", old_bits, 32)]);
    b.enumeration("reason", false, &[("REASON_A", 2), ("REASON_MAX", u32::MAX)]);
    b.enumeration("signed", true, &[("MINUS", u32::MAX)]);
    b.enumeration64("wide", &[("WIDE", 1 << 40), ("WIDE_MINUS", u64::MAX)]);
    let sock = b.refer(FORWARD, "sock", 0);
    let sock_ptr = b.pointer(sock);
    let const_sock = b.refer(CONST, "", sock);
    let const_sock_ptr = b.pointer(const_sock);
    let const_ptr = b.refer(CONST, "", const_sock_ptr);
    let proto =
        b.prototype(&[("", void_ptr), ("", sock_ptr), ("oldstate", u32_), ("", const_ptr), ("", acks)]);
    let proto_ptr = b.pointer(proto);
    b.refer(TYPEDEF, "btf_trace_sample", proto_ptr);
    b.refer(FLOAT, "float", 4);
    b.bystanders(u32_);
    b
}
