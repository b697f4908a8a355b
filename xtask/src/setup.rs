//! Set-up: finds what a task needs, installs what is missing, says so in one line each.

use crate::{
    dist::debian,
    installer::{Installer, say},
    linker,
    machine::{self, Distribution},
    packages, peers, qemu,
    toolchain::{BpfToolchain, Missing, Target, which},
    vm::kernels,
    workspace::Workspace,
};
use anyhow::{Result, anyhow};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the machine is being set up for; each includes building.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Building alone.
    Build,
    /// The demo, which loads the probes.
    Demo,
    /// Measuring, which loads the probes and other tools.
    Bench,
    /// Formatter and linters.
    Lint,
    /// Lints and all tests.
    Test,
    /// The tests on other kernels alone.
    Kernels,
    /// Making packages and trying them, alone.
    Package,
    /// Whatever comes later.
    Everything,
}

/// What set-up found: everything that building for BPF needs.
pub(crate) struct Tools {
    compiler: BpfToolchain,
    linker: PathBuf,
    target: Target,
}

impl Tools {
    /// A cargo subcommand for the eBPF side.
    pub(crate) fn bpf_cargo(&self, workspace: &Workspace, subcommand: &str) -> Command {
        self.compiler.command(workspace.root(), &self.linker, &self.target, subcommand)
    }

    /// The compiler, for people.
    pub(crate) fn compiler(&self) -> String {
        self.compiler.to_string()
    }
}

/// Makes the machine fit for a purpose, or with `install` false tells what to run.
pub(crate) fn prepare(workspace: &Workspace, purpose: Purpose, install: bool) -> Result<Tools> {
    match purpose {
        Purpose::Demo => machine::check_root("demo")?,
        Purpose::Bench => machine::check_root("bench")?,
        Purpose::Test | Purpose::Package => machine::check_root("test")?,
        Purpose::Build | Purpose::Lint | Purpose::Kernels | Purpose::Everything => {}
    }
    if !matches!(purpose, Purpose::Build | Purpose::Lint | Purpose::Kernels) {
        machine::check_btf()?;
    }
    let distribution = Distribution::of_this_machine();
    let btf = if machine::has_btf() { "a kernel with BTF" } else { "a kernel without BTF" };
    say("machine", &format!("{}, {btf}", distribution.name));
    let mut installer = Installer::new(distribution, install);

    let target = Target { arch: env::consts::ARCH.to_owned(), big_endian: cfg!(target_endian = "big") };
    let compiler = compiler(&mut installer, &target)?;
    let linker = linker::prepare(&mut installer, workspace, compiler.as_ref())?;
    if matches!(purpose, Purpose::Lint | Purpose::Test | Purpose::Everything) {
        host_lints(&mut installer, workspace)?;
        bpf_lints(&mut installer, compiler.as_ref())?;
    }
    if matches!(purpose, Purpose::Test | Purpose::Everything) {
        cxx(&mut installer)?;
        servers(&mut installer)?;
    }
    if matches!(purpose, Purpose::Test | Purpose::Kernels | Purpose::Everything) {
        qemu::prepare(&mut installer, workspace)?;
        kernels::prepare(&mut installer, workspace)?;
    }
    if matches!(purpose, Purpose::Test | Purpose::Package | Purpose::Everything) {
        debian::prepare(&mut installer, workspace)?;
    }
    if purpose == Purpose::Bench {
        peers::prepare(&mut installer, workspace)?;
    }
    installer.finish()?;
    let compiler = compiler.ok_or_else(|| anyhow!(Missing::Compiler))?;
    Ok(Tools { compiler, linker, target })
}

/// Makes the machine fit for fuzzing alone, which needs nothing of the eBPF side.
pub(crate) fn prepare_fuzzing(install: bool) -> Result<()> {
    let mut installer = Installer::new(Distribution::of_this_machine(), install);
    cxx(&mut installer)?;
    installer.finish()
}

/// Finds or installs the compiler; `None` if a person is to install it.
fn compiler(installer: &mut Installer, target: &Target) -> Result<Option<BpfToolchain>> {
    const WHAT: &str = "BPF compiler";
    if let Ok(found) = BpfToolchain::find(target) {
        say(WHAT, &found.to_string());
        return Ok(Some(found));
    }
    if installer.offers(packages::BPF_CORE)? {
        installer.packages(WHAT, &packages::BPF_COMPILER.map(str::to_owned))?;
    } else if let Some(rustup) = which("rustup") {
        installer.command(WHAT, &mut add_rust_src(&rustup))?;
    } else {
        installer.by_hand(
            "# install rustup, then: rustup toolchain install nightly --profile minimal --component rust-src,clippy"
                .to_owned(),
        );
    }
    let found = BpfToolchain::find(target).ok();
    if let (Some(found), true) = (&found, installer.installs()) {
        say(WHAT, &found.to_string());
    }
    Ok(found)
}

fn add_rust_src(rustup: &Path) -> Command {
    let mut command = Command::new(rustup);
    if succeeds(Command::new(rustup).args(["run", "nightly", "rustc", "--version"])) {
        command.args(["component", "add", "rust-src", "--toolchain", "nightly"]);
    } else {
        command.args([
            "toolchain",
            "install",
            "nightly",
            "--profile",
            "minimal",
            "--component",
            "rust-src,clippy",
        ]);
    }
    command
}

fn host_lints(installer: &mut Installer, workspace: &Workspace) -> Result<()> {
    let tools = [("fmt", "rustfmt", packages::RUSTFMT), ("clippy", "clippy", packages::CLIPPY)];
    for (subcommand, component, package) in tools {
        if succeeds(&mut workspace.cargo([subcommand, "--version"])) {
            say(component, "there");
        } else if let (Some(rustup), Some(toolchain)) = (which("rustup"), env::var_os("RUSTUP_TOOLCHAIN")) {
            let mut command = Command::new(rustup);
            command.args(["component", "add", component, "--toolchain"]).arg(toolchain);
            installer.command(component, &mut command)?;
        } else {
            installer.packages(component, &[package.to_owned()])?;
        }
    }
    Ok(())
}

/// Finds or installs the linter of the BPF compiler, which need not be the host's compiler.
fn bpf_lints(installer: &mut Installer, compiler: Option<&BpfToolchain>) -> Result<()> {
    const WHAT: &str = "clippy for BPF";
    let is_there = |compiler: &BpfToolchain| match compiler {
        // Asked by name, cargo would take another compiler's linter for this one's.
        BpfToolchain::Prebuilt { cargo, .. } => cargo.with_file_name("cargo-clippy").is_file(),
        BpfToolchain::Nightly { rustup } => {
            succeeds(Command::new(rustup).args(["run", "nightly", "cargo-clippy", "--version"]))
        }
    };
    match compiler {
        Some(found) if is_there(found) => say(WHAT, "there"),
        Some(BpfToolchain::Nightly { rustup }) => {
            let mut command = Command::new(rustup);
            command.args(["component", "add", "clippy", "--toolchain", "nightly"]);
            installer.command(WHAT, &mut command)?;
        }
        Some(BpfToolchain::Prebuilt { .. }) => installer.packages(WHAT, &[packages::CLIPPY.to_owned()])?,
        // A person is to install the compiler; rustup's brings its linter along.
        None if installer.offers(packages::BPF_CORE)? => {
            installer.packages(WHAT, &[packages::CLIPPY.to_owned()])?;
        }
        None => {}
    }
    Ok(())
}

fn cxx(installer: &mut Installer) -> Result<()> {
    const WHAT: &str = "C++ compiler";
    if packages::CXX.is_installed() {
        say(WHAT, "there");
        return Ok(());
    }
    installer.packages(WHAT, &[packages::CXX.name.to_owned()])
}

fn servers(installer: &mut Installer) -> Result<()> {
    let missing = packages::missing(&packages::SERVERS);
    installer.packages("test servers", &missing)?;
    if missing.is_empty() || installer.installs() {
        say("test servers", &packages::SERVERS.map(|package| package.name).join(" "));
    }
    Ok(())
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
