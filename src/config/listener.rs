//! Where a listener listens: an address, or a file on this machine; in the clear, or under TLS.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// A socket that is listened on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Where.
    pub listen: Listen,
    /// Worker threads; 0 for one a core, or what the cgroup allows.
    #[serde(default)]
    pub workers: usize,
    /// Permissions of a Unix socket.
    #[serde(default = "usual_mode", deserialize_with = "mode")]
    pub socket_mode: u32,
    /// The certificate and those it was issued under, in PEM. With it, the listener speaks TLS.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    #[serde(default)]
    pub certificate_key: Option<PathBuf>,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// Address and port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// It can't be listened there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Neither kind.
    #[error("{0:?} is no place to listen; write ADDRESS:PORT, such as 127.0.0.1:8080 or [::]:8080, or unix:PATH")]
    NoPlace(String),
    /// More than the system takes.
    #[error("the path of a Unix socket has {MAX_PATH} bytes at the most, and this one {0}; choose a shorter one")]
    TooLong(usize),
}

impl Listener {
    /// In the clear.
    pub fn plain(listen: impl Into<Listen>, workers: usize) -> Self {
        Self { listen: listen.into(), workers, socket_mode: usual_mode(), certificate: None, certificate_key: None }
    }

    /// Certificate and key, if it speaks TLS.
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        self.certificate.as_deref().zip(self.certificate_key.as_deref())
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        let scheme = match (&self.listen, self.tls()) {
            (Listen::Unix(_), _) => "",
            (Listen::Tcp(_), None) => "http://",
            (Listen::Tcp(_), Some(_)) => "https://",
        };
        format!("{scheme}{}", self.listen)
    }

    /// What contradicts itself, and what to do.
    pub(super) fn problem(&self) -> Option<&'static str> {
        match (&self.certificate, &self.certificate_key, &self.listen) {
            (Some(_), None, _) => Some("certificate needs its key; set certificate_key"),
            (None, Some(_), _) => Some("certificate_key belongs to a certificate; set that too, or take it out"),
            (Some(_), Some(_), Listen::Unix(_)) => {
                Some("no TLS is spoken on a Unix socket; take certificate and certificate_key out")
            }
            _ => None,
        }
    }
}

impl Listen {
    /// Address and port; `None` for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(ListenError::NoPlace(text.to_owned())),
            Some(path) if path.len() > MAX_PATH => Err(ListenError::TooLong(path.len())),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| ListenError::NoPlace(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenError;

    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn usual_mode() -> u32 {
    0o660
}

/// As `chmod` takes it.
fn mode<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    let octal = text.len() <= 4 && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    mode.ok_or_else(|| de::Error::custom(format!("{text:?} is no mode of a file; write it as for chmod, \"0660\"")))
}

/// `sun_path` has 108 bytes, of which the last is zero.
const MAX_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_a_path_and_is_shown_as_it_is_written() {
        for text in ["127.0.0.1:8080", "[::1]:1", "unix:/run/sealpass/public.sock", "unix:here.sock"] {
            assert_eq!(text.parse::<Listen>().map(|place| place.to_string()), Ok(text.to_owned()));
        }
        let long = format!("unix:/{}", "x".repeat(MAX_PATH));
        for text in ["", "8080", ":8080", "localhost:8080", "unix", "unix:", "127.0.0.1", "/run/x.sock", &long] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_found() {
        let read = |rest: &str| toml::from_str::<Listener>(&format!("listen = \"127.0.0.1:1\"\n{rest}"));
        let problem = |rest: &str| read(rest).expect("known keys").problem();
        assert_eq!((problem(""), problem("certificate = \"c\"\ncertificate_key = \"k\"")), (None, None));
        assert!(problem("certificate = \"c\"").is_some_and(|text| text.contains("set certificate_key")));
        assert!(problem("certificate_key = \"k\"").is_some_and(|text| text.contains("take it out")));
        let unix = "listen = \"unix:/x\"\ncertificate = \"c\"\ncertificate_key = \"k\"";
        assert!(toml::from_str::<Listener>(unix).expect("known keys").problem().is_some());
        assert_eq!(read("").map(|listener| listener.socket_mode), Ok(0o660));
        assert_eq!(read("socket_mode = \"0666\"").map(|listener| listener.socket_mode), Ok(0o666));
        for wrong in ["", "8", "07777", "1777", "+660", "rw", "-1", "00660"] {
            assert!(read(&format!("socket_mode = \"{wrong}\"")).is_err(), "{wrong}");
        }
    }
}
