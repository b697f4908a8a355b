//! The hooks that see unix stream sockets.

use drain_observer_ebpf::facts::{
    DENTRY_INODE, FILE_COUNT, FILE_INODE, FILE_PRIVATE, FILE_REF, FILES_COUNT, FILES_TABLE, INODE_INO,
    INODE_MODE, NET_INUM, PID_NUMBERS, SIGNAL_LIVE, SIGNAL_NR_THREADS, SK_ERR, SK_MAX_ACK_BACKLOG,
    SK_PEER_PID, SK_RECEIVE_PREV, SK_RECEIVE_QLEN, SK_SHUTDOWN, SK_SOCKET, SK_TYPE, SKB_CB, SKB_LEN,
    SKB_PREV, SKB_SK, SKC_FAMILY, SKC_FLAGS, SKC_NET, SKC_STATE, SOCKET_INODE, SOCKET_SK, TABLE_FILES,
    TABLE_MAX, TASK_FILES, TASK_SIGNAL, TASK_TGID, UNIX_ADDR, UNIX_ADDRESS_LEN, UNIX_ADDRESS_NAME,
    UNIX_DENTRY, UNIX_PEER, UNIX_SKB_CONSUMED,
};

use crate::kernel::btf::Btf;
use crate::kernel::facts::Facts;
use crate::kernel::hooks::{HookPlan, Rule, Spec};

/// One of the set: its plan is named after the program, for other programs have the same hooks.
#[derive(Debug, Clone)]
pub(in crate::kernel) struct Planned {
    /// The raw tracepoint.
    pub(super) tracepoint: &'static str,
    /// What is to be done about it; its name is the program's.
    pub(super) plan: HookPlan,
}

/// Decides about every hook by what BTF says of this kernel.
pub(in crate::kernel) fn plan(btf: &Btf, facts: &Facts) -> Vec<Planned> {
    let planned = |(program, spec): &(&'static str, Spec)| Planned {
        tracepoint: spec.name,
        plan: HookPlan { name: program, ..spec.plan(btf, facts) },
    };
    HOOKS.iter().map(planned).collect()
}

/// What is read of what is put into a socket's queue, and of the socket.
const QUEUED: [usize; 8] = [SKB_SK, SKB_LEN, SKC_FAMILY, SKC_FLAGS, SKC_STATE, SK_TYPE, UNIX_ADDR, UNIX_PEER];

const HOOKS: [(&str, Spec); 6] = [
    (
        "unix_data_ready",
        Spec {
            name: "sk_data_ready",
            purpose: "unix listeners, connections, requests and responses, when they come",
            required: false,
            arguments: &[&["struct sock *"]],
            needs: &[
                SKC_FAMILY,
                SKC_FLAGS,
                SKC_STATE,
                SK_TYPE,
                SK_SOCKET,
                UNIX_ADDR,
                UNIX_PEER,
                SK_PEER_PID,
                PID_NUMBERS,
                SK_RECEIVE_PREV,
                SKB_PREV,
                SKB_SK,
            ],
            wants: &[
                (UNIX_ADDRESS_LEN, "names of listeners"),
                (UNIX_ADDRESS_NAME, "names of listeners"),
                (SKC_NET, "network namespaces"),
                (NET_INUM, "network namespaces"),
                (UNIX_DENTRY, "inodes of socket files"),
                (DENTRY_INODE, "inodes of socket files"),
                (INODE_INO, "inodes of socket files"),
                (SK_RECEIVE_QLEN, "lengths of accept queues"),
                (SK_MAX_ACK_BACKLOG, "limits of accept queues"),
                (SOCKET_INODE, "inodes of listening sockets"),
            ],
            without: "of unix connections it is not known when they were made, asked and answered",
            rule: |_| Rule::Attach,
        },
    ),
    (
        "unix_consume_skb",
        Spec {
            name: "consume_skb",
            purpose: "unix connections accepted or refused, requests and responses read",
            required: false,
            arguments: &[&["struct sk_buff *"]],
            needs: &QUEUED,
            wants: &[],
            without: "of unix connections it is not known whether they were accepted and their requests read",
            rule: |_| Rule::Attach,
        },
    ),
    (
        "unix_kfree_skb",
        Spec {
            name: "kfree_skb",
            purpose: "unix connections reset in the queue or with requests unread",
            required: false,
            arguments: &[&["struct sk_buff *"]],
            needs: &QUEUED,
            wants: &[
                (SKB_CB, "parts of requests that were read"),
                (UNIX_SKB_CONSUMED, "parts of requests that were read"),
                (SK_ERR, "which of two causes lost a request"),
                (SK_RECEIVE_QLEN, "how much was unread"),
            ],
            without: "no unix connection is seen to be reset",
            rule: |_| Rule::Attach,
        },
    ),
    (
        "unix_recv_length",
        Spec {
            name: "sock_recv_length",
            purpose: "ends of unix connections that left nothing unread",
            required: false,
            arguments: &[&["struct sock *"], &["int"], &["int"]],
            needs: &[SKC_FAMILY, SKC_FLAGS, SK_TYPE, UNIX_ADDR, UNIX_PEER, SK_SHUTDOWN],
            wants: &[],
            without: "a unix connection that ends with nothing unread is not seen to end",
            rule: |_| Rule::Attach,
        },
    ),
    (
        "unix_send_length",
        Spec {
            name: "sock_send_length",
            purpose: "requests and responses to unix connections that the other side has closed",
            required: false,
            arguments: &[&["struct sock *"], &["int"], &["int"]],
            needs: &[SKC_FAMILY, SKC_FLAGS, SK_TYPE, UNIX_ADDR, UNIX_PEER],
            wants: &[],
            without: "a late request on a unix connection is not seen",
            rule: |_| Rule::Attach,
        },
    ),
    (
        "unix_exit",
        Spec {
            name: "sched_process_exit",
            purpose: "unix connections that a process dies with",
            required: false,
            arguments: &[&["struct task_struct *"]],
            needs: &[
                TASK_SIGNAL,
                SIGNAL_LIVE,
                SIGNAL_NR_THREADS,
                TASK_TGID,
                TASK_FILES,
                FILES_COUNT,
                FILES_TABLE,
                TABLE_MAX,
                TABLE_FILES,
                FILE_INODE,
                FILE_PRIVATE,
                INODE_MODE,
                SOCKET_SK,
                SKC_FAMILY,
                SKC_FLAGS,
                SK_TYPE,
            ],
            wants: &[],
            without: "a unix connection with nothing unread is not seen to end with its process",
            rule: |facts| match facts.has(FILE_REF) || facts.has(FILE_COUNT) {
                true => Rule::Attach,
                false => Rule::Missing("this kernel has neither file.f_ref nor file.f_count"),
            },
        },
    ),
];

/// Fields of which a kernel may well have none: see where they are read.
#[cfg(test)]
pub(in crate::kernel) const MAY_BE_ABSENT: [usize; 6] = {
    use drain_observer_ebpf::facts::{REGS_DX, REGS_REGS, REGS_SI, UNIX_LISTENER_OF};
    [UNIX_LISTENER_OF, FILE_REF, FILE_COUNT, REGS_SI, REGS_DX, REGS_REGS]
};
