//! The prefork fixture server as a program.

fn main() -> anyhow::Result<()> {
    drain_observer_tests::prefork::main()
}
