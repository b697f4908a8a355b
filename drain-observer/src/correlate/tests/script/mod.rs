//! Scenarios: one event a line, as the kernel, `/proc` or the observer would tell it, then what is expected.
//!
//! ```text
//! # What happens here (the rest of a line after ` # ` is a remark, too)
//! config settle 2                                    (hz N, keep_all, deadline S, unasked S, effect_within S)
//! +0.000 listen 100:puma *:9292 [limit 1024] [as NAME]   a name where one place has several sockets; a place may
//!                                                    be a path: unix:/run/puma.sock, or unix:@NAME where abstract
//! +2.000 unlisten 100 *:9292 [queue 2] [limit 1024] [drops 3]   (or its NAME)
//! +0.001 fork 100 -> 101:puma
//! +0.001 exec 101:ruby /usr/bin/ruby
//! +1.010 exit 101 0                                  (or a signal: exit 101 KILL)
//! +1.009 oom 101
//! +1.000 signal TERM 900:bash -> 100 [ignored]       (kernel -> 100: sent by the kernel)
//! +1.000 delivered TERM 100 handler                  (default, ignored)
//! +2.000 conn 10.0.0.1:5001..5003 [-> :9292] queued by 100      SITUATION[/END] [NAME=VALUE ..]
//! +2.100 flushed 10.0.0.1:5001 closed +2.0 [left 50] [reset|timeout]
//! +2.300 lingered 10.0.0.1:5001 closed +2.0 80 [quiet 0] by 100
//! +2.000 refused 10.0.0.1:5001..5003 [-> :9292]
//! +2.000 upstream 10.0.0.1:5001..5002 [-> :9292] by 300 [refused|reset]    these were process 300's, says its own end
//! +2.000 late 10.0.0.1:5001 [-> :9292] 80            (stray: unknown to listener; nosocket: to nobody)
//! +2.000 conn nginx:301..303 [-> unix:/run/puma.sock] SITUATION [NAME=VALUE ..] by 100     see `unix_situations`
//! +2.000 refused nginx:301..303 [-> unix:/run/puma.sock] nofile      (nobody: nobody listens; full: the queue is;
//!                                                    denied: for another reason)
//! +2.000 working unix:/run/puma.sock [queue 3] [limit 1024]      a probe sees a client come, and from now on knows it
//!                                                    (of a path, `listen` and `unlisten` are what a look found, 0.25 s
//!                                                    after the one before: who closed it is not told)
//! found listener *:9292 by 100 101 [limit 1024] [queue 3]
//! found process 100:puma [parent 1] [exe PATH] [unit U] [container C] [pod UID] [inner 1] [cmdline A]
//! +3.000 scanned 100 [*:9292 ..]                     (scanned 100 gone)
//! +3.000 surveyed queued 3 100=4/1/2/0 101=2         what processes hold: open/unread/awaiting/unsent
//! attached
//! +3.000 lost connection ring_full 3
//! +3.000 counts :9292 established 10 served 9 idle 1
//! +4.000 now                                         time passes; ends with the snapshot
//! +4.000 ended
//! expect ..                                          see `expect`
//! ```
//!
//! Without a time a line happens together with the one before. While a restart is open a tick passes each second.

mod clients;

use super::expect::Expectation;
use super::words::{NETNS, Names, Words, Wrong, ZERO, endpoint, nanoseconds, place, signal, time};
use crate::correlate::Config;
use crate::event::{
    Attached, BootNs, CommandLine, CountedBy, Counts, Event, Executed, Exited, Forked, Held, HeldListener,
    Kind, Listener, ListenerKey, ListenerSeen, Lost, OomVictim, Pod, ProcessSeen, QosClass, ResetKind,
    Scanned, SignalAction, SignalDelivered, SignalGenerated, SignalResult, Surveyed, Task, Unheld, UnixBind,
    UnixClosed, UnixListener, UnixOpened, UnixWatched,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Between two looks at which unix listeners there are.
const LOOK: BootNs = 250_000_000;

/// A scenario, read.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) events: Vec<Event>,
    pub(crate) until: BootNs,
    pub(super) expected: Vec<Expectation>,
}

impl Scenario {
    /// Reads a file. The error names it and the line.
    pub(crate) fn read(path: &Path) -> Result<Self, Wrong> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&path.file_name().unwrap_or_default().to_string_lossy(), &text)
    }

    /// Reads a text.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Wrong> {
        let mut reader = Reader::new(name);
        for (number, line) in text.lines().enumerate() {
            let line = if line.starts_with('#') { "" } else { line.split(" # ").next().unwrap_or_default() };
            reader.line(line).map_err(|wrong| format!("{name}:{}: {wrong}", number + 1))?;
        }
        if reader.scenario.expected.is_empty() {
            return Err(format!("{name}: nothing is expected"));
        }
        Ok(reader.scenario)
    }
}

struct Reader {
    scenario: Scenario,
    at: BootNs,
    names: Names,
    /// Listening sockets by the name they go by: place and address in the kernel.
    sockets: BTreeMap<String, (ListenerKey, u64)>,
    next_socket: u64,
    /// The first port and the first path that there was a listener at.
    port: Option<u16>,
    path: Option<String>,
    /// Of sockets with a path, also those that are closed.
    unix: BTreeMap<String, (ListenerKey, u64)>,
    starts: BTreeMap<u32, BootNs>,
}

impl Reader {
    fn new(name: &str) -> Self {
        let scenario = Scenario {
            name: name.to_owned(),
            config: Config::default(),
            events: Vec::new(),
            until: ZERO,
            expected: Vec::new(),
        };
        Self {
            scenario,
            at: ZERO,
            names: Names::default(),
            sockets: BTreeMap::new(),
            next_socket: 0xffff_8881_0000_0000,
            port: None,
            path: None,
            unix: BTreeMap::new(),
            starts: BTreeMap::new(),
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Wrong> {
        let mut words = Words::of(line);
        let Some(first) = words.peek() else { return Ok(()) };
        if first == "expect" {
            words.optional();
            self.scenario.expected.push(Expectation::parse(&mut words)?);
            return words.done();
        }
        if first == "config" {
            words.optional();
            return self.config(&mut words);
        }
        if first.starts_with('+') {
            let at = time(words.next("a time")?)?;
            if at < self.at {
                return Err(format!("{first} is before the line above"));
            }
            self.at = at;
            self.scenario.until = at;
        }
        let verb = words.next("an event")?;
        let kinds = self.event(verb, &mut words)?;
        words.done()?;
        self.scenario.events.extend(kinds.into_iter().map(|event| Event { at: self.at, event }));
        Ok(())
    }

    fn config(&mut self, words: &mut Words<'_>) -> Result<(), Wrong> {
        let config = &mut self.scenario.config;
        match words.next("a setting")? {
            "keep_all" => config.keep_all = true,
            "hz" => config.hz = words.number("ticks a second")?,
            "deadline" => config.deadline = nanoseconds(words.next("seconds")?)?,
            "settle" => config.settle = nanoseconds(words.next("seconds")?)?,
            "unasked" => config.unasked = nanoseconds(words.next("seconds")?)?,
            "effect_within" => config.effect_within = nanoseconds(words.next("seconds")?)?,
            other => return Err(format!("`{other}` is no setting")),
        }
        words.done()
    }

    fn event(&mut self, verb: &str, words: &mut Words<'_>) -> Result<Vec<Kind>, Wrong> {
        let kind = match verb {
            "conn" => return self.connections(words),
            "refused" => return self.resets(ResetKind::Refused, words),
            "late" => return self.resets(ResetKind::LateData, words),
            "stray" => return self.resets(ResetKind::UnknownToListener, words),
            "nosocket" => return self.resets(ResetKind::NoSocket, words),
            "flushed" => return self.flushed(words),
            "upstream" => return self.upstream(words),
            "lingered" => return self.lingered(words),
            "now" => return Ok(Vec::new()),
            "found" => self.found(words)?,
            "listen" => self.listen(words)?,
            "unlisten" => self.unlisten(words)?,
            "working" => self.working(words)?,
            "fork" => self.fork(words)?,
            "exec" => {
                let task = self.names.task(words.next("process")?)?;
                let file = words.next("a file")?.to_owned();
                Kind::Executed(Executed { task, start: self.start_of(task.pid), file })
            }
            "exit" => self.exit(words)?,
            "oom" => Kind::OomVictim(OomVictim { pid: words.number("pid")? }),
            "signal" => self.signal(words)?,
            "delivered" => self.delivered(words)?,
            "scanned" => self.scanned(words)?,
            "surveyed" => self.surveyed(words)?,
            "attached" => {
                let watched = UnixWatched { on: true, hooks: Vec::new() };
                let attached = Kind::Attached(Attached { hooks: Vec::new(), notes: Vec::new() });
                return Ok(vec![Kind::UnixWatched(watched), attached]);
            }
            "ended" => Kind::Ended,
            "lost" => Kind::Lost(Lost {
                what: words.next("what")?.to_owned(),
                reason: words.next("why")?.to_owned(),
                count: words.number("how many")?,
            }),
            "counts" => {
                let local = endpoint(words.next("a place")?)?;
                let mut of = |name: &str| words.expects(name).and_then(|()| words.number(name));
                let (established, served, idle_closed) = (of("established")?, of("served")?, of("idle")?);
                Kind::Counts(Counts {
                    of: CountedBy::Port { netns: NETNS, port: local.port },
                    established,
                    served,
                    idle_closed,
                })
            }
            other => return Err(format!("`{other}` is no event")),
        };
        Ok(vec![kind])
    }

    fn listen(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        let by = self.names.task(words.next("process")?)?;
        let word = words.next("a place")?;
        let key = place(word)?;
        let mut limit = 1024;
        if words.takes("limit") {
            limit = words.number("limit")?;
        }
        let name = if words.takes("as") { words.next("a name")? } else { word };
        let sk = self.new_socket(key, name);
        if key.local.path().is_some() {
            let seen = unix_seen(key, sk, limit, vec![by.pid]);
            return Ok(Kind::UnixOpened(UnixOpened { since: self.at.saturating_sub(LOOK), seen }));
        }
        Ok(Kind::ListenerOpened(Listener { sk, cookie: 0, key, by, queue: 0, limit, drops: 0 }))
    }

    fn working(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        let name = words.next("a listener")?;
        let (key, sk) = *self.unix.get(name).ok_or_else(|| format!("nobody ever listened at `{name}`"))?;
        let queue = if words.takes("queue") { words.number("queue")? } else { 1 };
        let limit = if words.takes("limit") { words.number("limit")? } else { 1024 };
        Ok(Kind::UnixListener(UnixListener {
            sk,
            binding: sk + 8,
            netns: key.netns,
            path: key.local.path().copied(),
            inode: sk >> 12,
            file_inode: 0,
            client: Task::default(),
            queue,
            limit,
        }))
    }

    /// The address in the kernel of a socket that goes by a name.
    fn new_socket(&mut self, key: ListenerKey, name: &str) -> u64 {
        self.next_socket += 0x1000;
        self.sockets.insert(name.to_owned(), (key, self.next_socket));
        if let Some(port) = key.local.port() {
            self.port.get_or_insert(port);
        } else {
            self.path.get_or_insert(name.to_owned());
            self.unix.insert(name.to_owned(), (key, self.next_socket));
        }
        self.next_socket
    }

    fn unlisten(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        let by = self.names.task(words.next("process")?)?;
        let name = words.next("a listener")?;
        let queue = if words.takes("queue") { words.number("queue")? } else { 0 };
        let limit = if words.takes("limit") { words.number("limit")? } else { 1024 };
        let drops = if words.takes("drops") { words.number("drops")? } else { 0 };
        let (key, sk) = self.sockets.remove(name).ok_or_else(|| format!("nobody listens at `{name}`"))?;
        if key.local.path().is_some() {
            let since = self.at.saturating_sub(LOOK);
            return Ok(Kind::UnixClosed(UnixClosed { since, key, cookie: sk, queue }));
        }
        Ok(Kind::ListenerClosed(Listener { sk, cookie: 0, key, by, queue, limit, drops }))
    }

    fn fork(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        let parent = self.names.task(words.next("process")?)?;
        words.expects("->")?;
        let child = words.next("process")?;
        if !child.contains(':') && self.names.task(child).is_err() {
            // A child bears its parent's name until it takes another.
            let pid: u32 = child.parse().map_err(|_| format!("PID or PID:NAME expected, `{child}` found"))?;
            self.names.rename(pid, parent.comm);
        }
        let child = self.names.task(child)?;
        self.starts.insert(child.pid, self.at);
        Ok(Kind::Forked(Forked { parent, child, start: self.at }))
    }

    fn exit(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        let task = self.names.task(words.next("process")?)?;
        let how = words.next("a status or signal")?;
        let (status, signal) = match how.parse::<u8>() {
            Ok(status) => (status, 0),
            Err(_) => (0, signal(how)? as u8),
        };
        Ok(Kind::Exited(Exited { task, start: self.start_of(task.pid), status, signal }))
    }

    fn signal(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        let signal = signal(words.next("a signal")?)?;
        let sender =
            if words.takes("kernel") { None } else { Some(self.names.task(words.next("process")?)?) };
        words.expects("->")?;
        let target = self.names.task(words.next("process")?)?;
        let result = if words.takes("ignored") { SignalResult::Ignored } else { SignalResult::Queued };
        Ok(Kind::Signal(SignalGenerated { signal, sender, target, result, group: true }))
    }

    fn delivered(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        let signal = signal(words.next("a signal")?)?;
        let task = self.names.task(words.next("process")?)?;
        let action = match words.next("what it does")? {
            "handler" => SignalAction::Handler,
            "default" => SignalAction::Default,
            "ignored" => SignalAction::Ignored,
            other => return Err(format!("handler, default or ignored expected, `{other}` found")),
        };
        Ok(Kind::SignalDelivered(SignalDelivered { signal, task, action }))
    }

    fn scanned(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        let pid = words.number("pid")?;
        let found = !words.takes("gone");
        let mut listeners = Vec::new();
        while let Some(word) = words.optional() {
            listeners.push(HeldListener { key: place(word)?, cookie: 0 });
        }
        Ok(Kind::Scanned(Scanned { pid, found, listeners }))
    }

    fn surveyed(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        let port = self.port.ok_or("which port? there was no listener yet")?;
        let netns = NETNS;
        let mut surveyed = Surveyed { complete: true, ..Surveyed::default() };
        let queued = if words.takes("queued") { words.number("how many")? } else { 0 };
        surveyed.unheld.push(Unheld { of: CountedBy::Port { netns, port }, open: 0, queued });
        while let Some((pid, held)) = words.peek().and_then(|word| word.split_once('=')) {
            words.optional();
            let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number"));
            let mut numbers = held.split('/').map(number).collect::<Result<Vec<u32>, Wrong>>()?.into_iter();
            let mut next = || numbers.next().unwrap_or(0);
            let (open, unread, awaiting, unsent) = (next(), next(), next(), next());
            let pid = number(pid)?;
            surveyed.held.push(Held {
                pid,
                of: CountedBy::Port { netns, port },
                open,
                unread,
                awaiting,
                unsent,
                oldest: ZERO,
            });
        }
        Ok(Kind::Surveyed(surveyed))
    }

    fn found(&mut self, words: &mut Words<'_>) -> Result<Kind, Wrong> {
        match words.next("listener or process")? {
            "listener" => {
                let word = words.next("a place")?;
                let key = place(word)?;
                words.expects("by")?;
                let holders = words.pids()?;
                let limit = if words.takes("limit") { words.number("limit")? } else { 1024 };
                let queue = if words.takes("queue") { words.number("queue")? } else { 0 };
                let sk = self.new_socket(key, word);
                if key.local.path().is_some() {
                    return Ok(Kind::ListenerSeen(unix_seen(key, sk, limit, holders)));
                }
                Ok(Kind::ListenerSeen(ListenerSeen {
                    key,
                    cookie: 0,
                    inode: 0,
                    queue,
                    limit,
                    holders,
                    unix: None,
                }))
            }
            "process" => {
                let task = self.names.task(words.next("process")?)?;
                let start = *self.starts.entry(task.pid).or_insert(ZERO - 1_000_000_000);
                let mut seen =
                    ProcessSeen { pid: task.pid, comm: task.comm, start, ..ProcessSeen::default() };
                while let Some(word) = words.optional() {
                    match word {
                        "parent" => seen.parent = words.number("pid")?,
                        "exe" => seen.executable = words.next("a file")?.to_owned(),
                        "unit" => seen.attribution.unit = Some(words.next("a unit")?.to_owned()),
                        "container" => {
                            seen.attribution.container = Some(words.next("a container")?.to_owned());
                        }
                        "pod" => {
                            let uid = words.next("a uid")?.to_owned();
                            seen.attribution.pod = Some(Pod { uid, qos: QosClass::Guaranteed });
                        }
                        "inner" => seen.inner_pid = Some(words.number("pid")?),
                        "cmdline" => {
                            let arguments = vec![words.next("an argument")?.to_owned()];
                            seen.command = Some(Box::new(CommandLine { arguments, truncated: false }));
                        }
                        other => return Err(format!("`{other}` is nothing that a process has")),
                    }
                }
                Ok(Kind::ProcessSeen(seen))
            }
            other => Err(format!("listener or process expected, `{other}` found")),
        }
    }

    fn start_of(&self, pid: u32) -> BootNs {
        self.starts.get(&pid).copied().unwrap_or(ZERO - 1_000_000_000)
    }
}

/// What a look tells of a unix listener.
fn unix_seen(key: ListenerKey, sk: u64, limit: u32, holders: Vec<u32>) -> ListenerSeen {
    let unix = Some(UnixBind { name: None, file_inode: 0 });
    ListenerSeen { key, cookie: sk, inode: sk >> 12, queue: 0, limit, holders, unix }
}
