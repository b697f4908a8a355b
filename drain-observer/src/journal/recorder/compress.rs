//! The thread that brings in order what is closed: segments that nobody closed get their ends, closed ones are
//! compressed. It looks at the directory alone, so that whatever a kill leaves is taken up by the next recorder.

use super::disk;
use super::queue::Queue;
use super::retain::is_current;
use crate::journal::segments::{Catalog, RunId, Segment, is_barely_begun, last_event};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

const LEVEL: i32 = 3;
/// Bytes compressed between two looks at whether to end.
const CHUNK: usize = 1 << 18;
/// Ends of the names of files that are being compressed; not those of segments.
pub(super) const UNFINISHED: &str = ".unfinished";
/// Everybody else's work goes first.
const NICE: i32 = 19;

/// Wakes the compressor.
pub(super) struct Waker {
    sender: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Waker {
    pub(super) fn wake(&self) {
        // Where it is woken already, it will look anyway.
        let _ = self.sender.try_send(());
    }

    /// Waits until it has ended, which it does soon once the queue is closed.
    pub(super) fn end(self) {
        drop(self.sender);
        // It would have panicked.
        let _ = self.thread.join();
    }
}

pub(super) fn spawn(dir: PathBuf, run: RunId, queue: Arc<Queue>) -> io::Result<Waker> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let compressor = Compressor { dir, run, queue };
    let thread = thread::Builder::new().name("recorder-zstd".into());
    let waker = Waker { sender, thread: thread.spawn(move || compressor.run(&receiver))? };
    waker.wake();
    Ok(waker)
}

struct Compressor {
    dir: PathBuf,
    run: RunId,
    queue: Arc<Queue>,
}

impl Compressor {
    fn run(&self, wake: &Receiver<()>) {
        // Only this thread's: without it compression is as urgent as anything else, and no worse.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
        self.remove_unfinished();
        while wake.recv().is_ok() {
            if let Err(error) = self.bring_in_order() {
                self.error(error);
            }
        }
    }

    fn bring_in_order(&self) -> io::Result<()> {
        let catalog = Catalog::read(&self.dir).map_err(io::Error::other)?;
        for twin in catalog.twins().iter().filter(|twin| !is_current(twin, &self.run, &self.queue)) {
            unless_gone(fs::remove_file(&twin.path))?;
        }
        for segment in catalog.segments() {
            if self.queue.is_closing() {
                return Ok(());
            }
            if segment.name.compressed || is_current(segment, &self.run, &self.queue) {
                continue;
            }
            // One that cannot be compressed does not keep the others from it.
            let done = match segment.name.end {
                Some(_) => self.compress(segment).map(|()| true),
                None => self.close(segment).and_then(|closed| match closed {
                    Some(closed) => self.compress(&closed).map(|()| true),
                    None => Ok(false),
                }),
            };
            match done {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.error(format!("cannot compress {}: {error}", segment.path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives a segment that nobody closed the name of a closed one. One with nothing in it is removed.
    fn close(&self, segment: &Segment) -> io::Result<Option<Segment>> {
        let end = match last_event(segment) {
            Ok(end) => end.unwrap_or(segment.name.start),
            Err(error) if is_barely_begun(segment)? => {
                log::info!("{error}: removed, because no event can be in it");
                return unless_gone(fs::remove_file(&segment.path)).map(|()| None);
            }
            Err(error) => return Err(io::Error::other(error)),
        };
        let name = segment.name.closed(end);
        let path = self.dir.join(name.to_string());
        fs::rename(&segment.path, &path)?;
        Ok(Some(Segment { path, name, ..segment.clone() }))
    }

    fn compress(&self, segment: &Segment) -> io::Result<()> {
        let name = segment.name.compressed().to_string();
        let (path, unfinished) = (self.dir.join(&name), self.dir.join(name + UNFINISHED));
        let result = self.copy(&segment.path, &unfinished).and_then(|whole| {
            if !whole {
                return unless_gone(fs::remove_file(&unfinished));
            }
            fs::rename(&unfinished, &path)?;
            disk::sync_directory(&self.dir)?;
            unless_gone(fs::remove_file(&segment.path))
        });
        if result.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        result
    }

    /// Writes and syncs a compressed copy; unless the recorder ends meanwhile.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<bool> {
        let mut from = File::open(from)?;
        let mut encoder = zstd::Encoder::new(disk::create(to)?, LEVEL)?;
        encoder.include_checksum(true)?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if self.queue.is_closing() {
                return Ok(false);
            }
            encoder.write_all(&buffer[..length])?;
        }
        encoder.finish()?.sync_all()?;
        Ok(true)
    }

    fn remove_unfinished(&self) {
        let Ok(files) = fs::read_dir(&self.dir) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("drain-observer-") && name.ends_with(UNFINISHED) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    fn error(&self, error: impl ToString) {
        self.queue.lock().status.error(error.to_string());
    }
}

fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
