//! The set as a whole: what of it is there, on and off.

use std::os::unix::net::UnixStream;

use super::stage::{Stage, unix_path};
use crate::event::{HookState, Kind};
use crate::kernel::{kernel_btf, plan_unix};

#[test]
fn the_running_kernel_has_what_the_probes_need() {
    let Ok(btf) = kernel_btf() else { return };
    for plan in plan_unix(&btf) {
        assert!(plan.is_wanted() || plan.reason.is_some(), "{plan:?}");
    }
}

#[test]
fn all_programs_load() {
    let Some(stage) = Stage::new() else { return };
    let Ok(btf) = kernel_btf() else { return };
    let planned = plan_unix(&btf);
    for (hook, plan) in stage.kernel.unix_hooks().iter().zip(planned) {
        assert_eq!((&hook.name[..], hook.state), (plan.name, plan.state), "{hook:#?}");
        assert_ne!(hook.state, HookState::Degraded, "{hook:#?}");
    }
}

#[test]
fn the_set_is_off_until_it_is_wanted_and_can_be_had_again() {
    let Some(mut stage) = Stage::off() else { return };
    let (listener, path) = stage.listen("s");
    let connect =
        || (UnixStream::connect(&path).expect("a connection"), listener.accept().expect("the same"));
    assert!(!stage.kernel.watches_unix());
    drop(connect());
    for _ in 0..2 {
        assert_eq!(stage.count(|kind| matches!(kind, Kind::UnixListener(_) | Kind::UnixEnded(_))), 0);
        stage.kernel.watch_unix(true).expect("the set attached");
        stage.kernel.watch_unix(true).expect("the set as it is");
        assert!(stage.kernel.watches_unix());
        drop(connect());
        // Every time anew, for the listener may have been forgotten.
        stage.listener(&unix_path(&path));
        stage.kernel.watch_unix(false).expect("the set detached");
        stage.kernel.watch_unix(false).expect("the set as it is");
        assert!(!stage.kernel.watches_unix());
        drop(connect());
        stage.forget();
    }
}
