//! The command `sealpass credential`, and a running service that keeps up with the file: real processes.

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use common::{Place, Running, ask, call, refused, wait_for};
use serde_json::Value;

const CONFIG: &str = "credentials = \"credentials.toml\"\n";
const LOGIN: &str = "{\"subject\": \"alice\"}";

/// What a command prints that does what it should.
fn run(place: &Place, args: &[&str]) -> String {
    let output = place.run(args, b"");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn add(place: &Place, rest: &[&str]) -> String {
    run(place, &[&["credential", "add", "--config", "c.toml"], rest].concat()).trim().to_owned()
}

fn place() -> Place {
    let place = Place::new();
    run(&place, &["keys", "init"]);
    fs::write(place.path("c.toml"), CONFIG).expect("writable");
    place
}

fn login(service: &Running, credential: &str) -> u16 {
    call(service.control, credential, "/v1/sessions", LOGIN).status
}

/// Whether the metrics say that the file can't be used.
fn is_failing(service: &Running, credential: &str) -> bool {
    let bearer = format!("Bearer {credential}");
    let metrics = ask(service.control, "GET", "/metrics", &[("Authorization", &bearer)], b"").body;
    let text = String::from_utf8_lossy(&metrics);
    let line = text.lines().find_map(|line| line.strip_prefix("sealpass_credentials_failing "));
    line.expect("a gauge") == "1"
}

#[test]
fn credentials_come_and_go_under_a_running_service() {
    let place = place();
    let shop = add(&place, &["--name", "shop"]);
    assert!(shop.starts_with("sealpass_") && shop.lines().count() == 1, "{shop}");
    let mut service = place.serve(CONFIG, &[]);
    assert_eq!((login(&service, &shop), login(&service, "sealpass_other")), (201, 401));
    // One more.
    let told = add(&place, &["--name", "blog", "--out", "blog.credential", "--expires", "90d"]);
    assert!(told.contains("blog.credential") && !told.contains("sealpass_"), "{told}");
    let blog = fs::read_to_string(place.path("blog.credential")).expect("there");
    wait_for("the new one is let in", || login(&service, &blog) == 201);
    // A file that is wrong, open to others, or gone: those in use stay, and the log says so.
    let path = place.path("credentials.toml");
    let right = fs::read(&path).expect("there");
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    place.private("credentials.toml", b"[[credential]]\nname = \"x\"\n");
    service.until_logged("sha256");
    place.private("credentials.toml", &right);
    service.until_logged("2 credentials are in use");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
    service.until_logged("chmod 600");
    fs::remove_file(&path).expect("there");
    service.until_logged("does not exist");
    assert!(is_failing(&service, &blog));
    assert_eq!((login(&service, &shop), login(&service, &blog)), (201, 201));
    place.private("credentials.toml", &right);
    // One less: it is let in no more, and the other is.
    let told = run(&place, &["credential", "revoke", "shop", "--config", "c.toml"]);
    assert!(told.contains("\"shop\" is revoked"), "{told}");
    wait_for("it is right again", || !is_failing(&service, &blog));
    wait_for("it is not let in any more", || login(&service, &shop) == 401);
    assert_eq!(login(&service, &blog), 201);
    let (_, _, log) = service.signal(rustix::process::Signal::TERM);
    let errors = log.lines().filter(|line| line.contains("the credentials in use stay")).count();
    assert_eq!(errors, 3, "each once: {log}");
    for secret in [&shop, &blog] {
        assert!(!log.contains(&secret["sealpass_".len()..]), "{log}");
    }
}

#[test]
fn the_list_shows_what_each_may_do_and_no_secret() {
    let place = place();
    let shop = add(&place, &["--name", "shop", "--may-grant", "billing:*", "--may-grant", "guest", "--max-aal", "2"]);
    add(
        &place,
        &["--name", "ops", "--scope", "admin", "--realm", "*", "--no-roles", "--expires", "2020-01-01T00:00:00Z"],
    );
    let table = run(&place, &["credential", "list", "--config", "c.toml"]);
    let lines: Vec<_> =
        table.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect::<Vec<_>>()).collect();
    let cell = |row: usize, at: usize| lines[row][at].trim();
    assert_eq!((cell(1, 0), cell(1, 4), cell(1, 5), cell(1, 6)), ("shop", "billing:*, guest", "2", "never"), "{table}");
    assert_eq!((cell(2, 2), cell(2, 3), cell(2, 4)), ("admin", "*", "no role"), "{table}");
    assert_eq!(cell(2, 6), "expired 2020-01-01T00:00:00Z", "{table}");
    let checked = run(&place, &["check", "--config", "c.toml"]);
    assert!(checked.contains("warning  credential \"ops\": expired at 2020-01-01T00:00:00Z"), "{checked}");
    assert!(!checked.contains("credential \"shop\""), "{checked}");
    add(&place, &["--name", "lost", "--realm", "nowhere"]);
    let checked = run(&place, &["check", "--config", "c.toml"]);
    assert!(checked.contains("warning  credential \"lost\": there is no realm called \"nowhere\""), "{checked}");
    let json = run(&place, &["credential", "list", "--file", "credentials.toml", "--json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let first = &json["credentials"][0];
    assert_eq!((&first["may_grant"][1], &first["expired"]), (&Value::from("guest"), &Value::from(false)));
    assert_eq!(first["id"].as_str().expect("text").len(), 8);
    let file = fs::read_to_string(place.path("credentials.toml")).expect("there");
    for text in [&table, &json.to_string(), &file] {
        assert!(!text.contains(&shop[9..]), "{text}");
    }
}

#[test]
fn what_can_not_be_done_is_one_line_and_changes_nothing() {
    let place = place();
    add(&place, &["--name", "shop"]);
    let before = fs::read(place.path("credentials.toml")).expect("there");
    let config = ["--config", "c.toml"];
    for (args, says) in [
        (&["credential", "add", "--name", "shop"][..], "already"),
        (&["credential", "add", "--name", "shop", "--out", "x.credential"], "already"),
        (&["credential", "add", "--name", "a\nb"], "--name"),
        (&["credential", "add", "--name", "a", "--may-grant", "a*b"], "one * at the end"),
        (&["credential", "add", "--name", "a", "--out", "c.toml"], "c.toml"),
        (&["credential", "revoke", "nobody"], "no credential called"),
    ] {
        let line = refused(&place.run(&[args, &config].concat(), b""), 1);
        assert!(line.contains(says), "{line}");
        assert_eq!(fs::read(place.path("credentials.toml")).expect("there"), before, "{args:?}");
    }
    assert!(!place.path("x.credential").exists(), "a credential that opens nothing");
    let line = refused(&place.run(&["credential", "list"], b""), 1);
    assert!(line.contains("--file"), "{line}");
    let output = place.run(&["credential", "add", "--name", "a", "--expires", "soon"], b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("90d"), "{said}");
}

/// Ten at once: each is in the file behind it.
#[test]
fn two_that_change_the_file_at_one_moment_lose_nothing() {
    let place = place();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
            let place = &place;
            scope.spawn(move || add(place, &["--name", name]));
        }
    });
    let json: Value =
        serde_json::from_str(&run(&place, &["credential", "list", "--config", "c.toml", "--json"])).expect("JSON");
    assert_eq!(json["credentials"].as_array().expect("a list").len(), 10);
}

/// The pseudonym that `explain` shows is the one by which the audit trail is searched.
#[test]
fn explain_gives_the_names_by_which_the_audit_trail_is_searched() {
    let place = place();
    let shop = add(&place, &["--name", "shop"]);
    add(&place, &["--name", "ops", "--scope", "admin", "--realm", "*", "--out", "ops.credential"]);
    let service = place.serve("credentials = \"credentials.toml\"\naudit.to = \"./audit.jsonl\"\n", &[]);
    let issued = call(service.control, &shop, "/v1/sessions", LOGIN).json();
    let id = issued["session_id"].as_str().expect("an id").to_owned();
    assert_eq!(call(service.control, &shop, "/v1/subjects/revoke", LOGIN).status, 204);
    assert_eq!(
        call(service.control, &shop, "/v1/sessions/revoke", &format!("{{\"session_id\": \"{id}\"}}")).status,
        204
    );
    let control = format!("http://{}", service.control);
    let explain = |rest: &[&str]| {
        run(&place, &[&["explain", "--control", &control, "--credential", "ops.credential"][..], rest].concat())
    };
    let (subject, session) = (explain(&["--subject", "alice"]), explain(&["--session-id", &id]));
    for (shown, kind, means) in [
        (&subject, "cut_off", "sessions of the subject that started by that time are over"),
        (&session, "ended", "the session is over"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(kind)).unwrap_or_else(|| panic!("{shown}"));
        assert!(line.ends_with(means) && line.contains("Z  "), "{shown}");
        assert!(!shown.contains("alice") && !shown.contains(&id), "{shown}");
    }
    let json: Value = serde_json::from_str(&explain(&["--subject", "alice", "--json"])).expect("JSON");
    let name = json["subject"].as_str().expect("a pseudonym");
    assert!(subject.contains(&format!("grep -E '{name}' audit.jsonl")), "{subject}");
    let refused_by = |args: &[&str], code: i32| {
        let output =
            place.run(&[&["explain", "--control", &control, "--credential", "ops.credential"][..], args].concat(), b"");
        assert_eq!(output.status.code(), Some(code));
        String::from_utf8(output.stderr).expect("text")
    };
    assert!(refused_by(&["--session-id", "nonsense"], 1).contains("is not a session id"));
    assert!(refused_by(&["--subject", "alice", "--realm", "none"], 1).contains("is not configured"));
    assert!(refused_by(&["--subject", "a", "--session-id", &id], 2).contains("cannot be used"));
    service.end();
    let trail = fs::read_to_string(place.path("audit.jsonl")).expect("there");
    let found: Vec<_> = trail.lines().filter(|line| line.contains(name)).collect();
    let of = |event: &str| found.iter().any(|line| line.contains(&format!("\"event\":\"{event}\"")));
    assert!(of("issued") && of("ended_together") && of("explained"), "{trail}");
    assert!(found.iter().any(|line| line.contains("\"credential\":\"ops\"")), "{trail}");
}

/// Somebody was thrown out, and their request has an id.
#[test]
fn explain_says_of_a_request_why_it_was_refused_and_by_which_replica() {
    let place = place();
    let shop = add(&place, &["--name", "shop"]);
    add(&place, &["--name", "ops", "--scope", "admin", "--realm", "*", "--out", "ops.credential"]);
    let config = "credentials = \"credentials.toml\"\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let service = place.serve(config, &[]);
    let issued = call(service.control, &shop, "/v1/sessions", LOGIN).json();
    let token = issued["token"].as_str().expect("a token");
    let ended = call(service.control, &shop, "/v1/sessions/revoke", &format!("{{\"token\": \"{token}\"}}"));
    let ended = ended.header("x-request-id").expect("each call has one").to_owned();
    let cookie = format!("__Host-sealpass={token}");
    let headers = [("Cookie", &*cookie), ("X-Request-Id", "5f2b0c51d8a94e07")];
    assert_eq!(ask(service.public, "GET", "/verify/a/page", &headers, b"").status, 401);
    let control = format!("http://{}", service.control);
    let explain = |id: &str, rest: &[&str]| {
        let args = ["explain", "--control", &control, "--credential", "ops.credential", "--request-id", id];
        run(&place, &[&args[..], rest].concat())
    };
    let shown = explain("5f2b0c51d8a94e07", &[]);
    let line = |mark: &str| shown.lines().find(|line| line.contains(mark)).unwrap_or_else(|| panic!("{mark}: {shown}"));
    let refused = line("refused: ended (the session had been ended), by verify");
    assert!(refused.contains("policy default, session "), "{shown}");
    let session = refused.split("session ").last().and_then(|rest| rest.split(',').next()).expect("a pseudonym");
    let related = line("ended: by control, credential shop");
    assert!(related.contains(session) && related.contains(&format!("request {ended}")), "{shown}");
    let name = sealpass::config::host_name();
    assert!(line("In the request 5f2b0c51d8a94e07").contains(&format!("by {name}:")), "{shown}");
    assert!(line("grep -E").contains(&format!("{session}|5f2b0c51d8a94e07'")), "{shown}");
    for secret in ["alice", &token[8..28], issued["session_id"].as_str().expect("an id"), "page"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    // A logout through the proxy, which a log at `info` says nothing of.
    let issued = call(service.control, &shop, "/v1/sessions", LOGIN).json();
    let cookie = format!("__Host-sealpass={}", issued["token"].as_str().expect("a token"));
    let headers = [("Cookie", &*cookie), ("X-Request-Id", "out"), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(ask(service.public, "POST", "/logout", &headers, b"").status, 204);
    assert!(explain("out", &[]).contains("ended: by logout, realm default"));
    // Of one that was let through, or that another replica answered.
    let nothing = explain("another", &[]);
    assert!(nothing.contains(&format!("{name} remembers nothing of the request another.")), "{nothing}");
    assert!(nothing.contains("ask the other replicas too"), "{nothing}");
    let json: Value = serde_json::from_str(&explain("5f2b0c51d8a94e07", &["--json"])).expect("JSON");
    assert_eq!((&json["replica"], &json["request"]["decided"][0]["reason"]), (&name.into(), &"ended".into()));
    println!("{shown}\n{nothing}");
    service.end();
}
