//! `drain-observer doctor`: whether observing works here, and what to do if not.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use schemars::{JsonSchema, Schema};
use serde::{Serialize, Serializer};

use super::ENVIRONMENT;
use crate::clock;
use crate::enrich::in_initial_pid_namespace;
use crate::enrich::sockets::{self, Query, Source};
use crate::enrich::unix_diag;
use crate::event::{Hook, HookState};
use crate::kernel::btf::{Btf, KERNEL_BTF};
use crate::kernel::{self, Kernel, KernelError, Settings};
use crate::privilege::{self, NEEDS};
use crate::report::{self, model};
use crate::socket::{Connection, DEFAULT_PATH, SocketError};

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub(super) struct Doctor {
    /// How to show what was found
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    Text,
    Json,
}

/// Runs the subcommand.
pub(super) fn run(args: &Doctor) -> Result<ExitCode> {
    let diagnosis = Diagnosis::make();
    let text = match args.output {
        Format::Text => diagnosis.text(),
        Format::Json => serde_json::to_string_pretty(&diagnosis).context("cannot write JSON")? + "\n",
    };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ if diagnosis.works => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::from(ENVIRONMENT)),
    }
}

/// The JSON Schema of `doctor -o json`.
pub(super) fn schema() -> Schema {
    report::schema_of::<Diagnosis>("drain-observer doctor")
}

/// Whether observing works on a host, and what to do if not.
#[derive(Debug, Serialize, JsonSchema)]
struct Diagnosis {
    /// Recording would work.
    works: bool,
    /// Version of the program.
    version: &'static str,
    /// Kernel release.
    kernel: String,
    /// Hardware, as `uname -m` has it.
    machine: String,
    /// What observing needs, one by one.
    checks: Vec<Check>,
    /// The kernel hooks and their state, as in reports.
    #[serde(serialize_with = "as_in_reports")]
    #[schemars(with = "Vec<model::Hook>")]
    hooks: Vec<Hook>,
}

/// One thing that observing needs.
#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    /// What.
    name: &'static str,
    /// Whether it is there.
    state: CheckState,
    /// What was found, in words.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Whether something that observing needs is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum CheckState {
    /// It is.
    Ok,
    /// Not all of it, and less is seen.
    Warning,
    /// It is not, and nothing works without it.
    Failed,
}

fn as_in_reports<S: Serializer>(hooks: &[Hook], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(hooks.iter().map(model::Hook::from))
}

impl Diagnosis {
    fn make() -> Diagnosis {
        let names = rustix::system::uname();
        let (probes, hooks) = probes();
        let mut checks = vec![btf(), capabilities()];
        checks.extend(probes);
        checks.extend([pid_namespace(), sock_diag(), unix_diag(), tick(), daemon()]);
        Diagnosis {
            works: checks.iter().all(|check| check.state != CheckState::Failed),
            version: env!("CARGO_PKG_VERSION"),
            kernel: names.release().to_string_lossy().into_owned(),
            machine: names.machine().to_string_lossy().into_owned(),
            checks,
            hooks,
        }
    }

    fn text(&self) -> String {
        let mut lines = vec![
            format!("drain-observer {} on Linux {} ({})", self.version, self.kernel, self.machine),
            String::new(),
        ];
        for Check { name, state, found, remedy } in &self.checks {
            lines.push(format!("{:<8} {name:<13} {found}", state.word()));
            lines.extend(remedy.iter().map(|remedy| format!("{:<22} -> {remedy}", "")));
        }
        lines.extend([String::new(), format!("{:<20} {:<9} {:<9} for", "hook", "", "state")]);
        for Hook { name, purpose, required, state, reason } in &self.hooks {
            let required = if *required { "required" } else { "optional" };
            lines.push(format!("{name:<20} {required:<9} {:<9} {purpose}", hook_word(*state)));
            lines.extend(reason.iter().map(|reason| format!("{:<40} {reason}", "")));
        }
        lines.extend([String::new(), self.verdict().to_owned(), String::new()]);
        lines.join("\n")
    }

    fn verdict(&self) -> &'static str {
        let lacking = |hook: &Hook| matches!(hook.state, HookState::Degraded | HookState::Missing);
        let warned = self.checks.iter().any(|check| check.state == CheckState::Warning);
        match self.works {
            false => "Recording does not work here: see what failed.",
            true if warned || self.hooks.iter().any(lacking) => {
                "Recording works, and sees less than it could."
            }
            true => "Recording works.",
        }
    }
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check { name, state: CheckState::Ok, found: found.into(), remedy: None }
    }

    fn bad(
        name: &'static str,
        state: CheckState,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        Check { name, state, found: found.into(), remedy: Some(remedy.into()) }
    }

    /// Errors say themselves what to do.
    fn failed(name: &'static str, error: &dyn std::error::Error) -> Check {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Check { name, state: CheckState::Failed, found: format!("{error}{cause}"), remedy: None }
    }
}

impl CheckState {
    fn word(self) -> &'static str {
        match self {
            CheckState::Ok => "ok",
            CheckState::Warning => "warning",
            CheckState::Failed => "FAILED",
        }
    }
}

fn hook_word(state: HookState) -> &'static str {
    match state {
        HookState::Attached => "attached",
        HookState::Degraded => "degraded",
        HookState::Unused => "unused",
        HookState::Missing => "MISSING",
    }
}

fn btf() -> Check {
    match kernel::kernel_btf() {
        Ok(btf) => Check::ok("BTF", format!("{KERNEL_BTF} describes {} types", btf.type_count())),
        Err(error) => Check::failed("BTF", &error),
    }
}

fn capabilities() -> Check {
    let missing = privilege::missing();
    if missing.is_empty() {
        let needs: Vec<String> =
            NEEDS.iter().map(|need| format!("{} ({})", need.name, need.purpose)).collect();
        return Check::ok("capabilities", format!("all that are needed: {}", needs.join("; ")));
    }
    let state = match missing.iter().any(|need| need.required) {
        true => CheckState::Failed,
        false => CheckState::Warning,
    };
    let there: Vec<&str> =
        NEEDS.iter().filter(|need| !missing.contains(need)).map(|need| need.name).collect();
    let there = if there.is_empty() { String::new() } else { format!("; there: {}", there.join(", ")) };
    let what: Vec<String> = missing.iter().map(|need| format!("{} ({})", need.name, need.without)).collect();
    let found = format!("missing: {}{there}", what.join("; "));
    Check::bad("capabilities", state, found, "run with sudo, or grant them")
}

/// Attaches everything for a moment; where that fails, says what BTF alone says of the hooks.
fn probes() -> (Vec<Check>, Vec<Hook>) {
    let settings = Settings { accept_times: true, ..Settings::default() };
    match Kernel::attach(&settings) {
        Ok(mut kernel) => {
            let size = settings.ring_size;
            let loaded = format!("loaded and attached, ring buffer of {size} bytes");
            let check = match kernel.watch_unix(true) {
                Ok(()) => Check::ok("probes", loaded),
                Err(error) => Check::bad(
                    "probes",
                    CheckState::Warning,
                    format!("{loaded}; those of unix sockets failed: {error}"),
                    "leave unix sockets out (--tcp-only), and please report this kernel",
                ),
            };
            let accept = kernel.accept_hook().cloned();
            let mut hooks = kernel.hooks().to_vec();
            // It is there only where it is asked for.
            hooks.retain(|hook| Some(hook) != accept.as_ref());
            hooks.extend(kernel.unix_hooks());
            (std::iter::once(check).chain(accept.map(accept_times)).collect(), hooks)
        }
        Err(error) => {
            let plan =
                |btf: Btf| kernel::plan(&btf).into_iter().chain(kernel::plan_unix(&btf)).collect::<Vec<_>>();
            let planned = kernel::kernel_btf().map(plan).unwrap_or_default();
            let hooks = planned.into_iter().map(|plan| not_tried(plan.into(), &error)).collect();
            (vec![Check::failed("probes", &error)], hooks)
        }
    }
}

/// What `--accept-times` would rest on.
fn accept_times(hook: Hook) -> Check {
    let Hook { name, state, reason, .. } = hook;
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    match state {
        HookState::Missing => Check::bad(
            "accept times",
            CheckState::Warning,
            format!("not known{reason}"),
            "leave out --accept-times: waits in accept queues are told as bounds",
        ),
        _ => Check::ok("accept times", format!("--accept-times can use {name}{reason}")),
    }
}

fn not_tried(hook: Hook, error: &KernelError) -> Hook {
    match hook.state {
        HookState::Attached | HookState::Degraded => {
            let reason = match error {
                KernelError::NotAllowed(_) => "this kernel has it; attaching it was not allowed",
                _ => "this kernel has it; loading the probes failed",
            };
            Hook { state: HookState::Missing, reason: Some(reason.to_owned()), ..hook }
        }
        HookState::Unused | HookState::Missing => hook,
    }
}

fn pid_namespace() -> Check {
    if in_initial_pid_namespace() {
        return Check::ok("pid namespace", "the host's");
    }
    Check::bad(
        "pid namespace",
        CheckState::Warning,
        "one of its own: processes that the kernel names cannot be looked up",
        "run on the host, or with the host's pid namespace (docker run --pid=host)",
    )
}

fn sock_diag() -> Check {
    match sockets::list(None, &Query::listeners()) {
        Ok(list) => match list.source {
            Source::SockDiag => {
                Check::ok("sock_diag", format!("{} listening sockets here", list.sockets.len()))
            }
            Source::Proc { instead } => Check::bad(
                "sock_diag",
                CheckState::Warning,
                format!("/proc/net/tcp is read instead, which tells less of listening sockets ({instead})"),
                "modprobe tcp_diag",
            ),
        },
        Err(error) => Check::failed("sock_diag", &error),
    }
}

fn unix_diag() -> Check {
    match unix_diag::list(std::process::id()) {
        Ok(list) => Check::ok("unix_diag", format!("{} listening unix sockets here", list.sockets.len())),
        Err(error) => Check::bad(
            "unix_diag",
            CheckState::Warning,
            format!("unix listeners are not found: {error}"),
            "or leave unix sockets out (--tcp-only)",
        ),
    }
}

fn tick() -> Check {
    let ticks = clock::ticks_per_second();
    Check::ok(
        "clock",
        format!("{ticks} ticks a second: times of TCP are known to {} ms", 1_000 / ticks.max(1)),
    )
}

/// One that others are meant to use.
fn daemon() -> Check {
    match Connection::open(Path::new(DEFAULT_PATH)) {
        Ok(_) => {
            Check::ok("daemon", format!("answers at {DEFAULT_PATH}: tui, watch, report and gate use it"))
        }
        Err(SocketError::Missing(_)) => Check::ok("daemon", format!("none at {DEFAULT_PATH}")),
        Err(error @ SocketError::Dead(_)) => Check::bad(
            "daemon",
            CheckState::Warning,
            error.to_string(),
            "start `drain-observer serve` again, or remove the socket",
        ),
        Err(error) => Check::bad(
            "daemon",
            CheckState::Warning,
            error.to_string(),
            "or observe without it (--standalone), which needs root",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_decides() {
        let mut diagnosis = Diagnosis {
            works: true,
            version: "0",
            kernel: "6.1.0".into(),
            machine: "x86_64".into(),
            checks: vec![Check::ok("BTF", "there")],
            hooks: vec![Hook {
                name: "tcp_send_reset".into(),
                purpose: "refused connections".into(),
                required: false,
                state: HookState::Degraded,
                reason: Some("an old kernel".into()),
            }],
        };
        assert_eq!(diagnosis.verdict(), "Recording works, and sees less than it could.");
        let text = diagnosis.text();
        assert!(text.contains("ok       BTF           there\n"), "{text}");
        assert!(text.contains("tcp_send_reset       optional  degraded  refused connections\n"), "{text}");
        assert!(text.contains(" an old kernel\n"), "{text}");
        diagnosis.works = false;
        assert!(diagnosis.text().ends_with("Recording does not work here: see what failed.\n"));
    }

    #[test]
    fn diagnosing_never_fails_itself() {
        let diagnosis = Diagnosis::make();
        assert!(!diagnosis.checks.is_empty());
        assert!(diagnosis.checks.iter().all(|check| !check.found.is_empty()));
    }

    #[test]
    fn a_diagnosis_is_as_the_schema_says() {
        let schema = serde_json::to_value(schema()).expect("a schema is JSON");
        jsonschema::meta::validate(&schema).expect("a good schema");
        let validator = jsonschema::validator_for(&schema).expect("a usable schema");
        let mut diagnosis = Diagnosis::make();
        diagnosis.checks.push(Check::bad("BTF", CheckState::Warning, "none", "another kernel"));
        let mut said = serde_json::to_value(&diagnosis).expect("a diagnosis as JSON");
        let errors: Vec<String> = validator.iter_errors(&said).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        said["checks"][0]["state"] = "splendid".into();
        assert!(!validator.is_valid(&said));
    }
}
