//! Who asks the replicas: an application with a credential, and a browser with a cookie.

use std::time::Duration;

use serde_json::Value;

use super::stage::Place;

/// Asks, and never takes a missing answer for one.
pub struct Visitor {
    credential: String,
    agent: ureq::Agent,
}

impl Visitor {
    pub fn new(credential: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .proxy(None)
            .build()
            .into();
        Self { credential: credential.to_owned(), agent }
    }

    /// What verify answers to this cookie; `None` if nobody answers.
    pub fn verify(&self, at: &Place, cookie: &str) -> Option<u16> {
        let request = self.agent.get(format!("http://{}/verify/", at.public)).header("Cookie", cookie);
        request.call().ok().map(|answer| answer.status().as_u16())
    }

    pub fn is_ready(&self, at: &Place) -> bool {
        let answer = self.agent.get(format!("http://{}/readyz", at.public)).call();
        answer.is_ok_and(|answer| answer.status().as_u16() == 200)
    }

    /// A call of the control API: its status, and its body if that is JSON.
    pub fn post(&self, at: &Place, path: &str, body: &Value) -> Option<(u16, Value)> {
        let request = self.agent.post(format!("http://{}{path}", at.control));
        let request = request.header("Authorization", self.bearer()).content_type("application/json");
        read(request.send(body.to_string()).ok()?)
    }

    pub fn get(&self, at: &Place, path: &str) -> Option<Value> {
        let request = self.agent.get(format!("http://{}{path}", at.control));
        let (status, body) = read(request.header("Authorization", self.bearer()).call().ok()?)?;
        (status == 200).then_some(body)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.credential)
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Option<(u16, Value)> {
    let text = answer.body_mut().read_to_string().ok()?;
    Some((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null)))
}

/// Longer than any answer takes, a majority that is waited for among them.
const PATIENCE: Duration = Duration::from_secs(10);
