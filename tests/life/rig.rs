//! A service in a directory of its own, whatever it listens on, and what talks to it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Place, Running, sealpass, wait_for};

/// A place with a ring, a credential, and the tokens of a session for as long as that lives.
pub struct Shop {
    pub place: Place,
    pub credential: String,
}

/// A service that is a child of the test, and is killed when it is dropped.
pub struct Service {
    pub child: Child,
    log: Arc<Mutex<String>>,
}

impl Shop {
    pub fn new() -> Self {
        let place = Place::new();
        let credential = place.with_application();
        Self { place, credential }
    }

    /// The service on ports of its own, with this beside the credentials.
    pub fn serve(&self, config: &str, env: &[(&str, &str)]) -> Running {
        self.place.serve(&format!("credentials = \"credentials.toml\"\n{config}"), env)
    }

    /// The service as a command, for those that are started in other ways.
    pub fn command(&self, config: &str, env: &[(&str, &str)]) -> Command {
        fs::write(self.place.path("c.toml"), format!("credentials = \"credentials.toml\"\n{config}"))
            .expect("writable");
        let mut command = sealpass(&["serve", "--config", "c.toml"], env);
        command.current_dir(self.place.0.path());
        command
    }

    /// The same with its public socket handed over, as systemd does it.
    pub fn command_with_socket(&self, public: &TcpListener, env: &[(&str, &str)]) -> Command {
        drop(self.command("", &[])); // writes the configuration
        let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$; exec \"$0\" serve --config c.toml";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_sealpass")]).current_dir(self.place.0.path());
        command.envs(env.iter().copied()).env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "public");
        command.stdin(OwnedFd::from(public.try_clone().expect("ours"))).stdout(Stdio::null());
        command
    }
}

impl Service {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self::start_as_it_is(command)
    }

    /// With the standard input and output that it has.
    pub fn start_as_it_is(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (pipe, lines) = (child.stderr.take().expect("a pipe"), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut log = lines.lock().expect("no panic");
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log }
    }

    pub fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Waits until it has said that.
    pub fn says(&self, mark: &str) {
        let begun = Instant::now();
        while !self.log().contains(mark) {
            assert!(begun.elapsed() < Duration::from_secs(30), "it never says {mark}: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn signal(&self, signal: Signal) {
        signal_to(&self.child, signal);
    }

    /// Its exit code, once it has ended by itself.
    pub fn ended(&mut self) -> Option<i32> {
        ended(&mut self.child)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal_to(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// The exit code of a child that has to end by itself.
pub fn ended(child: &mut Child) -> Option<i32> {
    let child = Mutex::new(child);
    let status = || child.lock().expect("no panic").try_wait().expect("our child");
    wait_for("it ends", || status().is_some());
    status().and_then(|status| status.code())
}

/// One request through a Unix socket: status and the whole answer.
pub fn ask_unix(path: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(path).expect("it listens there");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    answer(&mut stream, request)
}

/// One request, after which the connection is closed.
pub fn answer(stream: &mut (impl Read + Write), request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut bytes = Vec::new();
    // A TLS peer may close without saying so.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("text");
    let status = text.get(9..12).and_then(|code| code.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {text:?}")), text)
}

/// A request that asks for the connection to be closed behind the answer.
pub fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n{headers}\r\n")
}
