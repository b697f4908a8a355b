//! Facts about the running kernel that the probes need and only user space can look up: field
//! offsets, argument positions, enum values. User space resolves them from BTF by name and writes
//! them into the object's read-only data before it is loaded, so the verifier sees constants and
//! prunes what this kernel does not have.

/// "This kernel has no such thing."
pub const ABSENT: u32 = u32::MAX;

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $type:literal . $path:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "each variant is only the index of a constant")]
        #[repr(usize)]
        enum Index { $($name,)* Count }
        $($(#[$doc])* #[doc = concat!("Index of `", $type, ".", $path, "`.")] pub const $name: usize = Index::$name as usize;)*
        /// Number of fields.
        pub const FIELD_COUNT: usize = Index::Count as usize;
        /// `(type, dotted path)` of each field, by index.
        pub const FIELDS: [(&str, &str); FIELD_COUNT] = [$(($type, $path),)*];
    };
}

fields! {
    SKC_DADDR = "sock_common"."skc_daddr";
    SKC_RCV_SADDR = "sock_common"."skc_rcv_saddr";
    SKC_DPORT = "sock_common"."skc_dport";
    SKC_NUM = "sock_common"."skc_num";
    SKC_FAMILY = "sock_common"."skc_family";
    SKC_STATE = "sock_common"."skc_state";
    SKC_FLAGS = "sock_common"."skc_flags";
    SKC_NET = "sock_common"."skc_net.net";
    SKC_V6_DADDR = "sock_common"."skc_v6_daddr";
    SKC_V6_RCV_SADDR = "sock_common"."skc_v6_rcv_saddr";
    SKC_COOKIE = "sock_common"."skc_cookie";
    SK_SOCKET = "sock"."sk_socket";
    SK_ERR = "sock"."sk_err";
    SK_SHUTDOWN = "sock"."sk_shutdown";
    SK_PROTOCOL = "sock"."sk_protocol";
    SK_ACK_BACKLOG = "sock"."sk_ack_backlog";
    SK_MAX_ACK_BACKLOG = "sock"."sk_max_ack_backlog";
    SK_DROPS = "sock"."sk_drops";
    SOCKET_FLAGS = "socket"."flags";
    INET_SPORT = "inet_sock"."inet_sport";
    LRCVTIME = "inet_connection_sock"."icsk_ack.lrcvtime";
    PINGPONG = "inet_connection_sock"."icsk_ack.pingpong";
    RCV_NXT = "tcp_sock"."rcv_nxt";
    COPIED_SEQ = "tcp_sock"."copied_seq";
    RCV_WUP = "tcp_sock"."rcv_wup";
    RCV_TSTAMP = "tcp_sock"."rcv_tstamp";
    TCP_WSTAMP_NS = "tcp_sock"."tcp_wstamp_ns";
    SND_UNA = "tcp_sock"."snd_una";
    SND_WL1 = "tcp_sock"."snd_wl1";
    SND_NXT = "tcp_sock"."snd_nxt";
    WRITE_SEQ = "tcp_sock"."write_seq";
    BYTES_RECEIVED = "tcp_sock"."bytes_received";
    BYTES_ACKED = "tcp_sock"."bytes_acked";
    LSNDTIME = "tcp_sock"."lsndtime";
    DATA_SEGS_IN = "tcp_sock"."data_segs_in";
    DATA_SEGS_OUT = "tcp_sock"."data_segs_out";
    NONAGLE = "tcp_sock"."nonagle";
    IS_MPTCP = "tcp_sock"."is_mptcp";
    TASK_PID = "task_struct"."pid";
    TASK_TGID = "task_struct"."tgid";
    TASK_COMM = "task_struct"."comm";
    TASK_START_BOOTTIME = "task_struct"."start_boottime";
    TASK_EXIT_CODE = "task_struct"."exit_code";
    TASK_SIGNAL = "task_struct"."signal";
    SIGNAL_LIVE = "signal_struct"."live";
    SIGNAL_NR_THREADS = "signal_struct"."nr_threads";
    SIGNAL_GROUP_EXIT_CODE = "signal_struct"."group_exit_code";
    SIGNAL_FLAGS = "signal_struct"."flags";
    NET_INUM = "net"."ns.inum";
    TW_SUBSTATE = "inet_timewait_sock"."tw_substate";
    SKB_HEAD = "sk_buff"."head";
    SKB_NETWORK_HEADER = "sk_buff"."network_header";
    SKB_TRANSPORT_HEADER = "sk_buff"."transport_header";
    SKB_DEV = "sk_buff"."dev";
    NETDEV_NET = "net_device"."nd_net.net";
    SK_TYPE = "sock"."sk_type";
    SK_PEER_PID = "sock"."sk_peer_pid";
    SK_RECEIVE_QLEN = "sock"."sk_receive_queue.qlen";
    SK_RECEIVE_PREV = "sock"."sk_receive_queue.prev";
    UNIX_ADDR = "unix_sock"."addr";
    UNIX_PEER = "unix_sock"."peer";
    UNIX_LISTENER_OF = "unix_sock"."listener";
    UNIX_DENTRY = "unix_sock"."path.dentry";
    UNIX_ADDRESS_LEN = "unix_address"."len";
    UNIX_ADDRESS_NAME = "unix_address"."name";
    UNIX_SKB_CONSUMED = "unix_skb_parms"."consumed";
    DENTRY_INODE = "dentry"."d_inode";
    INODE_INO = "inode"."i_ino";
    INODE_MODE = "inode"."i_mode";
    SOCKET_INODE = "socket_alloc"."vfs_inode";
    SOCKET_SK = "socket"."sk";
    SOCKET_FILE = "socket"."file";
    PID_NUMBERS = "pid"."numbers";
    SKB_SK = "sk_buff"."sk";
    SKB_LEN = "sk_buff"."len";
    SKB_PREV = "sk_buff"."prev";
    SKB_CB = "sk_buff"."cb";
    TASK_FILES = "task_struct"."files";
    FILES_COUNT = "files_struct"."count";
    FILES_TABLE = "files_struct"."fdt";
    TABLE_MAX = "fdtable"."max_fds";
    TABLE_FILES = "fdtable"."fd";
    FILE_INODE = "file"."f_inode";
    FILE_PRIVATE = "file"."private_data";
    /// Since Linux 6.13; counts from 0.
    FILE_REF = "file"."f_ref.refcnt";
    /// Before; counts from 1.
    FILE_COUNT = "file"."f_count";
    /// Second argument of a system call on x86-64.
    REGS_SI = "pt_regs"."si";
    /// Third argument of a system call on x86-64.
    REGS_DX = "pt_regs"."dx";
    /// Number of a system call on x86-64.
    REGS_ORIG_AX = "pt_regs"."orig_ax";
    /// Arguments of a system call on 64-bit ARM, eight bytes each.
    REGS_REGS = "pt_regs"."regs";
    BPRM_FILENAME = "linux_binprm"."filename";
    SI_CODE = "kernel_siginfo"."si_code";
}

/// A field's place, as user space packs it: byte offset, and for bitfields which bits.
///
/// Bits 0..16 = byte offset, 16..24 = shift, 24..32 = width in bits; width 0 = the whole integer.
pub const fn pack(byte_offset: u16, shift: u8, bits: u8) -> u32 {
    byte_offset as u32 | (shift as u32) << 16 | (bits as u32) << 24
}

/// Fields of a `struct tcp_sock` that lie near each other and are needed together: each read by itself would cost as much
/// as one of all of them. By the index of [`SPANS`], [`SPAN_COMMON`]..: the value that says where.
pub const SPAN_FIELDS: [&[usize]; 3] = [
    &[
        SKC_DADDR,
        SKC_RCV_SADDR,
        SKC_DPORT,
        SKC_FAMILY,
        SKC_FLAGS,
        SKC_NET,
        SKC_V6_DADDR,
        SKC_V6_RCV_SADDR,
        SKC_COOKIE,
        SK_SOCKET,
        SK_ERR,
    ],
    &[SK_SHUTDOWN, SK_PROTOCOL, SK_ACK_BACKLOG, SK_MAX_ACK_BACKLOG],
    &[
        LRCVTIME,
        PINGPONG,
        RCV_NXT,
        COPIED_SEQ,
        RCV_WUP,
        RCV_TSTAMP,
        TCP_WSTAMP_NS,
        SND_UNA,
        SND_WL1,
        SND_NXT,
        WRITE_SEQ,
        BYTES_RECEIVED,
        BYTES_ACKED,
        LSNDTIME,
        DATA_SEGS_IN,
        DATA_SEGS_OUT,
        NONAGLE,
    ],
];

/// The values that say where [`SPAN_FIELDS`] lie, in the same order.
pub const SPANS: [usize; 3] = [SPAN_COMMON, SPAN_SOCK, SPAN_TCP];

/// Bytes of the longest span.
pub const SPAN_MAX: usize = 896;

/// A span, as user space packs it: byte offset, a multiple of 8, and length in bytes.
///
/// Bits 0..16 = byte offset, 16..32 = length.
pub const fn pack_span(byte_offset: u16, len: u16) -> u32 {
    byte_offset as u32 | (len as u32) << 16
}

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "each variant is only the index of a constant")]
        #[repr(usize)]
        enum Value { $($name,)* Count }
        $($(#[$doc])* pub const $name: usize = Value::$name as usize;)*
        /// Number of values.
        pub const VALUE_COUNT: usize = Value::Count as usize;
    };
}

values! {
    /// `enum skb_drop_reason`, `SKB_DROP_REASON_NO_SOCKET`; absent where `tcp_send_reset` says it all.
    DROP_NO_SOCKET;
    /// `SKB_DROP_REASON_NOT_SPECIFIED` of the same.
    DROP_NOT_SPECIFIED;
    /// 1 = `mark_victim` passes a `task_struct *`, 0 = a pid.
    VICTIM_IS_TASK;
    /// 1 = `tcp_send_reset` fires for segments without a socket (it has a reason argument).
    RESET_WITHOUT_SOCKET;
    /// 1 = only ports in the map `PORTS` are watched.
    ONLY_PORTS;
    /// 1 = every connection's record is sent.
    ALL_CONNECTIONS;
    /// 1 = connections that watched processes opened themselves are watched too.
    OUTGOING;
    /// Pending bytes in the ring above which the reader is woken.
    WAKEUP_BYTES;
    /// The observer's own process, which must not observe itself.
    OWN_TGID;
    /// Where the socket's ends and state lie ([`pack_span`]); absent where they are read one by one, as in the next two.
    SPAN_COMMON;
    /// Where its limits lie.
    SPAN_SOCK;
    /// Where TCP's own fields lie.
    SPAN_TCP;
}
