//! Helper processes of the bench: this program under another name.

use anyhow::{Context as _, Result, bail, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use std::os::fd::AsFd;
use std::process::Child;
use std::time::{Duration, Instant};

/// How long a pipe is waited for before its writers are looked after: one that was killed says nothing, and others may
/// hold its end of the pipe.
const TURN: Duration = Duration::from_millis(50);

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

/// Waits until a pipe from these processes has something to read, or its end. Fails once one of them has ended and the
/// pipe is empty, and at the deadline.
pub(crate) fn wait_for_word(pipe: &impl AsFd, writers: &mut [Child], deadline: Instant) -> Result<()> {
    loop {
        let turn = deadline.saturating_duration_since(Instant::now()).min(TURN);
        let ended = writers.iter_mut().find_map(|child| child.try_wait().ok().flatten());
        let timeout = if ended.is_some() { Duration::ZERO } else { turn };
        let mut polled = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::try_from(timeout).context("a poll's timeout")?) {
            Ok(0) => {}
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error).context("waiting for a pipe"),
        }
        if let Some(status) = ended {
            bail!("one of them ended with {status}; what it said is above");
        }
        ensure!(!turn.is_zero(), "nothing came in time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::Command;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).spawn().expect("there is a shell")
    }

    #[test]
    fn what_is_in_the_pipe_comes_before_its_writers_end() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(b"+").expect("the pipe has room");
        let mut ended = [shell("exit 0")];
        ended[0].wait().expect("it ends");
        wait_for_word(&reader, &mut ended, Instant::now() + SOON).expect("there is a word");
    }

    #[test]
    fn a_writer_that_was_killed_is_noticed_while_others_hold_the_pipe() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let mut killed = [shell("kill -KILL $$")];
        let error = wait_for_word(&reader, &mut killed, Instant::now() + SOON).expect_err("nobody writes");
        assert!(error.to_string().contains("signal: 9"), "{error}");
    }

    #[test]
    fn silence_has_an_end() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let error = wait_for_word(&reader, &mut [], Instant::now() + TURN * 2).expect_err("nobody writes");
        assert_eq!(error.to_string(), "nothing came in time");
    }
}
