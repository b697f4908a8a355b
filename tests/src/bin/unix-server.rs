//! The project's fixture server at a socket file, as a program.

fn main() -> anyhow::Result<()> {
    drain_observer_tests::unix::server::main()
}
