//! The console: what the control listener hands out without a credential, and under which headers.

use serde_json::json;

use crate::common::{CREDENTIAL, Connection, Response, Server, head};

const PAGE: &str = "/console";

fn fetch(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut connection = Connection::open(server.control);
    connection.send(&head(method, path, headers));
    connection.answer_to(method)
}

/// The page, and all that it or a script of it names.
fn files(server: &Server) -> Vec<(String, Response)> {
    let mut found: Vec<(String, Response)> = Vec::new();
    let mut open = vec![PAGE.to_owned()];
    while let Some(path) = open.pop() {
        if found.iter().any(|(known, _)| *known == path) {
            continue;
        }
        let response = fetch(server, "GET", &path, &[]);
        assert_eq!(response.status, 200, "{path}");
        let text = String::from_utf8(response.body.clone()).expect("text");
        let quoted = text.split(['"', '\'']);
        open.extend(quoted.filter_map(|name| {
            name.strip_prefix("./").or(name.strip_prefix("console/")).map(|name| format!("{PAGE}/{name}"))
        }));
        found.push((path, response));
    }
    found
}

#[test]
fn every_file_of_the_console_comes_with_headers_that_let_it_do_nothing_else() {
    let server = Server::plain();
    let files = files(&server);
    assert!(files.len() >= 8, "{} files", files.len());
    for (path, response) in &files {
        let kind = match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        for (name, value) in [
            ("content-type", kind),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(response.all(name), [value], "{path}: {name}");
        }
        let [policy] = response.all("content-security-policy")[..] else { panic!("{path}: one policy") };
        let rules: Vec<_> = policy.split("; ").collect();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(rules.contains(&rule), "{path}: {rule}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("data:") && !policy.contains("http"), "{policy}");
        assert_eq!(response.header("set-cookie"), None, "{path}");
        assert_eq!(response.header("access-control-allow-origin"), None, "{path}");
    }
}

/// Whoever reads the page learns nothing of the service; all of that needs the credential.
#[test]
fn the_console_holds_no_data_and_what_it_asks_is_401_without_a_credential() {
    let (server, other) =
        (Server::plain(), Server::with("[realm.secretly-named]\n[policy.default]\nrealm = \"secretly-named\"\n"));
    server.login("alice");
    let texts = |server: &Server| files(server).into_iter().map(|(_, file)| file.body).collect::<Vec<_>>();
    assert_eq!(texts(&server), texts(&other));
    for (path, _) in files(&server) {
        for with in
            [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", &*format!("Bearer {CREDENTIAL}"))]]
        {
            assert_eq!(fetch(&server, "GET", &path, with).status, 200, "{path}");
        }
    }
    for path in ["/v1/cluster", "/v1/keys", "/metrics"] {
        assert_eq!(fetch(&server, "GET", path, &[]).status, 401, "{path}");
        // A browser that was given Basic credentials, or a cookie, would send them with another site's request as well.
        let basic = [("Authorization", "Basic b3BzOnNlYWxwYXNzX3Rlc3QtY3JlZGVudGlhbA=="), ("Cookie", CREDENTIAL)];
        assert_eq!(fetch(&server, "GET", path, &basic).status, 401, "{path}");
    }
}

#[test]
fn its_paths_are_those_files_and_no_others() {
    let server = Server::plain();
    for path in
        ["/console/", "/console/x.js", "/console/index.html", "/console/main.js/", "/console/..%2fmod.rs", "/Console"]
    {
        assert_eq!(fetch(&server, "GET", path, &[]).status, 404, "{path}");
    }
    assert_eq!(fetch(&server, "HEAD", PAGE, &[]).status, 200);
    assert_eq!(fetch(&server, "GET", "/console?credential=x", &[]).status, 200);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert!(matches!(fetch(&server, method, PAGE, &[]).status, 404 | 405), "{method}");
    }
    let mut public = Connection::open(server.public);
    public.send(&head("GET", PAGE, &[]));
    assert_eq!(public.answer().status, 404, "it is for the control listener alone");
}

#[test]
fn without_it_there_are_no_such_paths() {
    let (with, without) = (Server::plain(), Server::with("console = false\n"));
    for (path, _) in files(&with) {
        let answer = fetch(&without, "GET", &path, &[]);
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")), "{path}");
        let same = fetch(&without, "GET", "/nothing", &[]);
        assert_eq!(answer.problem(), same.problem(), "{path}");
    }
    assert_eq!(without.call("/v1/floor", &json!({"realm": "default"})).status, 204);
}
