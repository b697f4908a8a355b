//! BTF and what the observer looks up in it.

use drain_observer::kernel::{btf::Btf, plan};
use drain_observer_ebpf::facts::FIELDS;

/// Members that the seed with every kind has, by each way to a member.
const MEMBERS: [(&str, &str); 12] = [
    ("outer", "first"),
    ("outer", "alias"),
    ("outer", "deeper"),
    ("outer", "ack.lrcvtime"),
    ("outer", "acks.pending"),
    ("ack_t", "lrcvtime"),
    ("flags", "low"),
    ("flags", "arr.pending"),
    ("old_flags", "narrow"),
    ("", "first"),
    ("outer", ""),
    ("outer", "ack..lrcvtime"),
];

/// Parses a blob and looks up everything that the observer and the seeds know names of.
pub fn btf(bytes: &[u8]) {
    // Its message is for people, whatever it is.
    let parsed = Btf::parse(bytes).inspect_err(|error| drop(error.to_string()));
    let Ok(btf) = parsed else { return };
    assert!(btf.type_count() <= bytes.len() / 12, "a type takes at least 12 bytes");

    for (type_name, path) in MEMBERS.into_iter().chain(FIELDS) {
        match btf.member(type_name, path) {
            Ok(field) => assert!(field.byte_offset() <= field.bit_offset),
            Err(error) => drop(error.to_string()),
        }
        let _ = btf.size_of(type_name);
    }
    for (type_name, value) in
        [("reason", "REASON_MAX"), ("signed", "MINUS"), ("wide", "WIDE_MINUS"), ("skb_drop_reason", "A")]
    {
        let _ = btf.enum_value(type_name, value);
    }
    for argument in btf.prototype("btf_trace_sample").into_iter().flatten() {
        assert!(!argument.label().is_empty(), "a type has some name");
    }
    assert!(plan(&btf).iter().all(|hook| hook.is_wanted() || hook.reason.is_some()), "no reason is given");
}
