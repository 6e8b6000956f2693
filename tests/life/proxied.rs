//! Restarts under load, behind the real nginx with its documented configuration.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::rig::{Service, Shop};
use crate::common::{Connection, NAME, ask, call, head, wait_for};

#[test]
fn restarts_under_load_behind_nginx_fail_no_request() {
    let Some(program) = nginx() else { return };
    let shop = Shop::new();
    let [a, b] = ["a", "b"].map(|keys| Replica::new(&shop, keys));
    let (first, second) = (a.start(&shop), b.start(&shop));
    let at = free();
    let _nginx = start_nginx(&program, &shop, at, &[a.public, b.public]);
    let cookie = log_in(&shop, a.control);
    under_load(&shop, at, &cookie, |more| {
        more(500);
        let first = a.restart(&shop, first);
        more(500);
        let second = b.restart(&shop, second);
        more(500);
        (first, second)
    });
}

#[test]
fn a_restart_of_the_only_replica_fails_none_if_its_socket_stays() {
    let Some(program) = nginx() else { return };
    let shop = Shop::new();
    let mut alone = Replica::new(&shop, "a");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    alone.public = socket.local_addr().expect("bound");
    alone.handed = Some(socket);
    let running = alone.start(&shop);
    let at = free();
    let _nginx = start_nginx(&program, &shop, at, &[alone.public]);
    let cookie = log_in(&shop, alone.control);
    under_load(&shop, at, &cookie, |more| {
        more(500);
        let running = alone.restart(&shop, running);
        more(500);
        running
    });
}

#[test]
fn nginx_asks_the_next_replica_where_one_can_not_tell() {
    let Some(program) = nginx() else { return };
    let shop = Shop::new();
    let replica = Replica::new(&shop, "a");
    let running = replica.start(&shop);
    let (cut_off, asked) = cut_off();
    let at = free();
    let _nginx = start_nginx(&program, &shop, at, &[cut_off, replica.public]);
    let cookie = log_in(&shop, replica.control);
    for (cookie, status) in [(&*cookie, 200), ("", 401)].repeat(20) {
        assert_eq!(ask(at, "GET", "/page", &[("Cookie", cookie)], b"").status, status);
    }
    assert!(asked.load(Ordering::SeqCst) > 0, "it was asked");
    drop(running);
    wait_for("nobody is left who could tell", || ask(at, "GET", "/page", &[("Cookie", &cookie)], b"").status == 503);
}

/// What answers 503 to whatever it is asked, as a replica that is cut off; and how often it was asked.
fn cut_off() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("bound");
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let head =
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            if head > 0 {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = (&stream)
                    .write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        }
    });
    (at, asked)
}

/// Does something while a thousand requests a second come, of which none may fail. What it gives back lives until then.
fn under_load<T>(shop: &Shop, at: SocketAddr, cookie: &str, change: impl FnOnce(&dyn Fn(u64)) -> T) {
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let more = |count: u64| {
        let end = sent.load(Ordering::Relaxed) + count;
        wait_for("the load goes on", || sent.load(Ordering::Relaxed) >= end);
    };
    let (changed, faults) = std::thread::scope(|scope| {
        let load: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| load(at, cookie, &over, &sent))).collect();
        let changed = catch_unwind(AssertUnwindSafe(|| change(&more)));
        over.store(true, Ordering::Relaxed);
        let faults: Vec<_> = load.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        (changed, faults)
    });
    let log = fs::read_to_string(shop.place.path("nginx.log")).unwrap_or_default();
    let last: Vec<_> = log.lines().rev().take(20).collect();
    let sent = sent.into_inner();
    assert!(faults.is_empty(), "{} of {sent} failed: {faults:?}\n{last:#?}", faults.len());
    drop(changed.unwrap_or_else(|panic| resume_unwind(panic)));
}

/// A replica with the ring of the place, and a directory and ports of its own that it keeps.
struct Replica {
    keys: &'static str,
    public: SocketAddr,
    control: SocketAddr,
    /// Its public socket, if that stays while it is restarted.
    handed: Option<TcpListener>,
}

impl Replica {
    fn new(shop: &Shop, keys: &'static str) -> Self {
        let to = shop.place.path(keys);
        fs::DirBuilder::new().mode(0o700).create(&to).expect("writable");
        for file in ["ring.sealed", "cluster.secret"] {
            fs::copy(shop.place.path("keys").join(file), to.join(file)).expect("a ring");
        }
        Self { keys, public: free(), control: free(), handed: None }
    }

    fn start(&self, shop: &Shop) -> Service {
        let (public, control) = (self.public.to_string(), self.control.to_string());
        let env = [
            ("SEALPASS_PUBLIC__LISTEN", &*public),
            ("SEALPASS_CONTROL__LISTEN", &control),
            ("SEALPASS_KEYS", self.keys),
            ("SEALPASS_DRAIN", "1s"),
        ];
        let service = match &self.handed {
            None => Service::start(shop.command("", &env)),
            Some(socket) => Service::start_as_it_is(shop.command_with_socket(socket, &env)),
        };
        service.says("public on http://");
        service
    }

    /// Stops it as a service manager does, starts it again, and waits until nginx asks it again.
    fn restart(&self, shop: &Shop, mut running: Service) -> Service {
        assert!(self.asked(shop) > 0, "it has its share");
        running.signal(Signal::TERM);
        assert_eq!(running.ended(), Some(0), "{}", running.log());
        let again = self.start(shop);
        wait_for("nginx asks it again", || self.asked(shop) > 100);
        again
    }

    /// How often it decided.
    fn asked(&self, shop: &Shop) -> u64 {
        let bearer = format!("Bearer {}", shop.credential);
        let metrics = ask(self.control, "GET", "/metrics", &[("Authorization", &bearer)], b"");
        let text = String::from_utf8(metrics.body).expect("text");
        let counts = text.lines().filter(|line| line.starts_with("sealpass_verify_decisions_total{"));
        counts.map(|line| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a number")).sum()
    }
}

/// Asks until it is `over`, about a hundred times a second; what did not go well.
fn load(at: SocketAddr, cookie: &str, over: &AtomicBool, sent: &AtomicU64) -> Vec<String> {
    let mut faults = Vec::new();
    let mut connection = None;
    let begun = Instant::now();
    for number in 0..MOST {
        if over.load(Ordering::Relaxed) || faults.len() > 10 {
            break;
        }
        let method = if number % 4 == 0 { "POST" } else { "GET" };
        let open: &mut Connection = connection.get_or_insert_with(|| Connection::open(at));
        open.send(&head(method, "/page", &[("Cookie", cookie), ("Content-Length", "0")]));
        let answer = open.answer();
        if answer.status != 200 {
            faults.push(format!("{method} {} after {:?}", answer.status, begun.elapsed()));
        }
        if answer.header("connection") == Some("close") {
            connection = None;
        }
        sent.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep((PACE * number).saturating_sub(begun.elapsed()));
    }
    faults
}

/// The documented configuration with these replicas in it, and a server that stands for the application.
fn start_nginx(program: &Path, shop: &Shop, at: SocketAddr, replicas: &[SocketAddr]) -> Nginx {
    let (app, listen) = (free(), at.to_string());
    let upstream = app.to_string();
    let replicas: Vec<_> = replicas.iter().map(ToString::to_string).collect();
    let mut args = vec!["proxy-config", "nginx", "--plain", "--upstream", &upstream, "--listen", &listen];
    args.extend(replicas.iter().flat_map(|replica| ["--sealpass", replica]));
    let printed = shop.place.run(&args, b"");
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let printed = String::from_utf8(printed.stdout).expect("text");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path tmp;\n"));
    let config = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr warn;\n\
         events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\n{}{}\n\
         server {{ listen {app}; location / {{ return 200 ok; }} }}\n}}\n",
        temporary.concat(),
        printed,
    );
    fs::write(shop.place.path("nginx.conf"), config).expect("writable");
    let log = File::create(shop.place.path("nginx.log")).expect("a log");
    let mut command = Command::new(program);
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(shop.place.0.path()).current_dir(shop.place.0.path());
    let nginx = Nginx(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("nginx starts"));
    wait_for("nginx listens", || TcpStream::connect(at).is_ok());
    nginx
}

/// Killed when it is dropped.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nginx() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|dir| dir.join("nginx"));
    let program = places.find(|file| file.is_file());
    if program.is_none() {
        assert!(std::env::var_os("SEALPASS_REQUIRE_PROXIES").is_none(), "nginx is not installed");
        println!("skipped: nginx is not installed; apt-get install nginx");
    }
    program
}

/// The Cookie line of somebody who is logged in.
fn log_in(shop: &Shop, control: SocketAddr) -> String {
    let issued = call(control, &shop.credential, "/v1/sessions", "{\"subject\": \"alice\"}");
    format!("{NAME}={}", issued.json()["token"].as_str().expect("a token"))
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound")
}

const THREADS: usize = 10;
/// A thousand a second by all of them, as far as the machine allows.
const PACE: Duration = Duration::from_millis(10);
const MOST: u32 = 10_000;
