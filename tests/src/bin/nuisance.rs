//! What makes a host hard to observe, as a program.

fn main() -> anyhow::Result<()> {
    drain_observer_tests::nuisance::main()
}
