use super::super::{Btf, BtfError};
use super::blob::{Blob, sample};
use proptest::prelude::*;

/// Every lookup there is, with the names of the sample.
fn use_everything(btf: &Btf) {
    for name in ["outer", "flags", "old_flags", "ack_t", "reason", "wide", "btf_trace_sample", "twice"] {
        for path in ["first", "deeper", "ack.lrcvtime", "acks.lrcvtime", "high", "narrow", "gone.x"] {
            let _ = btf.member(name, path);
        }
        let _ = btf.size_of(name);
        let _ = btf.enum_value(name, "REASON_MAX");
        let _ = btf.prototype(name);
    }
}

#[test]
fn a_cut_blob_is_an_error_at_every_length() {
    let bytes = sample().bytes();
    for length in 0..bytes.len() {
        let error = Btf::parse(&bytes[..length]).err().unwrap_or_else(|| panic!("accepted {length} bytes"));
        assert!(matches!(error, BtfError::Truncated { .. }), "{length}: {error}");
    }
    assert!(Btf::parse(&bytes).is_ok());
}

#[test]
fn sections_cut_at_every_byte_do_no_harm() {
    let bytes = sample().bytes();
    for (place, step) in [(12, 1), (20, 1)] {
        let length = u32::from_ne_bytes(bytes[place..place + 4].try_into().expect("four bytes"));
        for shorter in (0..length).step_by(step) {
            let mut cut = bytes.clone();
            cut[place..place + 4].copy_from_slice(&shorter.to_ne_bytes());
            if let Ok(btf) = Btf::parse(&cut) {
                use_everything(&btf);
            }
        }
    }
}

#[test]
fn foreign_input_is_named() {
    let good = sample().bytes();
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        Btf::parse(&bytes).err()
    };
    assert!(matches!(changed(1, 0), Some(BtfError::NotBtf { .. })));
    assert_eq!(changed(2, 2), Some(BtfError::Version(2)));
    let mut swapped = good.clone();
    swapped.swap(0, 1);
    assert_eq!(Btf::parse(&swapped).err(), Some(BtfError::ForeignByteOrder));
    assert_eq!(Btf::parse(b"\x7fELF and so on").err(), Some(BtfError::NotBtf { found: 0x457f }));
    let mut b = Blob::new();
    b.int("int", 4);
    b.raw_type(42 << 24);
    assert_eq!(Btf::parse(&b.bytes()).err(), Some(BtfError::UnknownKind { id: 2, kind: 42 }));
}

proptest! {
    #[test]
    fn mutated_blobs_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = sample().bytes();
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(btf) = Btf::parse(&bytes) {
            use_everything(&btf);
        }
    }

    #[test]
    fn mutated_types_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u32..64), 1..12),
    ) {
        // Small words at aligned places behind the header: other types' numbers, lengths and offsets.
        let mut bytes = sample().bytes();
        for (index, value) in changes {
            let at = 24 + index.index((bytes.len() - 24) / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        if let Ok(btf) = Btf::parse(&bytes) {
            use_everything(&btf);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut blob = sample().bytes();
        blob.truncate(24);
        blob.extend(bytes);
        if let Ok(btf) = Btf::parse(&blob) {
            use_everything(&btf);
        }
    }
}
