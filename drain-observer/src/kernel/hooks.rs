//! The hooks: what each is for, what the probe relies on, and what is lost without it.

use drain_observer_ebpf::facts::{
    BPRM_FILENAME, BYTES_ACKED, BYTES_RECEIVED, COPIED_SEQ, DATA_SEGS_IN, DATA_SEGS_OUT, DROP_NO_SOCKET,
    DROP_NOT_SPECIFIED, INET_SPORT, LRCVTIME, LSNDTIME, NET_INUM, NETDEV_NET, NONAGLE, PINGPONG, RCV_NXT,
    RCV_WUP, RESET_WITHOUT_SOCKET, SI_CODE, SIGNAL_FLAGS, SIGNAL_GROUP_EXIT_CODE, SIGNAL_LIVE,
    SK_ACK_BACKLOG, SK_DROPS, SK_ERR, SK_MAX_ACK_BACKLOG, SK_PROTOCOL, SK_SHUTDOWN, SK_SOCKET, SKB_DEV,
    SKB_HEAD, SKB_NETWORK_HEADER, SKB_TRANSPORT_HEADER, SKC_COOKIE, SKC_DADDR, SKC_DPORT, SKC_FAMILY,
    SKC_FLAGS, SKC_NET, SKC_NUM, SKC_RCV_SADDR, SKC_STATE, SKC_V6_DADDR, SKC_V6_RCV_SADDR, SND_UNA,
    SOCKET_FLAGS, TASK_COMM, TASK_EXIT_CODE, TASK_PID, TASK_SIGNAL, TASK_START_BOOTTIME, TASK_TGID,
    WRITE_SEQ,
};

use super::btf::{Argument, Btf};
use super::facts::{Facts, field_name};
use super::{KernelError, Settings};
use crate::event::{Hook, HookState};

/// What is to be done about one hook on this kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPlan {
    /// The raw tracepoint, and the program for it: they have the same name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Without it there is nothing to observe.
    pub required: bool,
    /// What is lost without it.
    pub without: &'static str,
    /// `Attached` or `Degraded`: attach it. Otherwise leave it.
    pub state: HookState,
    /// Why it is not simply to be attached.
    pub reason: Option<String>,
}

impl HookPlan {
    /// Whether it is to be attached.
    pub fn is_wanted(&self) -> bool {
        matches!(self.state, HookState::Attached | HookState::Degraded)
    }

    /// The same where attaching it failed.
    pub(super) fn failed(self, why: &str) -> HookPlan {
        let reason = format!("{why}; {}", self.without);
        HookPlan { state: HookState::Missing, reason: Some(reason), ..self }
    }
}

impl From<HookPlan> for Hook {
    fn from(plan: HookPlan) -> Hook {
        let HookPlan { name, purpose, required, state, reason, .. } = plan;
        Hook { name: name.to_owned(), purpose: purpose.to_owned(), required, state, reason }
    }
}

/// Decides about every hook by what BTF says of this kernel, without loading anything.
pub fn plan(btf: &Btf) -> Vec<HookPlan> {
    plan_with(btf, &Facts::resolve(btf, &Settings::default()))
}

pub(super) fn plan_with(btf: &Btf, facts: &Facts) -> Vec<HookPlan> {
    HOOKS.iter().map(|spec| spec.plan(btf, facts)).collect()
}

/// Fails where a required hook is not to be had.
pub(super) fn check(plans: &[HookPlan]) -> Result<(), KernelError> {
    match plans.iter().find(|plan| plan.required && !plan.is_wanted()) {
        None => Ok(()),
        Some(plan) => Err(KernelError::Unfit {
            hook: plan.name,
            reason: plan.reason.clone().unwrap_or_else(|| plan.without.to_owned()),
        }),
    }
}

/// What a probe relies on.
pub(super) struct Spec {
    /// The raw tracepoint.
    pub(super) name: &'static str,
    pub(super) purpose: &'static str,
    pub(super) required: bool,
    /// Types that each argument may have, as the probe reads them; the kernel's prototype may go on after these.
    pub(super) arguments: &'static [&'static [&'static str]],
    /// Fields without which the hook tells nothing.
    pub(super) needs: &'static [usize],
    /// Fields without which it tells less, and what is then unknown.
    pub(super) wants: &'static [(usize, &'static str)],
    pub(super) without: &'static str,
    /// What else decides about it.
    pub(super) rule: fn(&Facts) -> Rule,
}

/// What decides about a hook besides its prototype and fields.
pub(super) enum Rule {
    Attach,
    Degraded(&'static str),
    Unused(&'static str),
    Missing(&'static str),
}

const TASK: [usize; 3] = [TASK_PID, TASK_TGID, TASK_COMM];

const HOOKS: [Spec; 9] = [
    Spec {
        name: "sched_process_fork",
        purpose: "which process is whose child: workers, generations",
        required: true,
        arguments: &[&["struct task_struct *"], &["struct task_struct *"]],
        needs: &[TASK[0], TASK[1], TASK[2], TASK_START_BOOTTIME],
        wants: &[],
        without: "generations of processes cannot be told apart",
        rule: |_| Rule::Attach,
    },
    Spec {
        name: "sched_process_exec",
        purpose: "re-executed and started programs",
        required: true,
        arguments: &[&["struct task_struct *"], &["pid_t", "int"], &["struct linux_binprm *"]],
        needs: &[TASK[0], TASK[1], TASK[2], TASK_START_BOOTTIME],
        wants: &[(BPRM_FILENAME, "names of executed files")],
        without: "a server that re-executes itself is not noticed",
        rule: |_| Rule::Attach,
    },
    Spec {
        name: "sched_process_exit",
        purpose: "ends of processes, exit statuses",
        required: true,
        arguments: &[&["struct task_struct *"]],
        needs: &[TASK[0], TASK[1], TASK[2], TASK_START_BOOTTIME, TASK_EXIT_CODE, TASK_SIGNAL, SIGNAL_LIVE],
        wants: &[
            (SIGNAL_FLAGS, "exit statuses of processes with several threads"),
            (SIGNAL_GROUP_EXIT_CODE, "exit statuses of processes with several threads"),
        ],
        without: "ends of processes are not noticed",
        rule: |_| Rule::Attach,
    },
    Spec {
        name: "signal_generate",
        purpose: "who signals whom",
        required: true,
        arguments: &[
            &["int"],
            &["struct kernel_siginfo *", "struct siginfo *"],
            &["struct task_struct *"],
            &["int", "bool", "enum pid_type"],
            &["int"],
        ],
        needs: &TASK,
        wants: &[(SI_CODE, "whether the kernel or a process sent a signal")],
        without: "restarts cannot be tied to who began them",
        rule: |_| Rule::Attach,
    },
    Spec {
        name: "signal_deliver",
        purpose: "whether a signal was handled, ignored or deadly",
        required: false,
        arguments: &[&["int"], &["struct kernel_siginfo *", "struct siginfo *"], &["struct k_sigaction *"]],
        needs: &[],
        wants: &[],
        without: "signals that a process swallows are not told from those it handles",
        rule: |_| Rule::Attach,
    },
    Spec {
        name: "mark_victim",
        purpose: "victims of the OOM killer",
        required: false,
        arguments: &[&["struct task_struct *", "int"]],
        needs: &[TASK_TGID],
        wants: &[],
        without: "a victim of the OOM killer looks like one of any SIGKILL from the kernel",
        rule: |_| Rule::Attach,
    },
    Spec {
        name: "inet_sock_set_state",
        purpose: "listeners and connections",
        required: true,
        arguments: &[&["struct sock *"], &["int"], &["int"]],
        needs: &[
            SKC_DADDR,
            SKC_RCV_SADDR,
            SKC_DPORT,
            SKC_NUM,
            SKC_FAMILY,
            SKC_FLAGS,
            SKC_NET,
            NET_INUM,
            INET_SPORT,
            SK_SOCKET,
            SK_ERR,
            SK_SHUTDOWN,
            SK_PROTOCOL,
            SK_ACK_BACKLOG,
            SK_MAX_ACK_BACKLOG,
            RCV_NXT,
            COPIED_SEQ,
            SND_UNA,
            WRITE_SEQ,
            BYTES_RECEIVED,
            BYTES_ACKED,
        ],
        wants: &[
            (SKC_V6_DADDR, "addresses of IPv6 connections"),
            (SKC_V6_RCV_SADDR, "addresses of IPv6 connections"),
            (SKC_COOKIE, "which of several sockets at one address an event is about"),
            (SK_DROPS, "packets dropped at a listener"),
            (SOCKET_FLAGS, "whether a writer was blocked"),
            (LSNDTIME, "whether a request or a response came last"),
            (LRCVTIME, "whether a request or a response came last"),
            (PINGPONG, "which of two events in one clock tick came last"),
            (RCV_WUP, "which of two events in one clock tick came last"),
            (DATA_SEGS_IN, "numbers of segments"),
            (DATA_SEGS_OUT, "numbers of segments"),
            (NONAGLE, "whether a response was marked as unfinished"),
        ],
        without: "no connection is seen",
        rule: |_| Rule::Attach,
    },
    Spec {
        name: "tcp_send_reset",
        purpose: "refused connections, late requests",
        required: false,
        arguments: &[&["struct sock *"], &["struct sk_buff *"]],
        needs: &[
            SKC_STATE,
            SKB_HEAD,
            SKB_NETWORK_HEADER,
            SKB_TRANSPORT_HEADER,
            SKB_DEV,
            NETDEV_NET,
            NET_INUM,
        ],
        wants: &[],
        without: "refused connections and late requests are not seen",
        rule: |facts| match facts.is_set(RESET_WITHOUT_SOCKET) || drops_say_why(facts) {
            true => Rule::Attach,
            false => Rule::Degraded(
                "before Linux 6.10 it is silent about segments without a socket, and before 5.17 kfree_skb does not \
                 stand in for it: late requests are missed once the client has acknowledged the close",
            ),
        },
    },
    Spec {
        name: "kfree_skb",
        purpose: "refused connections and late requests on kernels before 6.10",
        required: false,
        arguments: &[&["struct sk_buff *"], &["void *"], &["enum skb_drop_reason"]],
        needs: &[SKB_HEAD, SKB_NETWORK_HEADER, SKB_TRANSPORT_HEADER, SKB_DEV, NETDEV_NET, NET_INUM],
        wants: &[],
        without: "refused connections are not seen, nor are late requests once the client has acknowledged the close",
        rule: |facts| match (facts.is_set(RESET_WITHOUT_SOCKET), drops_say_why(facts)) {
            (true, _) => Rule::Unused("tcp_send_reset says it all on this kernel"),
            (false, true) => Rule::Attach,
            (false, false) => {
                Rule::Missing("this kernel does not say why it drops a packet (that came with Linux 5.17)")
            }
        },
    },
];

/// Whether the kernel says why it drops a packet.
fn drops_say_why(facts: &Facts) -> bool {
    facts.has_value(DROP_NO_SOCKET) && facts.has_value(DROP_NOT_SPECIFIED)
}

impl Spec {
    pub(super) fn plan(&self, btf: &Btf, facts: &Facts) -> HookPlan {
        let (state, reason) = self.decide(btf, facts);
        let &Spec { name, purpose, required, without, .. } = self;
        HookPlan { name, purpose, required, without, state, reason }
    }

    fn decide(&self, btf: &Btf, facts: &Facts) -> (HookState, Option<String>) {
        let missing = |why: String| (HookState::Missing, Some(format!("{why}; {}", self.without)));
        let rule = (self.rule)(facts);
        if let Rule::Unused(why) = rule {
            return (HookState::Unused, Some(why.to_owned()));
        }
        if let Rule::Missing(why) = rule {
            return missing(why.to_owned());
        }
        let Some(found) = btf.prototype(&format!("btf_trace_{}", self.name)) else {
            return missing("this kernel has no such tracepoint".to_owned());
        };
        if let Some(differs) = self.differs(&found) {
            return missing(differs);
        }
        let absent: Vec<String> =
            self.needs.iter().filter(|&&field| !facts.has(field)).map(|&field| field_name(field)).collect();
        if !absent.is_empty() {
            return missing(format!("this kernel has no {}", absent.join(", ")));
        }
        let mut less: Vec<String> = match rule {
            Rule::Degraded(why) => vec![why.to_owned()],
            _ => Vec::new(),
        };
        let unknown = self.wants.iter().filter(|&&(field, _)| !facts.has(field));
        less.extend(unknown.map(|&(field, what)| {
            format!("this kernel has no {}, so {what} stay unknown", field_name(field))
        }));
        match less.is_empty() {
            true => (HookState::Attached, None),
            false => (HookState::Degraded, Some(less.join("; "))),
        }
    }

    /// In what the kernel's prototype differs from what the probe relies on.
    fn differs(&self, found: &[Argument]) -> Option<String> {
        let expected = self.arguments.iter().enumerate();
        expected.into_iter().find_map(|(index, accepted)| {
            let argument = found.get(index).map(|argument| unqualified(&argument.type_name));
            match argument {
                Some(type_name) if accepted.contains(&type_name.as_str()) => None,
                Some(type_name) => Some(format!(
                    "argument {} of this kernel's tracepoint is `{type_name}`, not `{}`",
                    index + 1,
                    accepted.join("` or `")
                )),
                None => Some(format!(
                    "this kernel's tracepoint has {} arguments, not {}",
                    found.len(),
                    self.arguments.len()
                )),
            }
        })
    }
}

/// A type without the qualifiers that say nothing about what is passed.
fn unqualified(type_name: &str) -> String {
    type_name.split(' ').filter(|word| !matches!(*word, "const" | "volatile")).collect::<Vec<_>>().join(" ")
}
