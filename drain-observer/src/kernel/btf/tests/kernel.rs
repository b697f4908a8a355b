//! Against the BTF of the kernel that runs the tests, where it can be read.

use super::super::{Btf, BtfError, KERNEL_BTF};

/// What the probes read. Present on 6.1, 6.12 and 6.18.
const MEMBERS: &[(&str, &[&str])] = &[
    (
        "sock_common",
        &[
            "skc_daddr",
            "skc_rcv_saddr",
            "skc_dport",
            "skc_num",
            "skc_family",
            "skc_state",
            "skc_flags",
            "skc_net.net",
            "skc_v6_daddr",
            "skc_v6_rcv_saddr",
            "skc_cookie",
        ],
    ),
    (
        "sock",
        &[
            "sk_socket",
            "sk_err",
            "sk_shutdown",
            "sk_protocol",
            "sk_ack_backlog",
            "sk_max_ack_backlog",
            "sk_drops",
        ],
    ),
    ("socket", &["flags"]),
    ("inet_sock", &["inet_sport"]),
    ("inet_connection_sock", &["icsk_ack.lrcvtime", "icsk_ack.pingpong"]),
    (
        "tcp_sock",
        &[
            "rcv_nxt",
            "copied_seq",
            "rcv_wup",
            "snd_una",
            "write_seq",
            "bytes_received",
            "bytes_acked",
            "lsndtime",
            "data_segs_in",
            "nonagle",
        ],
    ),
    (
        "task_struct",
        &["pid", "tgid", "real_parent", "group_leader", "comm", "start_boottime", "exit_code", "signal"],
    ),
    ("signal_struct", &["live", "group_exit_code", "flags"]),
    ("net", &["ns.inum"]),
    ("inet_timewait_sock", &["tw_substate"]),
    ("sk_buff", &["head", "network_header", "transport_header"]),
    ("linux_binprm", &["filename"]),
    ("kernel_siginfo", &["si_code"]),
];

/// What some kernels leave out by configuration.
const OPTIONAL: &[(&str, &str)] = &[("tcp_sock", "is_mptcp")];

fn kernel() -> Option<Btf> {
    let bytes = std::fs::read(KERNEL_BTF).ok()?;
    Some(Btf::parse(&bytes).expect("the kernel's own BTF parses"))
}

#[test]
fn the_kernel_has_what_the_probes_read() {
    let Some(btf) = kernel() else { return };
    for (type_name, paths) in MEMBERS {
        for path in *paths {
            let field = btf.member(type_name, path).unwrap_or_else(|error| panic!("{error}"));
            let size = btf.size_of(type_name).expect("a struct has a size");
            assert!(field.bit_offset + field.bits <= size * 8, "{type_name}.{path} lies outside");
        }
    }
    for (type_name, path) in OPTIONAL {
        match btf.member(type_name, path) {
            Ok(_) | Err(BtfError::NoMember { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn sizes_are_those_of_the_c_types() {
    let Some(btf) = kernel() else { return };
    for (type_name, path, bits) in [
        ("sock_common", "skc_dport", 16),
        ("sock_common", "skc_v6_daddr", 128),
        ("sock_common", "skc_state", 8),
        ("task_struct", "comm", 128),
        ("task_struct", "start_boottime", 64),
        ("task_struct", "real_parent", 64),
        ("net", "ns.inum", 32),
        ("tcp_sock", "bytes_acked", 64),
    ] {
        assert_eq!(btf.member(type_name, path).map(|f| f.bits), Ok(bits), "{type_name}.{path}");
    }
    // The address pair shares a union with a 64-bit word, at the front of the struct.
    assert_eq!(btf.member("sock_common", "skc_daddr").map(|f| f.bit_offset), Ok(0));
    assert_eq!(btf.member("sock_common", "skc_rcv_saddr").map(|f| f.bit_offset), Ok(32));
    assert!(btf.member("tcp_sock", "nonagle").expect("a bitfield").is_bitfield());
}

#[test]
fn tracepoints_and_enums_are_found() {
    let Some(btf) = kernel() else { return };
    let arguments = btf.prototype("btf_trace_inet_sock_set_state").expect("the tracepoint's prototype");
    let types: Vec<&str> = arguments.iter().map(|a| a.type_name.as_str()).collect();
    assert_eq!(types, ["const struct sock *", "const int", "const int"]);
    let arguments = btf.prototype("btf_trace_signal_generate").expect("the tracepoint's prototype");
    let types: Vec<&str> = arguments.iter().map(|a| a.type_name.as_str()).collect();
    assert_eq!(types, ["int", "struct kernel_siginfo *", "struct task_struct *", "int", "int"]);
    assert!(btf.enum_value("skb_drop_reason", "SKB_DROP_REASON_NO_SOCKET").is_some_and(|value| value > 1));
    if btf.size_of("sk_rst_reason").is_some() {
        assert_eq!(btf.enum_value("sk_rst_reason", "SK_RST_REASON_NOT_SPECIFIED"), Some(0));
    }
    assert_eq!(btf.prototype("btf_trace_no_such_tracepoint"), None);
}
