//! Requests to the byte: what a check writes is what is sent, valid or not.
//!
//! A client library spells names its own way, and refuses what is no proper HTTP; an attacker does neither. So `ureq`
//! does all there is to do but for one thing: it resolves, connects, speaks TLS, keeps time and reads the answer, and
//! the head that it would send is replaced by ours.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{Method, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport};
use url::Url;

use super::super::remote::trust::Tls;

/// The way to one server.
#[derive(Clone, Debug)]
pub struct Wire {
    /// `https://app.example.com`, without a path.
    origin: String,
    /// What goes into the Host header.
    pub host: String,
    /// Where to connect to, if not where the name leads.
    to: Option<SocketAddr>,
    tls: Tls,
    timeout: Duration,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// What of it came within the limits.
    pub body: Vec<u8>,
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("nobody listens there")]
    Refused,
    #[error("{0} leads nowhere from here; --connect ADDRESS:PORT says where it is")]
    Unresolved(String),
    #[error("{0}")]
    Tls(String),
    #[error("{0}")]
    Other(String),
}

impl Wire {
    pub fn new(url: &Url, to: Option<SocketAddr>, tls: Tls, timeout: Duration) -> Self {
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self { origin: format!("{}://{host}", url.scheme()), host, to, tls, timeout }
    }

    /// The same with another understanding of whom to trust.
    pub fn with_tls(&self, tls: Tls) -> Self {
        Self { tls, ..self.clone() }
    }

    /// Why the server's certificate is not trusted, if it is not.
    pub fn distrust(&self) -> Option<String> {
        let head = format!("HEAD / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host);
        match self.send(head.into_bytes()) {
            Err(NoAnswer::Tls(why)) => Some(why),
            _ => None,
        }
    }

    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends the `head`, from the request line to the empty line, and reads the answer.
    pub fn send(&self, head: Vec<u8>) -> Result<Answer, NoAnswer> {
        let method = if head.starts_with(b"HEAD ") { Method::HEAD } else { Method::GET };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(self.timeout))
            .max_redirects(0)
            .proxy(None)
            .tls_config(self.tls.config())
            .max_response_header_size(MAX_HEAD)
            .build();
        let connector = DefaultConnector::new().chain(Exact(head));
        let agent = ureq::Agent::with_parts(config, connector, Towards(self.to));
        let request = ureq::http::Request::builder().method(method).uri(&self.origin).body(());
        let request = request.map_err(|error| NoAnswer::Other(error.to_string()))?;
        let mut response = agent.run(request).map_err(|error| self.failed(error))?;
        let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let status = response.status().as_u16();
        // A body that is too long or never ends is no concern of ours: no answer of `sealpass echo` is.
        let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec().unwrap_or_default();
        Ok(Answer { status, headers, body })
    }

    fn failed(&self, error: ureq::Error) -> NoAnswer {
        match error {
            ureq::Error::Timeout(_) => NoAnswer::Late(self.timeout),
            ureq::Error::HostNotFound => NoAnswer::Unresolved(self.host.clone()),
            ureq::Error::Io(io) if io.kind() == ErrorKind::ConnectionRefused => NoAnswer::Refused,
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => NoAnswer::Tls(error.to_string()),
            // A handshake that fails while it is read or written.
            ureq::Error::Io(io) if io.get_ref().is_some_and(|inner| inner.to_string().contains("certificate")) => {
                NoAnswer::Tls(io.to_string())
            }
            error => NoAnswer::Other(error.to_string()),
        }
    }
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All headers of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Puts our head in the place of what is sent.
#[derive(Debug)]
struct Exact(Vec<u8>);

impl<In: Transport> Connector<In> for Exact {
    type Out = Replaced<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| Replaced { inner, head: self.0.clone() }))
    }
}

/// A connection over which nothing is sent but `head`, once.
struct Replaced<In> {
    inner: In,
    head: Vec<u8>,
}

impl<In: Transport> Transport for Replaced<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, _: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let head = std::mem::take(&mut self.head);
        let room = self.inner.buffers().output().len().max(1);
        for piece in head.chunks(room) {
            self.inner.buffers().output()[..piece.len()].copy_from_slice(piece);
            self.inner.transmit_output(piece.len(), timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        false // it served one request
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<In> fmt::Debug for Replaced<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replaced")
    }
}

/// Where a name leads, or one address for all.
#[derive(Debug)]
struct Towards(Option<SocketAddr>);

impl Resolver for Towards {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(address) = self.0 else {
            let found = DefaultResolver::default().resolve(uri, config, timeout);
            return found.map_err(|error| match error {
                ureq::Error::Io(_) => ureq::Error::HostNotFound,
                error => error,
            });
        };
        let mut found = self.empty();
        found.push(address);
        Ok(found)
    }
}

const MAX_HEAD: usize = 256 << 10;
const MAX_BODY: u64 = 1 << 20;
