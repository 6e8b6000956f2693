//! Files that hold secrets: read only if nobody else can, written so that a crash leaves the whole old or the whole new
//! one.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::disk::{Existing, RealDisk, directory, write_whole};

/// A private file can't be used. Each text is one line: the file, the fault, the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateFileError {
    /// There is none.
    #[error("{}: does not exist; give the path of a file that is there", .0.display())]
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

/// Who else may be able to read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Nobody; of a file that belongs to root also its group, which is how Kubernetes and systemd hand out secrets.
    Us,
    /// Anybody: its content is sealed. Nobody else may write it.
    Anybody,
}

/// The content of a file that only this user can read.
///
/// # Errors
/// [`PrivateFileError`]: missing, a link, not a file, open to others, another's, over `limit` bytes, unreadable.
pub fn read_private(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    read(path, limit, Readers::Us)
}

/// As [`read_private`], of a file that the platform put there: it may be a link to a file in the same directory or below,
/// as in a volume of Kubernetes, where `..data` is swapped when the content changes.
///
/// # Errors
/// As [`read_private`].
pub fn read_mounted(path: &Path, limit: usize, readers: Readers) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let fail = |error: io::Error| of_io(path, error);
    if !path.symlink_metadata().map_err(fail)?.is_symlink() {
        return read(path, limit, readers);
    }
    let target = path.canonicalize().map_err(fail)?;
    let home = directory(path).canonicalize().map_err(fail)?;
    if target.starts_with(&home) {
        read(&target, limit, readers)
    } else {
        Err(PrivateFileError::Symlink(path.to_owned()))
    }
}

/// Opens a file for reading and writing in place.
///
/// # Errors
/// As [`read_private`].
pub fn open_private(path: &Path) -> Result<File, PrivateFileError> {
    let fail = |error: io::Error| of_io(path, error);
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).map_err(fail)?;
    check(path, &file.metadata().map_err(fail)?, usize::MAX, Readers::Us)?;
    Ok(file)
}

/// Writes a file that was not there before, for this user alone.
///
/// # Errors
/// [`PrivateFileError`]; the file is then not there.
pub fn create_private(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    write_whole(&RealDisk, path, content, Existing::Keep).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => PrivateFileError::Exists(path.to_owned()),
        _ => of_io(path, error),
    })
}

/// Writes a file anew, for this user alone: after a crash at any moment there is the whole old or the whole new one.
///
/// # Errors
/// [`PrivateFileError`]; the old content is then still there.
pub fn replace_private(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    write_whole(&RealDisk, path, content, Existing::Replace).map_err(|error| of_io(path, error))
}

fn read(path: &Path, limit: usize, readers: Readers) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let fail = |error: io::Error| of_io(path, error);
    // Not following a link at the last step, and not waiting for a writer if it is a pipe.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(fail)?;
    check(path, &file.metadata().map_err(fail)?, limit, readers)?;
    let mut content = Zeroizing::new(Vec::with_capacity(limit.min(64 << 10) + 1));
    (&file).take(limit as u64 + 1).read_to_end(&mut content).map_err(fail)?;
    if content.len() > limit {
        return Err(PrivateFileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(content)
}

fn check(path: &Path, metadata: &Metadata, limit: usize, readers: Readers) -> Result<(), PrivateFileError> {
    let (path, user) = (path.to_owned(), geteuid().as_raw());
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !metadata.is_file() {
        return Err(PrivateFileError::NotRegular(path));
    }
    if owner != user && owner != 0 {
        return Err(PrivateFileError::Owner { path, owner, user });
    }
    let allowed = match readers {
        // Handed to us by root through our group, or to root itself on a read-only mount.
        Readers::Us if owner == 0 && (user != 0 || mode & 0o200 == 0) => 0o040,
        Readers::Us => 0,
        Readers::Anybody => 0o044,
    };
    if mode & 0o077 & !allowed != 0 {
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
        io::ErrorKind::IsADirectory => PrivateFileError::NotRegular(path),
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => PrivateFileError::Symlink(path),
        _ => PrivateFileError::Io { path, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

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
        fs::write(path("other"), b"four").expect("a file");
        fs::set_permissions(path("other"), Permissions::from_mode(0o604)).expect("ours");
        for (name, says) in [
            ("none", "does not exist"),
            ("link", "is a symbolic link"),
            ("dir", "is not a regular file"),
            ("fifo", "is not a regular file"),
            ("open", "is open to others (mode 0640); run `chmod 600"),
            ("other", "is open to others (mode 0604); run `chmod 600"),
            ("file", "is larger than 3 bytes"),
        ] {
            let text = read_private(&path(name), 3).expect_err(name).to_string();
            assert!(text.contains(says) && text.contains(name) && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn a_mounted_file_may_be_a_link_within_its_directory_and_nowhere_else() {
        let dir = dir();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("..1")).expect("a directory");
        fs::create_dir(path("..2")).expect("a directory");
        create_private(&path("..1/ring"), b"one").expect("new");
        create_private(&path("..2/ring"), b"two").expect("new");
        std::os::unix::fs::symlink("..1", path("..data")).expect("a link");
        std::os::unix::fs::symlink("..data/ring", path("ring")).expect("a link");
        let read = |name: &str| read_mounted(&path(name), 9, Readers::Us).map(|content| content.to_vec());
        assert_eq!(read("ring").expect("within"), b"one");
        std::os::unix::fs::symlink("..2", path("..next")).expect("a link");
        fs::rename(path("..next"), path("..data")).expect("a swap");
        assert_eq!(read("ring").expect("within"), b"two");
        std::os::unix::fs::symlink("/etc/passwd", path("out")).expect("a link");
        assert!(matches!(read("out"), Err(PrivateFileError::Symlink(_))));
        assert!(matches!(read_private(&path("ring"), 9), Err(PrivateFileError::Symlink(_))), "strict without a mount");
        fs::set_permissions(path("..2/ring"), Permissions::from_mode(0o644)).expect("ours");
        assert!(matches!(read("ring"), Err(PrivateFileError::Open { .. })));
        let sealed = |mode| {
            fs::set_permissions(path("..2/ring"), Permissions::from_mode(mode)).expect("ours");
            read_mounted(&path("ring"), 9, Readers::Anybody).map(|content| content.to_vec())
        };
        assert_eq!(sealed(0o444).expect("sealed content may be read"), b"two");
        assert!(matches!(sealed(0o664), Err(PrivateFileError::Open { .. })), "and not written");
    }
}
