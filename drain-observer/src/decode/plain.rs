//! Reads the kernel side's structs out of bytes: the only place where bytes become structs.

use drain_observer_ebpf::record::{
    Connection, Executed, Exited, Flushed, Forked, Header, Lingered, Listener, OomVictim, Reset,
    SignalDelivered, SignalGenerated, UnixEnded, UnixHolderDied, UnixListener, UnixRefused, Upstream,
};

use super::DecodeError;

/// A struct of integers and arrays of integers only.
///
/// # Safety
/// Every pattern of `size_of::<Self>()` bytes must be a valid value.
pub(super) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($record:ty),* $(,)?) => {
        // SAFETY: `drain_observer_ebpf::record` has `repr(C)` structs of fixed-width integers only.
        $(unsafe impl Plain for $record {})*
    };
}

plain!(
    Header,
    Connection,
    Flushed,
    Lingered,
    Listener,
    Reset,
    SignalGenerated,
    SignalDelivered,
    Forked,
    Executed,
    Exited,
    OomVictim,
    UnixListener,
    UnixEnded,
    UnixHolderDied,
    UnixRefused,
    Upstream
);

/// Reads the header, whatever follows it.
pub(super) fn header(bytes: &[u8]) -> Result<Header, DecodeError> {
    first(bytes).ok_or(DecodeError::Length { kind: 0, found: bytes.len(), expected: size_of::<Header>() })
}

/// Reads a whole record, whose length and own idea of it must be those of its layout.
pub(super) fn read<T: Plain>(bytes: &[u8]) -> Result<T, DecodeError> {
    let Header { kind, size, .. } = header(bytes)?;
    let expected = size_of::<T>();
    if usize::from(size) != expected {
        return Err(DecodeError::Length { kind, found: size.into(), expected });
    }
    first(bytes).filter(|_| bytes.len() == expected).ok_or(DecodeError::Length {
        kind,
        found: bytes.len(),
        expected,
    })
}

fn first<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: there are enough bytes, any alignment will do, and all patterns are valid for a `Plain` type.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}
