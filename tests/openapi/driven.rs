//! Schemathesis makes calls of all kinds from the description, right and wrong ones, and holds each answer against it.

use std::fs::File;
use std::process::{Command, Stdio};

use super::common::Place;

#[test]
fn every_answer_is_as_described() {
    if Command::new("schemathesis").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("left out: schemathesis is not there; pip install -r tests/openapi/requirements.txt");
        assert!(std::env::var_os("SEALPASS_REQUIRE_SCHEMATHESIS").is_none(), "schemathesis is not there");
        return;
    }
    // A service of its own, which may lose its sessions and keys to any of the calls.
    let place = Place::new();
    let credential = all_powerful(&place);
    let service = place.serve(CONFIG, &[]);
    let report = place.path("report.txt");
    let output = File::create(&report).expect("writable");
    let status = Command::new("timeout")
        .current_dir(place.0.path())
        .args([LONGEST, "schemathesis", "run"])
        .arg(format!("http://{}/openapi.json", service.control))
        .args(["-H", &format!("Authorization: Bearer {credential}")])
        .args(["--max-examples", &examples(), "--exclude-checks", LEFT_OUT])
        .args(["--seed", "1", "--suppress-health-check", "all", "--generation-database", "none"])
        .args(["--continue-on-failure", "--no-color"])
        .stdin(Stdio::null())
        .stderr(output.try_clone().expect("a file"))
        .stdout(output)
        .status()
        .expect("it starts");
    let told = std::fs::read_to_string(&report).expect("text").replace(&credential, "CREDENTIAL");
    assert!(status.success(), "{told}");
    println!("{told}");
    service.end();
}

/// With a ring, and a credential for every call.
fn all_powerful(place: &Place) -> String {
    assert!(place.run(&["keys", "init"], b"").status.success());
    let scopes = ["--scope", "app", "--scope", "admin"];
    let made = place.run(&[&["credential", "new", "--name", "test", "--realm", "*"], &scopes[..]].concat(), b"");
    place.private("credentials.toml", &made.stdout);
    String::from_utf8(made.stderr).expect("text").trim().to_owned()
}

/// How many a call; right and wrong ones count apart.
fn examples() -> String {
    std::env::var("SEALPASS_OPENAPI_EXAMPLES").unwrap_or_else(|_| "20".to_owned())
}

/// Which checks are not for this API. `positive_data_acceptance`: a schema can't say all that a right call is, such as
/// that a token is of a session that is alive. `unsupported_method`: a path with a method that it does not have is a
/// path that is not there, 404 and not 405.
const LEFT_OUT: &str = "positive_data_acceptance,unsupported_method";
const CONFIG: &str = "
credentials = \"credentials.toml\"

[realm.default]
import = true
";
/// In seconds.
const LONGEST: &str = "300";
