//! One virtual machine: booted, watched for a bounded time, and gone at the end.

use super::{
    console::{Console, Ending},
    kernels::Kernel,
};
use crate::installer::shown;
use anyhow::{Context as _, Result};
use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// Longest time from boot to end; both kernels take a fifth of that on an idle machine.
const LIMIT: Duration = Duration::from_secs(600);
/// Longest time without a word: a boot says something all the time, and so do tests.
const SILENCE: Duration = Duration::from_secs(120);
/// Memory of a machine; what it boots from lies in it.
const MEMORY: &str = "1G";

/// Kernel parameters: the console; little talk; and every kind of trouble ends the machine, which may not reboot.
const PARAMETERS: &str =
    "console=ttyS0 quiet loglevel=5 panic=-1 oops=panic hung_task_panic=1 softlockup_panic=1";

/// Boots a kernel and reads its console to the end; a copy of it goes to the file `log`.
pub(super) fn run(qemu: &Path, kernel: &Kernel, initramfs: &Path, log: &Path) -> Result<(Console, Ending)> {
    let mut log = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let mut command = command(qemu, kernel, initramfs);
    let child = command.spawn().with_context(|| format!("cannot run `{}`", shown(&command)))?;
    let mut machine = Machine(child);
    let output = machine.0.stdout.take().context("the console was piped")?;
    let chunks = chunks(output);

    let begun = Instant::now();
    let mut console = Console::default();
    let ending = loop {
        let left = LIMIT.saturating_sub(begun.elapsed());
        match chunks.recv_timeout(left.min(SILENCE)) {
            Ok(chunk) => {
                log.write_all(&chunk).context("cannot keep what the console shows")?;
                for line in console.feed(&chunk) {
                    println!("{:>5} | {line}", kernel.series);
                }
            }
            Err(RecvTimeoutError::Timeout) if left < SILENCE => break Ending::TooLong(LIMIT),
            Err(RecvTimeoutError::Timeout) => break Ending::Silent(SILENCE),
            Err(RecvTimeoutError::Disconnected) => {
                // The console is closed by the emulator's end.
                let status = machine.0.wait().context("cannot wait for the emulator")?;
                break Ending::Exited(status.to_string());
            }
        }
    };
    Ok((console, ending))
}

/// An emulator that does not outlive its owner.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(qemu: &Path, kernel: &Kernel, initramfs: &Path) -> Command {
    let mut command = Command::new(qemu);
    command
        // In software: the tests' machine may be a virtual one itself.
        .args(["-accel", "tcg", "-cpu", "max,la57=off", "-smp", "1", "-m", MEMORY])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", PARAMETERS])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// What comes from a pipe, as it comes.
fn chunks(mut pipe: impl std::io::Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = pipe.by_ref().read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
