//! Records about unix sockets.

use drain_observer_ebpf::record::{self, UnixCourse, UnixName};

use super::{DecodeError, task, time};
use crate::event::{Task, UnixEnd, UnixEnded, UnixHolderDied, UnixListener, UnixPath, UnixRefused};

pub(super) fn listener(raw: &record::UnixListener) -> Result<UnixListener, DecodeError> {
    Ok(UnixListener {
        sk: raw.sk,
        binding: raw.binding,
        netns: raw.name.netns,
        path: path(&raw.name)?,
        inode: raw.inode,
        file_inode: raw.file_inode,
        client: task(&raw.client),
        queue: raw.queue,
        limit: raw.limit,
    })
}

pub(super) fn ended(raw: &record::UnixEnded) -> Result<UnixEnded, DecodeError> {
    let how = match raw.how {
        record::UNIX_QUEUE_RESET => UnixEnd::QueueReset,
        record::UNIX_UNREAD_RESET => UnixEnd::UnreadReset,
        record::UNIX_SERVER_CLOSED => UnixEnd::ServerClosed,
        record::UNIX_LATE_REQUEST => UnixEnd::LateRequest,
        record::UNIX_CLIENT_CLOSED => UnixEnd::ClientClosed,
        record::UNIX_RESPONSE_UNREAD => UnixEnd::ResponseUnread,
        record::UNIX_UNSEEN => UnixEnd::Unseen,
        value => return Err(DecodeError::UnknownValue { field: "unix_ended.how", value }),
    };
    Ok(UnixEnded {
        netns: raw.name.netns,
        path: path(&raw.name)?,
        client_gone: raw.client_gone != 0,
        lost_bytes: raw.lost_bytes,
        queued_behind: raw.queued_behind,
        ..left(raw.sk, &raw.course, how, task(&raw.by))
    })
}

/// A connection whose end is not told by a record, but by what is kept of it. The name is not known.
pub(crate) fn left(sk: u64, course: &UnixCourse, how: UnixEnd, by: Task) -> UnixEnded {
    UnixEnded {
        sk,
        listener: course.listener,
        binding: course.binding,
        netns: 0,
        path: None,
        file_inode: course.file_inode,
        how,
        by,
        client_gone: course.flags & record::UNIX_CLIENT_WAS_GONE != 0,
        lost_bytes: 0,
        died: time(course.died_ns).map(|at| (course.died_by, at)),
        client: course.client,
        acceptor: process(course.acceptor),
        reader: process(course.reader),
        accepted_before: course.flags & record::UNIX_ACCEPTED_BEFORE != 0,
        connected_at: time(course.connected_ns),
        accepted_at: time(course.accepted_ns),
        request_at: time(course.request_ns),
        read_at: time(course.read_ns),
        response_at: time(course.response_ns),
        requests: course.requests,
        reads: course.reads,
        responses: course.responses,
        bytes_read: course.bytes_read,
        bytes_delivered: course.bytes_delivered,
        queue_at_arrival: (course.queue != 0).then_some(course.queue),
        limit: course.limit,
        queued_behind: 0,
    }
}

pub(super) fn holder_died(raw: &record::UnixHolderDied) -> UnixHolderDied {
    UnixHolderDied { task: task(&raw.task), connections: raw.connections }
}

pub(super) fn refused(raw: &record::UnixRefused) -> Result<UnixRefused, DecodeError> {
    Ok(UnixRefused {
        client: task(&raw.client),
        netns: raw.name.netns,
        path: path(&raw.name)?,
        place: None,
        file: None,
        full: false,
    })
}

fn path(raw: &UnixName) -> Result<Option<UnixPath>, DecodeError> {
    let unknown = DecodeError::UnknownValue { field: "unix_name.len", value: raw.len.into() };
    let bytes = raw.bytes.get(..raw.len.into()).ok_or(unknown)?;
    Ok((!bytes.is_empty()).then(|| UnixPath::new(bytes)))
}

fn process(tgid: u32) -> Option<u32> {
    (tgid != 0).then_some(tgid)
}
