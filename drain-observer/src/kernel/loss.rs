//! What the probes dropped.

use aya::maps::{Map, MapData, PerCpuArray};
use drain_observer_ebpf::lost;

use super::KernelError;
use crate::event::Lost;

pub(super) struct Losses {
    counters: PerCpuArray<MapData, u64>,
    known: [u64; lost::COUNT as usize],
}

impl Losses {
    pub(super) fn new(map: Map) -> Result<Losses, KernelError> {
        let counters = PerCpuArray::try_from(map).map_err(|error| KernelError::Load(error.to_string()))?;
        Ok(Losses { counters, known: [0; _] })
    }

    pub(super) fn since_last(&mut self) -> Vec<Lost> {
        let mut losses = Vec::new();
        for ((index, known), (what, reason)) in (0u32..).zip(&mut self.known).zip(lost::NAMES) {
            // An array's own index can be read; if it could not, the next time tells.
            let Ok(values) = self.counters.get(&index, 0) else { continue };
            let total = values.iter().fold(0u64, |sum, &value| sum.wrapping_add(value));
            let count = total.wrapping_sub(*known);
            *known = total;
            if count > 0 {
                losses.push(Lost { what: what.to_owned(), reason: reason.to_owned(), count });
            }
        }
        losses
    }
}
