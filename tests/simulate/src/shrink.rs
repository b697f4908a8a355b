//! The smallest part of a world that still fails.

use crate::case::{Case, Part, Parts};
use crate::world::World;

/// Leaves out what can be left out while `fails` holds.
pub fn shrink(case: &Case, fails: impl Fn(&Case) -> bool) -> Case {
    let mut parts: Vec<Part> = World::of(case).parts.into_iter().collect();
    let with = |parts: &[Part]| Case { only: Some(Parts(parts.iter().copied().collect())), ..case.clone() };
    // Ever smaller pieces of it, from the whole to single parts, until none can go.
    let mut size = parts.len().div_ceil(2).max(1);
    loop {
        let before = parts.len();
        let mut start = 0;
        while start < parts.len() {
            let end = (start + size).min(parts.len());
            let rest: Vec<Part> = parts[..start].iter().chain(&parts[end..]).copied().collect();
            if fails(&with(&rest)) {
                parts = rest;
            } else {
                start = end;
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if parts.len() == before {
            return with(&parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_is_left() {
        let whole = Case::whole(3, 5);
        let wanted: Vec<Part> = World::of(&whole).parts.iter().copied().step_by(7).take(2).collect();
        let small = shrink(&whole, |case| wanted.iter().all(|part| case.has(*part)));
        assert_eq!(small.only, Some(Parts(wanted.into_iter().collect())));
        assert!(!World::of(&whole).told.is_empty());
    }
}
