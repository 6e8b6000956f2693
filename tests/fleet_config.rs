//! `[cluster]`, its flags and its variables: what fits together, and that each contradiction refuses to start in one line
//! that says what to do.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;

use common::{Place, ask, refused, sealpass, wait_for};

/// Settings without a contradiction, but for the name.
const THREE: &str = "size = 3\npeers = [\"b:7447\"]\n";

fn with(settings: &str) -> String {
    format!("[cluster]\n{settings}")
}

#[test]
fn contradictions_refuse_to_start_in_one_line_that_says_what_to_do() {
    let place = Place::new();
    assert!(place.run(&["keys", "init"], b"").status.success());
    let names = |count: usize| (0..count).map(|at| format!("\"n{at}\"")).collect::<Vec<_>>().join(", ");
    for (settings, says) in [
        ("size = 0".to_owned(), &["cluster.size is 0", "1 or 3"][..]),
        ("size = 16\npeers = [\"a:1\"]\nname = \"s-0\"".to_owned(), &["cluster.size is 16", "15"]),
        ("size = 3\nname = \"s-0\"".to_owned(), &["cluster.peers is empty", "--peer"]),
        ("size = 3\nrole = \"edge\"".to_owned(), &["cluster.peers is empty", "--peer"]),
        ("role = \"edge\"\npeers = [\"a:1\"]".to_owned(), &["cluster.role", "set cluster.size"]),
        ("peers = [\"a:1\"]".to_owned(), &["cluster.peers", "set cluster.size = 3, or take it out"]),
        ("core = [\"a\"]".to_owned(), &["cluster.core is for several", "take it out"]),
        ("listen = \"0.0.0.0:7447\"".to_owned(), &["cluster.listen is for several"]),
        ("availability = \"prefer\"".to_owned(), &["cluster.availability is for several"]),
        ("wait_timeout = \"3s\"".to_owned(), &["cluster.wait_timeout is for several"]),
        (
            format!("{THREE}name = \"host\""),
            &["host has no place in a core of 3", "-0 to -2", "cluster.role = \"edge\""],
        ),
        (format!("{THREE}name = \"s-3\""), &["s-3 has no place", "-0 to -2"]),
        (format!("{THREE}name = \"s-00\""), &["s-00 has no place"]),
        (format!("{THREE}name = \"d\"\ncore = [{}]", names(3)), &["d is not in cluster.core", "list it there"]),
        (format!("{THREE}name = \"n0\"\ncore = [{}]", names(2)), &["has 2 names and cluster.size is 3", "agree"]),
        (format!("{THREE}name = \"n0\"\ncore = [{}]", names(4)), &["has 4 names and cluster.size is 3"]),
        (format!("core = [{}]\npeers = [\"b:1\"]\nname = \"n0\"", names(3)), &["has 3 names and cluster.size is 1"]),
        (format!("{THREE}name = \"a\"\ncore = [\"a\", \"b\", \"a\"]"), &["cluster.core", "twice"]),
        (format!("{THREE}name = \"a\"\ncore = [\"a\", \"b\", \"c d\"]"), &["cluster.core", "letters"]),
        (
            format!("{THREE}name = \"n1\"\nrole = \"edge\"\ncore = [{}]", names(3)),
            &["n1 is in cluster.core", "another name"],
        ),
        (format!("{THREE}name = \"s 0\""), &["cluster.name", "\"s 0\"", "set cluster.name"]),
        (format!("{THREE}name = \"\""), &["cluster.name", "set cluster.name"]),
        (format!("{THREE}name = \"s-0\"\nlisten = \"0.0.0.0:0\""), &["cluster.listen", "7447"]),
        (format!("{THREE}name = \"s-0\"\nwait_timeout = \"31s\""), &["cluster.wait_timeout", "30s"]),
        (format!("{THREE}name = \"s-0\"\nwait_timeout = \"0s\""), &["cluster.wait_timeout", "leave it out"]),
        (
            "size = 3\nname = \"s-0\"\npeers = [\"b:7447\", \"c\"]".to_owned(),
            &["cluster.peers: \"c\"", "write host:port"],
        ),
        ("size = 3\nname = \"s-0\"\npeers = [\"http://b:7447\"]".to_owned(), &["http://b", "write host:port"]),
        (format!("{THREE}role = \"leader\""), &["leader"]),
        (format!("{THREE}availability = \"always\""), &["always"]),
        (format!("{THREE}sise = 3"), &["sise"]),
        ("size = -1".to_owned(), &["size"]),
    ] {
        fs::write(place.path("wrong.toml"), with(&settings)).expect("writable");
        let serve = ["serve", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"];
        for command in [&["check"][..], &serve] {
            let line = refused(&place.run(&[command, &["--config", "wrong.toml"]].concat(), b""), 64);
            for part in says {
                assert!(line.contains(part), "{settings}\n{part}: {line}");
            }
        }
    }
}

#[test]
fn check_says_which_place_a_replica_has() {
    let place = Place::new();
    assert!(place.run(&["keys", "init"], b"").status.success());
    for (settings, env, says) in [
        (
            format!("{THREE}name = \"s-2\""),
            &[][..],
            &["cluster  s-2: one of 3 in the core, of which 2", "0.0.0.0:7447", "b:7447"][..],
        ),
        (THREE.to_owned(), &[("SEALPASS_CLUSTER__NAME", "s-1")], &["cluster  s-1: one of 3"]),
        (
            "name = \"s-0\"\n".to_owned(),
            &[("SEALPASS_CLUSTER__SIZE", "3"), ("SEALPASS_CLUSTER__PEERS", "s-1.s:7447, [::1]:7448")],
            &["cluster  s-0: one of 3", "others at s-1.s:7447, [::1]:7448"],
        ),
        (
            format!("{THREE}name = \"b\"\nlisten = \"[::]:9000\""),
            &[("SEALPASS_CLUSTER__CORE", "a,b,c")],
            &["cluster  b: one of 3", "[::]:9000"],
        ),
        (
            format!("{THREE}role = \"edge\"\nname = \"web-1\"\nlisten = \"0.0.0.0:0\""),
            &[],
            &["cluster  web-1: an edge of a core of 3"],
        ),
        (
            format!("{}name = \"s-3\"", THREE.replace('3', "4")),
            &[],
            &[
                "one of 4 in the core, of which 3",
                "warning  cluster.size = 4 survives the loss of 1, as 3 would; use 1 or 3",
            ],
        ),
        (
            format!("{THREE}name = \"s-0\"\navailability = \"prefer\""),
            &[],
            &["warning  cluster.availability", "let in"],
        ),
        ("name = \"any\"".to_owned(), &[], &["All of it fits together"]),
        ("size = 1".to_owned(), &[], &["All of it fits together"]),
    ] {
        fs::write(place.path("right.toml"), with(&settings)).expect("writable");
        let output = place.run_with(&["check", "--config", "right.toml"], env, b"");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{settings}: {}", String::from_utf8_lossy(&output.stderr));
        for part in says {
            assert!(text.contains(part), "{settings}\n{part}: {text}");
        }
        let alone = !settings.contains("peers") && env.is_empty();
        assert_eq!(text.contains("cluster  "), !alone, "{text}");
        assert_eq!(text.contains("warning  cluster"), says.iter().any(|part| part.starts_with("warning")), "{text}");
    }
}

#[test]
fn a_replica_that_joins_needs_the_cluster_secret_and_no_ring() {
    let place = Place::new();
    fs::write(place.path("c.toml"), with(&format!("{THREE}name = \"s-1\""))).expect("writable");
    let check = || place.run(&["check", "--config", "c.toml"], b"");
    let line = refused(&check(), 1);
    assert!(line.contains("cluster.secret"), "{line}");
    fs::create_dir(place.path("keys")).expect("writable");
    place.private("keys/cluster.secret", &[7; 31]);
    assert!(refused(&check(), 1).contains("31"));
    place.private("keys/cluster.secret", &[7; 32]);
    let output = check();
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && text.contains("none yet; it comes from the other replicas"), "{text}");
    place.private("keys/ring.sealed", b"half a ring");
    refused(&check(), 1);
}

#[test]
fn flags_beat_the_file_and_must_fit_as_well() {
    let place = Place::new();
    assert!(place.run(&["keys", "init"], b"").status.success());
    let serve = ["serve", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0", "--config", "c.toml"];
    let run = |settings: &str, more: &[&str], code| {
        fs::write(place.path("c.toml"), with(settings)).expect("writable");
        refused(&place.run(&[&serve, more].concat(), b""), code)
    };
    for (settings, more, code, says) in [
        ("", &["--peer", "b:7447"][..], 64, "cluster.peers is for several"),
        ("size = 3\nname = \"s-0\"", &["--peer", "b:7447", "--peer", "c"], 64, "cluster.peers: \"c\""),
        (THREE, &["--cluster-name", "other"], 64, "other has no place"),
        ("", &["--cluster-listen", "0.0.0.0:7447"], 64, "cluster.listen is for several"),
        ("", &["--bootstrap"], 1, "--bootstrap is for the first of several"),
        ("size = 3\npeers = [\"b:1\"]\nrole = \"edge\"", &["--bootstrap"], 1, "first replica of the core"),
        ("size = 3\npeers = [\"b:1\"]\nname = \"s-0\"", &["--dev"], 1, "--dev is one replica"),
    ] {
        let line = run(settings, more, code);
        assert!(line.contains(says), "{settings} {more:?}: {line}");
    }
}

#[test]
fn a_replica_that_waits_for_the_first_ring_lives_answers_nobody_and_ends_when_told() {
    let place = Place::new();
    fs::create_dir(place.path("keys")).expect("writable");
    place.private("keys/cluster.secret", &[7; 32]);
    fs::write(place.path("c.toml"), with("size = 3\npeers = [\"127.0.0.1:9\"]\nname = \"s-1\"")).expect("writable");
    let (public, control, port) = (free(), free(), UdpSocket::bind("127.0.0.1:0").expect("a port"));
    let listen = port.local_addr().expect("bound").to_string();
    drop(port);
    let (for_public, for_control) = (public.to_string(), control.to_string());
    let args = [
        "serve",
        "--config",
        "c.toml",
        "--public",
        &for_public,
        "--control",
        &for_control,
        "--cluster-listen",
        &listen,
    ];
    let mut command = sealpass(&args, &[]);
    command.current_dir(place.0.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut service = Ended(command.spawn().expect("it starts"));
    wait_for("it listens", || TcpStream::connect(public).is_ok() && TcpStream::connect(control).is_ok());
    assert_eq!(ask(public, "GET", "/healthz", &[], b"").status, 200);
    let ready = ask(public, "GET", "/readyz", &[], b"");
    assert_eq!((ready.status, ready.body.as_slice()), (503, &b"joining\n"[..]));
    for (at, path) in [(public, "/verify/"), (control, "/v1/sessions"), (control, "/v1/cluster")] {
        assert_eq!(ask(at, "POST", path, &[], b"{}").status, 503, "{path}");
    }
    assert!(!place.path("keys/ring.sealed").exists(), "it makes no key");
    kill_process(Pid::from_child(&service.0), Signal::TERM).expect("it runs");
    let mut code = None;
    for _ in 0..1_000 {
        code = service.0.try_wait().expect("our child");
        if code.is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(code.and_then(|code| code.code()), Some(0));
}

/// Killed if the test fails before.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound")
}
