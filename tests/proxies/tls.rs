//! The documented configuration as it is documented: over TLS, where browsers speak HTTP/2. Asked by curl.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};

use crate::checks::Check;
use crate::rig::{Rig, until};

pub const CHECKS: &[Check] = &[
    ("HTTP/2: a session whose cookie comes in crumbs; no other cookie of ours gets on", crumbs),
    ("HTTP/2: without a session 401, and forged headers never reach the application", forged),
];

/// A certificate and its key.
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What a proxy is told to use: made for this test, good for nothing else.
pub fn files(dir: &Path) -> Files {
    let made = generate_simple_self_signed(["app.example.com".to_owned()]).expect("a name");
    let CertifiedKey { cert, signing_key } = made;
    let files = Files { certificate: dir.join("test.pem"), key: dir.join("test.pem.key") };
    std::fs::write(&files.certificate, cert.pem()).expect("writable");
    std::fs::write(&files.key, signing_key.serialize_pem()).expect("writable");
    files
}

/// Until the proxy has its routes; Traefik listens before.
pub fn wait(rig: &Rig) {
    until("an answer", || Some(ask(rig, "/", &[])).filter(|answer| !matches!(answer.status, 0 | 404)));
}

/// RFC 9113, section 8.2.3: a client may send each cookie in a line of its own.
fn crumbs(rig: &Rig) {
    let ours = rig.log_in(&json!({"subject": "alice", "roles": ["editor"]}));
    let lines = ["Cookie: a=1".to_owned(), format!("Cookie: {ours}"), "Cookie: b=2".to_owned()];
    wait(rig);
    let answer = ask(rig, "/page?page=2", &lines);
    assert_eq!((answer.status, answer.version.as_str()), (200, "2"));
    assert_eq!(answer.all("x-session-subject"), ["alice"]);
    assert_eq!(answer.all("cookie").join("; "), "a=1; b=2");
    assert_eq!(answer.all("x-forwarded-proto"), ["https"]);
    assert_eq!(ask(rig, "/admin", &lines).status, 403);
    let answer = ask(rig, "/login", &lines);
    assert!(answer.all("cookie").join("; ").contains(&ours), "the login page gets it: {answer:?}");
}

fn forged(rig: &Rig) {
    let mut lines = ["X-Session-Subject: forged", "X-Session-Roles: forged", "x_session_subject: forged"]
        .map(str::to_owned)
        .to_vec();
    wait(rig);
    assert_eq!(ask(rig, "/", &lines).status, 401);
    for path in ["/news", "/login"] {
        let answer = ask(rig, path, &lines);
        assert_eq!((answer.status, answer.version.as_str()), (200, "2"), "{path}");
        assert!(!answer.body.contains("forged"), "{path}: {answer:?}");
    }
    lines.push(format!("Cookie: {}", rig.alice()));
    let answer = ask(rig, "/", &lines);
    assert_eq!(answer.all("x-session-subject"), ["alice"]);
    assert!(!answer.body.contains("forged"), "{answer:?}");
}

#[derive(Debug)]
struct Answer {
    status: u16,
    version: String,
    body: String,
}

impl Answer {
    /// What reached the application under this name.
    fn all(&self, name: &str) -> Vec<String> {
        let shown: Value = serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let lines = shown["headers"].as_array().expect("a list");
        let named = lines.iter().filter(|line| line[0].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)));
        named.map(|line| line[1].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn ask(rig: &Rig, path: &str, lines: &[String]) -> Answer {
    let port = rig.proxy.port();
    let mut command = Command::new("curl");
    command.args(["--silent", "--insecure", "--http2", "--max-time", "10", "--noproxy", "*"]);
    command.args(["--resolve", &format!("app.example.com:{port}:127.0.0.1")]);
    command.args(["--write-out", "\n%{http_code} %{http_version}"]);
    for line in lines {
        command.args(["--header", line]);
    }
    let done = command.arg(format!("https://app.example.com:{port}{path}")).output().expect("curl is installed");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let (body, last) = text.rsplit_once('\n').unwrap_or_default();
    let (status, version) = last.split_once(' ').unwrap_or_default();
    Answer { status: status.parse().unwrap_or(0), version: version.to_owned(), body: body.to_owned() }
}
