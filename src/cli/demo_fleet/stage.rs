//! The replicas of the demonstration: children of this process, in a directory that goes with them.

use std::fs::{self, DirBuilder, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use actix_web::rt::System;
use actix_web::rt::signal::unix::{SignalKind, signal};
use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;
use sealpass::store::create_private;

use super::super::Failure;
use super::visitor::Visitor;

/// Three replicas, up or down.
pub struct Stage {
    dir: PathBuf,
    replicas: Vec<Place>,
    /// What runs; `None` once all has ended for good, after which nothing starts.
    children: Mutex<Option<Vec<Option<Child>>>>,
    pub visitor: Visitor,
}

/// Where a replica is.
pub struct Place {
    pub name: String,
    pub public: SocketAddr,
    pub control: SocketAddr,
    peers: SocketAddr,
}

impl Stage {
    /// Directories, ports and the cluster secret. Nothing runs yet.
    pub fn new() -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("sealpass-demo-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&dir).map_err(|error| io(&dir, error))?;
        let credential = NewCredential::generate(&SystemEntropy::new())?;
        let stage = Self {
            replicas: places().map_err(|error| io(&dir, error))?,
            children: Mutex::new(Some((0..REPLICAS).map(|_| None).collect())),
            visitor: Visitor::new(credential.expose()),
            dir,
        };
        stage.prepare(&credential).inspect_err(|_| stage.end())?;
        Ok(stage)
    }

    pub fn replicas(&self) -> &[Place] {
        &self.replicas
    }

    /// The file with a credential for all of them.
    pub fn credential(&self) -> PathBuf {
        self.dir.join("demo.credential")
    }

    /// Starts a replica. Its log goes on in a file.
    pub fn start(&self, which: usize) -> Result<(), Failure> {
        let (replica, dir) = (&self.replicas[which], self.dir_of(which));
        let path = dir.join("log");
        let log = File::options().create(true).append(true).open(&path).map_err(|error| io(&path, error))?;
        let mut command = this_command(&dir)?;
        command.args(["serve", "--config", "sealpass.toml"]);
        command.args(["--public", &replica.public.to_string(), "--control", &replica.control.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(children) = &mut *children else { return Err(Failure::Refused("it was told to end".to_owned())) };
        children[which] = Some(command.spawn().map_err(|error| io(&path, error))?);
        Ok(())
    }

    /// As `kill -9` does.
    pub fn kill(&self, which: usize) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.iter_mut().for_each(|children| end(children[which].take()));
    }

    /// Ends all that was started, and takes the directory away.
    pub fn end(&self) {
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner).take();
        children.into_iter().flatten().for_each(end);
        // It is in the system's temporary directory, and its secrets are of no use to anybody.
        let _ = fs::remove_dir_all(&self.dir);
    }

    /// What failed, and what the replicas had last to say, before their logs go.
    pub fn with_logs(&self, failure: &Failure) -> Failure {
        let last = |which: usize| {
            let log = fs::read_to_string(self.dir_of(which).join("log")).unwrap_or_default();
            format!("{} said: {}", self.replicas[which].name, log.lines().last().unwrap_or("nothing"))
        };
        Failure::Refused(format!("{failure}; {}", (0..REPLICAS).map(last).collect::<Vec<_>>().join("; ")))
    }

    /// The first one gets a ring, the others nothing but the cluster secret.
    fn prepare(&self, credential: &NewCredential) -> Result<(), Failure> {
        create_private(&self.credential(), credential.expose().as_bytes())?;
        for which in 0..REPLICAS {
            let keys = self.dir_of(which).join("keys");
            DirBuilder::new().mode(0o700).recursive(true).create(&keys).map_err(|error| io(&keys, error))?;
            create_private(&self.dir_of(which).join("credentials.toml"), in_full(credential).as_bytes())?;
            let config = self.dir_of(which).join("sealpass.toml");
            fs::write(&config, self.configuration(which)).map_err(|error| io(&config, error))?;
            let secret = "keys/cluster.secret";
            if which == 0 {
                let made = this_command(&self.dir_of(0))?.args(["keys", "init"]).output();
                let made = made.map_err(|error| io(&keys, error))?;
                if !made.status.success() {
                    return Err(Failure::Refused(String::from_utf8_lossy(&made.stderr).trim().to_owned()));
                }
            } else {
                let first = self.dir_of(0).join(secret);
                let bytes = fs::read(&first).map_err(|error| io(&first, error))?;
                create_private(&self.dir_of(which).join(secret), &bytes)?;
            }
        }
        Ok(())
    }

    fn configuration(&self, which: usize) -> String {
        let Place { name, peers: listen, .. } = &self.replicas[which];
        let others = self.replicas.iter().filter(|other| other.peers != *listen);
        let peers: Vec<_> = others.map(|other| other.peers.to_string()).collect();
        format!(
            "credentials = \"credentials.toml\"\n[cluster]\nsize = {REPLICAS}\nname = \"{name}\"\n\
             listen = \"{listen}\"\npeers = {peers:?}\n"
        )
    }

    fn dir_of(&self, which: usize) -> PathBuf {
        self.dir.join(&self.replicas[which].name)
    }
}

/// Does that and ends the process when it is told to end.
pub fn on_signal(end: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let watch = move || {
        let told = System::new().block_on(async {
            let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            std::future::poll_fn(|cx| match interrupt.poll_recv(cx) {
                std::task::Poll::Pending => terminate.poll_recv(cx),
                told @ std::task::Poll::Ready(_) => told,
            })
            .await;
            Ok::<_, std::io::Error>(())
        });
        if told.is_ok() {
            end();
            std::process::exit(INTERRUPTED);
        }
    };
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(watch);
    thread.map(drop).map_err(|error| Failure::Io { what: "can't start a thread".to_owned(), error })
}

/// Until the process is told to end: whoever handles the signal ends it.
pub fn wait_for_signal() -> ! {
    loop {
        thread::park();
    }
}

/// Ports that nobody listens on. All are held until the last one is known, so that they differ.
fn places() -> std::io::Result<Vec<Place>> {
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    let listeners: Vec<_> = (0..2 * REPLICAS).map(|_| TcpListener::bind(here)).collect::<Result<_, _>>()?;
    let sockets: Vec<_> = (0..REPLICAS).map(|_| UdpSocket::bind(here)).collect::<Result<_, _>>()?;
    let place = |which: usize| {
        Ok(Place {
            name: format!("replica-{which}"),
            public: listeners[2 * which].local_addr()?,
            control: listeners[2 * which + 1].local_addr()?,
            peers: sockets[which].local_addr()?,
        })
    };
    (0..REPLICAS).map(place).collect()
}

/// This program, in that directory, with nothing that was set for another.
fn this_command(dir: &Path) -> Result<Command, Failure> {
    let own = std::env::current_exe().map_err(|error| io(dir, error))?;
    let mut command = Command::new(own);
    command.current_dir(dir);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEALPASS_")) {
        command.env_remove(name);
    }
    Ok(command)
}

fn end(child: Option<Child>) {
    if let Some(mut child) = child {
        // One that has ended already is as good.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A credentials file that lets its holder do everything.
fn in_full(credential: &NewCredential) -> String {
    let hash = credential.sha256();
    format!("[[credential]]\nname = \"demo\"\nsha256 = \"{hash}\"\nscopes = [\"app\", \"admin\"]\nrealms = [\"*\"]\n")
}

fn io(path: &Path, error: std::io::Error) -> Failure {
    Failure::Io { what: path.display().to_string(), error }
}

const REPLICAS: usize = 3;
/// As a shell says it of a command that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
