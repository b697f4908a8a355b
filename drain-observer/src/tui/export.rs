//! One restart on its way out: as the JSON of `report`, as its text.

use super::frame::{Frame, Listed};
use crate::correlate::{RestartId, Snapshot};
use crate::journal::{Clock, Header, Host, Tool, VERSION};
use crate::report::{self, Options, Report, Source};
use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// How many exports of one restart may lie side by side.
const MAX_FILES: u32 = 100;

/// The report of one restart and the connections it lost; `None` = the frame does not have it.
pub(crate) fn report(frame: &Frame, listed: Option<&Listed>, id: RestartId) -> Option<Report> {
    let fact = frame.restart(id)?;
    let seen = &frame.observation;
    let of_restart = |listed: &Listed| {
        listed.rows.iter().filter(|connection| connection.restart == Some(id)).cloned().collect()
    };
    let snapshot = Snapshot {
        at: frame.at,
        from: seen.from,
        attached_at: seen.attached_at,
        ended: seen.ended,
        hooks: seen.hooks.clone(),
        notes: seen.notes.clone(),
        lost_events: seen.lost_events.clone(),
        bounds: seen.bounds.clone(),
        services: frame.services.iter().map(|service| service.as_ref().clone()).collect(),
        restarts: frame.restarts.iter().map(|restart| restart.as_ref().clone()).collect(),
        connections: listed.map(of_restart).unwrap_or_default(),
    };
    let header = Header {
        version: VERSION,
        tool: Tool::this(),
        host: Host {
            hostname: seen.host.clone(),
            kernel: seen.kernel.clone(),
            boot_id: seen.boot_id.clone(),
        },
        created_at: frame.clock.time(seen.from).to_string(),
        // The report takes its times from the frame's clock.
        clock: Clock { wall_minus_boot_ns: 0, hz: 0 },
        selection: Default::default(),
        all_connections: false,
        masked_peers: seen.masked_peers,
        segment: None,
    };
    let source = Source { header: &header, snapshot: &snapshot, clock: &frame.clock, journal: None };
    // A report without a span has all the time there is.
    let mut report = report::build(source, &Options::default()).ok()?;
    // Ids are numbered among all; then the one is taken.
    let twins = frame.restarts.iter().take_while(|other| other.id != id);
    let before = twins.filter(|other| other.started == fact.started).count();
    let mut place = 0;
    report.restarts.retain(|restart| {
        let same = restart.started_boot_ns == fact.started;
        place += usize::from(same);
        same && place == before + 1
    });
    let service = report.restarts.first()?.service.clone();
    report.services.retain(|one| one.id == service);
    Some(report)
}

/// Writes a report into a new file of a directory, and says which.
pub(crate) fn save(report: &Report, directory: &Path) -> Result<PathBuf> {
    let id = report.restarts.first().map_or("restart", |restart| restart.id.as_str());
    let (path, file) = create(directory, id)?;
    let mut out = BufWriter::new(file);
    report::write_json(report, &mut out)
        .and_then(|()| out.flush())
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// A report in words.
pub(crate) fn text(report: &Report) -> Result<String> {
    let mut out = Vec::new();
    report::write_text(report, &mut out).context("putting the restart into words")?;
    String::from_utf8(out).context("putting the restart into words")
}

/// A file that was not there. Ids are made of the boot's id and a time, so they are fit to be names.
fn create(directory: &Path, id: &str) -> Result<(PathBuf, File)> {
    let id: String = id
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || "-.".contains(char) { char } else { '_' })
        .collect();
    for number in 1..=MAX_FILES {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let path = directory.join(format!("drain-observer-{id}{number}.json"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "creating {}: start drain-observer in a directory that it may write to",
                        path.display()
                    )
                });
            }
        }
    }
    bail!("{MAX_FILES} exports of this restart are in {} already: remove some", directory.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::frames;

    #[test]
    fn it_is_what_the_report_says() {
        let frame = frames::lossy();
        let listed = frames::lossy_connections();
        let made = report(&frame, Some(&listed), RestartId(0)).expect("the restart is there");
        let snapshot = crate::report::fixture::lossy();
        let header = crate::report::fixture::header();
        let source = Source { header: &header, snapshot: &snapshot, clock: &frame.clock, journal: None };
        let mut whole = report::build(source, &Options::default()).expect("no span");
        whole.connections.retain(|connection| connection.restart.is_some());
        assert_eq!(made, whole);
        assert_eq!(report(&frame, None, RestartId(7)), None);
    }

    #[test]
    fn no_file_is_overwritten() {
        let directory = tempfile::tempdir().expect("a directory");
        let frame = frames::lossy();
        let made = report(&frame, None, RestartId(0)).expect("the restart is there");
        let first = save(&made, directory.path()).expect("written");
        let second = save(&made, directory.path()).expect("written");
        assert_eq!(first.file_name().expect("a name"), "drain-observer-3f2a9c1b-e8d4a51000.json");
        assert_eq!(second.file_name().expect("a name"), "drain-observer-3f2a9c1b-e8d4a51000-2.json");
        let json = std::fs::read_to_string(&second).expect("it is there");
        assert!(json.contains("\"schema_version\""), "{json}");
        let nowhere = save(&made, &directory.path().join("missing")).expect_err("no such directory");
        assert!(format!("{nowhere:#}").contains("may write to"), "{nowhere:#}");
    }
}
