//! HAProxy with the Lua action.

use std::fs;

use crate::checks::Check;
use crate::rig::{Place, Proxy, Quirks, Reached, Rig, Running, free};

pub const HAPROXY: Proxy = Proxy {
    name: "haproxy",
    programs: &["haproxy"],
    at_least: None,
    start,
    policy: "",
    quirks: Quirks::NONE,
    own: OWN,
};

/// The snippets of the Kubernetes form, where HAProxy Ingress has its template put them.
pub const INGRESS: Proxy = Proxy { name: "haproxy-ingress", start: start_ingress, ..HAPROXY };

const OWN: &[Check] = &[
    ("the application gets the path that was compared, and none that could be read otherwise", paths),
    ("a client names no header of ours in Connection, and no dot stands for a dash", aliases),
    ("what is half an upgrade is none", half_upgrades),
    ("nothing is let through that HAProxy and an application could take for two requests", two_requests),
];

fn start(place: &Place) -> Running {
    place.print("haproxy", &[]);
    run(place)
}

fn start_ingress(place: &Place) -> Running {
    place.print("haproxy", &["--ingress"]);
    let printed = fs::read_to_string(place.dir.join("ingress.yaml")).expect("text");
    let [global, sections, early_app, early_sealpass] =
        ["config-global", "config-sections", "config-backend-early", "config-backend-early"]
            .map(|key| format!("{key}: |"));
    let (to_app, to_sealpass) = printed.split_once("name: sealpass\n").expect("two Ingresses");
    let (listen, app, sealpass) = (place.listen, place.app, place.sealpass);
    let config = [
        &format!("global\n{}", block(&printed, &global)),
        "defaults\n timeout client 50s\n timeout connect 5s\n timeout server 50s\n timeout tunnel 1h",
        &format!(
            "frontend _front_http\n mode http\n bind {listen}\n use_backend sealpass if {{ path /logout /renew }}"
        ),
        &format!(" default_backend app\nbackend app\n mode http\n{}", block(to_app, &early_app)),
        &format!(" server srv001 {app}\nbackend sealpass\n mode http\n{}", block(to_sealpass, &early_sealpass)),
        &format!(" server srv001 {sealpass}\n{}\n", block(&printed, &sections)),
    ];
    let config = config.join("\n").replace("/etc/sealpass/sealpass.lua", "sealpass.lua");
    fs::write(place.dir.join("haproxy.cfg"), config).expect("writable");
    fs::write(place.dir.join("sealpass.lua"), block(&printed, "sealpass.lua: |")).expect("writable");
    run(place)
}

/// The port of the documented configuration may be taken here.
fn run(place: &Place) -> Running {
    let ask = free();
    let mut command = place.command();
    command.env("SEALPASS_ASK", ask.to_string()).args(["-db", "-f", "haproxy.cfg"]);
    Running::of(&mut command)
}

/// A block of lines under a key of YAML.
fn block(yaml: &str, key: &str) -> String {
    let (_, rest) = yaml.split_once(&format!("{key}\n")).unwrap_or_else(|| panic!("no {key}"));
    let indent = rest.len() - rest.trim_start().len();
    let inside = |line: &&str| line.is_empty() || line.starts_with(&" ".repeat(indent));
    rest.lines().take_while(inside).map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect()
}

fn paths(rig: &Rig) {
    let alice = rig.alice();
    for (path, compared) in [
        ("/x/../some//page/./1?a=/../b", "/some/page/1?a=/../b"),
        ("/news/%2e%2e/%73ome;x=1/page", "/some;x=1/page"),
        ("/a%20b%3bc?d=%2f", "/a%20b%3bc?d=%2f"),
        ("/%2561dmin", "/%2561dmin"),
        ("/administrator", "/administrator"),
    ] {
        let reached = Reached::of(&rig.get(path, &alice));
        assert_eq!(reached.line(), format!("GET {compared} HTTP/1.1"), "{path}");
    }
    for path in ["/admin;x", "/admin;x=1/users", "/x;y/../admin", "/admin/%2e", "/ADMIN/users"] {
        assert_eq!(rig.get(path, &alice).status, 403, "{path}");
    }
    let before = rig.app.reached();
    for path in [
        "/news/..;/admin",
        "/.;/admin",
        "/;x/admin",
        "/news%2F..%2Fadmin",
        "/news/..%5cadmin",
        "/news\\..\\admin",
        "/admin%00",
        "/admin%",
        "/news#/../admin",
    ] {
        assert_eq!(rig.get(path, &alice).status, 400, "{path}");
    }
    assert_eq!(rig.app.reached(), before, "the application was asked");
}

/// Neither half of an upgrade is one.
fn half_upgrades(rig: &Rig) {
    let alice = rig.alice();
    for lines in ["Upgrade: websocket", "Connection: Upgrade", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings"] {
        let reached = Reached::of(&rig.ask(format!("GET / HTTP/1.1\r\nCookie: {alice}\r\n{lines}")));
        assert!(reached.all("upgrade").is_empty() && reached.all("connection").is_empty(), "{}", reached.whole());
    }
}

/// A tunnel, a length of 2^64, and chunks of an HTTP/1.0 that knows none.
fn two_requests(rig: &Rig) {
    let (alice, before) = (rig.alice(), rig.app.reached());
    for head in [
        "CONNECT app.example.com:80 HTTP/1.1",
        "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616",
        "POST /login HTTP/1.1\r\nContent-Length: 18446744073709551617",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked",
    ] {
        let answer = rig.ask(format!("{head}\r\nCookie: {alice}"));
        assert!(matches!(answer.status, 400 | 405), "{head}: {answer:?}");
    }
    assert_eq!(rig.app.reached(), before, "the application was asked");
}

fn aliases(rig: &Rig) {
    let alice = rig.alice();
    let lines = "Connection: X-Session-Subject, x-session-roles\r\nKeep-Alive: 5\r\nX.Session.Subject: forged\r\n\
                 X-Session!Roles: forged\r\nX_Forwarded.For: forged\r\nX_Real_IP: forged\r\nForwarded: for=forged";
    let reached = Reached::of(&rig.ask(format!("GET / HTTP/1.1\r\nCookie: {alice}\r\n{lines}")));
    assert!(!reached.whole().contains("forged"), "{}", reached.whole());
    assert_eq!(reached.all("x-session-subject"), ["alice"]);
    assert!(reached.all("connection").is_empty() && reached.all("keep-alive").is_empty(), "{}", reached.whole());
}

/// The line that answers 503 to whoever has no yes of Sealpass is not the only one that keeps them out.
#[test]
fn it_closes_where_a_line_is_lost() {
    let lossy = Proxy { start: start_without_denial, ..HAPROXY };
    if lossy.program().is_none() {
        return println!("skipped: haproxy is not installed");
    }
    let mut rig = Rig::start(&lossy, "30m");
    let alice = rig.alice();
    assert_eq!(rig.get("/", &alice).status, 200);
    rig.stop_sealpass();
    let before = rig.app.reached();
    assert_eq!(rig.get("/", &alice).status, 503);
    assert_eq!(rig.app.reached(), before, "the application was asked");
}

fn start_without_denial(place: &Place) -> Running {
    place.print("haproxy", &[]);
    let (path, denial) = (place.dir.join("haproxy.cfg"), "unless open or allowed\n");
    let text = fs::read_to_string(&path).expect("text");
    let kept: String = text.split_inclusive('\n').filter(|line| !line.ends_with(denial)).collect();
    assert_eq!(text.lines().count() - kept.lines().count(), 1, "one line");
    fs::write(path, kept).expect("writable");
    run(place)
}
