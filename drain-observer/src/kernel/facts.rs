//! Looks up what the probes must know of this kernel: see `drain_observer_ebpf::facts`.

use drain_observer_ebpf::facts::{
    ABSENT, ALL_CONNECTIONS, DROP_NO_SOCKET, DROP_NOT_SPECIFIED, FIELD_COUNT, FIELDS, ONLY_PORTS, OUTGOING,
    OWN_TGID, RESET_WITHOUT_SOCKET, SPAN_FIELDS, SPAN_MAX, SPANS, VALUE_COUNT, VICTIM_IS_TASK, WAKEUP_BYTES,
    pack, pack_span,
};

use super::Settings;
use super::btf::{Btf, Field};

/// The contents of the object's two tables.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) places: [u32; FIELD_COUNT],
    pub(super) values: [u32; VALUE_COUNT],
}

impl Facts {
    pub(super) fn resolve(btf: &Btf, settings: &Settings) -> Facts {
        let places = FIELDS
            .map(|(type_name, path)| btf.member(type_name, path).ok().and_then(place).unwrap_or(ABSENT));
        let mut values = [ABSENT; VALUE_COUNT];
        values[DROP_NO_SOCKET] = drop_reason(btf, "SKB_DROP_REASON_NO_SOCKET");
        values[DROP_NOT_SPECIFIED] = drop_reason(btf, "SKB_DROP_REASON_NOT_SPECIFIED");
        values[VICTIM_IS_TASK] = u32::from(victim_is_task(btf));
        values[RESET_WITHOUT_SOCKET] = u32::from(reset_has_reason(btf));
        values[ONLY_PORTS] = u32::from(!settings.ports.is_empty());
        values[ALL_CONNECTIONS] = u32::from(settings.all_connections);
        values[OUTGOING] = 1;
        values[WAKEUP_BYTES] = settings.ring_size.wakeup_bytes();
        values[OWN_TGID] = std::process::id();
        for (value, fields) in SPANS.into_iter().zip(SPAN_FIELDS) {
            values[value] = span(fields.iter().map(|field| places[*field])).unwrap_or(ABSENT);
        }
        Facts { places, values }
    }

    pub(super) fn has(&self, field: usize) -> bool {
        self.places.get(field).is_some_and(|&place| place != ABSENT)
    }

    pub(super) fn has_value(&self, value: usize) -> bool {
        self.values.get(value).is_some_and(|&value| value != ABSENT)
    }

    pub(super) fn is_set(&self, value: usize) -> bool {
        self.values.get(value) == Some(&1)
    }
}

/// `type.path`, as C has it.
pub(super) fn field_name(field: usize) -> String {
    FIELDS
        .get(field)
        .map_or_else(|| format!("field {field}"), |(type_name, path)| format!("{type_name}.{path}"))
}

fn place(field: Field) -> Option<u32> {
    let offset = u16::try_from(field.byte_offset()).ok()?;
    if !field.is_bitfield() {
        return Some(pack(offset, 0, 0));
    }
    let shift = u8::try_from(field.bit_offset % 8).ok()?;
    let bits = u8::try_from(field.bits).ok()?;
    // The probes read one byte of a bitfield.
    (shift.saturating_add(bits) <= 8).then(|| pack(offset, shift, bits))
}

/// What has to be read to have all of these; none where that is too much at once.
fn span(places: impl Iterator<Item = u32>) -> Option<u32> {
    /// Bytes of the largest field, an IPv6 address.
    const LARGEST: u16 = 16;
    let offsets: Vec<u16> = places.filter(|place| *place != ABSENT).map(|place| place as u16).collect();
    let start = offsets.iter().min()? & !7;
    let end = offsets.iter().max()?.checked_add(LARGEST)?.checked_next_multiple_of(8)?;
    (usize::from(end - start) <= SPAN_MAX).then(|| pack_span(start, end - start))
}

fn drop_reason(btf: &Btf, name: &str) -> u32 {
    let value = btf.enum_value("skb_drop_reason", name);
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or(ABSENT)
}

fn victim_is_task(btf: &Btf) -> bool {
    let arguments = btf.prototype("btf_trace_mark_victim");
    arguments.is_some_and(|arguments| arguments.first().is_some_and(|first| first.type_name.ends_with('*')))
}

/// With the reason came the events without a socket.
fn reset_has_reason(btf: &Btf) -> bool {
    btf.prototype("btf_trace_tcp_send_reset").is_some_and(|arguments| arguments.len() >= 3)
}
