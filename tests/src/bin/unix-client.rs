//! The project's fixture client of a socket file, as a program.

fn main() -> anyhow::Result<()> {
    drain_observer_tests::unix::client::main()
}
