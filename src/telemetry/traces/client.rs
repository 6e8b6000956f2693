//! How spans get to the collector: by the HTTP client that the commands use too, so that there is no second one, and no second TLS.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use ureq::Agent;
use ureq::http::Request as UreqRequest;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Sends what the exporter has put together. It blocks, on the exporter's own thread.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    why: Why,
}

/// Why nothing could be sent the last time: the exporter says no more than that.
#[derive(Clone, Debug, Default)]
pub struct Why(Arc<Mutex<String>>);

impl Why {
    /// In a line.
    pub fn text(&self) -> String {
        self.0.lock().map_or_else(|_| String::new(), |why| why.clone())
    }

    fn set(&self, why: String) {
        if let Ok(mut last) = self.0.lock() {
            *last = why;
        }
    }
}

/// A file with certificates that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("OTEL_EXPORTER_OTLP_CERTIFICATE: {path}: {why}; name a file with certificates in PEM, or unset it")]
pub struct WrongCertificate {
    path: String,
    why: String,
}

impl Client {
    /// One that trusts the authorities of the web, or those of a file.
    pub fn new(timeout: Duration, authorities: Option<&str>, why: Why) -> Result<Self, WrongCertificate> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = authorities {
            let wrong = |why: String| WrongCertificate { path: path.to_owned(), why };
            let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let certificates = parse_pem(&text).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let certificates: Vec<_> = certificates.collect();
            if certificates.is_empty() {
                return Err(wrong("no certificate is in it".to_owned()));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .tls_config(tls.build())
            .build();
        Ok(Self { agent: agent.into(), why })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let answer = self.agent.run(UreqRequest::from_parts(head, &body[..]));
        self.why.set(match &answer {
            Ok(answer) => format!("it answers {}", answer.status()),
            Err(error) => error.to_string(),
        });
        let mut answer = answer?;
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
        let (head, _) = answer.into_parts();
        Ok(Response::from_parts(head, body.into()))
    }
}

/// What a collector says is short; more than that is none.
const MAX_ANSWER: u64 = 1 << 20;
