//! Names of worlds and of parts of them.

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What a world consists of. Each draws its own random numbers, so that it is the same without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A service, by number.
    Service(u16),
    /// What happens to a service, by number among what does: most are restarts.
    Restart(u16, u16),
    /// A client of a service, by number.
    Client(u16, u16),
    /// A process of no service.
    Bystander(u16),
}

/// A world, or part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The seed of all worlds.
    pub seed: u64,
    /// Number of the world.
    pub world: u64,
    /// What of it is there; `None` = everything.
    pub only: Option<Parts>,
}

/// Parts of a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(pub BTreeSet<Part>);

impl Case {
    /// A whole world.
    pub fn whole(seed: u64, world: u64) -> Self {
        Self { seed, world, only: None }
    }

    /// Whether a part is there.
    pub fn has(&self, part: Part) -> bool {
        self.only.as_ref().is_none_or(|only| only.0.contains(&part))
    }

    /// The random numbers of a part of this world, or of something else that is told apart by such numbers.
    pub(crate) fn random(&self, of: &[u64]) -> Rng {
        let mixed =
            std::iter::once(&self.world).chain(of).fold(self.seed, |state, part| mix(state ^ mix(*part)));
        Rng::with_seed(mixed)
    }
}

/// `s0,r0.1,c0.17,b2`
impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match part {
                Part::Service(number) => write!(f, "s{number}"),
                Part::Restart(service, number) => write!(f, "r{service}.{number}"),
                Part::Client(service, number) => write!(f, "c{service}.{number}"),
                Part::Bystander(number) => write!(f, "b{number}"),
            }?;
        }
        Ok(())
    }
}

impl FromStr for Parts {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split(',').filter(|word| !word.is_empty()).map(part).collect::<Result<_>>().map(Self)
    }
}

fn part(word: &str) -> Result<Part> {
    let wrong = || format!("`{word}` is no part of a world, as s0, r0.1, c0.17 or b2 are");
    let (kind, numbers) = word.split_at_checked(1).with_context(wrong)?;
    let pair = || -> Result<(u16, u16)> {
        let (service, number) = numbers.split_once('.').with_context(wrong)?;
        Ok((service.parse().with_context(wrong)?, number.parse().with_context(wrong)?))
    };
    Ok(match kind {
        "s" => Part::Service(numbers.parse().with_context(wrong)?),
        "b" => Part::Bystander(numbers.parse().with_context(wrong)?),
        "r" => pair().map(|(service, number)| Part::Restart(service, number))?,
        "c" => pair().map(|(service, number)| Part::Client(service, number))?,
        _ => bail!(wrong()),
    })
}

/// splitmix64: near numbers lead to numbers far apart.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_are_written() {
        let text = "s0,r0.1,c0.17,b2";
        assert_eq!(text.parse::<Parts>().expect("parts").to_string(), text);
        assert!("x1".parse::<Parts>().is_err() && "r1".parse::<Parts>().is_err());
    }
}
