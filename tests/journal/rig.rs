//! The service as a process that can be killed, and clients that take it as it comes.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealpass::clock::SystemClock;
use sealpass::config::{Settings, Site};
use sealpass::entropy::{SystemEntropy, random as random_bytes};
use sealpass::http::NewCredential;
use sealpass::keyring::Keys;
use sealpass::revocation::MemoryFacts;
use sealpass::sessions::{NewSession, Sessions};
use sealpass::store::RingDir;

/// A directory with a ring and a credential.
pub struct Place {
    dir: tempfile::TempDir,
    credential: String,
}

/// A service that is killed when it is dropped.
pub struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
    credential: String,
    pub public: SocketAddr,
    control: SocketAddr,
}

/// One connection, and its latest answer.
pub struct Client {
    stream: TcpStream,
    credential: String,
    head: String,
    body: String,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let credential = NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
        let text = format!(
            "[[credential]]\nname = \"test\"\nsha256 = \"{}\"\nscopes = [\"app\", \"admin\"]\nrealms = [\"*\"]\n",
            credential.sha256()
        );
        fs::write(dir.path().join("credentials.toml"), text).expect("writable");
        fs::set_permissions(dir.path().join("credentials.toml"), fs::Permissions::from_mode(0o600)).expect("ours");
        let place = Self { dir, credential: credential.expose().to_owned() };
        assert!(place.command(&[], &["keys", "init"], &[]).output().expect("it runs").status.success());
        place
    }

    pub fn journal(&self) -> PathBuf {
        self.dir.path().join("keys/facts.redb")
    }

    pub fn start(&self, args: &[&str], env: &[(&str, &str)]) -> Running {
        self.start_by(&[], args, env)
    }

    /// As [`Place::start`], by a command that takes it as its arguments.
    pub fn start_by(&self, by: &[&str], args: &[&str], env: &[(&str, &str)]) -> Running {
        let mut child = self.command(by, &[&["serve"], args].concat(), env).spawn().expect("it starts");
        let (log, said) = (Arc::new(Mutex::new(String::new())), child.stderr.take().expect("a pipe"));
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                let mut log = lines.lock().expect("no panic");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut running =
            Running { child, log, credential: self.credential.clone(), public: nowhere, control: nowhere };
        let begin = Instant::now();
        loop {
            let log = running.logged();
            let address = |mark: &str| log.split(mark).nth(1)?.split([',', '\n']).next()?.parse().ok();
            if let (Some(public), Some(control)) = (address("public on http://"), address("control on http://")) {
                (running.public, running.control) = (public, control);
                return running;
            }
            assert!(begin.elapsed() < LIMIT, "it does not start: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The one line with which it does not start.
    pub fn refused(&self, args: &[&str], env: &[(&str, &str)]) -> String {
        self.refused_by(&[], args, env)
    }

    pub fn refused_by(&self, by: &[&str], args: &[&str], env: &[(&str, &str)]) -> String {
        let output = self.command(by, &[&["serve"], args].concat(), env).output().expect("it runs");
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("sealpass: ") && text.lines().count() == 1, "{text}");
        text
    }

    /// Tokens of sessions that begin now, sealed under this ring.
    pub fn issue(&self, count: usize) -> Vec<String> {
        let entropy = Arc::new(SystemEntropy::new());
        let ring = RingDir::new(&self.dir.path().join("keys"), None).load().expect("a ring");
        let keys = Keys::new(&ring, &*entropy).expect("random bytes");
        let sessions = Sessions::new(keys, Arc::new(MemoryFacts::default()), Arc::new(SystemClock), entropy);
        let site = Site::new(&Settings::default()).expect("the defaults hold");
        let realm = &site.realm("default").expect("there").realm;
        let token = |n: usize| {
            let subject = format!("user {n}");
            let new = NewSession { subject: Some(&subject), ..NewSession::default() };
            sessions.issue(realm, &new).expect("fits").token.expose().to_owned()
        };
        (0..count).map(token).collect()
    }

    fn command(&self, by: &[&str], args: &[&str], env: &[(&str, &str)]) -> Command {
        let words = [by, &[env!("CARGO_BIN_EXE_sealpass")], args].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.dir.path());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEALPASS_")) {
            command.env_remove(name);
        }
        let here = "127.0.0.1:0";
        command.envs([("SEALPASS_PUBLIC__LISTEN", here), ("SEALPASS_CONTROL__LISTEN", here)]);
        command.env("SEALPASS_CREDENTIALS", "credentials.toml").env("SEALPASS_CONTROL__WORKERS", "2");
        command.envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

impl Running {
    pub fn id(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// By the signal that nobody can catch.
    pub fn kill(&mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("ours");
    }

    pub fn logged(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// A client of the control listener.
    pub fn client(&self) -> Client {
        let client = Client::open(self.control).expect("it listens");
        Client { credential: self.credential.clone(), ..client }
    }

    /// A client of the public listener.
    pub fn public_client(&self) -> Client {
        Client::open(self.public).expect("it listens")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    pub fn open(at: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(at).ok()?;
        stream.set_read_timeout(Some(LIMIT)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Some(Self { stream, credential: String::new(), head: String::new(), body: String::new() })
    }

    pub fn verify(&mut self, token: &str) -> Option<u16> {
        self.ask("GET", "/verify/", &format!("Cookie: __Host-sealpass={token}\r\n"), "")
    }

    pub fn revoke(&mut self, token: &str) -> Option<u16> {
        self.call("/v1/sessions/revoke", &format!("{{\"token\":\"{token}\"}}"))
    }

    /// The token of a session that begins now.
    pub fn log_in(&mut self) -> String {
        assert_eq!(self.call("/v1/sessions", "{\"subject\":\"alice\"}"), Some(201));
        let answer: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        answer["token"].as_str().expect("a token").to_owned()
    }

    pub fn replace_ring(&mut self) -> Option<u16> {
        self.call("/v1/keys/replace-ring", "{}")
    }

    pub fn metrics(&mut self) -> String {
        let line = format!("Authorization: Bearer {}\r\n", self.credential);
        assert_eq!(self.ask("GET", "/metrics", &line, ""), Some(200));
        self.body.clone()
    }

    pub fn last_head(&self) -> &str {
        &self.head
    }

    pub fn last_body(&self) -> String {
        self.body.clone()
    }

    fn call(&mut self, path: &str, body: &str) -> Option<u16> {
        let lines = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.credential);
        self.ask("POST", path, &lines, body)
    }

    /// The status of a whole answer; `None` if the service is gone before.
    fn ask(&mut self, method: &str, path: &str, lines: &str, body: &str) -> Option<u16> {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a.example\r\n{lines}{length}\r\n{body}");
        self.stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        let end = loop {
            if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.more(&mut answer)?;
        };
        self.head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let length = self.head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
        let length: usize = if self.head[9..12] == *"204" { 0 } else { length.unwrap_or_default() };
        while answer.len() < end + length {
            self.more(&mut answer)?;
        }
        self.body = String::from_utf8_lossy(&answer[end..]).into_owned();
        if self.head.contains("connection: close") {
            let at = self.stream.peer_addr().ok()?;
            self.stream = Self::open(at)?.stream;
        }
        self.head[9..12].parse().ok()
    }

    fn more(&mut self, answer: &mut Vec<u8>) -> Option<()> {
        let mut room = [0; 16 << 10];
        let read = self.stream.read(&mut room).ok().filter(|read| *read > 0)?;
        answer.extend_from_slice(&room[..read]);
        Some(())
    }
}

/// An address that is free for the moment.
pub fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

/// Below `limit`.
pub fn random(limit: usize) -> usize {
    let bytes = random_bytes(&SystemEntropy::new()).expect("random bytes");
    usize::from_le_bytes(bytes) % limit
}

const LIMIT: Duration = Duration::from_secs(60);
