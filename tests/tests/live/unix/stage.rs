//! The fixture's server and clients under observation.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use drain_observer_tests::observer::{self, Recording};
use drain_observer_tests::sockets::unix as sockets;
use drain_observer_tests::unix::chain::Spot;
use drain_observer_tests::unix::client::UnixFate;
use drain_observer_tests::unix::fates::expect_agreement;
use drain_observer_tests::unix::findings::Findings;
use drain_observer_tests::unix::fixture::{UnixClient, UnixServer};
use drain_observer_tests::wait;
use tempfile::TempDir;

use crate::support::LIMIT;

/// A path, what serves and asks there, and what is recorded of it.
pub(crate) struct Stage {
    name: String,
    /// Holds the files that servers make.
    _spot: Spot,
    path: PathBuf,
    /// The path as servers bind it.
    bound: PathBuf,
    place: String,
    recording: Option<(Recording, TempDir)>,
    under_way: Vec<UnixClient>,
    fates: Vec<UnixFate>,
}

/// Starts a server at a path.
pub(crate) fn server_at(path: &Path, args: &[&str]) -> Result<UnixServer> {
    UnixServer::start(Path::new(env!("CARGO_BIN_EXE_unix-server")), path, args)
}

impl Stage {
    /// At a path of its own.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let spot = Spot::new()?;
        let path = spot.path();
        let place = path.to_str().context("a path in UTF-8")?.to_owned();
        let (under_way, fates) = (Vec::new(), Vec::new());
        let bound = path.clone();
        Ok(Self { name: name.to_owned(), _spot: spot, path, bound, place, recording: None, under_way, fates })
    }

    /// At another name, which reports write like `place`.
    pub(crate) fn at(mut self, path: PathBuf, place: String) -> Self {
        (self.bound, self.path, self.place) = (path.clone(), path, place);
        self
    }

    /// At the same path, which servers bind by the name of its file alone.
    pub(crate) fn relative(mut self) -> Self {
        self.bound = self.path.file_name().map(PathBuf::from).unwrap_or_default();
        self
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// As reports write it.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Starts a server.
    pub(crate) fn server(&self, args: &[&str]) -> Result<UnixServer> {
        server_at(&self.path, args)
    }

    /// Begins to record.
    pub(crate) fn record(&mut self) -> Result<()> {
        let dir = tempfile::tempdir().context("making a directory for the journal")?;
        let args = ["--path", &self.place, "--all-connections"];
        let recording = Recording::start(&observer::program(), &dir.path().join("journal"), &args)?;
        self.recording = Some((recording, dir));
        Ok(())
    }

    /// Begins connections that wait in the queue, each after the other.
    pub(crate) fn queued(&mut self, count: usize, args: &[&str]) -> Result<()> {
        for _ in 0..count {
            let before = sockets::queue(&self.bound)?;
            self.begin(args)?;
            sockets::wait_for_queue(&self.bound, before + 1, LIMIT)?;
        }
        Ok(())
    }

    /// Begins a request that the server has read, and that keeps it busy for so long, or longer on a slow machine.
    pub(crate) fn busy(&mut self, server: &UnixServer, millis: u64, args: &[&str]) -> Result<()> {
        let request = wait::sleep(millis);
        self.begin(&[&[request.as_str()], args].concat())?;
        server.wait_for(&request)
    }

    /// Begins a connection.
    pub(crate) fn begin(&mut self, args: &[&str]) -> Result<()> {
        let client = self.client(&self.path, args)?;
        self.under_way.push(client);
        Ok(())
    }

    /// Makes one connection after the other, each to its end.
    pub(crate) fn ask(&mut self, count: usize, args: &[&str]) -> Result<()> {
        self.ask_at(&self.path.clone(), count, args)
    }

    /// As [`Self::ask`], by another name of the same place.
    pub(crate) fn ask_at(&mut self, path: &Path, count: usize, args: &[&str]) -> Result<()> {
        for _ in 0..count {
            let fate = self.client(path, args)?.fate()?;
            self.fates.push(fate);
        }
        Ok(())
    }

    /// Waits for the ends of the connections that were begun.
    pub(crate) fn wait(&mut self) -> Result<()> {
        for client in std::mem::take(&mut self.under_way) {
            self.fates.push(client.fate()?);
        }
        Ok(())
    }

    /// What the clients saw.
    pub(crate) fn fates(&self) -> &[UnixFate] {
        &self.fates
    }

    /// Ends the recording and expects that report and clients agree.
    pub(crate) fn finish(&mut self) -> Result<Findings> {
        self.wait()?;
        let (recording, dir) = self.recording.take().context("it was recorded")?;
        let mut findings = Findings::of(&self.name, recording.finish()?, dir)?;
        expect_agreement(&mut findings, &self.place, &self.fates)?;
        findings.expect_complete()?;
        Ok(findings)
    }

    fn client(&self, path: &Path, args: &[&str]) -> Result<UnixClient> {
        UnixClient::start(Path::new(env!("CARGO_BIN_EXE_unix-client")), path, args)
    }
}
