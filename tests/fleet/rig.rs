//! Replicas as processes: each with a directory, a name and ports of its own, found by its peers, and killed by its id.

use std::cell::OnceCell;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::common::{LIMIT, NAME, Place, Response, Session, ask, lines, sealpass, wait_for};
use crate::setup::free_ports;

/// Replicas that know of each other: first the core, then the edges. None runs at first.
pub struct Fleet(pub Vec<Replica>);

/// One replica, up or down.
pub struct Replica {
    pub name: String,
    place: Place,
    credential: String,
    /// Where it runs: nothing, or a command that takes it as its arguments.
    by: Vec<String>,
    at: IpAddr,
    running: Option<Process>,
}

struct Process {
    child: Child,
    stderr: Receiver<String>,
    public: SocketAddr,
    control: SocketAddr,
}

impl Fleet {
    /// Starts all of them at once, and waits until every one is ready.
    pub fn started(mut self) -> Self {
        self.start();
        self
    }

    pub fn start(&mut self) {
        self.0.iter_mut().for_each(Replica::launch);
        self.0.iter_mut().for_each(Replica::wait_for_ports);
        self.wait_ready();
    }

    pub fn kill(&mut self) {
        self.0.iter_mut().for_each(Replica::kill);
    }

    pub fn wait_ready(&self) {
        for replica in &self.0 {
            wait_for(&format!("{} is ready", replica.name), || replica.is_ready());
        }
    }

    /// Waits until every replica that runs refuses this token.
    pub fn wait_refused(&self, token: &str) {
        for replica in self.0.iter().filter(|replica| replica.running.is_some()) {
            wait_for(&format!("{} refuses", replica.name), || replica.verify(token) == 401);
        }
    }

    /// Every replica refuses this token: none needs time to find out.
    pub fn assert_refused(&self, token: &str) {
        for replica in &self.0 {
            assert_eq!(replica.verify(token), 401, "{}", replica.name);
        }
    }

    /// Every replica lets this token in.
    pub fn assert_accepted(&self, token: &str) {
        for replica in &self.0 {
            assert_eq!(replica.verify(token), 200, "{}", replica.name);
        }
    }
}

impl Replica {
    /// One that is down.
    pub fn new(name: String, place: Place, credential: String, by: Vec<String>, at: IpAddr) -> Self {
        Self { name, place, credential, by, at, running: None }
    }

    pub fn start(&mut self) {
        self.launch();
        self.wait_for_ports();
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        drop(self.running.take());
    }

    /// As a service manager does; it has to end well.
    pub fn stop(&mut self) {
        let mut process = self.running.take().expect("it runs");
        kill_process(Pid::from_child(&process.child), Signal::TERM).expect("it runs");
        let status = process.child.wait().expect("our child");
        assert!(status.success(), "{}: {status}", self.name);
    }

    /// Its directory.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where proxies ask it.
    pub fn public(&self) -> SocketAddr {
        self.process().public
    }

    pub fn has_ring(&self) -> bool {
        self.place.path("keys/ring.sealed").exists()
    }

    /// Another replica with the name, the secret and the peers of this one, and its own state.
    pub fn twin(&self) -> Self {
        let place = Place::new();
        place.take_secret_of(&self.place);
        let config = fs::read_to_string(self.place.path("c.toml")).expect("written");
        let port = free_ports(1)[0];
        let listen = config.lines().find(|line| line.starts_with("listen = ")).expect("written");
        let moved = config.replace(listen, &format!("listen = \"{}\"", SocketAddr::new(self.at, port)));
        fs::write(place.path("c.toml"), moved).expect("writable");
        place.private("credentials.toml", &fs::read(self.place.path("credentials.toml")).expect("written"));
        let (name, credential) = (self.name.clone(), self.credential.clone());
        Self::new(name, place, credential, self.by.clone(), self.at)
    }

    /// As [`Replica::twin`], but of another deployment: ring and secret are its own.
    pub fn stranger(&self) -> Self {
        let twin = self.twin();
        fs::remove_dir_all(twin.place.path("keys")).expect("there");
        assert!(twin.place.run(&["keys", "init"], b"").status.success());
        twin
    }

    pub fn is_ready(&self) -> bool {
        self.get("/readyz").status == 200
    }

    pub fn get(&self, path: &str) -> Response {
        ask(self.process().public, "GET", path, &[], b"")
    }

    /// What verify answers.
    pub fn verify(&self, token: &str) -> u16 {
        ask(self.process().public, "GET", "/verify/", &[("Cookie", &format!("{NAME}={token}"))], b"").status
    }

    /// What a browser is answered that logs out.
    pub fn logout(&self, token: &str) -> Response {
        let cookie = format!("{NAME}={token}");
        let headers = [("Cookie", &*cookie), ("Origin", "https://app.example.com"), ("Content-Length", "0")];
        ask(self.process().public, "POST", "/logout", &headers, b"")
    }

    pub fn call(&self, path: &str, body: &Value) -> Response {
        let bearer = format!("Bearer {}", self.credential);
        ask(self.process().control, "POST", path, &[("Authorization", &bearer)], body.to_string().as_bytes())
    }

    pub fn login(&self, subject: &str) -> Session {
        Session::of(&self.call("/v1/sessions", &json!({"subject": subject})), 201)
    }

    /// As [`Replica::login`], as soon as that is possible.
    pub fn login_once_a_majority_counts(&self, subject: &str) -> Session {
        let asked = json!({"subject": subject});
        let answer = OnceCell::new();
        wait_for("a majority answers before a login", || {
            let now = self.call("/v1/sessions", &asked);
            assert!(matches!(now.status, 201 | 503), "{now:?}");
            now.status == 201 && answer.set(now).is_ok()
        });
        Session::of(&answer.into_inner().expect("it was waited for"), 201)
    }

    /// Ends a session, and says how that was answered.
    pub fn end(&self, session: &Session, wait: &str) -> Response {
        self.call("/v1/sessions/revoke", &json!({"token": session.token, "wait": wait}))
    }

    /// What it knows of the fleet.
    pub fn report(&self) -> Value {
        self.told("/v1/cluster")
    }

    /// The keys of its ring.
    pub fn keys(&self) -> Vec<Value> {
        self.told("/v1/keys")["keys"].as_array().expect("a list").iter().map(|key| key["key"].clone()).collect()
    }

    /// Whether it gives this reason for not being ready.
    pub fn is_not_ready_for(&self, code: &str) -> bool {
        self.report()["why"].as_array().expect("a list").iter().any(|why| why["code"] == code)
    }

    fn told(&self, path: &str) -> Value {
        let bearer = format!("Bearer {}", self.credential);
        let response = ask(self.process().control, "GET", path, &[("Authorization", &bearer)], b"");
        assert_eq!(response.status, 200, "{}", self.name);
        response.json()
    }

    fn launch(&mut self) {
        assert!(self.running.is_none(), "{} runs", self.name);
        let here = SocketAddr::new(self.at, 0).to_string();
        let own = sealpass(&["serve", "--config", "c.toml", "--public", &here, "--control", &here], &[]);
        let mut command = match self.by.split_first() {
            None => own,
            Some((by, words)) => {
                let mut command = Command::new(by);
                command.args(words).arg(own.get_program()).args(own.get_args());
                for (name, value) in own.get_envs() {
                    match value {
                        Some(value) => command.env(name, value),
                        None => command.env_remove(name),
                    };
                }
                command
            }
        };
        command.current_dir(self.place.0.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stderr = lines(child.stderr.take().expect("a pipe"));
        let nowhere = SocketAddr::new(self.at, 0);
        self.running = Some(Process { child, stderr, public: nowhere, control: nowhere });
    }

    fn wait_for_ports(&mut self) {
        let process = self.running.as_mut().expect("launched");
        let mut log = String::new();
        loop {
            let line = process.stderr.recv_timeout(LIMIT);
            let line = line.unwrap_or_else(|_| panic!("{} does not listen: {log}", self.name));
            let address = |mark: &str| line.split(mark).nth(1)?.split([',', '\n']).next()?.parse().ok();
            if let (Some(public), Some(control)) = (address("public on http://"), address("control on http://")) {
                (process.public, process.control) = (public, control);
                return;
            }
            log += &line;
        }
    }

    fn process(&self) -> &Process {
        self.running.as_ref().unwrap_or_else(|| panic!("{} is down", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
