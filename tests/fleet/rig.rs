//! Replicas as processes: each with a directory, a name and ports of its own, found by its peers, and killed by its id.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use rustix::process::{Pid, Signal, kill_process};
use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;
use serde_json::{Value, json};

use crate::common::{LIMIT, NAME, Place, Response, Session, ask, lines, sealpass, wait_for};

/// What is the same for all replicas of a fleet.
pub struct Setup {
    /// Replicas in the core.
    pub core: usize,
    /// Replicas at the edge.
    pub edges: usize,
    /// Whether endings outlive a restart of the whole fleet.
    pub journal: bool,
}

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

impl Setup {
    pub fn core(core: usize) -> Self {
        Self { core, edges: 0, journal: true }
    }

    pub fn with_edge(self) -> Self {
        Self { edges: self.edges + 1, ..self }
    }

    pub fn without_journals(self) -> Self {
        Self { journal: false, ..self }
    }

    /// A fleet on the loopback.
    pub fn on_loopback(self) -> Fleet {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ports = free_ports(self.core + self.edges);
        let spots = ports.into_iter().map(|port| Spot { by: Vec::new(), http: here, peers: (here, port).into() });
        self.on(spots.collect())
    }

    /// A fleet on these spots. The first replica has the ring, the others nothing but the cluster secret.
    pub fn on(self, spots: Vec<Spot>) -> Fleet {
        let credential = NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
        let peers: Vec<_> = spots.iter().take(self.core).map(|spot| spot.peers).collect();
        let mut replicas: Vec<Replica> = Vec::new();
        for (at, spot) in spots.into_iter().enumerate() {
            let place = Place::new();
            match replicas.first() {
                None => assert!(place.run(&["keys", "init"], b"").status.success()),
                Some(first) => place.take_secret_of(&first.place),
            }
            let edge = at >= self.core;
            let name = if edge { format!("edge-{at}") } else { format!("s-{at}") };
            let others = peers.iter().filter(|peer| **peer != spot.peers);
            fs::write(place.path("c.toml"), self.configuration(&name, edge, spot.peers, others)).expect("writable");
            place.private("credentials.toml", in_full(&credential).as_bytes());
            let credential = credential.expose().to_owned();
            replicas.push(Replica { name, place, credential, by: spot.by, at: spot.http, running: None });
        }
        Fleet(replicas)
    }

    fn configuration<'a>(
        &self,
        name: &str,
        edge: bool,
        listen: SocketAddr,
        others: impl Iterator<Item = &'a SocketAddr>,
    ) -> String {
        let journal = if self.journal { "keys/facts.redb" } else { "none" };
        let peers: Vec<_> = others.map(ToString::to_string).collect();
        let (role, size) = (if edge { "edge" } else { "core" }, self.core);
        format!(
            "journal = \"{journal}\"\ncredentials = \"credentials.toml\"\n[public]\nworkers = 2\n\
             [cluster]\nsize = {size}\nname = \"{name}\"\nrole = \"{role}\"\nlisten = \"{listen}\"\npeers = {peers:?}\n\
             [realm.default]\npublic_origins = [\"https://app.example.com\"]\n"
        )
    }
}

/// Where a replica runs.
pub struct Spot {
    pub by: Vec<String>,
    pub http: IpAddr,
    pub peers: SocketAddr,
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

    /// Every replica lets this token in.
    pub fn assert_accepted(&self, token: &str) {
        for replica in &self.0 {
            assert_eq!(replica.verify(token), 200, "{}", replica.name);
        }
    }
}

impl Replica {
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
        Self { name, place, credential, by: self.by.clone(), at: self.at, running: None }
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

    /// Ends a session, and says how that was answered.
    pub fn end(&self, session: &Session, wait: &str) -> Response {
        self.call("/v1/sessions/revoke", &json!({"token": session.token, "wait": wait}))
    }

    /// What it knows of the fleet.
    pub fn report(&self) -> Value {
        let bearer = format!("Bearer {}", self.credential);
        let response = ask(self.process().control, "GET", "/v1/cluster", &[("Authorization", &bearer)], b"");
        assert_eq!(response.status, 200, "{}", self.name);
        response.json()
    }

    /// Whether it gives this reason for not being ready.
    pub fn is_not_ready_for(&self, code: &str) -> bool {
        self.report()["why"].as_array().expect("a list").iter().any(|why| why["code"] == code)
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
                    assert!(value.is_none(), "{name:?} is not handed on");
                    command.env_remove(name);
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

impl Place {
    /// As an operator who hands a joining replica what it needs.
    fn take_secret_of(&self, other: &Self) {
        fs::create_dir(self.path("keys")).expect("writable");
        self.private("keys/cluster.secret", &fs::read(other.path("keys/cluster.secret")).expect("made by init"));
    }
}

/// Ports that nobody listens on. All are held until the last one is known, so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<_> = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    held.iter().map(|socket| socket.local_addr().expect("bound").port()).collect()
}

/// A credentials file that lets its holder do everything.
fn in_full(credential: &NewCredential) -> String {
    let hash = credential.sha256();
    format!("[[credential]]\nname = \"test\"\nsha256 = \"{hash}\"\nscopes = [\"app\", \"admin\"]\nrealms = [\"*\"]\n")
}
