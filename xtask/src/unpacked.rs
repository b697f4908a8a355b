//! Programs of Debian's packages that are unpacked below the tools directory instead of being installed: what comes
//! along can be much, or conflict with what a machine has, and unpacked it changes nothing outside the project.

use crate::{apt, installer::run_quietly};
use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// Where a package's programs may lie.
const PLACES: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];

/// Unpacks a package, with what it depends on and the machine lacks, into `root`, and writes into `bin` a script for
/// each of these programs that runs it with its own libraries. The archives go through a directory beside `root`.
pub(crate) fn unpack(package: &str, programs: &[&str], root: &Path, bin: &Path) -> Result<()> {
    let archives = root.with_extension("archives");
    for archive in apt::download(package, &archives)? {
        run_quietly(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(root))?;
    }
    fs::remove_dir_all(&archives).with_context(|| format!("cannot remove {}", archives.display()))?;
    programs.iter().try_for_each(|program| write_wrapper(program, root, bin))
}

fn write_wrapper(program: &str, root: &Path, bin: &Path) -> Result<()> {
    let file = PLACES.iter().map(|place| root.join(place).join(program)).find(|file| file.is_file());
    let file = file.with_context(|| format!("the package has no program {program}"))?;
    let libraries = ["usr/lib", "lib"].iter().flat_map(|dir| subdirectories(&root.join(dir)));
    let libraries: Vec<String> = libraries.map(|dir| dir.display().to_string()).collect();
    let text =
        format!("#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n", libraries.join(":"), file.display());
    let wrapper = bin.join(program);
    fs::create_dir_all(bin)
        .and_then(|()| fs::write(&wrapper, text))
        .and_then(|()| fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", wrapper.display()))
}

fn subdirectories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_with_the_libraries_beside_it() {
        let dir = std::env::temp_dir().join(format!("drain-observer-unpacked-{}", std::process::id()));
        let (root, bin) = (dir.join("root"), dir.join("bin"));
        for made in ["usr/sbin", "usr/lib/somewhere"] {
            fs::create_dir_all(root.join(made)).expect("a fresh directory");
        }
        let program = root.join("usr/sbin/tool");
        fs::write(&program, "#!/bin/sh\necho \"$LD_LIBRARY_PATH $1\"\n").expect("the program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("our own file");

        write_wrapper("tool", &root, &bin).expect("it is there");
        let output = Command::new(bin.join("tool")).arg("x").output().expect("the script runs");
        let expected = format!("{} x\n", root.join("usr/lib/somewhere").display());
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        assert!(write_wrapper("other", &root, &bin).is_err());
        fs::remove_dir_all(&dir).expect("the test's own files");
    }
}
