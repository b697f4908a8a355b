//! What the probes say in words: rare warnings, never on a hot path.

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::Log;

pub(super) struct ProbeLog(EbpfLogger<&'static dyn Log>);

impl ProbeLog {
    /// Without it observing goes on all the same.
    pub(super) fn take(programs: &mut Ebpf) -> Option<ProbeLog> {
        EbpfLogger::init(programs)
            .map(ProbeLog)
            .inspect_err(|error| log::warn!("no words from the probes: {error}"))
            .ok()
    }

    pub(super) fn flush(&mut self) {
        self.0.flush();
    }
}
