//! Where the lines of the audit trail are written: standard output, or a file that others may move away and that is then
//! made anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Where lines go.
pub enum Sink {
    /// Standard output.
    Stdout,
    /// A file.
    File(AuditFile),
}

impl Sink {
    /// A file that is made for this user alone if it is not there, and is only ever added to.
    pub fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::File(AuditFile { path: path.to_owned(), file: open(path)?, torn: false, complained: false }))
    }

    /// Writes one line, with its end.
    pub fn write(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(line.as_bytes()).and_then(|()| out.flush())
            }
            Self::File(file) => file.write(line),
        }
    }
}

/// An open file, and where it was found.
pub struct AuditFile {
    path: PathBuf,
    file: File,
    /// Whether the last line was cut off by a full disk.
    torn: bool,
    complained: bool,
}

impl AuditFile {
    fn write(&mut self, line: &str) -> io::Result<()> {
        self.follow();
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        // In one call: in a file that is only added to, no other writer's line gets in between.
        let written = self.file.write(line.as_bytes())?;
        self.torn = written < line.len();
        if self.torn { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }

    /// Opens the file anew if the name has another one by now, or none: it was rotated. If that can't be done, the lines
    /// go on into the one that was moved away.
    fn follow(&mut self) {
        let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let named = match fs::metadata(&self.path) {
            Ok(metadata) => Some(id(metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => return,
        };
        if named.is_some() && named == self.file.metadata().ok().map(id) {
            return;
        }
        match open(&self.path) {
            Ok(file) => (self.file, self.torn, self.complained) = (file, false, false),
            Err(error) if !self.complained => {
                self.complained = true;
                let path = self.path.display();
                tracing::error!("{path}: {error}; audit events go on into the file that was moved away from there");
            }
            Err(_) => {}
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    // A pipe without a reader must not be waited for.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_spoils_no_other() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("trail");
        fs::write(&path, "whole\ncut o").expect("writable");
        let file = open(&path).expect("there");
        let mut file = AuditFile { path: path.clone(), file, torn: true, complained: false };
        file.write("next\n").expect("a disk with room");
        file.write("last\n").expect("a disk with room");
        assert_eq!(fs::read_to_string(&path).expect("there"), "whole\ncut o\nnext\nlast\n");
    }
}
