//! Bytes with open files attached (man 7 unix, `SCM_RIGHTS`).

use super::wire::MAX_FILES;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Room for the descriptors of one message.
const SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_FILES));

/// Sends bytes, and descriptors with the first of them. Gives how many bytes were sent: at least one, and then all of
/// the descriptors, of which there may be [`MAX_FILES`].
pub(super) fn send(to: impl AsFd, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    let too_many = || io::Error::new(io::ErrorKind::InvalidInput, "too many files for one message");
    if files.len() > MAX_FILES {
        return Err(too_many());
    }
    if !files.is_empty() && !attached.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(too_many());
    }
    Ok(sendmsg(to, &[IoSlice::new(bytes)], &mut attached, SendFlags::NOSIGNAL)?)
}

/// Receives bytes, and the descriptors that came with them. Gives how many bytes: 0 = there will be no more.
pub(super) fn receive(
    from: impl AsFd,
    into: &mut [u8],
    files: &mut impl Extend<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut attached = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(from, &mut [IoSliceMut::new(into)], &mut attached, RecvFlags::CMSG_CLOEXEC)?;
    for message in attached.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            files.extend(descriptors);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "more files came at once than were announced",
        ));
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::unix::net::UnixStream;

    #[test]
    fn files_come_with_the_bytes_they_were_sent_with() {
        let (one, other) = UnixStream::pair().expect("sockets");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"inside").expect("room");
        file.rewind().expect("a file");
        assert_eq!(send(&one, b"abc", &[]).expect("room"), 3);
        assert_eq!(send(&one, b"defg", &[file.as_fd()]).expect("room"), 4);
        let (mut bytes, mut files, mut got) = ([0; 64], Vec::new(), Vec::new());
        while got.len() < 7 {
            let length = receive(&other, &mut bytes, &mut files).expect("bytes");
            got.extend_from_slice(&bytes[..length]);
        }
        assert_eq!(got, b"abcdefg");
        let mut text = String::new();
        File::from(files.pop().expect("a file")).read_to_string(&mut text).expect("text");
        assert_eq!((text.as_str(), files.len()), ("inside", 0));
        drop(one);
        assert_eq!(receive(&other, &mut bytes, &mut files).expect("its end"), 0);
    }

    #[test]
    fn more_files_than_fit_are_refused() {
        let (one, _other) = UnixStream::pair().expect("sockets");
        let many = [one.as_fd(); MAX_FILES + 1];
        assert_eq!(send(&one, b"x", &many).map_err(|error| error.kind()), Err(io::ErrorKind::InvalidInput));
    }
}
