//! Archives in the format "newc" of cpio(5), which Linux unpacks at boot.

use anyhow::{Context as _, Result};
use std::{collections::BTreeMap, io::Write, path::Path};

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const TRAILER: &str = "TRAILER!!!";

/// What an archive will hold: files by their absolute paths, all of them executable; directories come by themselves.
#[derive(Debug, Default)]
pub(super) struct Archive {
    entries: BTreeMap<String, Option<Vec<u8>>>,
}

impl Archive {
    /// Adds a file, and the directories it lies in.
    pub(super) fn file(&mut self, path: &Path, contents: Vec<u8>) -> Result<()> {
        let name = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        let name = name.trim_start_matches('/');
        for (end, _) in name.match_indices('/') {
            self.entries.entry(name[..end].to_owned()).or_default();
        }
        self.entries.insert(name.to_owned(), Some(contents));
        Ok(())
    }

    /// Writes it.
    pub(super) fn write(&self, mut out: impl Write) -> Result<()> {
        // Sorted by name, a directory comes before what lies in it.
        for (inode, (name, contents)) in (1..).zip(&self.entries) {
            match contents {
                Some(contents) => entry(&mut out, inode, name, PROGRAM, contents)?,
                None => entry(&mut out, inode, name, DIRECTORY, &[])?,
            }
        }
        entry(&mut out, 0, TRAILER, 0, &[])?;
        out.flush().context("cannot write the archive")
    }
}

fn entry(out: &mut impl Write, inode: u32, name: &str, mode: u32, contents: &[u8]) -> Result<()> {
    let size = u32::try_from(contents.len()).with_context(|| format!("{name} has more than 4 GiB"))?;
    let name_size = u32::try_from(name.len() + 1).context("a path is shorter than 4 GiB")?;
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
    let mut header = "070701".to_owned();
    header.extend(fields.map(|field| format!("{field:08x}")));
    header.push_str(name);
    header.push('\0');
    padded(out, header.as_bytes()).and_then(|()| padded(out, contents)).context("cannot write the archive")
}

/// Header with name, and contents, each end at a multiple of four bytes.
fn padded(out: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    out.write_all(bytes)?;
    out.write_all(&[0; 3][..bytes.len().next_multiple_of(4) - bytes.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(archive: &Archive) -> Vec<u8> {
        let mut out = Vec::new();
        archive.write(&mut out).expect("a Vec takes all");
        out
    }

    /// Names, modes and contents, read back.
    fn read(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        let mut take = |length: usize| {
            let (head, rest) = bytes.split_at(length.next_multiple_of(4));
            bytes = rest;
            head[..length].to_vec()
        };
        loop {
            // The header's 110 bytes end two bytes after a multiple of four; the name goes on from there.
            let header = take(108);
            assert_eq!(&header[..6], b"070701");
            let field = |index: usize| {
                let digits = header.get(6 + 8 * index..14 + 8 * index).expect("a whole header");
                u32::from_str_radix(std::str::from_utf8(digits).expect("digits"), 16).expect("a number")
            };
            let (mode, size) = (field(1), field(6));
            // The last field is cut in two; namesize is the one before it.
            let name = take(2 + field(11) as usize)[2..].to_vec();
            let name = String::from_utf8(name).expect("UTF-8");
            let name = name.strip_suffix('\0').expect("a closing zero").to_owned();
            let contents = take(size as usize);
            if name == TRAILER {
                return entries;
            }
            entries.push((name, mode, contents));
        }
    }

    #[test]
    fn what_was_put_in_comes_out_with_directories_first() {
        let mut archive = Archive::default();
        archive.file(Path::new("/usr/lib/a.so"), b"12345".to_vec()).expect("a path");
        archive.file(Path::new("/init"), b"1234".to_vec()).expect("a path");
        archive.file(Path::new("/usr/b"), Vec::new()).expect("a path");
        let directory = |name: &str| (name.to_owned(), DIRECTORY, Vec::new());
        let program = |name: &str, contents: &[u8]| (name.to_owned(), PROGRAM, contents.to_vec());
        assert_eq!(
            read(&written(&archive)),
            [
                program("init", b"1234"),
                directory("usr"),
                program("usr/b", b""),
                directory("usr/lib"),
                program("usr/lib/a.so", b"12345"),
            ]
        );
    }

    #[test]
    fn everything_is_aligned() {
        let mut archive = Archive::default();
        for length in 0..6 {
            archive.file(Path::new(&"n".repeat(length + 1)), vec![7; length]).expect("a path");
        }
        let bytes = written(&archive);
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(read(&bytes).len(), 6);
    }
}
