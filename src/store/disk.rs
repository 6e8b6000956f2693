//! Writing a file so that a crash at any moment leaves the whole old or the whole new one: the steps, and the port behind
//! which each is one call of the operating system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What a write is made of. Each call is one step that a crash can come before or after.
pub trait Disk {
    /// An open file.
    type File;

    /// Makes a file that was not there, for this user alone.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Writes all of `content`.
    fn write(&self, file: &mut Self::File, content: &[u8]) -> io::Result<()>;
    /// Returns when the content is durable.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// Gives a file another name, in place of whatever has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file one more name, which nothing may have yet.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a name away.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Returns when the names in a directory are durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replace,
    /// It stays, and nothing is written.
    Keep,
}

/// Writes `content` to `path`.
///
/// # Errors
/// What the system says; what was there is there still.
pub fn write_whole<D: Disk>(disk: &D, path: &Path, content: &[u8], existing: Existing) -> io::Result<()> {
    let (dir, temporary) = (directory(path), temporary(path));
    // One that a crash of an earlier process with our id left.
    drop(disk.remove(&temporary));
    let mut file = disk.create(&temporary)?;
    let written = disk.write(&mut file, content).and_then(|()| disk.sync(&file));
    let named = written.and_then(|()| match existing {
        Existing::Replace => disk.rename(&temporary, path),
        Existing::Keep => disk.link(&temporary, path),
    });
    if existing == Existing::Keep || named.is_err() {
        drop(disk.remove(&temporary));
    }
    named?;
    // The name itself is durable only when the directory is.
    disk.sync_dir(&dir)
}

/// Takes away what crashed writers of `path` left beside it. Only while no other one can be writing.
pub fn clean_up(path: &Path) {
    let (Some(name), Ok(entries)) = (path.file_name(), fs::read_dir(directory(path))) else { return };
    let prefix = format!(".{}.", name.to_string_lossy());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(SUFFIX) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// The directory that `path` is in.
pub fn directory(path: &Path) -> PathBuf {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    directory(path).join(format!(".{name}.{}{SUFFIX}", std::process::id()))
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    fn write(&self, file: &mut File, content: &[u8]) -> io::Result<()> {
        file.write_all(content)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

const SUFFIX: &str = ".new";

#[cfg(test)]
#[path = "disk/tests.rs"]
mod tests;
