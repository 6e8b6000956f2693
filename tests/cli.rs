//! The `sealpass` command as an operator has it: what it makes, prints and refuses, with which exit code, and that no
//! secret is in its output at any log level.
//!
//! Every child has a directory of its own, free ports, a bounded time to answer, and is killed by its id.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;

use common::{Connection, NAME, Place, Running, ask, call, head, lines, refused, rest, wait_for};

#[test]
fn serve_without_a_ring_refuses_in_one_line() {
    let place = Place::new();
    let output = place.run(&["serve", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"], b"");
    let line = refused(&output, 1);
    assert!(line.contains("keys/ring.sealed") && line.contains("sealpass keys init"), "{line}");
    assert_eq!(place.entries(), Vec::<String>::new(), "it makes nothing");
}

#[test]
fn the_log_names_a_policy_that_is_not_configured_in_one_short_line() {
    let place = Place::new();
    let credential = place.with_application();
    assert!(!credential.is_empty());
    let service = place.serve("credentials = \"credentials.toml\"", &[]);
    for name in ["shop", "shop%0Aforged", "a\"b", &"c".repeat(21)] {
        assert_eq!(ask(service.public, "GET", &format!("/policy/{name}/"), &[], b"").status, 403, "{name}");
    }
    let (_, _, stderr) = service.signal(Signal::TERM);
    let lines: Vec<_> = stderr.lines().filter(|line| line.contains("which is not configured")).collect();
    assert_eq!(lines.len(), 4, "{stderr}");
    assert!(lines[0].contains("the policy \"shop\", which"), "{stderr}");
    assert!(lines[2].contains("the policy \"a\\\"b\", which"), "{stderr}");
    assert!(lines[3].contains("has 21 bytes") && !lines[3].contains("ccc"), "{stderr}");
}

#[test]
fn dev_on_an_address_that_others_reach_refuses() {
    let place = Place::new();
    for (args, env) in [
        (&["--public", "0.0.0.0:0"][..], &[][..]),
        (&["--control", "0.0.0.0:0"], &[]),
        (&["--public", "[::]:0"], &[]),
        (&["--public", "192.0.2.1:0"], &[]),
        (&["--public", "127.0.0.1:0"], &[("SEALPASS_CONTROL__LISTEN", "0.0.0.0:0")]),
    ] {
        let output = place.run_with(&[&["serve", "--dev"], args].concat(), env, b"");
        assert!(refused(&output, 1).contains("loopback only"), "{args:?}");
        assert_eq!(place.entries(), Vec::<String>::new(), "it makes nothing");
    }
}

#[test]
fn dev_makes_private_files_and_what_it_prints_works_as_it_is_printed() {
    for keys in [None, Some("a dir with $pecial 'names'")] {
        let place = Place::new();
        let mut args = vec!["serve", "--dev", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"];
        args.extend(keys.into_iter().flat_map(|dir| ["--keys", dir]));
        let mut service = place.start(&args, &[]);
        let dir = place.path(keys.unwrap_or("keys"));
        for name in ["ring.sealed", "cluster.secret", "dev.credential"] {
            let mode = fs::metadata(dir.join(name)).expect(name).mode();
            assert_eq!(mode & 0o7777, 0o600, "{name}");
        }
        let printed = service.until(&service_says_401);
        let from = printed.find("  # ").expect("commands");
        let blocks: Vec<_> = printed[from..].split("\n\n").filter(|block| block.contains("curl")).collect();
        assert_eq!(blocks.len(), 3, "{printed}");
        let sh = |script: &str| {
            let mut command = Command::new("sh");
            command.arg("-e").arg("-c").arg(script);
            let output = place.finish(command, b"");
            assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("text")
        };
        let issued: Value = serde_json::from_str(&sh(blocks[0])).expect("JSON");
        let verified = sh(blocks[1]);
        assert!(verified.starts_with("HTTP/1.1 200 ") && verified.contains("x-session-subject: alice"), "{verified}");
        let id = issued["session_id"].as_str().expect("an id");
        assert!(verified.contains(&format!("x-session-id: {id}")) && verified.contains("x-session-roles: editor"));
        assert!(sh(blocks[2]).starts_with("HTTP/1.1 204 "));
        assert!(sh(blocks[1]).starts_with("HTTP/1.1 401 "), "whoever kept the cookie has nothing");

        let host = service.public.to_string();
        let page = ask(service.public, "GET", "/", &[("Host", &host)], b"");
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(page.header("content-security-policy").is_some());
        let body = b"{\"subject\": \"alice\"}";
        for (headers, status) in [
            (&[("Host", host.as_str()), ("Sec-Fetch-Site", "same-origin")][..], 201),
            (&[("Host", &host), ("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")], 403),
            (&[("Host", &host)], 403),
            // A name of another site that was pointed here.
            (&[("Host", "rebound.example"), ("Sec-Fetch-Site", "same-origin")], 403),
            (&[("Host", "127.0.0.1.evil.example"), ("Sec-Fetch-Site", "same-origin")], 403),
        ] {
            assert_eq!(ask(service.public, "POST", "/dev/login", headers, body).status, status, "{headers:?}");
        }

        let own = [("Host", host.as_str()), ("Sec-Fetch-Site", "same-origin")];
        let login = ask(service.public, "POST", "/dev/login", &own, body).json();
        let cookie = format!("__Host-sealpass={}", login["token"].as_str().expect("a token"));
        let with_cookie = [own[0], own[1], ("Cookie", &*cookie)];
        assert_eq!(ask(service.public, "POST", "/dev/stale", &with_cookie, b"{}").status, 204);
        let who = ask(service.public, "GET", "/verify/", &with_cookie, b"");
        assert_eq!((who.status, who.header("x-session-fresh")), (200, Some("false")));
        assert_eq!(
            ask(service.public, "POST", "/dev/elsewhere", &with_cookie, b"{}").json()["session_id"],
            login["session_id"]
        );
        assert_eq!(
            ask(service.public, "POST", "/dev/elsewhere", &with_cookie, b"{}").status,
            401,
            "it has a new token"
        );
        assert_eq!(ask(service.public, "POST", "/dev/stale", &own, b"{}").status, 401);

        // The second start uses what the first one made.
        let before = fs::read(dir.join("dev.credential")).expect("there");
        service.end();
        let again = place.start(&args, &[]);
        assert_eq!(fs::read(dir.join("dev.credential")).expect("there"), before);
        again.end();
    }
}

#[test]
fn every_line_of_the_page_on_endings_works_as_it_is_printed() {
    let place = Place::new();
    let config = "[realm.default]\n[realm.shop]\nimport = true\n[realm.shop.cookie]\nname = \"__Host-shop\"\n";
    fs::write(place.path("sealpass.toml"), config).expect("writable");
    let args = ["serve", "--dev", "--config", "sealpass.toml", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    let service = place.start(&args, &[]);
    let page = include_str!("../src/manual/endings.md").replace("127.0.0.1:8081", &service.control.to_string());
    let blocks: Vec<_> = page.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 10, "{} blocks", blocks.len());
    let mut command = Command::new("sh");
    // Each answer on a line of its own, with what was asked for in front of it.
    command.arg("-e").arg("-c").arg(format!("set -x\n{}", blocks.concat()));
    let output = place.finish(command, b"");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).contains("urn:problem-type"), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("\"result\":\"ended\""), "{}", text(&output.stdout));
    service.end();
}

#[test]
fn the_commands_of_the_csrf_page_work_as_they_stand() {
    let page = include_str!("../src/manual/csrf.md");
    let (_, rest) = page.split_once("```sh\n").expect("commands");
    let (script, _) = rest.split_once("```").expect("their end");
    let place = Place::new();
    let service = place.start(&["serve", "--dev", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"], &[]);
    let script = script.replace("127.0.0.1:8080", &service.public.to_string());
    let script = script.replace("127.0.0.1:8081", &service.control.to_string());
    let mut command = Command::new("sh");
    command.arg("-e").arg("-c").arg(&script);
    let output = place.finish(command, b"");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "403\n200\n", "{script}");
    service.end();
}

#[test]
fn keys_init_makes_a_ring_once() {
    let place = Place::new();
    let first = place.run(&["keys", "init"], b"");
    assert!(first.status.success());
    let printed = String::from_utf8(first.stdout).expect("text");
    assert!(printed.contains("keys/ring.sealed") && printed.contains("keys/cluster.secret"), "{printed}");
    let read = || ["ring.sealed", "cluster.secret"].map(|name| fs::read(place.path("keys").join(name)).expect(name));
    let before = read();
    assert_eq!(before[1].len(), 32);
    let line = refused(&place.run(&["keys", "init"], b""), 1);
    assert!(line.contains("ring.sealed: exists already"), "{line}");
    assert_eq!(read(), before);
    // Not even with the ring gone is the secret overwritten.
    fs::remove_file(place.path("keys/ring.sealed")).expect("there");
    assert!(place.run(&["keys", "init"], b"").status.success());
    assert_eq!(read()[1], before[1]);
}

#[test]
fn keys_list_shows_states_and_no_secret() {
    let place = Place::new();
    assert!(place.run(&["keys", "init"], b"").status.success());
    let output = place.run(&["keys", "list"], b"");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<_> = text.lines().collect();
    let columns: Vec<_> = lines[1].split_whitespace().collect();
    assert!(columns[0].len() == 8 && columns[1] == "active" && columns[2..4] == columns[4..6], "{text}");
    assert_eq!(lines.iter().filter(|line| line.starts_with(columns[0])).count(), 2, "its row and its life: {text}");
    let line = refused(&place.run(&["keys", "list", "--keys", "elsewhere"], b""), 1);
    assert!(line.contains("elsewhere/ring.sealed: there is no key ring"), "{line}");
}

#[test]
fn s20_each_fault_of_the_key_files_is_one_line() {
    let place = Place::new();
    assert!(place.run(&["keys", "init"], b"").status.success());
    let (ring, secret) = (place.path("keys/ring.sealed"), place.path("keys/cluster.secret"));
    let (ring_bytes, secret_bytes) = (fs::read(&ring).expect("there"), fs::read(&secret).expect("there"));
    let hex: String = secret_bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let write = |path: &Path, bytes: &[u8], mode: u32| {
        fs::write(path, bytes).expect("writable");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    };
    for (what, ring_now, secret_now, mode, says) in [
        ("open to others", &ring_bytes[..], &secret_bytes[..], 0o644, "chmod 600"),
        ("31 bytes", &ring_bytes, &secret_bytes[..31], 0o600, "has 31"),
        ("hexadecimal", &ring_bytes, hex.as_bytes(), 0o600, "looks like hexadecimal"),
        ("empty", &ring_bytes, b"", 0o600, "is empty"),
        ("another one", &ring_bytes, &[7; 32], 0o600, "another cluster secret"),
        ("half a ring", &ring_bytes[..40], &secret_bytes, 0o600, "cut off or damaged"),
    ] {
        write(&ring, ring_now, 0o600);
        write(&secret, secret_now, mode);
        for args in [
            &["keys", "list"][..],
            &["check"],
            &["serve", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"],
            &["serve", "--dev", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"],
        ] {
            let line = refused(&place.run(args, b""), 1);
            assert!(line.contains(says) && line.contains("keys/"), "{what}, {args:?}: {line}");
            assert!(!line.contains(&hex[..16]), "{what}: {line}");
        }
    }
}

#[test]
fn check_says_what_would_be_served() {
    let place = Place::new();
    let line = refused(&place.run(&["check"], b""), 1);
    assert!(line.contains("there is no key ring"), "{line}");
    assert!(place.run(&["keys", "init"], b"").status.success());
    let output = place.run(&["check"], b"");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    for part in [
        "127.0.0.1:8080",
        "127.0.0.1:8081",
        "default: cookie __Host-sealpass; Path=/; Secure; HttpOnly; SameSite=Lax",
        "keys/ring.sealed: 1 key",
        "fits together",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let printed = place.run(&["check", "--print-default"], b"");
    assert!(printed.status.success());
    fs::write(place.path("default.toml"), &printed.stdout).expect("writable");
    let same = place.run(&["check", "--config", "default.toml"], b"");
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stderr));
    assert_eq!(String::from_utf8(same.stdout).expect("text"), text, "it is the default");
}

#[test]
fn a_wrong_configuration_is_one_line_and_64() {
    let place = Place::new();
    assert!(place.run(&["keys", "init"], b"").status.success());
    let serve = ["serve", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    for (config, says) in [
        ("listne = 1", "listne"),
        ("[public]\nlisten = \"nowhere\"", "listen"),
        ("[realm.default]\nidle = \"13h\"", "idle"),
        ("[realm.default]\nidle = \"0s\"", "idle"),
        ("[realm.default.cookie]\ndomain = \"example.com\"", "__Host-"),
        ("[realm.default.cookie]\nsecure = false", "secure"),
        ("[policy.p]\nrealm = \"none\"", "none"),
        ("[policy.p]\noptional = true\nrole = [\"a\"]", "optional"),
        ("[policy.\"a b\"]", "policy"),
        ("[log]\nlevel = \"loud\"", "loud"),
        ("= broken", "toml"),
    ] {
        fs::write(place.path("wrong.toml"), config).expect("writable");
        for args in [&["check"][..], &serve, &["keys", "list"], &["token", "inspect"]] {
            let overridden = args[0] == "serve" && says == "listen";
            let unneeded = args[0] == "keys" && !matches!(says, "listne" | "loud");
            if overridden || unneeded {
                continue;
            }
            let output = place.run(&[args, &["--config", "wrong.toml"]].concat(), b"");
            let line = refused(&output, 64);
            assert!(line.to_lowercase().contains(&says.to_lowercase()), "{says}: {line}");
        }
    }
    assert!(refused(&place.run(&["check", "--config", "none.toml"], b""), 64).contains("none.toml"));
    let unknown = place.run_with(&["check"], &[("SEALPASS_LISTEN", "x")], b"");
    assert!(refused(&unknown, 64).contains("listen"));
    assert_eq!(place.run(&["chekc"], b"").status.code(), Some(2));
    assert_eq!(place.run(&["serve", "--public", "nowhere"], b"").status.code(), Some(2));
}

#[test]
fn an_address_in_use_is_one_line() {
    let place = Place::new();
    assert!(place.run(&["keys", "init"], b"").status.success());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("bound").to_string();
    fs::write(place.path("c.toml"), "[log]\nlevel = \"error\"\n").expect("writable");
    let output = place.run(&["serve", "--config", "c.toml", "--public", &at, "--control", "127.0.0.1:0"], b"");
    assert!(refused(&output, 1).contains(&at));
}

#[test]
fn token_inspect_reads_standard_input_and_shows_nothing_of_junk() {
    let place = Place::new();
    let service = place.start(&["serve", "--dev", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"], &[]);
    let credential = fs::read_to_string(place.path("keys/dev.credential")).expect("there");
    let body = json!({"subject": "alice", "roles": ["editor"], "data": {"k": "v"}});
    let issued = call(service.control, &credential, "/v1/sessions", &body.to_string()).json();
    let token = issued["token"].as_str().expect("a token").to_owned();
    for given in [token.clone(), format!("{token}\n"), format!("  {token}\r\n")] {
        let output = place.run(&["token", "inspect"], given.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(
            (&shown["times"], &shown["subject"], &shown["roles"]),
            (&json!("good"), &json!("alice"), &json!(["editor"]))
        );
        assert_eq!((&shown["session_id"], &shown["expires_at"]), (&issued["session_id"], &issued["expires_at"]));
        assert!(!String::from_utf8_lossy(&output.stdout).contains(&token));
    }
    let stranger = Place::new();
    assert!(stranger.run(&["keys", "init"], b"").status.success());
    let line = refused(&stranger.run(&["token", "inspect"], token.as_bytes()), 1);
    assert!(line.contains("unknown_key") && !line.contains(&token[..20]), "{line}");
    let flipped = format!("{}{}", &token[..60], if token.as_bytes()[60] == b'A' { "B" } else { "A" }) + &token[61..];
    for junk in [
        &b""[..],
        b"\n",
        b"hunter2-hunter2-hunter2",
        flipped.as_bytes(),
        &token.as_bytes()[..50],
        b"\xff\xfe\x00hunter2",
        &vec![b'A'; 100_000],
    ] {
        let output = place.run(&["token", "inspect"], junk);
        let line = refused(&output, 1);
        assert!(!line.contains("hunter2") && !line.contains("AAAA") && !line.contains(&token[8..24]), "{line}");
        assert!(!line.contains("alice") && !line.contains("editor"), "{line}");
    }
    let line = refused(&place.run(&["token", "inspect", "--realm", "other"], token.as_bytes()), 1);
    assert!(line.contains("no realm called \"other\""), "{line}");
    service.end();
}

#[test]
fn a_credential_is_shown_once_and_let_in_by_its_hash() {
    let place = Place::new();
    assert!(place.run(&["keys", "init"], b"").status.success());
    let output = place.run(&["credential", "new", "--name", "sh\"op"], b"");
    assert!(output.status.success());
    let credential = String::from_utf8(output.stderr).expect("text").trim().to_owned();
    let lines = String::from_utf8(output.stdout).expect("text");
    assert!(credential.starts_with("sealpass_") && !lines.contains(&credential[9..]), "{lines}");
    place.private("credentials.toml", lines.as_bytes());
    let service = place.serve("credentials = \"credentials.toml\"\n", &[]);
    assert_eq!(call(service.control, &credential, "/v1/sessions", "{\"subject\": \"a\"}").status, 201);
    assert_eq!(call(service.control, &credential, "/v1/sessions", "{\"realm\": \"x\"}").status, 403);
    assert_eq!(call(service.control, "sealpass_other", "/v1/sessions", "{}").status, 401);
    service.end();

    fs::set_permissions(place.path("credentials.toml"), fs::Permissions::from_mode(0o640)).expect("ours");
    let line = refused(&place.run(&["check", "--config", "c.toml"], b""), 1);
    assert!(line.contains("chmod 600"), "{line}");
}

#[test]
fn sigterm_ends_the_service() {
    let place = Place::new();
    assert!(place.run(&["keys", "init"], b"").status.success());
    for signal in [Signal::TERM, Signal::INT] {
        let service = place.serve("", &[]);
        let mut idle = Connection::open(service.public);
        idle.send(&head("GET", "/healthz", &[]));
        assert_eq!(idle.answer().status, 200);
        let (public, control) = (service.public, service.control);
        let (status, ..) = service.signal(signal);
        assert_eq!(status, Some(0), "{signal:?}");
        assert_eq!(idle.rest(), b"");
        assert!(TcpListener::bind(public).is_ok() && TcpListener::bind(control).is_ok(), "both ports are free again");
    }
}

#[test]
fn s47_no_secret_is_in_any_line_of_output_at_trace() {
    for format in ["human", "json"] {
        let place = Place::new();
        let credential = place.with_application();
        let config = "
            credentials = \"credentials.toml\"
            [realm.default]
            accept = [\"cookie\", \"bearer\"]
            public_origins = [\"https://app.example.com\"]
            [realm.quick]
            idle = \"6s\"
            cookie.name = \"__Host-quick\"
            [policy.quick]
            realm = \"quick\"
            [policy.open]
            optional = true
            [policy.form]
            csrf = \"require\"
            [audit]
            to = \"stdout\"
        ";
        let service = place.serve(config, &[("SEALPASS_LOG__LEVEL", "trace"), ("SEALPASS_LOG__FORMAT", format)]);
        let mut secrets = Secrets::new(&place, &credential);
        drive(&service, &credential, &mut secrets);
        let (status, stdout, stderr) = service.signal(Signal::TERM);
        assert_eq!(status, Some(0));
        let output = stdout + &stderr;
        // It did log what happened.
        for reason in ["bad_tag", "malformed", "ended", "403"] {
            assert!(output.contains(reason), "{reason}: {output}");
        }
        // The trail, on standard output, is the same whatever the log looks like.
        for event in ["issued", "renewed", "resealed", "rotated", "ended", "refused"] {
            assert!(output.contains(&format!("\"event\":\"{event}\"")), "{event}: {output}");
        }
        assert!(output.contains("\"credential\":\"shop\""), "{output}");
        secrets.assert_none_in(&output);
    }
}

#[test]
fn a_fold_is_in_the_trail_under_the_pseudonym_of_its_subject() {
    let place = Place::new();
    let credential = place.with_application();
    let config = "credentials = \"credentials.toml\"\naudit.to = \"./trail\"\nrealm.default.max_facts_per_subject = 5";
    let service = place.serve(config, &[]);
    for _ in 0..20 {
        let issued = call(service.control, &credential, "/v1/sessions", "{\"subject\": \"alice\"}").json();
        let ended = json!({"token": issued["token"]}).to_string();
        assert_eq!(call(service.control, &credential, "/v1/sessions/revoke", &ended).status, 204);
    }
    let trail = || fs::read_to_string(place.path("trail")).unwrap_or_default();
    wait_for("a fold in the trail", || trail().contains("\"folded\""));
    let of = |event: &str| -> Value {
        let text = trail();
        let line = text.lines().find(|line| line.contains(&format!("\"event\":\"{event}\"")));
        serde_json::from_str(line.expect("an event")).expect("JSON")
    };
    let (folded, ended) = (of("folded"), of("ended"));
    assert_eq!((&folded["subject"], &folded["realm"]), (&ended["subject"], &json!("default")));
    assert!(
        folded["subject"].is_string() && folded["count"].as_u64() > Some(0) && folded["by"] == "service",
        "{folded}"
    );
    service.end();
}

#[test]
fn what_the_trail_loses_is_logged_once_and_keeps_nobody() {
    let place = Place::new();
    let credential = place.with_application();
    let service = place.serve("credentials = \"credentials.toml\"", &[("SEALPASS_AUDIT__TO", "/dev/full")]);
    for _ in 0..50 {
        let answer = call(service.control, &credential, "/v1/sessions", "{\"subject\": \"alice\"}");
        assert_eq!(answer.status, 201);
    }
    let (status, stdout, stderr) = service.signal(Signal::TERM);
    assert_eq!((status, stdout.as_str()), (Some(0), ""));
    let lines: Vec<_> = stderr.lines().filter(|line| line.contains("audit events are lost")).collect();
    assert!(lines.len() == 1 && lines[0].contains("sealpass_audit_lost_total"), "{stderr}");

    let env = [("SEALPASS_AUDIT__TO", "none-such/trail"), ("SEALPASS_CREDENTIALS", "credentials.toml")];
    let text = refused(&place.run_with(&["serve"], &env, b""), 1);
    assert!(text.contains("audit.to: none-such/trail: "), "{text}");
    let output = place.run_with(&["check"], &[("SEALPASS_AUDIT__TO", "sdtout")], b"");
    let text = refused(&output, 64);
    assert!(text.contains("audit.to is none, stdout or the path"), "{text}");
}

#[test]
fn the_last_events_are_written_before_the_service_ends() {
    let place = Place::new();
    let credential = place.with_application();
    fs::write(place.path("c.toml"), "credentials = \"credentials.toml\"\naudit.to = \"stdout\"").expect("writable");
    let args = ["serve", "--config", "c.toml", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    let (mut service, unread) = place.start_unread(&args);
    // More than a pipe holds: the rest waits until somebody reads.
    for _ in 0..600 {
        assert_eq!(call(service.control, &credential, "/v1/sessions", "{\"subject\": \"alice\"}").status, 201);
    }
    kill_process(Pid::from_child(&service.child), Signal::TERM).expect("it runs");
    wait_for("nobody listens", || TcpStream::connect(service.control).is_err());
    std::thread::sleep(Duration::from_secs(1)); // it would have ended by now, if it did not wait
    let stdout = rest(&lines(unread));
    assert!(service.child.wait().expect("our child").success());
    assert_eq!(stdout.lines().filter(|line| line.contains("\"event\":\"issued\"")).count(), 600);
}

/// Everything that handles a secret.
fn drive(service: &Running, credential: &str, secrets: &mut Secrets) {
    let subject = "subject-that-nobody-may-log";
    let role = "role-that-nobody-may-log";
    let data = "data-that-nobody-may-log";
    secrets.0.extend([subject, role, data].map(str::to_owned));
    let mut issue = |realm: &str| {
        let body = json!({"realm": realm, "subject": subject, "roles": [role], "data": {"k": data}, "handles": ["handle-that-nobody-may-log"]});
        let answer = call(service.control, credential, "/v1/sessions", &body.to_string()).json();
        secrets.note(&answer);
        ["token", "session_id", "csrf_token"].map(|field| answer[field].as_str().expect("text").to_owned())
    };
    let [token, id, csrf] = issue("default");
    let [quick, _, csrf_of_quick] = issue("quick");
    let [ended, ended_id, _] = issue("default");
    secrets.0.push("handle-that-nobody-may-log".to_owned());

    let verify = |target: &str, cookie: &str| ask(service.public, "GET", target, &[("Cookie", cookie)], b"");
    let cookie = format!("{NAME}={token}");
    assert_eq!(verify("/verify/", &cookie).status, 200);
    let flipped = format!("{}{}", &token[..70], if token.as_bytes()[70] == b'A' { "B" } else { "A" }) + &token[71..];
    for bad in [&*flipped, &token[1..], "junk-that-nobody-may-log"] {
        secrets.0.push(bad.to_owned());
        assert_eq!(verify("/verify/", &format!("{NAME}={bad}")).status, 401);
    }
    for target in [
        format!("/verify?role={token}"),
        format!("/verify?{token}"),
        format!("/policy/{token}/"),
        format!("/policy/open?role={token}"),
        format!("/verify/{token}?{id}"),
    ] {
        verify(&target, &cookie);
    }
    verify(&format!("/{token}"), &cookie);
    // A CSRF token that is none, another session's, and a good one: the header that answers it is noted too.
    let form = |shown: &str| {
        ask(service.public, "POST", "/policy/form/", &[("Cookie", &*cookie), ("X-CSRF-Token", shown)], b"")
    };
    assert_eq!(form(&token).status, 403);
    assert_eq!(form(&csrf_of_quick).status, 403);
    let provided = form(&csrf);
    assert_eq!(provided.status, 200);
    secrets.0.push(provided.header("x-session-csrf").expect("provided").to_owned());
    for authorization in [format!("Bearer {token}"), format!("Basic {token}"), token.clone()] {
        ask(service.public, "GET", "/verify/", &[("Authorization", &authorization), ("Cookie", "a=b")], b"");
    }
    // Renewal in verify: as soon as the next slot, a second wide, has begun.
    let renewed = (0..100_000).find_map(|_| {
        let response = verify("/policy/quick/", &format!("__Host-quick={quick}"));
        assert_eq!(response.status, 200);
        response.header("set-cookie").map(str::to_owned)
    });
    let renewed = renewed.expect("a renewal within a second");
    secrets.0.push(renewed.split(['=', ';']).nth(1).expect("a value").to_owned());

    let site = ("Sec-Fetch-Site", "same-origin");
    let by_browser = ask(service.public, "POST", "/renew", &[("Cookie", &cookie), site], b"");
    secrets
        .0
        .push(by_browser.header("set-cookie").expect("renewed").split(['=', ';']).nth(1).expect("a value").to_owned());
    let by_client = ask(service.public, "POST", "/renew", &[("Authorization", &format!("Bearer {token}"))], b"");
    secrets.note(&by_client.json());

    let mut latest = token.clone();
    for path in ["renew", "reseal", "rotate"] {
        let answer =
            call(service.control, credential, &format!("/v1/sessions/{path}"), &json!({"token": latest}).to_string())
                .json();
        secrets.note(&answer);
        answer["token"].as_str().expect("a token").clone_into(&mut latest);
    }
    for (path, body) in [
        ("introspect", json!({"token": latest}).to_string()),
        ("introspect", json!({"cookie": cookie}).to_string()),
        ("reseal", json!({"token": token}).to_string()),
        ("reseal", json!({"token": latest, "subject": subject}).to_string()),
        ("reseal", json!({"token": latest, token.clone(): 1}).to_string()),
        ("rotate", format!("{{\"token\": \"{token}\", ")),
        ("rotate", token.clone()),
        ("rotate", json!({"token": {"a": token}}).to_string()),
        ("revoke", json!({"session_id": token}).to_string()),
        ("revoke", json!({"session_id": ended_id}).to_string()),
        ("revoke", json!({"token": ended}).to_string()),
    ] {
        call(service.control, credential, &format!("/v1/sessions/{path}"), &body);
    }
    assert_eq!(verify("/verify/", &format!("{NAME}={ended}")).status, 401);
    let wrong = format!("{}x", &credential[..credential.len() - 1]);
    secrets.0.push(wrong.clone());
    assert_eq!(call(service.control, &wrong, "/v1/sessions", &json!({"subject": subject}).to_string()).status, 401);
    for headers in [
        &[("Cookie", &*cookie)][..],
        &[("Cookie", &cookie), ("Origin", "https://evil.example")],
        &[("Cookie", &format!("{NAME}={latest}")), site],
        &[("Cookie", "__Host-sealpass=junk"), site],
    ] {
        ask(service.public, "POST", "/logout", headers, b"");
    }
    assert_eq!(verify("/verify/", &format!("{NAME}={latest}")).status, 401);
    // No HTTP at all.
    let mut broken = Connection::open(service.public);
    broken.send(format!("GET /verify/ HTTP/1.1\r\nCookie : {cookie}\r\n\r\n").as_bytes());
    assert_eq!(broken.answer().status, 400);
}

struct Secrets(Vec<String>);

impl Secrets {
    fn new(place: &Place, credential: &str) -> Self {
        let secret = fs::read(place.path("keys/cluster.secret")).expect("there");
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{secret:?}");
        Self(vec![credential.to_owned(), hex, STANDARD.encode(&secret), URL_SAFE_NO_PAD.encode(&secret), list])
    }

    fn note(&mut self, answer: &Value) {
        for field in ["token", "session_id", "csrf_token"] {
            self.0.extend(answer[field].as_str().map(str::to_owned));
        }
    }

    /// Not even a part of one. The first characters of a token are its version and key, which are public.
    fn assert_none_in(&self, output: &str) {
        assert!(self.0.len() > 20);
        for secret in &self.0 {
            let skip = if secret.len() > 60 { 8 } else { 0 };
            let characters: Vec<_> = secret.chars().skip(skip).collect();
            for part in characters.windows(12) {
                let part: String = part.iter().collect();
                assert!(!output.contains(&part), "{part} of {secret} is in: {output}");
            }
        }
    }
}

fn service_says_401(text: &str) -> bool {
    text.contains("now answers 401.")
}

#[test]
fn proxy_config_says_what_its_policies_lack() {
    let place = Place::new();
    place.private("c.toml", b"trusted_proxies = [\"127.0.0.1\"]\n[policy.default]\n[policy.page]\n");
    let run = |proxy: &str| {
        let output = place.run(&["proxy-config", proxy, "--config", "c.toml", "--page", "/account=page"], b"");
        assert!(output.status.success(), "{proxy}");
        String::from_utf8(output.stderr).expect("text")
    };
    let traefik = run("traefik");
    for policy in ["default", "page"] {
        assert!(traefik.contains(&format!("[policy.{policy}] needs pass_cookies = true")), "{traefik}");
    }
    assert!(traefik.contains("[policy.page] has no login_url"), "{traefik}");
    assert!(run("caddy").contains("[policy.page] has no login_url"));
    assert_eq!(run("nginx"), "", "nginx sends browsers away itself");
    place.private("c.toml", b"[policy.default]\n");
    let unknown = place.run(&["proxy-config", "nginx", "--config", "c.toml", "--policy", "/a=other"], b"");
    let text = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(unknown.status.code() == Some(1) && text.contains("no [policy.other]"), "{text}");
}

#[test]
fn proxy_config_says_when_everybody_passes_or_nobody_contrary_to_what_was_asked_for() {
    let place = Place::new();
    place.private("c.toml", b"[policy.open]\noptional = true\n[policy.shut]\n");
    let run = |given: &[&str]| {
        let output = place.run(&[&["proxy-config", "nginx", "--config", "c.toml"], given].concat(), b"");
        assert!(output.status.success(), "{given:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    assert_eq!(run(&["--optional", "/news=open", "--policy", "/a=shut", "--page", "/b=shut"]), "");
    let shut = run(&["--optional", "/news=shut"]);
    assert!(shut.contains("[policy.shut] is not optional, so nobody without a session passes /news"), "{shut}");
    for wrong in [["--policy", "/a=open"], ["--page", "/a=open"]] {
        let open = run(&wrong);
        assert!(open.contains("[policy.open] is optional, so everybody passes /a"), "{open}");
        assert_eq!(open.lines().count(), 1, "{open}");
    }
}

#[test]
fn proxy_config_names_several_replicas_for_nginx_alone() {
    let place = Place::new();
    let run = |proxy: &str| {
        place.run(&["proxy-config", proxy, "--sealpass", "10.0.0.1:8080", "--sealpass", "10.0.0.2:8080"], b"")
    };
    let nginx = run("nginx");
    assert!(nginx.status.success(), "{}", String::from_utf8_lossy(&nginx.stderr));
    let text = String::from_utf8(nginx.stdout).expect("text");
    for line in ["server 10.0.0.1:8080 fail_timeout=1s;", "server 10.0.0.2:8080 fail_timeout=1s;"] {
        assert!(text.contains(line), "{text}");
    }
    for other in ["envoy", "traefik", "caddy", "haproxy"] {
        assert!(refused(&run(other), 1).contains("several --sealpass are for nginx"), "{other}");
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_program_without_traces_says_so_if_it_is_asked_for_some() {
    let place = Place::new();
    place.with_application();
    for (set, told) in [("http://127.0.0.1:4318", true), ("", false)] {
        let service = place.serve("credentials = \"credentials.toml\"", &[("OTEL_EXPORTER_OTLP_ENDPOINT", set)]);
        let (status, _, logged) = service.signal(Signal::TERM);
        assert_eq!((status, logged.contains("build it with the feature otlp")), (Some(0), told), "{logged}");
    }
}
