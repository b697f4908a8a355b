//! Puma in cluster mode.

use std::time::Duration;

use anyhow::Result;

use super::{Place, Prepared, Server, app, command, directory, write};

/// How to start it.
#[derive(Debug, Clone)]
pub struct Puma {
    /// Where it serves.
    pub place: Place,
    /// Where it serves besides.
    pub also: Option<Place>,
    /// Worker processes.
    pub workers: usize,
    /// Threads of each.
    pub threads: usize,
    /// Longest accept queue.
    pub backlog: usize,
    /// How long the application takes to load.
    pub boots_for: Duration,
    /// Further lines of its configuration.
    pub config: &'static str,
}

impl Puma {
    /// Two workers with two threads on a free port.
    pub fn new() -> Result<Self> {
        Ok(Self::at(Place::free()?))
    }

    /// Two workers with two threads at this place.
    pub fn at(place: Place) -> Self {
        let boots_for = Duration::ZERO;
        Self { place, also: None, workers: 2, threads: 2, backlog: 128, boots_for, config: "" }
    }

    /// Starts it.
    pub fn start(&self) -> Result<Server> {
        let Prepared { command, dir, place } = self.prepare()?;
        let mut server = Server::start_unserved(command, dir, place, None)?;
        server.wait_until_serving()?;
        self.wait_until_booted(&server)?;
        Ok(server)
    }

    /// Waits until its workers have reported: before, a signal would meet a puma that is still booting.
    pub fn wait_until_booted(&self, server: &Server) -> Result<()> {
        for worker in 0..self.workers {
            server.wait_for_log(&format!("Worker {worker} (PID"), super::START_LIMIT)?;
        }
        Ok(())
    }

    /// Writes its files, for somebody to start it.
    pub fn prepare(&self) -> Result<Prepared> {
        let dir = directory("puma")?;
        let Self { place, also, workers, threads, backlog, boots_for, config: more } = self;
        let binds: Vec<String> = [Some(place), also.as_ref()]
            .into_iter()
            .flatten()
            .map(|place| match place {
                Place::Inet(address) => format!("bind \"tcp://{address}?backlog={backlog}\"\n"),
                Place::Path(path) => format!("bind \"unix://{}?backlog={backlog}\"\n", path.display()),
            })
            .collect();
        write(&dir, "config.ru", &format!("sleep {}\n{}", boots_for.as_secs_f64(), app::RACK))?;
        let config = format!(
            "environment \"production\"\nworkers {workers}\nthreads {threads}, {threads}\n\
             {}{more}\n",
            binds.concat()
        );
        write(&dir, "puma.rb", &config)?;
        let mut puma = command("puma")?;
        puma.args(["-C", "puma.rb", "config.ru"]);
        Ok(Prepared { command: puma, dir, place: place.clone() })
    }
}
