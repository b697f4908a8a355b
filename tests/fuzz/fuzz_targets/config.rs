//! See `drain_observer_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drain_observer_fuzz::config(bytes));
