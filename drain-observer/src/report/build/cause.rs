//! What began a restart or a loss.

use crate::correlate;
use crate::event::Task;
use crate::report::model::{Cause, CauseKind, ExitStatus, ProcessRef};
use crate::report::words;

pub(super) fn build(cause: &correlate::Cause) -> Cause {
    let text = words::cause(cause);
    let empty = |kind, boot_ns, process: Option<&Task>| Cause {
        kind,
        text: text.clone(),
        boot_ns,
        signal: None,
        sender: None,
        target: None,
        process: process.map(ProcessRef::from),
        exit: None,
        listener: None,
    };
    match cause {
        correlate::Cause::Signal(signal) => Cause {
            signal: Some(signal.signal.into()),
            sender: signal.sender.as_ref().map(ProcessRef::from),
            target: Some((&signal.target).into()),
            ..empty(CauseKind::Signal, signal.at, None)
        },
        correlate::Cause::Exit { at, task, status, signal, oom } => Cause {
            exit: Some(ExitStatus::from((*status, *signal))),
            ..empty(if *oom { CauseKind::OutOfMemory } else { CauseKind::Exit }, *at, Some(task))
        },
        correlate::Cause::Exec { at, task } => empty(CauseKind::Exec, *at, Some(task)),
        correlate::Cause::ListenerClosed { at, task, listener } => Cause {
            listener: Some((&listener.local).into()),
            ..empty(CauseKind::ListenerClosed, *at, Some(task))
        },
        correlate::Cause::ListenerOpened { at, task, listener } => Cause {
            listener: Some((&listener.local).into()),
            ..empty(CauseKind::ListenerOpened, *at, Some(task))
        },
    }
}
