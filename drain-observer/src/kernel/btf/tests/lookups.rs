use super::super::{Btf, BtfError, Field};
use super::blob::{Blob, CONST, STRUCT, TYPEDEF, UNION, sample};

fn parsed() -> Btf {
    Btf::parse(&sample().bytes()).expect("a well-formed blob")
}

fn at(bit_offset: u32, bits: u32) -> Result<Field, BtfError> {
    Ok(Field { bit_offset, bits })
}

#[test]
fn members_are_found_through_every_kind_of_wrapping() {
    let btf = parsed();
    for (path, expected) in [
        ("first", at(0, 32)),
        ("alias", at(64, 32)),
        ("deep", at(64, 32)),
        ("deeper", at(96, 32)),
        ("ack", at(128, 96)),
        ("ack.lrcvtime", at(192, 32)),
        ("acks", at(224, 288)),
        ("acks.lrcvtime", at(288, 32)),
    ] {
        assert_eq!(btf.member("outer", path), expected, "{path}");
    }
    assert_eq!(btf.member("ack_t", "lrcvtime"), at(64, 32), "a typedef is as good as a tag");
}

#[test]
fn both_bitfield_encodings_are_read() {
    let btf = parsed();
    assert_eq!(btf.member("flags", "low"), at(0, 3));
    assert_eq!(btf.member("flags", "high"), at(3, 5));
    assert_eq!(btf.member("flags", "whole"), at(32, 32));
    assert_eq!(btf.member("flags", "arr.lrcvtime"), at(128, 32));
    assert_eq!(btf.member("old_flags", "narrow"), at(34, 3));
    let high = btf.member("flags", "high").expect("a bitfield");
    assert!(high.is_bitfield());
    assert_eq!(high.byte_offset(), 0);
    assert!(!btf.member("flags", "whole").expect("a plain member").is_bitfield());
}

#[test]
fn a_missing_name_is_said() {
    let btf = parsed();
    let no_type = btf.member("nowhere", "x").expect_err("no such struct");
    assert_eq!(no_type, BtfError::NoType { type_name: "nowhere".into() });
    for (path, missing) in [
        ("gone", "gone"),
        ("ack.gone", "gone"),
        ("first.gone", "gone"),
        ("ack..lrcvtime", ""),
        ("", ""),
        ("ack.", ""),
    ] {
        let error = btf.member("outer", path).expect_err("no such member");
        let BtfError::NoMember { missing: said, .. } = &error else { panic!("{path}: {error}") };
        assert_eq!(said, missing, "{path}");
    }
    let text = btf.member("outer", "ack.gone").expect_err("no such member").to_string();
    assert_eq!(text, "this kernel's BTF has no member `gone` on the path `outer.ack.gone`");
}

#[test]
fn types_of_one_name_must_agree() {
    let mut b = Blob::new();
    let int = b.int("int", 4);
    b.aggregate(STRUCT, "twice", 8, &[("same", int, 0), ("moved", int, 32)]);
    b.aggregate(STRUCT, "twice", 16, &[("same", int, 0), ("moved", int, 64), ("alone", int, 96)]);
    let btf = Btf::parse(&b.bytes()).expect("a well-formed blob");
    assert_eq!(btf.member("twice", "same"), at(0, 32));
    assert_eq!(btf.member("twice", "alone"), at(96, 32));
    assert!(matches!(btf.member("twice", "moved"), Err(BtfError::Ambiguous { .. })));
}

#[test]
fn enumerators_have_their_sign_and_width() {
    let btf = parsed();
    assert_eq!(btf.enum_value("reason", "REASON_A"), Some(2));
    assert_eq!(btf.enum_value("reason", "REASON_MAX"), Some(i64::from(u32::MAX)));
    assert_eq!(btf.enum_value("signed", "MINUS"), Some(-1));
    assert_eq!(btf.enum_value("wide", "WIDE"), Some(1 << 40));
    assert_eq!(btf.enum_value("wide", "WIDE_MINUS"), Some(-1));
    assert_eq!(btf.enum_value("reason", "REASON"), None, "a prefix is no match");
    assert_eq!(btf.enum_value("none", "REASON_A"), None);
}

#[test]
fn a_prototype_lists_its_arguments_without_the_tracepoint_data() {
    let arguments = parsed().prototype("btf_trace_sample").expect("a prototype");
    let types: Vec<&str> = arguments.iter().map(|a| a.type_name.as_str()).collect();
    assert_eq!(types, ["struct sock *", "unsigned int", "const struct sock *const", "const ack_t [3]"]);
    let labels: Vec<&str> = arguments.iter().map(|a| a.label()).collect();
    assert_eq!(labels, ["struct sock *", "oldstate", "const struct sock *const", "const ack_t [3]"]);
    assert_eq!(parsed().prototype("ack_t"), None, "not a function");
    assert_eq!(parsed().prototype("outer"), None, "not a typedef");
}

#[test]
fn sizes_follow_typedefs_and_arrays() {
    let btf = parsed();
    for (name, size) in [
        ("outer", Some(64)),
        ("ack_t", Some(12)),
        ("reason", Some(4)),
        ("wide", Some(8)),
        ("unsigned int", Some(4)),
        ("float", Some(4)),
        ("btf_trace_sample", Some(8)),
        ("sock", None),
    ] {
        assert_eq!(btf.size_of(name), size, "{name}");
    }
}

#[test]
fn a_longer_header_is_stepped_over() {
    let mut b = sample();
    b.header_extra = vec![0xff; 8];
    assert_eq!(Btf::parse(&b.bytes()).expect("a longer header").member("outer", "ack"), at(128, 96));
}

#[test]
fn anonymous_nesting_is_bounded() {
    let mut b = Blob::new();
    // Type 2 contains itself, anonymously.
    let int = b.int("int", 4);
    b.aggregate(STRUCT, "loop", 4, &[("", 2, 0), ("x", int, 0)]);
    // Each level holds the next one 40 times: 40^15 visits if nothing stopped the search.
    for level in 3..20 {
        let members: Vec<(&str, u32, u32)> = (0..40).map(|_| ("", level + 1, 0)).collect();
        b.aggregate(UNION, &format!("level{level}"), 4, &members);
    }
    let btf = Btf::parse(&b.bytes()).expect("a well-formed blob");
    for name in ["loop", "level3", "level8"] {
        let error = btf.member(name, "y").expect_err("no such member");
        assert!(matches!(error, BtfError::Malformed { .. }), "{name}: {error}");
    }
}

#[test]
fn endless_chains_end() {
    let mut b = Blob::new();
    // 1 and 2 refer to each other, 3 points to itself, 4 is an array of itself.
    b.refer(TYPEDEF, "ping", 2);
    b.refer(CONST, "", 1);
    let pointer = b.pointer(3);
    let array = b.array(4, 2);
    b.aggregate(STRUCT, "s", 8, &[("chain", 1, 0), ("pointer", pointer, 0), ("array", array, 0)]);
    let proto = b.prototype(&[("", pointer), ("", 1), ("", array)]);
    let proto_ptr = b.pointer(proto);
    b.refer(TYPEDEF, "f", proto_ptr);
    let btf = Btf::parse(&b.bytes()).expect("a well-formed blob");
    assert_eq!(btf.size_of("ping"), None);
    assert!(matches!(btf.member("s", "chain"), Err(BtfError::Malformed { .. })));
    assert!(matches!(btf.member("s", "array"), Err(BtfError::Malformed { .. })));
    assert!(matches!(btf.member("s", "array.x"), Err(BtfError::NoMember { .. })));
    assert_eq!(btf.member("s", "pointer"), at(0, 64));
    assert_eq!(btf.prototype("f").map(|a| a.len()), Some(3));
}
