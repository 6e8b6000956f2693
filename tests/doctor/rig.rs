//! A chain on loopback: the proxy, `sealpass serve` and `sealpass echo` behind it. Gone when it is dropped.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Output, Stdio};

use serde_json::{Value, json};

use crate::common::{LIMIT, Place, Running, call, lines, sealpass};
use crate::faults::Fault;
use crate::proxy::Proxy;

pub struct Rig {
    pub proxy: SocketAddr,
    pub place: Place,
    pub sealpass: Running,
    credential: String,
    app: SocketAddr,
    echo: Child,
}

impl Rig {
    pub fn start(fault: Fault) -> Self {
        let place = Place::new();
        let credential = place.with_application();
        place.private("app.credential", credential.as_bytes());
        let sealpass = place.serve(CONFIG, &[]);
        let (echo, app) = echo();
        let proxy = Proxy::start(sealpass.public, sealpass.control, app, fault);
        Self { proxy, place, sealpass, credential, app, echo }
    }

    pub fn app(&self) -> SocketAddr {
        self.app
    }

    /// Exit code and report.
    pub fn doctor(&self, more: &[&str]) -> (i32, Value) {
        let output = self.run(&[&["--json"], more].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {error}"));
        (output.status.code().expect("it ended by itself"), report)
    }

    /// All that it wrote.
    pub fn run(&self, more: &[&str]) -> Output {
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port on loopback");
        let (through, direct) = (format!("http://{}/", self.proxy), format!("http://{closed}/"));
        let control = format!("http://{}", self.sealpass.control);
        let mut args = vec!["doctor", "--timeout", "3s", "--control", &control];
        args.extend(["--credential", "app.credential", "--policy-path", "/admin", "--optional-path", "/news"]);
        if !more.contains(&"--through") {
            args.extend(["--through", &through]);
        }
        args.extend(["--csrf-path", "/forms", "--preflight-path", "/api", "--page-path", "/account"]);
        if !more.contains(&"--direct") {
            args.extend(["--direct", &direct]);
        }
        args.extend(more);
        self.place.run(&args, b"")
    }

    /// What becomes of a session that `subject` had at `time`.
    pub fn standing(&self, subject: &str, time: &str) -> String {
        let session = json!({"session_id": "A".repeat(22), "subject": subject, "started_at": time});
        let body = json!({"sessions": [session]}).to_string();
        let answer = call(self.sealpass.control, &self.credential, "/v1/sessions/check", &body);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()["results"][0]["result"].as_str().expect("text").to_owned()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.echo.kill();
        let _ = self.echo.wait();
    }
}

/// The application that shows what reaches it, and where it listens.
pub fn echo() -> (Child, SocketAddr) {
    let mut command = sealpass(&["echo", "--listen", "127.0.0.1:0"], &[]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let said = lines(child.stderr.take().expect("a pipe")).recv_timeout(LIMIT).expect("it says where it listens");
    let at = said.trim().strip_prefix("sealpass: echo on http://").and_then(|at| at.parse().ok());
    (child, at.unwrap_or_else(|| panic!("{said}")))
}

/// A renewal is due every five seconds.
const CONFIG: &str = r#"
credentials = "credentials.toml"
trusted_proxies = ["127.0.0.1"]
[realm.default]
idle = "30s"
public_origins = ["https://app.example.com"]
[policy.default]
[policy.admin]
role = ["admin"]
[policy.form]
csrf = "require"
[policy.optional]
optional = true
[policy.api]
preflight = true
[policy.page]
login_url = "/login"
"#;
