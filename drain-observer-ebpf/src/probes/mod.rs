//! One file per hook, named after it, and what several of them share.

mod accept;
mod clean;
mod inet_sock_set_state;
mod kfree_skb;
mod late;
mod lingering;
mod listening;
mod mark_victim;
mod sched_process;
mod segment;
mod signal;
mod standing;
mod tcp_send_reset;
mod unix;
mod unix_consume_skb;
mod unix_data_ready;
mod unix_exit;
mod unix_kfree_skb;
mod unix_recv_length;
mod unix_refused;
mod unix_send_length;
mod upstream;
