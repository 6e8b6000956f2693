//! Unix sockets, sockets that a service manager hands over, and what it is told.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::rig::{Service, Shop, ask_unix, get};
use crate::common::{ask, refused, sealpass, wait_for};

const UNIX: &str = "
    trusted_proxies = [\"unix\"]
    [public]
    listen = \"unix:public.sock\"
    socket_mode = \"0666\"
    [control]
    listen = \"unix:control.sock\"
    [policy.form]
    csrf = \"require\"
";

#[test]
fn both_listeners_may_be_files() {
    let shop = Shop::new();
    let path = |name: &str| shop.place.path(name);
    let mut service = Service::start(shop.command(UNIX, &[]));
    service.says("public on unix:public.sock, control on unix:control.sock");
    let mode = |name: &str| fs::metadata(path(name)).expect("a socket").permissions().mode() & 0o777;
    assert_eq!((mode("public.sock"), mode("control.sock")), (0o666, 0o660));
    assert_eq!(ask_unix(&path("public.sock"), &get("/readyz", "")).0, 200);
    let token = issue(&shop);
    let cookie = format!("Cookie: __Host-sealpass={token}\r\n");
    assert_eq!(ask_unix(&path("public.sock"), &get("/verify/", &cookie)).0, 200);
    // Whoever comes this way is the proxy, whose word about the method counts.
    let of_method = |method: &str| get("/policy/form/", &format!("{cookie}X-Original-Method: {method}\r\n"));
    assert_eq!(ask_unix(&path("public.sock"), &of_method("GET")).0, 200);
    assert_eq!(ask_unix(&path("public.sock"), &of_method("POST")).0, 403);

    let second = shop.place.finish(shop.command(UNIX, &[("SEALPASS_JOURNAL", "none")]), b"");
    let line = last_line(&second.stderr);
    assert!(second.status.code() == Some(1) && line.contains("another process listens on unix:public.sock"), "{line}");
    assert_eq!(ask_unix(&path("public.sock"), &get("/healthz", "")).0, 200, "the first one keeps it");

    service.child.kill().expect("our child");
    assert_eq!(service.ended(), None);
    assert!(path("public.sock").exists(), "killed, it leaves the files");
    let mut service = Service::start(shop.command(UNIX, &[]));
    service.says("public on unix:public.sock");
    assert_eq!(ask_unix(&path("public.sock"), &get("/verify/", &cookie)).0, 200, "they are taken over");
    service.signal(Signal::TERM);
    assert_eq!(service.ended(), Some(0));
    assert!(!path("public.sock").exists() && !path("control.sock").exists(), "it takes them away");

    fs::write(path("public.sock"), "a file").expect("writable");
    let output = shop.place.finish(shop.command(UNIX, &[]), b"");
    assert!(last_line(&output.stderr).contains("is a file that is no socket"), "{}", last_line(&output.stderr));
    assert_eq!(fs::read(path("public.sock")).expect("still there"), b"a file");
}

#[test]
fn without_a_word_nobody_is_trusted_that_comes_through_a_file() {
    let shop = Shop::new();
    let config = UNIX.replace("\"unix\"", "\"0.0.0.0/0\", \"::/0\"");
    let service = Service::start(shop.command(&config, &[]));
    service.says("control on unix:control.sock");
    let headers = format!("Cookie: __Host-sealpass={}\r\nX-Original-Method: GET\r\n", issue(&shop));
    assert_eq!(ask_unix(&shop.place.path("public.sock"), &get("/policy/form/", &headers)).0, 403);
}

#[test]
fn a_socket_that_was_handed_over_outlives_the_service() {
    let shop = Shop::new();
    let public = TcpListener::bind("127.0.0.1:0").expect("a port");
    let control = UnixListener::bind(shop.place.path("handed.sock")).expect("a socket");
    let at = public.local_addr().expect("bound");
    let start = || {
        drop(shop.command("", &[])); // writes the configuration
        let script = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; export LISTEN_PID=$$; exec \"$0\" serve --config c.toml";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_sealpass")]);
        command.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "control:public").env("SEALPASS_DRAIN", "0s");
        command.current_dir(shop.place.0.path());
        command.stdin(OwnedFd::from(control.try_clone().expect("ours")));
        command.stdout(OwnedFd::from(public.try_clone().expect("ours")));
        Service::start_as_it_is(command)
    };
    let mut service = start();
    service.says(&format!("public on http://{at}, control on unix:"));
    assert_eq!(ask(at, "GET", "/readyz", &[], b"").status, 200);
    let token = issue_at(&shop, &shop.place.path("handed.sock"));
    service.signal(Signal::TERM);
    assert_eq!(service.ended(), Some(0));

    // Who comes while there is no service waits for the next one.
    let mut early = TcpStream::connect(at).expect("the socket is still there");
    early.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    early.write_all(get("/verify/", &format!("Cookie: __Host-sealpass={token}\r\n")).as_bytes()).expect("it waits");
    let _next = start();
    let mut answer = String::new();
    early.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(shop.place.path("handed.sock").exists(), "it is not ours to take away");
}

#[test]
fn what_was_handed_over_and_is_of_no_use_is_refused() {
    let shop = Shop::new();
    for (count, names, says) in [
        ("3", "", "3 sockets were handed over"),
        ("1", "", "number 0 is no listening stream socket"),
        ("2", "public:http", "set FileDescriptorName="),
    ] {
        let script = "export LISTEN_PID=$$; exec \"$0\" serve 3</dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_sealpass")]);
        command.env("LISTEN_FDS", count).env("LISTEN_FDNAMES", names);
        let line = refused(&shop.place.finish(command, b""), 1);
        assert!(line.contains("socket activation: ") && line.contains(says), "{line}");
    }
    // What was meant for another process is none of its business.
    let env = [("LISTEN_PID", "1"), ("LISTEN_FDS", "3")];
    let mut other = shop.command("[public]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"127.0.0.1:0\"\n", &env);
    other.stdin(std::process::Stdio::null());
    Service::start(other).says("control on http://");
}

#[test]
fn a_service_manager_is_told_how_it_stands() {
    let shop = Shop::new();
    let manager = UnixDatagram::bind(shop.place.path("notify")).expect("a socket");
    manager.set_nonblocking(true).expect("a socket");
    let path = shop.place.path("notify");
    let env = [("NOTIFY_SOCKET", path.to_str().expect("text")), ("WATCHDOG_USEC", "100000")];
    let config = "[public]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"127.0.0.1:0\"\n";
    let mut service = Service::start(shop.command(config, &env));
    let told = std::cell::RefCell::new(String::new());
    let hear = |line: &str, times: usize| {
        wait_for(line, || {
            let mut room = [0; 1_024];
            loop {
                match manager.recv(&mut room) {
                    Ok(read) => *told.borrow_mut() += &String::from_utf8_lossy(&room[..read]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            told.borrow().lines().filter(|told| told.starts_with(line)).count() >= times
        });
    };
    hear("READY=1", 1);
    hear("WATCHDOG=1", 3);
    service.signal(Signal::HUP);
    hear("RELOADING=1", 1);
    hear("MONOTONIC_USEC=", 1);
    hear("READY=1", 2);
    assert!(!told.borrow().contains("STOPPING=1"));
    service.signal(Signal::TERM);
    hear("STOPPING=1", 1);
    assert_eq!(service.ended(), Some(0));
}

#[test]
fn a_manager_that_is_gone_is_no_reason_to_stay_away() {
    let shop = Shop::new();
    let env = [("NOTIFY_SOCKET", "/nowhere/notify")];
    let config = "[public]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"127.0.0.1:0\"\n";
    let service = Service::start(shop.command(config, &env));
    service.says("control on http://");
    service.says("the service manager can't be told");
}

fn issue(shop: &Shop) -> String {
    issue_at(shop, &shop.place.path("control.sock"))
}

fn issue_at(shop: &Shop, path: &Path) -> String {
    let body = "{\"subject\": \"alice\"}";
    let request = format!(
        "POST /v1/sessions HTTP/1.1\r\nHost: control\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        shop.credential,
        body.len()
    );
    let (status, text) = ask_unix(path, &request);
    assert_eq!(status, 201, "{text}");
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    let answer: serde_json::Value = serde_json::from_str(body).expect("JSON");
    answer["token"].as_str().expect("a token").to_owned()
}

fn last_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn the_help_says_that_files_are_possible() {
    let output = sealpass(&["serve", "--help"], &[]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("unix:PATH"));
}
