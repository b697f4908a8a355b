//! Gunicorn with its sync workers or another class.

use anyhow::Result;

use super::{Place, START_LIMIT, Server, app, command, directory, write};

/// How to start it.
#[derive(Debug, Clone)]
pub struct Gunicorn {
    /// Where it serves.
    pub place: Place,
    /// Worker processes.
    pub workers: usize,
    /// `sync`, `gthread`, `gevent`.
    pub worker_class: &'static str,
    /// Longest accept queue.
    pub backlog: usize,
    /// Seconds that workers have to finish after TERM.
    pub graceful_timeout: u32,
    /// Seconds after which a silent worker is aborted.
    pub timeout: u32,
    /// Further lines of its configuration.
    pub config: &'static str,
}

impl Gunicorn {
    /// Two sync workers on a free port.
    pub fn new() -> Result<Self> {
        Ok(Self::at(Place::free()?))
    }

    /// Two sync workers at this place.
    pub fn at(place: Place) -> Self {
        let worker_class = "sync";
        Self { place, workers: 2, worker_class, backlog: 128, graceful_timeout: 30, timeout: 30, config: "" }
    }

    /// Starts it.
    pub fn start(&self) -> Result<Server> {
        let dir = directory("gunicorn")?;
        write(&dir, "service.py", app::WSGI)?;
        write(&dir, "gunicorn.conf.py", self.config)?;
        let mut gunicorn = command("gunicorn")?;
        gunicorn.args([
            "-b",
            &self.place.written(),
            "-w",
            &self.workers.to_string(),
            "-k",
            self.worker_class,
        ]);
        gunicorn.args(["--graceful-timeout", &self.graceful_timeout.to_string()]);
        gunicorn.args(["--timeout", &self.timeout.to_string(), "--backlog", &self.backlog.to_string()]);
        gunicorn.args(["-p", "gunicorn.pid", "service:app"]);
        let server = Server::start(gunicorn, dir, self.place.clone(), Some("gunicorn.pid"))?;
        server.wait_for_workers(self.workers, START_LIMIT)?;
        Ok(server)
    }
}
