//! What a process says in lines, with a limit to each wait for it.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::wait;

/// The lines of a pipe.
#[derive(Debug)]
pub struct Lines {
    coming: Receiver<String>,
    said: RefCell<String>,
}

impl Lines {
    /// Begins to read.
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, coming) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { coming, said: RefCell::default() }
    }

    /// Waits for a line that is as wanted, for at most `limit` (patiently), and gives it; those before it are skipped.
    pub fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let limit = wait::patient(limit);
        let deadline = Instant::now() + limit;
        loop {
            match self.next_until(deadline) {
                Ok(line) if wanted(&line) => return Ok(line),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    bail!("waited {limit:?} for {what}, in vain; it said:\n{}", self.said.borrow())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("it ended before {what}; it said:\n{}", self.said.borrow())
                }
            }
        }
    }

    /// Waits for the end, for at most `limit` (patiently), and gives everything that was said.
    pub fn to_end(&self, limit: Duration) -> Result<String> {
        let limit = wait::patient(limit);
        let deadline = Instant::now() + limit;
        loop {
            match self.next_until(deadline) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(self.said.take()),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("after {limit:?} it has not ended; it said:\n{}", self.said.borrow())
                }
            }
        }
    }

    /// Everything that was said so far; nobody can wait for a line of it any more.
    pub fn so_far(&self) -> String {
        self.coming.try_iter().for_each(|line| self.note(&line));
        self.said.borrow().clone()
    }

    fn next_until(&self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        let line = self.coming.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        self.note(&line);
        Ok(line)
    }

    fn note(&self, line: &str) {
        let mut said = self.said.borrow_mut();
        said.push_str(line);
        said.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn lines_are_waited_for_and_kept() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let lines = Lines::of(reader);
        std::io::Write::write_all(&mut writer, b"one\ntwo\nthree\n").expect("room");
        assert_eq!(lines.wait_for("two", LIMIT, |line| line == "two").expect("it was said"), "two");
        let silence = lines.wait_for("four", Duration::from_millis(1), |line| line == "four");
        assert!(silence.expect_err("nobody says it").to_string().contains("one\ntwo\n"));
        drop(writer);
        assert_eq!(lines.to_end(LIMIT).expect("an end"), "one\ntwo\nthree\n");
    }
}
