//! What a virtual machine of the tests and the program that boots it have agreed upon: where files lie in the machine,
//! and the lines by which it tells what came of the tests. Included by both sides.

/// Begins each line that is meant for the program at the other end of the console: `@vm KEY VALUE`.
pub(crate) const MARK: &str = "@vm ";

/// Value: the kernel's release, as `uname -r` has it. Everything is set up now.
pub(crate) const UP: &str = "up";
/// Value: the JSON of `drain-observer doctor -o json` in one line.
pub(crate) const DOCTOR: &str = "doctor";
/// Value: the name of an outcome that occurred where report and clients agreed.
pub(crate) const OUTCOME: &str = "outcome";
/// Value: a test that could not run, and why.
pub(crate) const SKIPPED: &str = "skipped";
/// Value: a scenario's name and, in hexadecimal digits, its journal, which was kept because the test failed.
pub(crate) const JOURNAL: &str = "journal";
/// Value: why the machine could not do what it is for.
pub(crate) const FAILED: &str = "failed";
/// No value: nothing more comes.
pub(crate) const END: &str = "end";

/// The observer under test.
pub(crate) const OBSERVER: &str = "/drain-observer";
/// The harness of the live tests.
pub(crate) const HARNESS: &str = "/live";
/// The harness's arguments, one a line.
pub(crate) const ARGUMENTS: &str = "/arguments";
/// A directory of kernel modules, to be loaded in the order of their names.
pub(crate) const MODULES: &str = "/modules";
