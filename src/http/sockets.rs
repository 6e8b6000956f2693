//! The sockets that are listened on: opened here, or handed over by a service manager (systemd's socket activation).

use std::fs;
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use listenfd::ListenFd;

use super::tls::{Certificate, CertificateError};
use crate::config::{Listen, Listener, Settings};

/// Both sockets, bound.
#[derive(Debug)]
pub struct Sockets {
    pub(super) public: Socket,
    pub(super) control: Socket,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Socket {
    pub kind: Kind,
    pub listener: Listener,
    pub certificate: Option<Arc<Certificate>>,
    /// Whether it is somebody else's, who keeps it open when this process ends.
    inherited: bool,
    /// The file of a Unix socket that was made here.
    _file: Option<SocketFile>,
}

/// The socket itself.
#[derive(Debug)]
pub(super) enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Sockets that were handed over at the start.
#[derive(Debug, Default)]
pub struct Inherited {
    public: Option<Kind>,
    control: Option<Kind>,
}

/// A socket can't be listened on. Each text is one line: which, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The system refuses.
    #[error("{name}.listen: can't listen on {at}: {error}{}", hint(error))]
    Bind {
        /// Which listener.
        name: &'static str,
        /// Where.
        at: Listen,
        /// What the system said.
        error: io::Error,
    },
    /// Another process answers there.
    #[error("{name}.listen: another process listens on {at}; stop it, or choose another path")]
    Taken {
        /// Which listener.
        name: &'static str,
        /// Where.
        at: Listen,
    },
    /// A file that is not a socket.
    #[error("{name}.listen: {at} is a file that is no socket; choose another path, or remove it")]
    NoSocket {
        /// Which listener.
        name: &'static str,
        /// Where.
        at: Listen,
    },
    /// Something was handed over that can't be used.
    #[error("socket activation: {0}")]
    Inherited(String),
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Inherited {
    /// What this process was handed (`LISTEN_FDS`). Names say which is which (`FileDescriptorName=` public or control);
    /// without names the first is the public one. To be called before there are threads: it changes the environment.
    ///
    /// # Errors
    /// [`SocketError::Inherited`] if there are more, others, or things that are no listening sockets.
    pub fn take() -> Result<Self, SocketError> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut handed = ListenFd::from_env();
        let mut sockets = Self::default();
        for (at, is_public) in which(handed.len(), &names)?.into_iter().enumerate() {
            let kind = taken(&mut handed, at)?;
            if is_public { sockets.public = Some(kind) } else { sockets.control = Some(kind) }
        }
        Ok(sockets)
    }
}

impl Sockets {
    /// Opens what was not handed over, and reads the certificates.
    ///
    /// # Errors
    /// [`SocketError`] says which, why, and what to do.
    pub fn open(settings: &Settings, inherited: Inherited) -> Result<Self, SocketError> {
        let Inherited { public, control } = inherited;
        Ok(Self {
            public: Socket::open("public", &settings.public, public)?,
            control: Socket::open("control", &settings.control, control)?,
        })
    }

    /// The certificates, to be read again.
    pub fn certificates(&self) -> impl Iterator<Item = Arc<Certificate>> {
        [&self.public, &self.control].into_iter().filter_map(|socket| socket.certificate.clone())
    }

    /// The same sockets once more.
    pub(super) fn again(&self) -> io::Result<[Kind; 2]> {
        Ok([self.public.kind.again()?, self.control.kind.again()?])
    }
}

impl Socket {
    fn open(name: &'static str, listener: &Listener, handed: Option<Kind>) -> Result<Self, SocketError> {
        let certificate = listener.tls().map(|(chain, key)| Certificate::load(chain, key)).transpose()?.map(Arc::new);
        let inherited = handed.is_some();
        let (kind, file) = match (handed, &listener.listen) {
            (Some(kind), _) => (kind, None),
            (None, Listen::Unix(path)) => {
                let socket = open_unix(name, path, listener.socket_mode)?;
                (Kind::Unix(socket), SocketFile::at(path))
            }
            (None, Listen::Tcp(address)) => {
                let bound = TcpListener::bind(address).and_then(|socket| longer_queue(&socket).map(|()| socket));
                (Kind::Tcp(bound.map_err(cant(name, &listener.listen))?), None)
            }
        };
        let listen = kind.place().map_err(cant(name, &listener.listen))?;
        if certificate.is_some() && matches!(kind, Kind::Unix(_)) {
            let text =
                format!("the socket {name} is a Unix socket, on which no TLS is spoken; take {name}.certificate out");
            return Err(SocketError::Inherited(text));
        }
        Ok(Self { kind, listener: Listener { listen, ..listener.clone() }, certificate, inherited, _file: file })
    }

    /// Refuses connections from here on, if that is this process's to say; those that stand go on. One that was handed
    /// over stays as it is: whoever comes waits there for the next process.
    pub(super) fn refuse(&self) {
        if !self.inherited {
            // A system that does not know this goes on queueing, until the socket is closed.
            let _ = rustix::net::shutdown(&self.kind, rustix::net::Shutdown::Both);
        }
    }
}

impl Kind {
    pub fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }

    fn place(&self) -> io::Result<Listen> {
        Ok(match self {
            Self::Tcp(socket) => Listen::Tcp(socket.local_addr()?),
            Self::Unix(socket) => Listen::Unix(socket.local_addr()?.as_pathname().unwrap_or(Path::new("@")).to_owned()),
        })
    }
}

impl AsFd for Kind {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// Which of the sockets that were handed over are the public one; the others are the control one.
fn which(count: usize, names: &str) -> Result<Vec<bool>, SocketError> {
    let wrong = |text: String| Err(SocketError::Inherited(text));
    if count > 2 {
        return wrong(format!("{count} sockets were handed over, and there are two listeners; leave the others out"));
    }
    let names: Vec<_> = names.split(':').take(count).collect();
    if !names.iter().any(|name| matches!(*name, "public" | "control")) {
        return Ok([true, false][..count].to_vec());
    }
    if let Some(other) = names.iter().find(|name| !matches!(**name, "public" | "control")) {
        return wrong(format!("a socket is called {other:?}; set FileDescriptorName= to public or control"));
    }
    if names.len() != count || count == 2 && names[0] == names[1] {
        return wrong("each socket needs a name of its own; set FileDescriptorName= to public or control".to_owned());
    }
    Ok(names.iter().map(|name| *name == "public").collect())
}

fn taken(handed: &mut ListenFd, at: usize) -> Result<Kind, SocketError> {
    if let Ok(Some(socket)) = handed.take_tcp_listener(at) {
        return Ok(Kind::Tcp(socket));
    }
    match handed.take_unix_listener(at) {
        Ok(Some(socket)) => Ok(Kind::Unix(socket)),
        _ => Err(SocketError::Inherited(format!("number {at} is no listening stream socket; use ListenStream="))),
    }
}

/// A file that is left from a process that was killed is in nobody's use any more.
fn open_unix(name: &'static str, path: &Path, mode: u32) -> Result<UnixListener, SocketError> {
    let at = || Listen::Unix(path.to_owned());
    match path.symlink_metadata() {
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NoSocket { name, at: at() }),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(cant(name, &at()))?;
            }
            _ => return Err(SocketError::Taken { name, at: at() }),
        },
        Err(_) => {}
    }
    let bound = UnixListener::bind(path).and_then(|socket| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        longer_queue(&socket).map(|()| socket)
    });
    bound.map_err(cant(name, &at()))
}

/// While a service stops, proxies open a connection a request.
fn longer_queue(socket: &impl AsFd) -> io::Result<()> {
    Ok(rustix::net::listen(socket, QUEUE)?)
}

fn cant(name: &'static str, at: &Listen) -> impl FnOnce(io::Error) -> SocketError {
    let at = at.clone();
    move |error| SocketError::Bind { name, at, error }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "; stop what listens there, or choose another port",
        ErrorKind::AddrNotAvailable => "; this machine has no such address",
        ErrorKind::PermissionDenied => "; choose a port above 1023, or a directory that is ours",
        ErrorKind::NotFound => "; make the directory",
        _ => "",
    }
}

/// The file of a Unix socket. It goes with the socket, unless another process has made one there meanwhile.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    made: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> Option<Self> {
        Some(Self { path: path.to_owned(), made: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path) == Some(self.made) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What tells a file apart from another of the same name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    path.symlink_metadata().map(|found| (found.dev(), found.ino())).ok()
}

const QUEUE: i32 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_over_is_told_apart_by_names_or_by_order() {
        for (count, names, found) in [
            (0, "", &[][..]),
            (1, "", &[true]),
            (2, "", &[true, false]),
            (2, "sealpass.socket:sealpass.socket", &[true, false]),
            (1, "control", &[false]),
            (1, "public", &[true]),
            (2, "control:public", &[false, true]),
        ] {
            assert_eq!(which(count, names).expect(names), found, "{count} {names}");
        }
        for (count, names) in
            [(3, ""), (2, "public:public"), (2, "public:other"), (2, "public"), (3, "public:control:x")]
        {
            assert!(which(count, names).is_err(), "{count} {names}");
        }
    }
}
