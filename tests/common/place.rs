//! The `sealpass` command as a child: in a directory of its own, on free ports, with a bounded time to answer, and killed
//! by its id.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::client::{Connection, Response, head};

/// A directory of its own for one operator.
pub struct Place(pub tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory for the test"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("there");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
    }

    pub fn private(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("writable");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect("ours");
    }

    /// With a ring, and a credentials file for one application; its credential.
    pub fn with_application(&self) -> String {
        assert!(self.run(&["keys", "init"], b"").status.success());
        let made = self.run(&["credential", "new", "--name", "shop", "--scope", "app", "--realm", "*"], b"");
        self.private("credentials.toml", &made.stdout);
        String::from_utf8(made.stderr).expect("text").trim().to_owned()
    }

    pub fn run(&self, args: &[&str], stdin: &[u8]) -> Output {
        self.run_with(args, &[], stdin)
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)], stdin: &[u8]) -> Output {
        self.finish(sealpass(args, env), stdin)
    }

    /// Runs a command to its end, or kills it.
    pub fn finish(&self, mut command: Command, stdin: &[u8]) -> Output {
        command.current_dir(self.0.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let id = Pid::from_child(&child);
        let mut input = child.stdin.take().expect("a pipe");
        let stdin = stdin.to_vec();
        let (told, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = input.write_all(&stdin); // it may not read all, or any of it
            drop(input);
            told.send(child.wait_with_output())
        });
        let Ok(output) = ended.recv_timeout(LIMIT) else {
            let _ = kill_process(id, Signal::KILL);
            panic!("{command:?} does not end");
        };
        output.expect("an output")
    }

    /// Runs the service with a configuration.
    pub fn serve(&self, config: &str, env: &[(&str, &str)]) -> Running {
        fs::write(self.path("c.toml"), config).expect("writable");
        self.start(&["serve", "--config", "c.toml", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"], env)
    }

    pub fn start(&self, args: &[&str], env: &[(&str, &str)]) -> Running {
        self.start_with(args, env, lines)
    }

    /// With a standard output that nobody reads yet.
    pub fn start_unread(&self, args: &[&str]) -> (Running, ChildStdout) {
        let mut unread = None;
        let running = self.start_with(args, &[], |pipe| {
            unread = Some(pipe);
            lines(std::io::empty())
        });
        (running, unread.expect("it was started"))
    }

    fn start_with(
        &self,
        args: &[&str],
        env: &[(&str, &str)],
        reader: impl FnOnce(ChildStdout) -> Receiver<String>,
    ) -> Running {
        let mut command = sealpass(args, env);
        command.current_dir(self.0.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let stdout = reader(child.stdout.take().expect("a pipe"));
        let stderr = lines(child.stderr.take().expect("a pipe"));
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut running = Running {
            child,
            stdout,
            stderr,
            printed: String::new(),
            logged: String::new(),
            public: nowhere,
            control: nowhere,
        };
        let dev = args.contains(&"--dev");
        let (public, control) =
            if dev { ("Open http://", "-c jar http://") } else { ("public on http://", "control on http://") };
        for mark in [public, control] {
            let text = if dev { running.until(&|text| text.contains(mark)) } else { running.until_logged(mark) };
            let at = text.split(mark).nth(1).expect("there").split(['/', ',', '\n']).next().expect("an address");
            let at = at.parse().unwrap_or_else(|_| panic!("no address: {at}"));
            if mark == public { running.public = at } else { running.control = at }
        }
        running
    }
}

/// A service that is killed when it is dropped.
pub struct Running {
    pub child: Child,
    pub stdout: Receiver<String>,
    pub stderr: Receiver<String>,
    pub printed: String,
    pub logged: String,
    pub public: SocketAddr,
    pub control: SocketAddr,
}

impl Running {
    /// What it has printed, as soon as that `is` so.
    pub fn until(&mut self, is: &dyn Fn(&str) -> bool) -> String {
        while !is(&self.printed) {
            let line = self.stdout.recv_timeout(LIMIT);
            self.printed +=
                &line.unwrap_or_else(|_| panic!("it never prints that: {}{}", self.printed, rest(&self.stderr)));
        }
        self.printed.clone()
    }

    pub fn until_logged(&mut self, mark: &str) -> String {
        while !self.logged.contains(mark) {
            let line = self.stderr.recv_timeout(LIMIT);
            self.logged += &line.unwrap_or_else(|_| panic!("it never says {mark}: {}", self.logged));
        }
        self.logged.clone()
    }

    pub fn end(self) {
        assert_eq!(self.signal(Signal::TERM).0, Some(0));
    }

    /// Exit code, and all that it wrote.
    pub fn signal(mut self, signal: Signal) -> (Option<i32>, String, String) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
        // Both pipes end with it.
        let (stdout, stderr) = (rest(&self.stdout), rest(&self.stderr));
        let status = self.child.wait().expect("our child");
        (status.code(), std::mem::take(&mut self.printed) + &stdout, std::mem::take(&mut self.logged) + &stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn rest(lines: &Receiver<String>) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(LIMIT) {
            Ok(line) => text += &line,
            Err(mpsc::RecvTimeoutError::Disconnected) => return text,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end: {text}"),
        }
    }
}

pub fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (told, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
            if told.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    said
}

pub fn sealpass(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpass"));
    command.args(args);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEALPASS_")) {
        command.env_remove(name);
    }
    // What ends a service is not what most tests are about.
    command.env("SEALPASS_DRAIN", "0s").envs(env.iter().copied());
    command
}

/// The one line of a refusal, with its exit code and nothing on standard output.
pub fn refused(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("text");
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{text}");
    assert!(text.starts_with("sealpass: ") && text.ends_with('\n') && text.lines().count() == 1, "{text}");
    text
}

pub fn ask(at: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let length = body.len().to_string();
    let mut headers = headers.to_vec();
    if !body.is_empty() {
        headers.extend([("Content-Type", "application/json"), ("Content-Length", &*length)]);
    }
    let mut connection = Connection::open(at);
    connection.send(&[&head(method, target, &headers), body].concat());
    connection.answer_to(method)
}

pub fn call(at: SocketAddr, credential: &str, path: &str, body: &str) -> Response {
    ask(at, "POST", path, &[("Authorization", &format!("Bearer {credential}"))], body.as_bytes())
}

/// Waits until that is so, as long as it takes, within reason.
pub fn wait_for(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub const LIMIT: Duration = Duration::from_secs(30);
