//! Whether addresses of peers are kept: the same for every subcommand that observes.

use super::record;
use crate::mask::Masking;
use clap::Args;

/// What becomes of the addresses of peers.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct MaskPeers {
    /// Keep the addresses of peers out of all that is kept and shown: others stand for them, the same for the same peer
    /// in one run, by a key that nobody has. With `prefix` their networks stay, /24 or /48
    #[arg(
        help_heading = "Privacy",
        long = "mask-peers",
        value_name = "hash|prefix",
        num_args = 0..=1,
        default_missing_value = "hash",
        hide_possible_values = true,
        value_enum
    )]
    mask_peers: Option<Masking>,
}

impl MaskPeers {
    /// How they are masked, if they are.
    pub(super) fn how(self) -> Option<Masking> {
        self.mask_peers
    }

    /// Says so, where they are.
    pub(super) fn say(self) {
        if let Some(masking) = self.mask_peers {
            record::say(&format!("note: addresses of peers are masked ({})", masking.as_str()));
        }
    }
}
