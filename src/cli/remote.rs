//! A running service, asked over its control listener: plain, under TLS or on a Unix socket. It serves as a custodian.

pub mod trust;
mod unix;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sealpass::custody::{
    AskedOfKey, AskedPostpone, AskedReplace, AskedRotate, Custodian, CustodyError, Receipt, Report, Task,
};
use sealpass::keyring::Order;
use sealpass::store::read_private;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::{Common, Failure};
use trust::Tls;
use unix::{Nowhere, Socket};

/// Where a control listener is, as `--control` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    Url(Url),
    /// `unix:PATH`.
    Socket(PathBuf),
}

/// The control API of a running service.
pub struct Remote {
    door: Door,
    /// What calls begin with.
    base: String,
    credential: String,
    agent: ureq::Agent,
}

/// An answer of the control API.
pub struct Answered {
    pub status: u16,
    /// Its Date header.
    pub date: Option<String>,
    /// Null if there is none.
    pub body: Value,
}

impl Door {
    /// What was given, or where the configuration says that the control listener is.
    pub fn given_or_configured(given: Option<&Self>, common: &Common) -> Result<Self, Failure> {
        match given {
            Some(door) => Ok(door.clone()),
            None => common.settings(&[])?.control.url().parse().map_err(Failure::Refused),
        }
    }
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Socket(path.into()));
        }
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        // With a name and a password before the host it would not be sent as it is written.
        let plain = |url: &Url| url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let url = url.filter(|url| plain(url) && url.fragment().is_none());
        url.map(Self::Url).ok_or_else(|| "write it as http://HOST:PORT, https://HOST:PORT or unix:PATH".to_owned())
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url.as_str().trim_end_matches('/')),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Remote {
    /// Reads the `credential`. `ca`: the file with the certificates to trust, if not the system's.
    pub fn new(door: &Door, ca: Option<&Path>, credential: &Path) -> Result<Self, Failure> {
        let tls = match (ca, door) {
            (None, _) => Tls::system(),
            (Some(file), Door::Url(url)) if url.scheme() == "https" => Tls::only_in(file).map_err(Failure::Refused)?,
            (Some(_), _) => {
                return Err(Failure::Refused(format!(
                    "certificates to trust are for TLS, and {door} speaks none; write https://, or leave them away"
                )));
            }
        };
        let bytes = read_private(credential, MAX_CREDENTIAL)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim().to_owned();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::Refused(format!(
                "{}: holds no credential; give the file with one",
                credential.display()
            )));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            // One that is set for the outside would be given the credential.
            .proxy(None)
            .tls_config(tls.config())
            .build();
        let (agent, base) = match door {
            Door::Url(_) => (config.into(), door.to_string()),
            Door::Socket(path) => {
                (ureq::Agent::with_parts(config, Socket(path.clone()), Nowhere), "http://localhost".to_owned())
            }
        };
        Ok(Self { door: door.clone(), base, credential: text, agent })
    }

    /// What `GET /v1/…` answers.
    pub fn get<T: DeserializeOwned>(&self, call: &str) -> Result<T, CustodyError> {
        let request = self.agent.get(format!("{}/v1/{call}", self.base));
        self.read(request.header("Authorization", format!("Bearer {}", self.credential)).call())
    }

    /// What `POST /v1/…` answers, whatever it is.
    pub fn answer(&self, call: &str, body: &Value) -> Result<Answered, CustodyError> {
        let request = self.agent.post(format!("{}/v1/{call}", self.base));
        let request = request.header("Authorization", format!("Bearer {}", self.credential));
        let answer = request.content_type("application/json").send(body.to_string());
        let mut answer = answer.map_err(|error| self.unanswered(&error))?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
        let text = answer.body_mut().read_to_string().map_err(|error| self.failed(&error.to_string()))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answered { status: answer.status().as_u16(), date, body })
    }

    /// What `POST /v1/…` answers if that is what was asked for.
    pub fn post<T: DeserializeOwned>(&self, call: &str, body: &impl Serialize) -> Result<T, CustodyError> {
        let body = serde_json::to_string(body).map_err(|error| self.failed(&error.to_string()))?;
        let request = self.agent.post(format!("{}/v1/{call}", self.base));
        let request = request.header("Authorization", format!("Bearer {}", self.credential));
        self.read(request.content_type("application/json").send(body))
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, CustodyError> {
        let mut answer = answer.map_err(|error| self.unanswered(&error))?;
        let (ok, status) = (answer.status().is_success(), answer.status());
        let text = answer.body_mut().read_to_string().map_err(|error| self.failed(&error.to_string()))?;
        if ok {
            return serde_json::from_str(&text).map_err(|_| self.failed("the answer is not that of a Sealpass"));
        }
        let problem: Option<Value> = serde_json::from_str(&text).ok();
        let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
        // What the service says is one line of text, whatever it is.
        let line = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        Err(self.failed(&detail.map_or_else(|| format!("it answers {status}; is that the control listener?"), line)))
    }

    /// No answer came. What to do depends on what is in between.
    fn unanswered(&self, error: &ureq::Error) -> CustodyError {
        let text = error.to_string();
        let known = REMEDIES.iter().find(|(scheme, mark, _)| self.base.starts_with(scheme) && text.contains(mark));
        let remedy = known.map_or(USUAL_REMEDY, |(_, _, remedy)| remedy);
        self.failed(&format!("{text}; {remedy}"))
    }

    fn failed(&self, what: &str) -> CustodyError {
        CustodyError::Unavailable(format!("{}: {what}", self.door))
    }
}

impl Custodian for Remote {
    fn report(&self) -> Result<Report, CustodyError> {
        self.get("keys")
    }

    fn carry_out(&self, task: Task, dry_run: bool) -> Result<Receipt, CustodyError> {
        match task {
            Task::Order(Order::Rotate { after }) => self.post("keys/rotate", &AskedRotate::new(after, dry_run)),
            // The service takes both steps of a rotation itself.
            Task::Order(Order::Propose | Order::Date { .. }) => {
                Err(self.failed("a service is asked to rotate, and not for a step of that"))
            }
            Task::Order(Order::Postpone { until }) => self.post("keys/postpone", &AskedPostpone::new(until, dry_run)),
            Task::Order(Order::Revoke { kid }) => {
                self.post("keys/revoke", &AskedOfKey::new(kid.to_string(), false, dry_run))
            }
            Task::Order(Order::Destroy { kid, force }) => {
                self.post("keys/destroy", &AskedOfKey::new(kid.to_string(), force, dry_run))
            }
            Task::ReplaceRing => self.post("keys/replace-ring", &AskedReplace::new(dry_run)),
        }
    }
}

const MAX_CREDENTIAL: usize = 1_024;
/// How long the service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
const USUAL_REMEDY: &str = "does the service run, and is that its control listener?";
const UNTRUSTED: &str =
    "give the certificate that the listener's was issued under with --ca (of the doctor: --control-ca)";
/// What to do about an error, by the scheme and a part of its text.
const REMEDIES: &[(&str, &str, &str)] = &[
    ("https://", "UnknownIssuer", UNTRUSTED),
    // Another issuer of the same name.
    ("https://", "BadSignature", UNTRUSTED),
    ("https://", "No CA certificates", UNTRUSTED),
    ("https://", "not valid for name", "put a name or an address that the certificate has into --control"),
    ("https://", "CaUsedAsEndEntity", "the listener needs a certificate of its own, issued with CA:FALSE"),
    ("https://", "certificate expired", "renew it, or mend the clock of this machine"),
    ("https://", "corrupt message", "it speaks no TLS: write http://"),
    ("http://", "http parse fail", "if it speaks TLS, write https://"),
];
