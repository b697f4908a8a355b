//! The flight recorder as a sink.

use super::Sink;
use crate::correlate::Correlator;
use crate::event::{Event, Lost};
use crate::journal::{Recorder, RecorderStatus, Unfinished};
use std::time::Duration;

/// Has every event recorded; segments are begun when no restart goes on, with a recap of what the correlator knows.
#[derive(Debug)]
pub struct RecorderSink {
    recorder: Recorder,
}

impl RecorderSink {
    /// Goes on with a recorder that was started.
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder }
    }

    /// Writes and syncs everything, for at most `limit`.
    pub fn finish(self, limit: Duration) -> Result<RecorderStatus, Unfinished> {
        self.recorder.finish(limit)
    }
}

impl Sink for RecorderSink {
    fn event(&mut self, event: &Event) {
        self.recorder.write(event);
    }

    fn settle(&mut self, correlator: &mut Correlator) -> Option<Lost> {
        let now = correlator.now();
        self.recorder.settle(correlator.is_restarting(), || correlator.recap(now))
    }
}
