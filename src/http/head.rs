//! The head of a request, as it is looked at to decide: whichever of the two kinds of requests it came as.

use std::net::IpAddr;

use actix_http::Request;
use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::http::header::{Header, HeaderMap};
use actix_web::http::{Method, Uri};

use super::running::OverUnix;

/// The head of a request, and where it came from.
#[derive(Clone, Copy)]
pub enum Head<'r> {
    /// That was parsed, and handed to nobody yet.
    Parsed(&'r Request),
    /// That an application of actix-web was handed.
    Routed(&'r HttpRequest),
}

impl<'r> Head<'r> {
    pub fn headers(self) -> &'r HeaderMap {
        &self.inner().headers
    }

    pub fn method(self) -> &'r Method {
        &self.inner().method
    }

    pub fn uri(self) -> &'r Uri {
        &self.inner().uri
    }

    /// What one of the typed headers says; `None` if it is not there, or can't be read.
    pub fn typed<H: Header>(self) -> Option<H> {
        match self {
            Self::Parsed(request) => H::parse(request),
            Self::Routed(request) => H::parse(request),
        }
        .ok()
    }

    /// Whether the connection came through a Unix socket.
    pub fn is_over_unix(self) -> bool {
        match self {
            Self::Parsed(request) => request.conn_data::<OverUnix>(),
            Self::Routed(request) => request.conn_data::<OverUnix>(),
        }
        .is_some()
    }

    /// The address of the connection's other end.
    pub fn peer(self) -> Option<IpAddr> {
        self.inner().peer_addr.map(|peer| peer.ip())
    }

    fn inner(self) -> &'r RequestHead {
        match self {
            Self::Parsed(request) => request.head(),
            Self::Routed(request) => request.head(),
        }
    }
}

impl<'r> From<&'r HttpRequest> for Head<'r> {
    fn from(request: &'r HttpRequest) -> Self {
        Self::Routed(request)
    }
}
