//! Unicorn.

use anyhow::Result;

use super::{Place, START_LIMIT, Server, app, command, directory, write};

/// How to start it.
#[derive(Debug, Clone)]
pub struct Unicorn {
    /// Where it serves.
    pub place: Place,
    /// Worker processes.
    pub workers: usize,
    /// Longest accept queue.
    pub backlog: usize,
    /// Seconds after which the master kills a worker that has not answered.
    pub timeout: u32,
}

impl Unicorn {
    /// Two workers on a free port.
    pub fn new() -> Result<Self> {
        Ok(Self::at(Place::free()?))
    }

    /// Two workers at this place.
    pub fn at(place: Place) -> Self {
        Self { place, workers: 2, backlog: 128, timeout: 30 }
    }

    /// Starts it.
    pub fn start(&self) -> Result<Server> {
        let dir = directory("unicorn")?;
        write(&dir, "config.ru", app::RACK)?;
        let Self { place, workers, backlog, timeout } = self;
        let listen = match place {
            Place::Inet(address) => address.to_string(),
            Place::Path(path) => path.display().to_string(),
        };
        let config = format!(
            "worker_processes {workers}\ntimeout {timeout}\npid \"unicorn.pid\"\nlisten \"{listen}\", backlog: {backlog}\n"
        );
        write(&dir, "unicorn.rb", &config)?;
        let mut unicorn = command("unicorn")?;
        unicorn.args(["-E", "none", "-c", "unicorn.rb", "config.ru"]);
        let server = Server::start(unicorn, dir, place.clone(), Some("unicorn.pid"))?;
        server.wait_for_workers(*workers, START_LIMIT)?;
        Ok(server)
    }
}
