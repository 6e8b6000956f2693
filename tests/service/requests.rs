//! The id of a request: whose word counts, where it stands; and that nothing secret stands beside it.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Connection, NAME, Response, Server, head, watched};

/// A call with these lines, and what it was called by header and by problem details.
fn called(server: &Server, lines: &[(&str, &str)]) -> (String, String) {
    let mut connection = Connection::open(server.control);
    connection.send(&head("GET", "/v1/keys", lines));
    let response: Response = connection.answer();
    let id = response.header("x-request-id").expect("always").to_owned();
    (id, response.json()["request_id"].as_str().expect("a text").to_owned())
}

#[test]
fn the_word_of_a_trusted_proxy_counts_if_it_is_wholesome() {
    let (trusting, strange) = (Server::with("trusted_proxies = [\"127.0.0.1\"]"), Server::plain());
    let said = ("X-Request-Id", "7f3c-1.a_B");
    assert_eq!(called(&trusting, &[said]), (said.1.to_owned(), said.1.to_owned()));
    let long = "a".repeat(65);
    let made = |server: &Server, lines: &[(&str, &str)]| {
        let (header, problem) = called(server, lines);
        let is_made = header.len() == 32 && header.bytes().all(|c| c.is_ascii_hexdigit());
        assert!(is_made && header == problem, "{lines:?}: {header}, {problem}");
        header
    };
    let mut all = vec![made(&strange, &[said])];
    for lines in
        [&[][..], &[said, said], &[("X-Request-Id", "")], &[("X-Request-Id", "a b")], &[("X-Request-Id", &long)]]
    {
        all.push(made(&trusting, lines));
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6, "each is another one");
}

#[test]
fn the_trail_has_the_ids_that_applications_and_proxies_know() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    let path = dir.path().join("trail");
    let server = Server::with(&format!("trusted_proxies = [\"127.0.0.1\"]\naudit.to = \"{}\"", path.display()));
    let session = server.login("alice");
    let cookie = session.cookie();
    let ask = |method: &str, target: &str, id: &str| {
        let headers = [("Cookie", &*cookie), ("X-Request-Id", id), ("Sec-Fetch-Site", "same-origin")];
        server.ask(method, target, &headers).status
    };
    assert_eq!(ask("POST", "/renew", "first"), 200);
    assert_eq!(ask("POST", "/logout", "second"), 204);
    assert_eq!(ask("GET", "/verify/", "third"), 401);
    server.service.audit.flush(Duration::from_secs(20));
    let trail = fs::read_to_string(&path).expect("the trail");
    let lines: Vec<Value> = trail.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ids: Vec<_> = lines.iter().map(|line| (&line["event"], &line["request_id"])).collect();
    assert_eq!(ids[0].0, "issued");
    assert_eq!(ids[0].1.as_str().map(str::len), Some(32), "made for a call without one");
    let expected = [("renewed", "first"), ("ended", "second"), ("refused", "third")];
    assert_eq!(ids[1..], expected.map(|(event, id)| (json!(event), json!(id))).each_ref().map(|(a, b)| (a, b)));
}

#[test]
fn s47_a_secret_in_a_line_is_found_whichever_comes_first() {
    let token =
        "AUshgs1mowz8N659nD5NJMeqRGtqxWVnV4b4z0X10Z6myEFoMxeuF2uA5xNIM3Ypknsr7v0c5kdmPdwGrIGfv7SFwATqaQ2TwgnkS6";
    let leaks = |line: &str, line_first: bool| {
        let mut lines = watched::Lines::default();
        if line_first {
            lines.line(line);
        }
        lines.secret(token);
        lines.secret("_VAv65L8_HBH_Fgj_0XOvA");
        if !line_first {
            lines.line(line);
        }
        lines.leaks()
    };
    let part = &token[8..40];
    for line_first in [true, false] {
        for line in [&*format!("x={token}!"), &format!("\"{part}\""), "sid _VAv65L8_HBH_Fgj_0XOvA", "for alice"] {
            assert!(leaks(line, line_first) > 0, "{line}");
        }
        for line in [&token[..8], "request{request_id=\"2f5398c62d335f54b214c248b9d68689\"}: refused", ""] {
            assert_eq!(leaks(line, line_first), 0, "{line}");
        }
    }
    // And the service does log at TRACE here, or nothing would ever be found.
    let before = watched::lines();
    let server = Server::plain();
    assert_eq!(server.verify(&format!("{NAME}=none")).status, 401);
    assert!(watched::lines() > before);
}
