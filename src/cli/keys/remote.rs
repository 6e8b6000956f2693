//! A running service, asked over its control listener; it serves as a custodian.

use std::path::Path;
use std::time::Duration;

use sealpass::custody::{
    AskedOfKey, AskedPostpone, AskedReplace, AskedRotate, Custodian, CustodyError, Receipt, Report, Task,
};
use sealpass::keyring::Order;
use sealpass::store::read_private;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::Failure;

/// The control API of a running service.
pub struct Remote {
    url: String,
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

impl Remote {
    pub fn new(url: &str, credential: &Path) -> Result<Self, Failure> {
        if !url.starts_with("http://") {
            return Err(Failure::Refused(format!(
                "--control takes http://HOST:PORT, not {url:?}; commands speak plain HTTP: reach a listener elsewhere, under TLS or on a Unix socket, through a tunnel or a proxy"
            )));
        }
        let bytes = read_private(credential, MAX_CREDENTIAL)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim().to_owned();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::Refused(format!(
                "{}: holds no credential; give the file with one",
                credential.display()
            )));
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            // One that is set for the outside would be given the credential.
            .proxy(None)
            .build()
            .into();
        Ok(Self { url: url.trim_end_matches('/').to_owned(), credential: text, agent })
    }

    /// What `GET /v1/…` answers.
    pub fn get<T: DeserializeOwned>(&self, call: &str) -> Result<T, CustodyError> {
        let request = self.agent.get(format!("{}/v1/{call}", self.url));
        self.read(request.header("Authorization", format!("Bearer {}", self.credential)).call())
    }

    /// What `POST /v1/…` answers, whatever it is.
    pub fn answer(&self, call: &str, body: &Value) -> Result<Answered, CustodyError> {
        let request = self.agent.post(format!("{}/v1/{call}", self.url));
        let request = request.header("Authorization", format!("Bearer {}", self.credential));
        let mut answer = request.content_type("application/json").send(body.to_string()).map_err(|error| {
            self.failed(&format!("{error}; does the service run, and is that its control listener?"))
        })?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
        let text = answer.body_mut().read_to_string().map_err(|error| self.failed(&error.to_string()))?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answered { status: answer.status().as_u16(), date, body })
    }

    /// What `POST /v1/…` answers if that is what was asked for.
    pub fn post<T: DeserializeOwned>(&self, call: &str, body: &impl Serialize) -> Result<T, CustodyError> {
        let body = serde_json::to_string(body).map_err(|error| self.failed(&error.to_string()))?;
        let request = self.agent.post(format!("{}/v1/{call}", self.url));
        let request = request.header("Authorization", format!("Bearer {}", self.credential));
        self.read(request.content_type("application/json").send(body))
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, CustodyError> {
        let unanswered = |error: ureq::Error| {
            self.failed(&format!("{error}; does the service run, and is that its control listener?"))
        };
        let mut answer = answer.map_err(unanswered)?;
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

    fn failed(&self, what: &str) -> CustodyError {
        CustodyError::Unavailable(format!("{}: {what}", self.url))
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
