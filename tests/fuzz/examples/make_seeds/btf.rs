//! BTF with what the observer looks up in a kernel's.

use crate::blob::{Blob, CONST, FORWARD, STRUCT, TYPEDEF};
use drain_observer_ebpf::facts::FIELDS;
use std::collections::BTreeMap;

/// Structs with every field that the observer looks up, an enum, and tracepoints' prototypes.
pub(crate) fn kernel() -> Vec<u8> {
    let mut blob = Blob::new();
    let int = blob.int("int", 4);
    let mut structs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, path) in FIELDS {
        structs.entry(name).or_default().push(path);
    }
    for (name, paths) in structs {
        aggregate(&mut blob, int, name, &paths);
    }
    blob.enumeration(
        "skb_drop_reason",
        false,
        &[("SKB_NOT_DROPPED_YET", 0), ("SKB_DROP_REASON_NO_SOCKET", 3)],
    );
    let data = blob.pointer(0);
    let const_int = blob.refer(CONST, "", int);
    let const_sock = named(&mut blob, "sock", true);
    let task = named(&mut blob, "task_struct", false);
    for (tracepoint, arguments) in [
        ("btf_trace_inet_sock_set_state", &[const_sock, const_int, const_int][..]),
        ("btf_trace_sched_process_fork", &[task, task]),
        ("btf_trace_mark_victim", &[task, int]),
    ] {
        let arguments: Vec<(&str, u32)> =
            [data].iter().chain(arguments).map(|&argument| ("", argument)).collect();
        let prototype = blob.prototype(&arguments);
        let pointer = blob.pointer(prototype);
        blob.refer(TYPEDEF, tracepoint, pointer);
    }
    blob.bytes()
}

/// A struct with members of four bytes at dotted paths, one after the other.
fn aggregate(blob: &mut Blob, int: u32, name: &str, paths: &[&str]) -> u32 {
    let mut inner: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in paths {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        inner.entry(first).or_default().extend((!rest.is_empty()).then_some(rest));
    }
    let types: Vec<(&str, u32)> = inner
        .into_iter()
        .map(|(name, paths)| (name, if paths.is_empty() { int } else { aggregate(blob, int, "", &paths) }))
        .collect();
    let members: Vec<(&str, u32, u32)> =
        (0..).zip(types).map(|(at, (name, of))| (name, of, at * 64)).collect();
    blob.aggregate(STRUCT, name, members.len() as u32 * 8, &members)
}

fn named(blob: &mut Blob, name: &str, constant: bool) -> u32 {
    let forward = blob.refer(FORWARD, name, 0);
    let target = if constant { blob.refer(CONST, "", forward) } else { forward };
    blob.pointer(target)
}
