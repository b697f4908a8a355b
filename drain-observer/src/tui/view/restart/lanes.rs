//! Which processes have a lane of their own, and which share one.

use crate::correlate::{MemberFact, RestartFact, RestartKind};
use crate::event::BootNs;

/// One line of the Gantt.
#[derive(Clone, Debug)]
pub(super) enum Lane<'a> {
    /// One process.
    Process(Process<'a>),
    /// Several.
    Folded(Folded<'a>),
}

/// A process, which may be of both generations: one that replaced its program, or a master that stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process<'a> {
    /// As it was last.
    last: &'a MemberFact,
    old: Option<&'a MemberFact>,
    new: Option<&'a MemberFact>,
    /// The master of a reload, which is not replaced.
    stays: bool,
}

/// Processes of one kind that share a lane.
#[derive(Clone, Debug)]
pub(super) struct Folded<'a> {
    pub(super) old: bool,
    master: bool,
    pub(super) members: Vec<&'a MemberFact>,
}

/// A time in which a process was of a generation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) new: bool,
    pub(super) from: BootNs,
    pub(super) until: Option<BootNs>,
}

/// The lanes of a restart: of each generation its masters, then its workers, at most `room` where that suffices for
/// one of each.
pub(super) fn of(fact: &RestartFact, room: usize) -> Vec<Lane<'_>> {
    let groups = groups(fact);
    let mut quotas = groups.each_ref().map(|group| group.len().min(1));
    // One more for each in turn, until there is no room or nobody wants more.
    while quotas.iter().sum::<usize>() < room {
        let before = quotas;
        for (number, group) in groups.iter().enumerate() {
            if quotas[number] < group.len() && quotas.iter().sum::<usize>() < room {
                quotas[number] += 1;
            }
        }
        if quotas == before {
            break;
        }
    }
    groups.into_iter().zip(quotas).flat_map(|(group, quota)| fold(group, quota)).collect()
}

impl Lane<'_> {
    pub(super) fn is_old(&self) -> bool {
        match self {
            Self::Process(process) => process.old.is_some() && !process.stays,
            Self::Folded(folded) => folded.old,
        }
    }

    /// What stands before it.
    pub(super) fn label(&self, columns: usize) -> String {
        match self {
            Self::Process(process) => {
                let member = process.last();
                let side = match (process.stays, process.old, process.new) {
                    (true, ..) => "same",
                    (false, Some(_), Some(_)) => "both",
                    (false, Some(_), None) => "old",
                    (false, None, _) => "new",
                };
                let role = if member.master { "master" } else { "worker" };
                let name = if columns >= 30 { format!(" {}", member.comm) } else { String::new() };
                format!("{side} {role} {}{name}", member.pid)
            }
            Self::Folded(folded) => {
                let side = if folded.old { "old" } else { "new" };
                let living = folded.members.iter().filter(|member| member.ended.is_none()).count();
                let noun = match (columns >= 30, folded.master) {
                    (false, _) => "",
                    (true, true) => " masters",
                    (true, false) => " workers",
                };
                format!("{side} +{}{noun}, {living} live", folded.members.len())
            }
        }
    }
}

impl<'a> Process<'a> {
    pub(super) fn pid(&self) -> u32 {
        self.last().pid
    }

    /// As it was last.
    pub(super) fn last(&self) -> &'a MemberFact {
        self.last
    }

    pub(super) fn lives(&self) -> impl Iterator<Item = Life> {
        let turned = self.new.map(|new| new.image_since);
        let old = self.old.map(|old| {
            let until = old.ended.or(if self.stays { None } else { turned });
            Life { new: false, from: old.start, until }
        });
        let new = self.new.filter(|_| !self.stays).map(|new| {
            let from = self.old.map_or(new.start, |old| old.ended.unwrap_or(new.image_since));
            Life { new: true, from, until: new.ended }
        });
        old.into_iter().chain(new)
    }

    /// When it replaced its program during the restart.
    pub(super) fn replaced_program(&self, started: BootNs) -> Option<BootNs> {
        let last = self.last();
        (last.image_since > last.start && last.image_since >= started).then_some(last.image_since)
    }
}

impl Folded<'_> {
    /// How many of them lived at a time.
    pub(super) fn living(&self, at: BootNs) -> usize {
        let lives = |member: &&&MemberFact| member.start <= at && member.ended.is_none_or(|end| end > at);
        self.members.iter().filter(lives).count()
    }
}

/// Old masters, old workers, new masters, new workers; who is of both generations is among the old.
fn groups(fact: &RestartFact) -> [Vec<Process<'_>>; 4] {
    let mut groups = [const { Vec::new() }; 4];
    for old in &fact.old {
        let new = fact.new.iter().find(|new| new.pid == old.pid && new.start == old.start);
        let stays = old.master && old.ended.is_none() && fact.kind == RestartKind::Reload;
        groups[usize::from(!old.master)].push(Process {
            last: new.unwrap_or(old),
            old: Some(old),
            new,
            stays,
        });
    }
    for new in &fact.new {
        if !fact.old.iter().any(|old| old.pid == new.pid && old.start == new.start) {
            groups[2 + usize::from(!new.master)].push(Process {
                last: new,
                old: None,
                new: Some(new),
                stays: false,
            });
        }
    }
    groups
}

/// The most telling ones by themselves, the others together.
fn fold(group: Vec<Process<'_>>, quota: usize) -> Vec<Lane<'_>> {
    if group.len() <= quota {
        return group.into_iter().map(Lane::Process).collect();
    }
    let mut ranked: Vec<(bool, u32, usize)> = group
        .iter()
        .enumerate()
        .map(|(number, process)| {
            let member = process.last();
            (member.exit.is_some_and(|exit| exit != (0, 0)), member.lost, number)
        })
        .collect();
    ranked.sort_by_key(|(abnormal, lost, number)| (std::cmp::Reverse((*lost, *abnormal)), *number));
    let mut alone: Vec<usize> =
        ranked.iter().take(quota.saturating_sub(1)).map(|(.., number)| *number).collect();
    alone.sort_unstable();
    let mut lanes: Vec<Lane<'_>> = alone.iter().map(|number| Lane::Process(group[*number])).collect();
    let others = group.iter().enumerate().filter(|(number, _)| alone.binary_search(number).is_err());
    let others: Vec<Process<'_>> = others.map(|(_, process)| *process).collect();
    if let Some(first) = others.first() {
        let (old, master) = (first.old.is_some(), first.last().master);
        lanes.push(Lane::Folded(Folded { old, master, members: others.iter().map(Process::last).collect() }));
    }
    lanes
}
