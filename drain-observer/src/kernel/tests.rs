//! What can be checked without attaching anything: the tables against the running kernel's BTF and the embedded
//! object.

use std::collections::BTreeSet;

use drain_observer_ebpf::facts::{
    ABSENT, DROP_NO_SOCKET, DROP_NOT_SPECIFIED, FIELDS, RESET_WITHOUT_SOCKET, SPAN_FIELDS, SPAN_MAX, SPANS,
    VICTIM_IS_TASK, WAKEUP_BYTES,
};

use super::btf::{Btf, KERNEL_BTF};
use super::facts::{Facts, field_name};
use super::settings::{RingSize, Settings};
use super::unix::MAY_BE_ABSENT;
use super::{hooks, kernel_btf, plan};
use crate::event::HookState;

/// None on a machine without BTF, where nothing can be observed either.
fn running_kernel() -> Option<Btf> {
    std::fs::exists(KERNEL_BTF).is_ok_and(|there| there).then(|| kernel_btf().expect("the kernel's own BTF"))
}

#[test]
fn the_running_kernel_has_what_the_probes_need() {
    let Some(btf) = running_kernel() else { return };
    let facts = Facts::resolve(&btf, &Settings::default());
    let plans = hooks::plan_with(&btf, &facts);
    hooks::check(&plans).expect("a kernel that can be observed");
    for plan in &plans {
        assert_ne!(plan.state, HookState::Missing, "{plan:?}");
        assert_eq!(plan.reason.is_none(), plan.state == HookState::Attached, "{plan:?}");
    }
    // Either of these tells of refused connections.
    let is_wanted = |name| plans.iter().any(|plan| plan.name == name && plan.is_wanted());
    assert_eq!(facts.is_set(RESET_WITHOUT_SOCKET), !is_wanted("kfree_skb"));
    assert!(facts.has_value(DROP_NO_SOCKET) && facts.has_value(DROP_NOT_SPECIFIED));
    assert!(facts.values[VICTIM_IS_TASK] <= 1);
    assert_eq!(facts.values[WAKEUP_BYTES], 64 << 10);
}

#[test]
fn a_kernel_that_is_another_is_refused_with_reasons() {
    // A BTF blob without any types.
    let empty = [&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0][..], &[0; 12], &[1, 0, 0, 0, 0]].concat();
    let btf = Btf::parse(&empty).expect("an empty blob");
    let plans = plan(&btf);
    assert!(plans.iter().all(|plan| plan.state == HookState::Missing));
    assert!(
        plans.iter().all(|plan| plan.reason.as_ref().is_some_and(|reason| reason.ends_with(plan.without)))
    );
    let error = hooks::check(&plans).expect_err("nothing is there").to_string();
    assert!(error.contains("sched_process_fork: this kernel has no such tracepoint"), "{error}");
}

#[test]
fn hooks_are_named_once_and_say_what_they_are_for() {
    let Some(btf) = running_kernel() else { return };
    let plans = plan(&btf);
    let names: BTreeSet<&str> = plans.iter().map(|plan| plan.name).collect();
    assert_eq!(names.len(), plans.len());
    assert!(plans.iter().all(|plan| !plan.purpose.is_empty() && !plan.without.is_empty()));
}

#[test]
fn every_hook_has_its_program() {
    let Some(btf) = running_kernel() else { return };
    let object = names_in_the_object();
    for plan in plan(&btf) {
        assert!(object.contains(plan.name), "{} is not in the object", plan.name);
    }
}

#[test]
fn fields_have_names_and_places() {
    for (index, (type_name, path)) in FIELDS.iter().enumerate() {
        assert_eq!(field_name(index), format!("{type_name}.{path}"));
    }
    let Some(btf) = running_kernel() else { return };
    let facts = Facts::resolve(&btf, &Settings::default());
    // MPTCP and IPv6 may be left out of a kernel; everything else but the excepted has been there for years.
    let absent: Vec<String> = (0..FIELDS.len())
        .filter(|field| facts.places[*field] == ABSENT && !MAY_BE_ABSENT.contains(field))
        .map(field_name)
        .collect();
    assert!(absent.iter().all(|name| name.contains("v6") || name.contains("mptcp")), "{absent:?}");
}

#[test]
fn ring_sizes_are_checked() {
    for good in [4_096, 65_536, 8 << 20, 1 << 30] {
        assert_eq!(RingSize::new(good).expect("a power of two").bytes(), good);
    }
    assert_eq!("65536".parse::<RingSize>().expect("a size").wakeup_bytes(), 16_384);
    for bad in ["0", "1", "2048", "4097", "12288", "2147483648", "99999999999", "-4096", "8M", ""] {
        let error = bad.parse::<RingSize>().expect_err("no size").to_string();
        assert!(error.contains("a power of two from 4096 to 1073741824"), "{error}");
    }
}

/// The zero-terminated strings of the embedded object, names of programs among them.
fn names_in_the_object() -> BTreeSet<String> {
    let object = include_bytes!(env!("DRAIN_OBSERVER_EBPF"));
    String::from_utf8_lossy(object).split('\0').map(str::to_owned).collect()
}

#[test]
fn what_is_read_at_once_holds_all_that_it_is_for() {
    let Some(btf) = running_kernel() else { return };
    let facts = Facts::resolve(&btf, &Settings::default());
    for (value, fields) in SPANS.into_iter().zip(SPAN_FIELDS) {
        let span = facts.values[value];
        assert_ne!(span, ABSENT, "too far apart: {:?}", fields.iter().map(|field| field_name(*field)));
        let (start, len) = (span & 0xffff, span >> 16);
        assert_eq!((start % 8, len % 8), (0, 0));
        assert!(len as usize <= SPAN_MAX, "{len} bytes");
        for field in fields.iter().copied().filter(|field| facts.has(*field)) {
            let offset = facts.places[field] & 0xffff;
            assert!((start..start + len).contains(&offset), "{}", field_name(field));
        }
    }
}
