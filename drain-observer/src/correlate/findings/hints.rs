//! What to change: by the setting's name where the server is a known one, in general words otherwise. The only place
//! that knows servers' names.

use crate::correlate::facts::{Finding, RestartFact};

/// The server that a hint is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server<'a> {
    known: Option<Known>,
    unit: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Apache,
    Gunicorn,
    Haproxy,
    Nginx,
    Puma,
    Unicorn,
}

const KNOWN: [(&str, Known); 7] = [
    ("apache2", Known::Apache),
    ("gunicorn", Known::Gunicorn),
    ("haproxy", Known::Haproxy),
    ("httpd", Known::Apache),
    ("nginx", Known::Nginx),
    ("puma", Known::Puma),
    ("unicorn", Known::Unicorn),
];

impl<'a> Server<'a> {
    pub(super) fn of(fact: &RestartFact, unit: Option<&'a str>) -> Self {
        let members = fact.old.iter().chain(&fact.new);
        let mut names = members.flat_map(|member| {
            let file = member.executable.rsplit('/').next().unwrap_or_default();
            [file, member.comm.as_str()]
        });
        let known = names.find_map(|name| {
            KNOWN.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, known)| *known)
        });
        Self { known, unit }
    }

    /// A remark about its unit, where it has one.
    fn in_unit(&self, remark: &str) -> String {
        self.unit.map(|unit| format!(" In {unit}: {remark}.")).unwrap_or_default()
    }
}

/// What to change about a finding.
pub(super) fn hint(finding: &Finding, server: &Server) -> String {
    match finding {
        Finding::RestartDidNotHappen(_) | Finding::SignalIgnored(_) => did_not_happen(server),
        Finding::RepeatedSignal(_) => {
            "send it once and wait for the outcome; have the deploy wait for the new process rather than repeat"
                .into()
        }
        Finding::GroupSignal(_) => {
            let unit = server.in_unit("KillMode=mixed signals the main process alone");
            format!("signal the master alone, not its process group or container: it ends its workers in order.{unit}")
        }
        Finding::SilentListener(_) => silent(server),
        Finding::ListenerOutlivedWorkers(_) => outlived(server),
        Finding::ListenerGap(_) => {
            let unit = server.in_unit("a socket unit (Sockets=, Accept=no) keeps the listener over the restart");
            let how = match server.known {
                Some(Known::Nginx) => "USR2, WINCH, QUIT (or HUP for configuration)",
                Some(Known::Puma) => "USR2 or USR1 (phased)",
                Some(Known::Unicorn | Known::Gunicorn) => "USR2, then QUIT to the old master",
                Some(Known::Haproxy) => "USR2 to the master of `-W`",
                Some(Known::Apache) => "`apachectl graceful`",
                None => "a restart that hands the socket over",
            };
            format!("let the listener outlive the restart: {how}, or socket activation.{unit}")
        }
        Finding::NoBlackout(_) => {
            let unit = server.in_unit("an ExecStop= that fails the health check and sleeps comes before the signal");
            format!(
                "fail the health check, or leave the load balancer, and wait for its interval before the listener closes.{unit}"
            )
        }
        Finding::AcceptQueueOverflow(_) => {
            "raise the listener's backlog and net.core.somaxconn, or shorten the time in which nobody accepts".into()
        }
        Finding::ReuseportQueueLost(_) => {
            "set net.ipv4.tcp_migrate_req=1 (Linux 5.14) so that the queue goes to another socket of the group, or \
             share one listening socket"
                .into()
        }
        Finding::UpstreamLost(_) => {
            "have the proxy try again elsewhere or later (nginx: proxy_next_upstream with a second server, haproxy: retries \
             and option redispatch), or keep the listener open and accepting over the restart"
                .into()
        }
        Finding::ReplacedQueueLost(_) => {
            "have the old process accept what is queued before it closes its socket, or hand the socket over instead of \
             binding another to its path"
                .into()
        }
        Finding::KilledWhileDraining(_) => longer(server),
        Finding::CrashedWhileDraining(_) => {
            "look into that process's log at that time: an end other than in good order drops what is under way".into()
        }
        Finding::ResidualGeneration(_) => residual(server),
        Finding::ResponseCutOff(_) => cut_off(server),
        Finding::KeepaliveRace(_) => {
            "clients should retry idempotent requests on reused connections and keep idle ones for a shorter time than \
             the server; answer with `Connection: close` before closing"
                .into()
        }
        Finding::OutgoingWorkLost(_) => {
            format!("finish or hand over outgoing work before the exit; {}", longer(server))
        }
    }
}

fn did_not_happen(server: &Server) -> String {
    let how = match server.known {
        Some(Known::Puma) => {
            "with stdout_redirect puma only reopens its logs on HUP: use USR2 (restart) or USR1 (phased restart)"
        }
        Some(Known::Nginx) => {
            "nginx must run as a daemon and by its full path for USR2; HUP needs a configuration that passes `nginx -t`"
        }
        Some(Known::Unicorn) => {
            "unicorn with preload_app needs USR2 and then QUIT, HUP does not load new code"
        }
        Some(Known::Haproxy) => "haproxy reloads on USR2 in master-worker mode (-W) alone",
        Some(Known::Gunicorn | Known::Apache) | None => {
            "check which signal makes this server restart, and whether a control script changed or swallowed it"
        }
    };
    format!("{how}; have the deploy compare pid and start time before and after")
}

fn silent(server: &Server) -> String {
    match server.known {
        Some(Known::Puma) => {
            "puma keeps the inherited socket while the application boots: preload_app!, a phased restart (USR1), or \
             the new process beside the old one; at a stop: drain_on_shutdown true"
        }
        Some(Known::Unicorn) => "unicorn: USR2, and QUIT to the old master once the new one serves (before_fork)",
        Some(Known::Gunicorn) => {
            "gunicorn: USR2, and QUIT to the old master once the new one serves; preload_app shortens the boot; at a \
             stop: take it out of the load balancer first"
        }
        Some(Known::Haproxy | Known::Nginx | Known::Apache) | None => {
            "let the old generation accept until the new one does; at a stop accept what is queued after the listener \
             has left the load balancer, and close it at once"
        }
    }
    .into()
}

fn outlived(server: &Server) -> String {
    match server.known {
        Some(Known::Puma) => {
            "puma: drain_on_shutdown true accepts what is queued before the end, and a puma that closes the listener \
             before its workers (TERM, not INT)"
        }
        _ => "the parent should close the listener before it ends its workers, or let them drain its queue last",
    }
    .into()
}

fn longer(server: &Server) -> String {
    let how = match server.known {
        Some(Known::Puma) => "worker_shutdown_timeout and force_shutdown_after",
        Some(Known::Gunicorn) => "graceful_timeout",
        Some(Known::Unicorn) => "the supervisor's stop timeout (unicorn's own timeout is for each request)",
        Some(Known::Nginx) => "worker_shutdown_timeout",
        Some(Known::Haproxy) => "hard-stop-after",
        Some(Known::Apache) => "GracefulShutdownTimeout",
        None => "the server's or the supervisor's grace period",
    };
    let unit = server.in_unit("TimeoutStopSec must be longer than the server's own grace period");
    format!("allow longer than the longest request: {how}.{unit}")
}

fn residual(server: &Server) -> String {
    match server.known {
        Some(Known::Haproxy) => {
            "haproxy: hard-stop-after bounds how long an old process stays for its old connections"
        }
        Some(Known::Nginx) => "nginx: worker_shutdown_timeout bounds how long an old worker stays",
        Some(Known::Puma) => "puma: worker_shutdown_timeout bounds how long an old worker stays",
        Some(Known::Gunicorn) => "gunicorn: graceful_timeout bounds how long an old worker stays",
        Some(Known::Apache) => "apache: GracefulShutdownTimeout bounds how long an old child stays",
        Some(Known::Unicorn) | None => {
            "bound how long old processes stay for old connections, and how long those may live"
        }
    }
    .into()
}

fn cut_off(server: &Server) -> String {
    match server.known {
        Some(Known::Nginx) => "nginx: QUIT (graceful) instead of TERM or INT, and worker_shutdown_timeout beyond the longest download".into(),
        Some(Known::Haproxy) => "haproxy: USR1 (soft stop) instead of TERM, and hard-stop-after beyond the longest download".into(),
        _ => longer(server),
    }
}
