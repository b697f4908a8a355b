//! Helper processes of the bench: this program under another name.

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

/// Has the kernel kill this process when the one that started it ends, however it ends.
pub(crate) fn end_with_parent() -> Result<()> {
    // SAFETY: prctl(2) with this option takes a number and touches no memory of ours.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, Signal::SIGKILL as libc::c_int) };
    ensure!(result == 0, "asking to be killed with the parent: {}", std::io::Error::last_os_error());
    Ok(())
}

/// Allows this process as many descriptors as it may have, and says how many.
pub(crate) fn allow_descriptors() -> Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("asking how many descriptors may be open")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("allowing more open descriptors")?;
    Ok(most)
}
