//! Which rows a list has, and in which order.

use super::history::History;
use super::screen::{List, Screen};
use crate::correlate::{ConnectionFact, RestartFact, ServiceFact};
use crate::event::BootNs;
use crate::tui::frame::{Frame, Listed};
use std::cmp::{Ordering, Reverse};
use std::fmt::Write;

/// Names of the orders that a screen's list can have.
pub(crate) fn orders(screen: &Screen) -> &'static [&'static str] {
    match screen {
        Screen::Services => &["state", "name", "connect", "in flight", "lost"],
        Screen::Restarts(_) => &["latest first", "service", "verdict", "lost"],
        Screen::Connections(_) => &["end", "peer", "outcome", "process", "age"],
        _ => &[],
    }
}

/// What lists are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) listed: Option<&'a Listed>,
    pub(crate) history: &'a History,
}

/// The rows of a list: places in the frame's list, or in that of the connections.
pub(crate) fn rows(screen: &Screen, list: &List, facts: Facts<'_>) -> Vec<u32> {
    let Facts { frame, listed, history } = facts;
    let mut rows = match screen {
        Screen::Services => services(list, frame, history),
        Screen::Restarts(service) => {
            let of = |restart: &RestartFact| service.is_none_or(|service| restart.service == service);
            restarts(list, frame, of)
        }
        Screen::Connections(scope) => match listed {
            Some(listed) if listed.scope == *scope => {
                let until = history.behind().map_or(BootNs::MAX, |_| frame.at);
                connections(list, &listed.rows, until)
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    if list.reverse {
        rows.reverse();
    }
    rows
}

/// Lost connections of a service.
pub(crate) fn lost(service: &ServiceFact) -> u64 {
    service.counts.iter().filter(|(outcome, _)| outcome.is_lost()).map(|(_, count)| count).sum()
}

fn services(list: &List, frame: &Frame, history: &History) -> Vec<u32> {
    let mut filter = Filter::new(&list.filter);
    let fits = |service: &ServiceFact| {
        filter.fits(|text| write!(text, "{} {} {}", service.name, service.executable, service.state.as_str()))
    };
    let all: Vec<&ServiceFact> = frame.services.iter().map(AsRef::as_ref).collect();
    let in_flight = |service: &ServiceFact| service.load.as_ref().map(|load| load.in_flight());
    match list.sort {
        1 => sorted(&all, fits, |a, b| a.name.cmp(&b.name)),
        2 => {
            let rates: Vec<f64> = all.iter().map(|one| history.rate(frame, one).unwrap_or(-1.0)).collect();
            let mut rows = sorted(&all, fits, |_, _| Ordering::Equal);
            rows.sort_by(|a, b| rates[*b as usize].total_cmp(&rates[*a as usize]));
            rows
        }
        3 => sorted(&all, fits, |a, b| in_flight(b).cmp(&in_flight(a)).then_with(|| a.name.cmp(&b.name))),
        4 => sorted(&all, fits, |a, b| lost(b).cmp(&lost(a)).then_with(|| a.name.cmp(&b.name))),
        _ => sorted(&all, fits, |a, b| b.state.cmp(&a.state).then_with(|| a.name.cmp(&b.name))),
    }
}

fn restarts(list: &List, frame: &Frame, of: impl Fn(&RestartFact) -> bool) -> Vec<u32> {
    let mut filter = Filter::new(&list.filter);
    let name = |restart: &RestartFact| {
        frame.service(restart.service).map(|service| service.name.as_str()).unwrap_or_default()
    };
    let fits = |restart: &RestartFact| {
        of(restart)
            && filter.fits(|text| {
                let cause = crate::report::words::cause(&restart.cause);
                let verdict = crate::report::words::verdict(restart.verdict);
                let kind = crate::report::words::kind(restart.kind);
                write!(text, "{} {verdict} {kind} {cause}", name(restart))
            })
    };
    let all: Vec<&RestartFact> = frame.restarts.iter().map(AsRef::as_ref).collect();
    let latest = |a: &RestartFact, b: &RestartFact| b.started.cmp(&a.started);
    let verdict = |restart: &RestartFact| (restart.ended.is_some(), restart.verdict);
    match list.sort {
        1 => sorted(&all, fits, |a, b| name(a).cmp(name(b)).then_with(|| latest(a, b))),
        2 => sorted(&all, fits, |a, b| verdict(a).cmp(&verdict(b)).then_with(|| latest(a, b))),
        3 => sorted(&all, fits, |a, b| b.lost().cmp(&a.lost()).then_with(|| latest(a, b))),
        _ => sorted(&all, fits, latest),
    }
}

/// Those that had ended by then.
fn connections(list: &List, rows: &[ConnectionFact], until: BootNs) -> Vec<u32> {
    let mut filter = Filter::new(&list.filter);
    let fits = |fact: &ConnectionFact| {
        fact.ended_at <= until
            && list.outcome.is_none_or(|outcome| fact.outcome == outcome)
            && filter.fits(|text| {
                let (comm, pid) = fact.process.map_or((String::new(), String::new()), |task| {
                    (task.comm.to_string(), task.pid.to_string())
                });
                write!(text, "{} {} {} {comm} {pid}", fact.outcome.as_str(), fact.peer, fact.local)
            })
    };
    let all: Vec<&ConnectionFact> = rows.iter().collect();
    let age = |fact: &ConnectionFact| fact.established_at.map(|from| fact.ended_at.saturating_sub(from));
    match list.sort {
        1 => sorted(&all, fits, |a, b| (a.peer, a.ended_at).cmp(&(b.peer, b.ended_at))),
        2 => sorted(&all, fits, |a, b| (a.outcome, a.ended_at).cmp(&(b.outcome, b.ended_at))),
        3 => {
            let process = |fact: &ConnectionFact| (fact.process.map(|task| task.pid), fact.ended_at);
            sorted(&all, fits, |a, b| process(a).cmp(&process(b)))
        }
        4 => {
            let oldest = |fact: &ConnectionFact| (Reverse(age(fact)), fact.ended_at);
            sorted(&all, fits, |a, b| oldest(a).cmp(&oldest(b)))
        }
        _ => sorted(&all, fits, |a, b| a.ended_at.cmp(&b.ended_at)),
    }
}

/// The places of those that fit, in an order; equal ones stay in theirs.
fn sorted<T>(all: &[&T], mut fits: impl FnMut(&T) -> bool, order: impl Fn(&T, &T) -> Ordering) -> Vec<u32> {
    let numbered = all.iter().zip(0u32..);
    let mut rows: Vec<u32> = numbered.filter(|(one, _)| fits(one)).map(|(_, row)| row).collect();
    rows.sort_by(|a, b| order(all[*a as usize], all[*b as usize]));
    rows
}

/// A text that rows have to contain, in capitals or not.
struct Filter {
    wanted: String,
    row: String,
}

impl Filter {
    fn new(wanted: &str) -> Self {
        Self { wanted: wanted.to_lowercase(), row: String::new() }
    }

    fn fits(&mut self, write: impl FnOnce(&mut String) -> std::fmt::Result) -> bool {
        if self.wanted.is_empty() {
            return true;
        }
        self.row.clear();
        write(&mut self.row).is_ok() && self.row.to_lowercase().contains(&self.wanted)
    }
}
