//! Finds what builds the eBPF side: a Rust compiler with `core` for the BPF target, and bpf-linker.
//!
//! The build script and `cargo xtask` share this file, so that set-up installs exactly what the build looks
//! for. It therefore uses nothing but the standard library.

use std::{
    env,
    ffi::OsString,
    fmt,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The package and the binary that hold the probes.
const EBPF_PACKAGE: &str = "drain-observer-ebpf";

/// The rustup toolchain whose `build-std` can build `core` for BPF.
const NIGHTLY: &str = "nightly";

/// The directory of a distribution's own compiler, which lies beside a rustup one without replacing it.
const DISTRIBUTION_BIN: &str = "/usr/bin";

/// A compiler that can build `core`-only crates for the BPF target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BpfToolchain {
    /// A compiler whose sysroot holds a prebuilt `core` for the BPF target, such as Debian's rustc-web.
    Prebuilt {
        /// The cargo that belongs to `rustc`.
        cargo: PathBuf,
        /// The compiler.
        rustc: PathBuf,
    },
    /// rustup's nightly with rust-src, which builds `core` itself.
    Nightly {
        /// The rustup that runs it.
        rustup: PathBuf,
    },
}

/// The BPF flavour that fits the machine the observer will run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The machine's architecture as rustc names it, which decides the layout of `pt_regs`.
    pub(crate) arch: String,
    /// Whether the machine is big-endian.
    pub(crate) big_endian: bool,
}

/// Something the build of the eBPF side needs and does not find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is neither a compiler with a prebuilt `core` nor a nightly with rust-src.
    Compiler,
    /// There is no bpf-linker.
    Linker,
}

impl BpfToolchain {
    /// Finds a compiler for `target`, preferring a prebuilt `core` to building one.
    pub(crate) fn find(target: &Target) -> Result<Self, Missing> {
        Self::prebuilt(target).or_else(Self::nightly).ok_or(Missing::Compiler)
    }

    /// The command `cargo SUBCOMMAND` for the package of the probes, ready for further arguments.
    ///
    /// The environment is set up so that neither the toolchain nor the flags of a surrounding cargo leak in.
    pub(crate) fn command(
        &self,
        workspace: &Path,
        linker: &Path,
        target: &Target,
        subcommand: &str,
    ) -> Command {
        let mut command = self.cargo(subcommand);
        command
            .arg(subcommand)
            .args(["--package", EBPF_PACKAGE, "--bin", EBPF_PACKAGE])
            .args(["--release", "--target", &target.triple()])
            .current_dir(workspace)
            .env("PATH", path_with(linker))
            .env("CARGO_ENCODED_RUSTFLAGS", target.rustflags(workspace).join("\x1f"));
        if matches!(self, Self::Nightly { .. }) {
            command.args(["-Z", "build-std=core"]);
        }
        command
    }

    /// Its compiler, ready for arguments.
    pub(crate) fn rustc(&self) -> Command {
        match self {
            Self::Prebuilt { rustc, .. } => isolated(rustc),
            Self::Nightly { rustup } => run_nightly(rustup, "rustc"),
        }
    }

    fn prebuilt(target: &Target) -> Option<Self> {
        let bin = Path::new(DISTRIBUTION_BIN);
        let found = Self::Prebuilt { cargo: bin.join("cargo"), rustc: bin.join("rustc") };
        let cargo_exists = bin.join("cargo").is_file();
        (cargo_exists && found.sysroot_has(&target.triple())).then_some(found)
    }

    fn nightly() -> Option<Self> {
        let found = Self::Nightly { rustup: which("rustup")? };
        found.sysroot_has("src/rust/library/core").then_some(found)
    }

    fn sysroot_has(&self, path: &str) -> bool {
        let sysroot = stdout(self.rustc().args(["--print", "sysroot"]));
        sysroot.is_some_and(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib").join(path).is_dir())
    }

    fn cargo(&self, subcommand: &str) -> Command {
        match self {
            Self::Prebuilt { cargo, rustc } => {
                // Cargo itself would take an external subcommand of rustup's, which lies in cargo's own directory.
                let external = cargo.with_file_name(format!("cargo-{subcommand}"));
                let mut command = isolated(if external.is_file() { &external } else { cargo });
                // RUSTC_BOOTSTRAP gives aya-ebpf, and only that crate, its unstable features on a stable compiler.
                command.env("CARGO", cargo).env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "aya_ebpf");
                command
            }
            Self::Nightly { rustup } => run_nightly(rustup, "cargo"),
        }
    }
}

impl fmt::Display for BpfToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prebuilt { rustc, .. } => write!(f, "{} with a prebuilt core for BPF", rustc.display()),
            Self::Nightly { .. } => write!(f, "rustup's {NIGHTLY} with rust-src"),
        }
    }
}

impl Target {
    /// The target triple rustc knows it by.
    pub(crate) fn triple(&self) -> String {
        format!("{}-unknown-none", if self.big_endian { "bpfeb" } else { "bpfel" })
    }

    fn rustflags(&self, workspace: &Path) -> Vec<String> {
        let mut flags = vec![
            // aya-ebpf chooses the layout of the traced machine's registers by it.
            format!("--cfg=bpf_target_arch=\"{}\"", self.arch),
            // BTF is made from the debug information.
            "-Cdebuginfo=2".to_owned(),
            "-Clink-arg=--btf".to_owned(),
        ];
        flags.extend(remapped(workspace));
        flags
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler => f.write_str(
                "no Rust compiler for the BPF target: neither /usr/bin/rustc with a prebuilt core for it \
                 (Debian: libstd-rust-web-dev-bpf) nor rustup's nightly with rust-src",
            ),
            Self::Linker => f.write_str("no bpf-linker, neither in target/tools/bin nor on PATH"),
        }
    }
}

impl std::error::Error for Missing {}

/// Compiler flags that keep the directories of this machine out of what is built, so that the same sources give the same
/// bytes elsewhere.
pub(crate) fn remapped(workspace: &Path) -> Vec<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let registry = home.map(|home| remap(&home.join("registry/src"), "/cargo/registry"));
    registry.into_iter().chain([remap(workspace, "/drain-observer")]).collect()
}

/// Finds bpf-linker: the project's own under the workspace's target directory, or one on `PATH`.
pub(crate) fn find_linker(workspace: &Path) -> Result<PathBuf, Missing> {
    let own = tools_dir(workspace).join("bin/bpf-linker");
    if own.is_file() {
        return Ok(own);
    }
    which("bpf-linker").ok_or(Missing::Linker)
}

/// The directory that set-up installs the project's own build tools into.
pub(crate) fn tools_dir(workspace: &Path) -> PathBuf {
    workspace.join("target/tools")
}

/// The first executable of that name on `PATH`.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn path_with(linker: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = linker.parent().map(Path::to_path_buf).into_iter().chain(env::split_paths(&path));
    // Joining fails only for a directory with a colon in its name, which PATH cannot hold either.
    env::join_paths(dirs).unwrap_or(path)
}

fn run_nightly(rustup: &Path, program: &str) -> Command {
    let mut command = isolated(rustup);
    command.args(["run", NIGHTLY, program]);
    command
}

/// A command without what a surrounding cargo or rustup put into the environment for its own compiler.
fn isolated(program: &Path) -> Command {
    const LEAKING: [&str; 15] = [
        "CARGO",
        "CARGO_BUILD_RUSTC",
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ];
    let mut command = Command::new(program);
    for key in LEAKING {
        command.env_remove(key);
    }
    command
}

fn stdout(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
