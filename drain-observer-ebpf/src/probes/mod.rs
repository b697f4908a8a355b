//! One file per hook.

mod inet_sock_set_state;
mod kfree_skb;
mod late;
mod lingering;
mod mark_victim;
mod sched_process;
mod segment;
mod signal;
mod standing;
mod tcp_send_reset;
