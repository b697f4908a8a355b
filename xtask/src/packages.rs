//! The distribution's packages that set-up installs, and how to see without apt that they are there.

use crate::toolchain::which;
use std::path::Path;

/// The LLVM that Debian's Rust compiler is built with, until the compiler itself can be asked.
pub(crate) const DEBIAN_LLVM: u32 = 22;

/// The package whose availability tells that the distribution has the whole compiler.
pub(crate) const BPF_CORE: &str = "libstd-rust-web-dev-bpf";

/// A Rust compiler with a prebuilt `core` for BPF, which lives beside a rustup toolchain.
pub(crate) const BPF_COMPILER: [&str; 3] = ["rustc-web", "cargo-web", BPF_CORE];

/// The C++ compiler, which bpf-linker and libFuzzer are built with.
pub(crate) const CXX: Package = Package { name: "g++", proof: Proof::Program("c++") };

/// The formatter and the linter that belong to it.
pub(crate) const RUSTFMT: &str = "rustfmt-web";
pub(crate) const CLIPPY: &str = "rust-web-clippy";

/// The servers that the live tests restart, and the one that scrapes the metrics; promtool comes with it.
pub(crate) const SERVERS: [Package; 10] = [
    Package { name: "puma", proof: Proof::Program("puma") },
    Package { name: "unicorn", proof: Proof::Program("unicorn") },
    Package { name: "gunicorn", proof: Proof::Program("gunicorn") },
    Package {
        name: "python3-gevent",
        proof: Proof::File("/usr/lib/python3/dist-packages/gevent/__init__.py"),
    },
    Package { name: "haproxy", proof: Proof::Program("haproxy") },
    Package { name: "nginx-light", proof: Proof::Program("nginx") },
    Package { name: "apache2-bin", proof: Proof::Program("apache2") },
    Package { name: "openssl", proof: Proof::Program("openssl") },
    Package { name: "runit", proof: Proof::Program("runsv") },
    Package { name: "prometheus", proof: Proof::Program("promtool") },
];

/// What the Debian package is tried with, in a tree of its own.
pub(crate) const TRIAL: [Package; 2] = [
    Package { name: "debootstrap", proof: Proof::Program("debootstrap") },
    Package { name: "iproute2", proof: Proof::Program("ip") },
];

/// A package and what shows that it, or a replacement of it, is installed.
pub(crate) struct Package {
    /// Its name in Debian.
    pub(crate) name: &'static str,
    proof: Proof,
}

enum Proof {
    Program(&'static str),
    File(&'static str),
}

impl Package {
    /// Whether it is installed, by whatever way.
    pub(crate) fn is_installed(&self) -> bool {
        match self.proof {
            Proof::Program(program) => has_program(program),
            Proof::File(file) => Path::new(file).exists(),
        }
    }
}

/// The names of the packages that are not installed.
pub(crate) fn missing(packages: &[Package]) -> Vec<String> {
    let missing = packages.iter().filter(|package| !package.is_installed());
    missing.map(|package| package.name.to_owned()).collect()
}

/// What building bpf-linker from source needs, for that LLVM.
pub(crate) fn for_linker(llvm: u32) -> Vec<String> {
    let versioned =
        [format!("llvm-{llvm}-dev"), format!("libclang-{llvm}-dev"), format!("libpolly-{llvm}-dev")];
    let plain = ["zlib1g-dev", "libzstd-dev", "libxml2-dev", "pkg-config", CXX.name].map(str::to_owned);
    versioned.into_iter().chain(plain).collect()
}

/// Whether a program is on `PATH` or where servers lie, which a plain user's or su's `PATH` leaves out.
fn has_program(program: &str) -> bool {
    let elsewhere = ["/usr/sbin", "/usr/local/sbin", "/sbin"];
    which(program).is_some() || elsewhere.iter().any(|dir| Path::new(dir).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let packages = [
            Package { name: "there", proof: Proof::Program("sh") },
            Package { name: "absent-program", proof: Proof::Program("no-such-program-of-any-kind") },
            Package { name: "absent-file", proof: Proof::File("/nonexistent/file") },
            Package { name: "file", proof: Proof::File("/proc/self/status") },
        ];
        assert_eq!(missing(&packages), ["absent-program", "absent-file"]);
    }

    #[test]
    fn the_linker_gets_the_compilers_llvm() {
        assert!(for_linker(21).contains(&"llvm-21-dev".to_owned()));
        assert!(!for_linker(21).iter().any(|name| name.contains("22")));
    }
}
