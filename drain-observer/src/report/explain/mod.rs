//! `--explain`: the events that a conclusion rests on, in order, in words.

mod ends;
mod evidence;
mod subject;
mod target;
#[cfg(test)]
mod tests;
mod unix;
mod words;

pub use target::{Target, Unknown};

use super::text::Page;
use super::{Replayed, WallClock};
use crate::event::{BootNs, Event};
use crate::journal::JournalError;
use std::io::{self, Write};
use subject::Subject;

/// More connections of one client's port, or findings of one kind, are not explained.
const MAX_SUBJECTS: usize = 5;
/// More events of one subject are not shown.
const MAX_EVENTS: usize = 1_000;

/// What is to be explained, with the events about it as they are found.
#[derive(Debug)]
pub struct Explanation {
    chapters: Vec<Chapter>,
    left_out: usize,
    clock: WallClock,
}

#[derive(Debug)]
struct Chapter {
    subject: Subject,
    events: Vec<Event>,
    dropped: u64,
}

impl Explanation {
    /// Finds what is meant in a journal that was played back with every connection kept.
    pub fn new(replayed: &Replayed, target: &Target) -> Result<Self, Unknown> {
        let mut subjects = target.find(replayed)?;
        let left_out = subjects.len().saturating_sub(MAX_SUBJECTS);
        subjects.truncate(MAX_SUBJECTS);
        let chapter = |subject| Chapter { subject, events: Vec::new(), dropped: 0 };
        let chapters = subjects.into_iter().map(chapter).collect();
        Ok(Self { chapters, left_out, clock: replayed.clock.clone() })
    }

    /// Takes in the journal's events, all of them, once more.
    pub fn collect(
        &mut self,
        events: impl Iterator<Item = Result<Event, JournalError>>,
    ) -> Result<(), JournalError> {
        for event in events {
            let event = event?;
            for chapter in self.chapters.iter_mut().filter(|chapter| chapter.subject.concerns(&event)) {
                if chapter.events.len() < MAX_EVENTS {
                    chapter.events.push(event.clone());
                } else {
                    chapter.dropped += 1;
                }
            }
        }
        Ok(())
    }

    /// Writes it in words.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut page = Page::new(out);
        for (index, chapter) in self.chapters.iter().enumerate() {
            if index > 0 {
                page.gap()?;
            }
            self.chapter(&mut page, chapter)?;
        }
        if self.left_out > 0 {
            page.gap()?;
            page.text(&format!(
                "{} more fit; a client's address tells its connections apart, and `report --connections all -o json` \
                 lists those of a process",
                self.left_out
            ))?;
        }
        Ok(())
    }

    fn chapter<W: Write>(&self, page: &mut Page<W>, chapter: &Chapter) -> io::Result<()> {
        let Chapter { subject, events, dropped } = chapter;
        page.text(&subject.title)?;
        for line in &subject.lines {
            page.indented(2, line)?;
        }
        page.indented(
            2,
            &format!("times are relative to {} ({} UTC)", subject.base_is, self.clock.time(subject.base)),
        )?;
        page.gap()?;
        let told = events.iter().map(|event| (words::happened(event), words::event(event, subject.base)));
        let mut told: Vec<(BootNs, String)> = told.chain(subject.concluded(events)).collect();
        // Some are told a moment after they happened.
        told.sort_by_key(|(at, _)| *at);
        if told.is_empty() {
            page.indented(2, "no event of the journal is about it")?;
        }
        for (at, text) in told {
            page.hanging(0, &format!("{:>+11.6}s  ", relative(at, subject.base)), &text)?;
        }
        if *dropped > 0 {
            page.indented(2, &format!("and {dropped} more, which are left out"))?;
        }
        Ok(())
    }
}

/// Seconds, negative for what came before.
fn relative(at: BootNs, base: BootNs) -> f64 {
    if at >= base { (at - base) as f64 / 1e9 } else { -((base - at) as f64 / 1e9) }
}
