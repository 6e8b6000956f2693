//! `sealpass cluster status`: what an operator is shown of the replicas, and whether a script is told that all is well.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;

use common::Place;

/// What is printed to both outputs, and the exit code, where the replica that is asked answers with `status` and `body`.
fn shown(args: &[&str], status: &str, body: &Value) -> (String, String, Option<i32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let answer =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.to_string().len());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the command asks");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("a request") == 1 {
            head.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).expect("it reads");
        String::from_utf8(head).expect("text")
    });
    let place = Place::new();
    place.private("admin.credential", b"sealpass_x\n");
    let own = ["cluster", "status", "--control", &url, "--credential", "admin.credential"];
    let output = place.run(&[&own, args].concat(), b"");
    let asked = asked.join().expect("it ends").to_lowercase();
    assert!(
        asked.starts_with("get /v1/cluster http/1.1\r\n") && asked.contains("authorization: bearer sealpass_x\r\n")
    );
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn member(name: &str, edit: impl FnOnce(&mut Value)) -> Value {
    let mut member = json!({
        "name": name, "role": "core", "standing": "ok", "release": "0.1.0", "ready": true, "complete": true,
        "heard_ms_ago": 450, "view_age_ms": 300, "clock_offset_ms": -12, "ring": "same", "facts": "same",
        "realms": "same", "duplicate": false,
    });
    edit(&mut member);
    member
}

fn fleet(second: &Value, edit: impl FnOnce(&mut Value)) -> Value {
    let own = member("s-0", |own| own["standing"] = "self".into());
    let mut report = json!({
        "name": "s-0", "role": "core", "size": 3, "release": "0.1.0", "ready": true, "why": [], "complete": true,
        "view_age_ms": 300, "clock_offset_ms": 1, "members": [own, second, member("s-2", |_| ())], "counters": {},
    });
    edit(&mut report);
    report
}

#[test]
fn a_fleet_that_is_well_is_one_table_and_exit_code_0() {
    let report = fleet(&member("s-1", |_| ()), |_| ());
    let (table, errors, code) = shown(&[], "200 OK", &report);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{table}");
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["replica", "role", "release", "answers", "heard", "age", "clock", "keys", "endings"]);
    assert_eq!(lines[1][..5], ["s-0", "core", "0.1.0", "yes", "itself"]);
    let second = ["s-1", "core", "0.1.0", "yes", "0.4", "s", "ago", "0.3", "s", "-12", "ms", "same", "same"];
    assert_eq!(lines[2], second, "{table}");
    assert!(table.ends_with("All is well: 3 of 3 replicas answer.\n"), "{table}");
    // Whatever ends makes facts differ for a moment.
    let moment = fleet(&member("s-1", |m| m["facts"] = "differs".into()), |_| ());
    assert_eq!(shown(&[], "200 OK", &moment).2, Some(0));
    let (text, _, code) = shown(&["--json"], "200 OK", &report);
    let read: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &read["members"][1]["name"], &read["size"]), (Some(0), &json!("s-1"), &json!(3)));
}

#[test]
fn what_is_wrong_is_said_in_plain_words_with_exit_code_1() {
    for (second, edit, says) in [
        (member("#1", |m| (m["standing"], m["ready"]) = ("missing".into(), false.into())), None, "#1 was never heard"),
        (member("s-1", |m| m["standing"] = "silent".into()), None, "s-1 is not heard any more"),
        (member("s-1", |m| m["standing"] = "duplicate".into()), None, "two processes have this name"),
        (member("s-1", |m| m["standing"] = "other-ring".into()), None, "another deployment"),
        (member("s-1", |m| m["clock_offset_ms"] = 2_000.into()), None, "its clock is off"),
        (member("s-1", |m| m["ring"] = "differs".into()), None, "has not the same keys yet"),
        (
            member("s-1", |_| ()),
            Some(json!([{"code": "stale", "text": "nobody answers; look\u{1b}[2J at the network"}])),
            "s-0 does not answer: nobody answers; look[2J at the network.",
        ),
    ] {
        let report = fleet(&second, |report| {
            if let Some(why) = edit {
                (report["ready"], report["why"]) = (false.into(), why);
            }
        });
        for args in [&[][..], &["--json"]] {
            let (text, errors, code) = shown(args, "200 OK", &report);
            assert_eq!(code, Some(1), "{text}");
            assert_eq!(errors, "sealpass: not all is well with the replicas\n");
            assert!(text.contains(says) || !args.is_empty(), "{says}: {text}");
            assert!(!text.contains("All is well") && !text.contains('\u{1b}'), "{text}");
        }
    }
}

#[test]
fn whoever_is_no_replica_is_one_line() {
    let problem = json!({"detail": "this call needs a credential with the scope admin"});
    let (table, errors, code) = shown(&[], "403 Forbidden", &problem);
    assert_eq!((table.as_str(), code), ("", Some(1)));
    assert!(errors.contains("scope admin") && errors.lines().count() == 1, "{errors}");
    let (table, errors, code) = shown(&[], "200 OK", &json!({"size": 3}));
    assert_eq!((table.as_str(), code), ("", Some(1)));
    assert!(errors.contains("not that of a Sealpass"), "{errors}");
}

#[test]
fn a_replica_alone_is_well() {
    let place = Place::new();
    let service = place.start(&["serve", "--dev", "--public", "127.0.0.1:0", "--control", "127.0.0.1:0"], &[]);
    let control = service.control.to_string();
    let args = ["cluster", "status", "--credential", "keys/dev.credential"];
    let output = place.run_with(&args, &[("SEALPASS_CONTROL__LISTEN", &control)], b"");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("itself") && text.ends_with("This replica is alone, and answers.\n"), "{text}");
    service.end();
}
