//! What a virtual machine finds in its memory at boot: the observer, the tests, the libraries they need, and the kernel's
//! modules.

use super::{cpio::Archive, kernels::Kernel, programs::Programs, protocol};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    io::BufWriter,
    path::{Path, PathBuf},
    process::Command,
};

/// Writes the archive for one kernel; `arguments` are the test harness's.
pub(super) fn write(into: &Path, kernel: &Kernel, programs: &Programs, arguments: &[String]) -> Result<()> {
    let mut archive = Archive::default();
    let placed = [
        (&programs.init, Path::new("/init")),
        (&programs.observer, Path::new(protocol::OBSERVER)),
        (&programs.harness, Path::new(protocol::HARNESS)),
    ];
    let fixtures = programs.fixtures.iter().map(|fixture| (fixture, fixture.as_path()));
    for (program, place) in placed.into_iter().chain(fixtures) {
        archive.file(place, read(program)?)?;
        for library in libraries(program)? {
            let contents = read(&library)?;
            archive.file(&library, contents)?;
        }
    }
    for (index, module) in kernel.modules.iter().enumerate() {
        let name = module.file_name().context("a module has a name")?.to_string_lossy();
        archive.file(&Path::new(protocol::MODULES).join(format!("{index:02}-{name}")), read(module)?)?;
    }
    archive.file(Path::new(protocol::ARGUMENTS), arguments.join("\n").into_bytes())?;
    let file = fs::File::create(into).with_context(|| format!("cannot create {}", into.display()))?;
    archive.write(BufWriter::new(file)).with_context(|| format!("cannot write {}", into.display()))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The loader and the libraries that a program needs, at the paths under which it looks for them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).env("LC_ALL", "C").output().context("cannot run `ldd`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() && !text.contains("statically linked") {
        bail!("`ldd {}` failed: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    parse(&text).with_context(|| format!("`ldd {}`", program.display()))
}

fn parse(ldd: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in ldd.lines().map(str::trim) {
        if line.ends_with("not found") {
            bail!("{line}");
        }
        let place = line.split_once(" => ").map_or(line, |(_, place)| place);
        // What the kernel itself maps in has no path.
        if let Some((path, _)) = place.split_once(" (0x")
            && path.starts_with('/')
        {
            found.push(PathBuf::from(path));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_loader_are_found_and_nothing_else() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2)\n\
                   \t/lib64/ld-linux-x86-64.so.2 (0x00007f3)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse(ldd).expect("all are there"), expected);
        assert_eq!(parse("\tstatically linked\n").expect("none is needed"), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_missing_library_is_an_error() {
        assert!(parse("\tlibz.so.1 => not found\n").is_err());
    }
}
