//! The names of a deployment. Each is checked when it is given: it goes into another program's configuration, where a space,
//! a quote or a brace would be read as more than a name.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::str::FromStr;

use sealpass::claims::RealmName;
use url::Url;

/// Why a name is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("{0:?} is no host and port; write 127.0.0.1:3000, [::1]:3000 or app.internal:3000")]
    Authority(String),
    #[error("{0:?} is no host name; write app.example.com")]
    Host(String),
    #[error(
        "{0:?} is no path that can be compared; it begins with / and has only a-z, A-Z, 0-9 and -_.~/, no //, . or .. in it, and no / at the end"
    )]
    Path(String),
    #[error("{0:?} is no policy's name; it has only a-z, 0-9, - and _")]
    Policy(String),
    #[error("--policy {0} names no policy; write --policy {0}=NAME")]
    NoPolicy(String),
    #[error("a proxy can't look for a cookie called {0:?}; give it a name that has only a-z, A-Z, 0-9 and -_. in it")]
    Cookie(String),
    #[error("{0:?} is no login page; write a path, or a URL with https")]
    LoginUrl(String),
    #[error("{0:?} is no file that a configuration can name; it has only a-z, A-Z, 0-9 and -_./")]
    File(String),
    #[error("the path {0} is given twice; one of them has to go")]
    Twice(String),
    #[error("the path {0} belongs to Sealpass; choose another one")]
    Ours(String),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    pub(super) host: String,
    pub(super) port: u16,
}

/// A host name, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(pub(super) String);

/// A path with whatever is below it, and the policy that guards it, if one was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    pub(super) path: String,
    pub(super) policy: Option<String>,
}

/// A path that is compared whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPath(pub(super) String);

/// Where browsers without a session are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginUrl(pub(super) String);

/// A file of a certificate or of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFile(pub(super) String);

impl Authority {
    /// Every address of this machine.
    pub fn any(port: u16) -> Self {
        Self { host: "0.0.0.0".to_owned(), port }
    }

    /// Where something on this machine is reached that listens there.
    pub fn reaching(listen: SocketAddr) -> Self {
        let host = match listen {
            any if any.ip().is_unspecified() => "127.0.0.1".to_owned(),
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        };
        Self { host, port: listen.port() }
    }
}

impl SessionPath {
    /// The one that holds if none is given.
    pub fn login() -> Self {
        Self("/login".to_owned())
    }
}

impl FromStr for Authority {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError::Authority(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let address = text.parse::<SocketAddr>().is_ok();
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        if address || is_host(host) { Ok(Self { host: host.to_owned(), port }) } else { Err(wrong()) }
    }
}

impl FromStr for Host {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_host(text) { Ok(Self(text.to_ascii_lowercase())) } else { Err(NameError::Host(text.to_owned())) }
    }
}

impl FromStr for Routed {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (path, policy) = text.split_once('=').map_or((text, None), |(path, policy)| (path, Some(policy)));
        if policy.is_some_and(|policy| RealmName::new(policy).is_err()) {
            return Err(NameError::Policy(policy.unwrap_or_default().to_owned()));
        }
        Ok(Self { path: plain_path(path)?, policy: policy.map(str::to_owned) })
    }
}

impl FromStr for SessionPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        plain_path(text).map(Self)
    }
}

impl FromStr for LoginUrl {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some());
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~/:%?&=".contains(&byte));
        match plain && (url.is_some() || plain_path(text).is_ok()) {
            true => Ok(Self(text.to_owned())),
            false => Err(NameError::LoginUrl(text.to_owned())),
        }
    }
}

impl FromStr for TlsFile {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        if plain && !text.is_empty() { Ok(Self(text.to_owned())) } else { Err(NameError::File(text.to_owned())) }
    }
}

impl Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Display for SessionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters, digits and hyphens in labels with dots between, as RFC 1123 has it.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// A path in the one spelling that every proxy compares alike.
fn plain_path(text: &str) -> Result<String, NameError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    match text.strip_prefix('/') {
        Some(rest) if rest.split('/').all(segment) => Ok(text.to_owned()),
        _ => Err(NameError::Path(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_more_than_a_name_is_refused() {
        for text in ["", "a b:1", "a:0", "a:65536", "a", "a;b:1", "a{:1", "-a:1", "a..b:1", "a:1;", "\n:1"] {
            assert!(text.parse::<Authority>().is_err(), "{text:?}");
        }
        for text in ["127.0.0.1:3000", "[::1]:80", "app.internal:3000"] {
            assert_eq!(text.parse::<Authority>().map(|right| right.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "/", "a", "/a/", "//a", "/a//b", "/a/../b", "/.", "/a b", "/a;", "/a{", "/a\"", "/a%2f", "/é", "/a*"]
        {
            assert!(text.parse::<SessionPath>().is_err(), "{text:?}");
        }
        for text in ["/a=", "/a=B", "/a=b c", "=b", "/a=b=c", "/a=b/"] {
            assert!(text.parse::<Routed>().is_err(), "{text:?}");
        }
        for text in ["", "login", "//evil.example", "javascript:alert(1)", "https://", "/a b", "https://a;b/"] {
            assert!(text.parse::<LoginUrl>().is_err(), "{text:?}");
        }
        for text in ["", "a b", "/etc/$x", "/a;b"] {
            assert!(text.parse::<TlsFile>().is_err(), "{text:?}");
        }
    }
}
