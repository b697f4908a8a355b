//! The first process of the virtual machines in which `cargo xtask test --vm` tests other kernels.

fn main() -> anyhow::Result<()> {
    drain_observer_tests::guest::main()
}
