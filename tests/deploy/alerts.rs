//! Names against names, and what `promtool` says.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::{Connection, Place, Server, call, head, start_of_time, wait_for};

const RULES: &str = include_str!("prometheus/sealpass.rules.yml");
const TESTS: &str = include_str!("prometheus/sealpass.test.yml");
const DASHBOARD: &str = include_str!("grafana/sealpass.json");
const MANUAL: &str = include_str!("../../src/manual/operations.md");
/// What a build without these features does not have.
const OF_FEATURES: &[&str] = if cfg!(feature = "dbsc") { &[] } else { &["sealpass_dbsc_answers_total"] };
/// What wakes somebody up, and nothing else does.
const PAGES: [&str; 4] = ["SealpassUnavailable", "SealpassMajorityLost", "SealpassNoActiveKey", "SealpassClock"];

#[test]
fn every_metric_that_is_named_is_there_and_every_one_that_is_there_is_explained() {
    let there = there(&metrics());
    for (file, text) in [("rules", RULES), ("tests", TESTS), ("dashboard", DASHBOARD), ("manual", MANUAL)] {
        let named = named(text);
        assert!(named.len() > 10, "{file}: {named:?}");
        let known =
            |name: &String| there.iter().any(|(_, all)| all.contains(name)) || OF_FEATURES.contains(&name.as_str());
        let strange: Vec<_> = named.iter().filter(|name| !known(name)).collect();
        assert!(strange.is_empty(), "the {file} names what is not there: {strange:?}");
    }
    // Mentioned somewhere is not explained: each has its row.
    let rows = MANUAL.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let (explained, shown) = (named(&rows.collect::<Vec<_>>().join(" ")), named(DASHBOARD));
    let lacks = |known: &BTreeSet<String>| {
        let lacking = there.iter().filter(|(_, all)| all.iter().all(|name| !known.contains(name)));
        lacking.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(lacks(&explained), [""; 0], "not in the manual");
    assert_eq!(lacks(&shown), [""; 0], "not on the dashboard");
}

#[test]
fn every_alert_is_tested_and_explained_and_four_of_them_page() {
    let rules: Value = serde_saphyr::from_str(RULES).expect("YAML");
    let groups = rules["groups"].as_array().expect("groups");
    let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
    assert!(rules.len() > 20);
    let mut pages = Vec::new();
    for rule in &rules {
        let name = rule["alert"].as_str().expect("a name");
        assert!(MANUAL.contains(&format!("| `{name}` |")), "{name} is not in the manual");
        let is_tested = [format!("alertname: {name}\n"), format!("{{alertname=\"{name}\", ")];
        assert!(is_tested.iter().any(|test| TESTS.contains(test)), "{name} has no test");
        match rule["labels"]["severity"].as_str() {
            Some("page") => pages.push(name),
            Some("ticket") => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(pages, PAGES);
    let rows = MANUAL.lines().filter(|line| line.starts_with("| `Sealpass")).count();
    assert_eq!(rows, rules.len(), "the manual explains alerts that there are not");
}

#[test]
fn promtool_finds_nothing_wrong() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/prometheus");
    for args in [
        &["check", "rules", "sealpass.rules.yml"][..],
        &["test", "rules", "sealpass.test.yml"],
        &["check", "config", "--syntax-only", "prometheus.yml"],
    ] {
        if let Err(why) = promtool(&dir, args, "") {
            return passed_over(&why);
        }
    }
    // It reads the older format alone, in which a counter's name has its ending everywhere.
    promtool(&dir, &["check", "metrics"], &older(&metrics())).expect("it is there");
    let rules = Place::new();
    fs::write(rules.path("dashboard.yml"), of_dashboard()).expect("writable");
    promtool(rules.0.path(), &["check", "rules", "dashboard.yml"], "").expect("it is there");
}

/// Every metric of a service that has done something, and of one that is not ready.
fn metrics() -> String {
    let place = Place::new();
    let credential = place.with_application();
    let service = place.serve("credentials = \"credentials.toml\"", &[]);
    let issued = call(service.control, &credential, "/v1/sessions", "{\"subject\": \"alice\"}").json();
    let ended = json!({"token": issued["token"]}).to_string();
    assert_eq!(call(service.control, &credential, "/v1/sessions/revoke", &ended).status, 204);
    let ask = || {
        let mut connection = Connection::open(service.control);
        connection.send(&head("GET", "/metrics", &[("Authorization", &format!("Bearer {credential}"))]));
        String::from_utf8(connection.answer().body).expect("text")
    };
    wait_for("the facts to be counted", || ask().contains("\nsealpass_facts{"));
    let stopping = Server::plain();
    stopping.service.readiness.set_draining(true);
    stopping.service.metrics.credentials.limited("shop", "calls");
    stopping.service.metrics.credentials.expire([("shop", start_of_time())]);
    let (all, stopping) = (ask(), stopping.metrics());
    let of = |name: &str| {
        stopping.lines().filter(|line| line.contains(name)).map(|line| format!("{line}\n")).collect::<String>()
    };
    let lines = ["sealpass_not_ready", "sealpass_calls_limited", "sealpass_credential_expires_timestamp_seconds"]
        .map(of)
        .concat();
    format!("{}{lines}# EOF\n", all.strip_suffix("# EOF\n").expect("whole"))
}

/// Each metric with every name that stands for it.
fn there(metrics: &str) -> Vec<(String, Vec<String>)> {
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names = |(name, kind): (&str, &str)| {
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count", ""],
            "info" => &["_info"],
            _ => &[""],
        };
        (name.to_owned(), endings.iter().map(|ending| format!("{name}{ending}")).collect())
    };
    types.map(names).collect()
}

/// Every name of a metric in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("sealpass_")).map(str::to_owned).collect()
}

/// The same metrics in the older text format.
fn older(metrics: &str) -> String {
    let kinds = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let kinds: HashMap<_, _> = kinds.collect();
    let mut older = String::new();
    for line in metrics.lines().filter(|line| *line != "# EOF") {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let (name, rest) = match words[..] {
            ["#", _, name, rest] => (name, rest),
            _ => ("", line),
        };
        match kinds.get(name) {
            Some(&"counter") => writeln!(older, "# {} {name}_total {rest}", words[1]),
            Some(&"info") => writeln!(older, "# {} {name}_info {}", words[1], rest.replace("info", "gauge")),
            _ => writeln!(older, "{line}"),
        }
        .expect("a string");
    }
    older
}

/// The questions of the dashboard as recording rules.
fn of_dashboard() -> String {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row");
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    let targets = panels.flat_map(|panel| panel["targets"].as_array().expect("something to show"));
    for (at, target) in targets.enumerate() {
        let expression = target["expr"].as_str().expect("an expression").replace("$__rate_interval", "1m");
        writeln!(rules, "      - {{record: 'x:{at}', expr: '{expression}'}}").expect("a string");
    }
    rules
}

/// Runs it; why not, if it can't be run.
fn promtool(dir: &Path, args: &[&str], input: &str) -> Result<(), String> {
    let mut command = Command::new("promtool");
    let command =
        command.args(args).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("promtool: {error}"))?;
    let mut pipe = child.stdin.take().expect("piped");
    pipe.write_all(input.as_bytes()).expect("it reads");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}: {told}");
    Ok(())
}

pub fn passed_over(why: &str) {
    let get = "apt-get install prometheus, pip install -r tests/deploy/requirements.txt";
    assert!(std::env::var_os("SEALPASS_REQUIRE_PROMTOOL").is_none(), "{why}; {get}");
    eprintln!("passed over: {why}; {get}");
}
