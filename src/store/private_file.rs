//! Files that hold secrets: read only if nobody else can, written so that a crash leaves the whole old or the whole new
//! one.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;
use zeroize::Zeroizing;

/// A private file can't be used. Each text is one line: the file, the fault, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateFileError {
    /// There is none.
    #[error("{}: does not exist", .0.display())]
    Missing(PathBuf),
    /// There is one where none may be overwritten.
    #[error("{}: exists already and is not overwritten; move it away first", .0.display())]
    Exists(PathBuf),
    /// A symbolic link: whoever can change it could point the service elsewhere.
    #[error("{}: is a symbolic link; give the path of the file itself", .0.display())]
    Symlink(PathBuf),
    /// A directory, a pipe, a device.
    #[error("{}: is not a regular file; give the path of a file", .0.display())]
    NotRegular(PathBuf),
    /// Others may read or write it.
    #[error("{}: is open to others (mode {mode:04o}); run `chmod 600 {}`", path.display(), path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else's.
    #[error("{}: belongs to user {owner}, and the service runs as user {user}; change the owner", path.display())]
    Owner {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Far larger than it could be.
    #[error("{}: is larger than {limit} bytes and can't be what it should; give the right file", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large it may be.
        limit: usize,
    },
    /// The operating system refused.
    #[error("{}: {error}; check the path, its permissions and the disk", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// The content of a file that only this user can read.
///
/// # Errors
/// [`PrivateFileError`]: missing, a link, not a file, open to others, another's, over `limit` bytes, unreadable.
pub fn read_private(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let fail = |error: io::Error| of_io(path, error);
    // Not following a link at the last step, and not waiting for a writer if it is a pipe.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(fail)?;
    check(path, &file.metadata().map_err(fail)?, limit)?;
    let mut content = Zeroizing::new(Vec::with_capacity(limit.min(64 << 10) + 1));
    (&file).take(limit as u64 + 1).read_to_end(&mut content).map_err(fail)?;
    if content.len() > limit {
        return Err(PrivateFileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(content)
}

/// Writes a file that was not there before, for this user alone.
///
/// # Errors
/// [`PrivateFileError`]; the file is then not there.
pub fn create_private(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    write(path, content, |temporary| {
        temporary.persist_noclobber(path).map(drop).map_err(|refused| match refused.error.kind() {
            io::ErrorKind::AlreadyExists => PrivateFileError::Exists(path.to_owned()),
            _ => of_io(path, refused.error),
        })
    })
}

/// Writes a file anew, for this user alone: after a crash at any moment there is the whole old or the whole new one.
///
/// # Errors
/// [`PrivateFileError`]; the old content is then still there.
pub fn replace_private(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    write(path, content, |temporary| temporary.persist(path).map(drop).map_err(|refused| of_io(path, refused.error)))
}

fn write(
    path: &Path,
    content: &[u8],
    persist: impl FnOnce(tempfile::NamedTempFile) -> Result<(), PrivateFileError>,
) -> Result<(), PrivateFileError> {
    let fail = |error: io::Error| of_io(path, error);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let only_us = Permissions::from_mode(0o600);
    let mut temporary = tempfile::Builder::new().permissions(only_us).tempfile_in(dir).map_err(fail)?;
    temporary.write_all(content).map_err(fail)?;
    temporary.as_file().sync_all().map_err(fail)?;
    persist(temporary)?;
    // The rename itself is durable only when the directory is.
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(fail)
}

fn check(path: &Path, metadata: &Metadata, limit: usize) -> Result<(), PrivateFileError> {
    let (path, user) = (path.to_owned(), geteuid().as_raw());
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !metadata.is_file() {
        return Err(PrivateFileError::NotRegular(path));
    }
    if owner != user && owner != 0 {
        return Err(PrivateFileError::Owner { path, owner, user });
    }
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Open { path, mode });
    }
    if metadata.len() > limit as u64 {
        return Err(PrivateFileError::TooLarge { path, limit });
    }
    Ok(())
}

fn of_io(path: &Path, error: io::Error) -> PrivateFileError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => PrivateFileError::Missing(path),
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => PrivateFileError::Symlink(path),
        _ => PrivateFileError::Io { path, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().expect("a directory for the test")
    }

    #[test]
    fn what_is_written_is_read_and_nobody_else_can() {
        let dir = dir();
        let path = dir.path().join("file");
        create_private(&path, b"one").expect("new");
        assert!(matches!(create_private(&path, b"two"), Err(PrivateFileError::Exists(_))));
        assert_eq!(**read_private(&path, 3).expect("ours"), *b"one");
        replace_private(&path, b"three").expect("replaceable");
        assert_eq!(**read_private(&path, 5).expect("ours"), *b"three");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 1, "no temporary file is left");
    }

    #[test]
    fn each_fault_is_one_line_with_file_and_remedy() {
        let dir = dir();
        let path = |name: &str| dir.path().join(name);
        create_private(&path("file"), b"four").expect("new");
        std::os::unix::fs::symlink(path("file"), path("link")).expect("a link");
        fs::create_dir(path("dir")).expect("a directory");
        rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), rustix::fs::Mode::RUSR).expect("a pipe");
        fs::write(path("open"), b"four").expect("a file");
        fs::set_permissions(path("open"), Permissions::from_mode(0o640)).expect("ours");
        for (name, says) in [
            ("none", "does not exist"),
            ("link", "is a symbolic link"),
            ("dir", "is not a regular file"),
            ("fifo", "is not a regular file"),
            ("open", "is open to others (mode 0640); run `chmod 600"),
            ("file", "is larger than 3 bytes"),
        ] {
            let text = read_private(&path(name), 3).expect_err(name).to_string();
            assert!(text.contains(says) && text.contains(name) && !text.contains('\n'), "{text}");
        }
    }
}
