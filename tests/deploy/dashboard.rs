//! The dashboard as it is used: by Grafana's own description of dashboards, and every question of it put to a real Prometheus
//! that watches two of three replicas, by the configuration and the rules that operators are handed.
//!
//! `prometheus` is `apt-get install prometheus`, Grafana's description `pip install -r tests/deploy/requirements.txt`. Where one is
//! not there, its test is passed over, unless `SEALPASS_REQUIRE_PROMTOOL` is set.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sealpass::entropy::SystemEntropy;
use sealpass::http::NewCredential;
use serde_json::{Value, json};

use crate::common::{LIMIT, Place, Running, ask, call, wait_for};

const DASHBOARD: &str = include_str!("grafana/sealpass.json");
const RULES: &str = include_str!("prometheus/sealpass.rules.yml");
const CONFIGURATION: &str = include_str!("prometheus/prometheus.yml");

/// Two replicas of a core of three; the third is not there.
struct Fleet {
    replicas: Vec<(Place, Running)>,
    credential: String,
}

impl Fleet {
    fn start() -> Self {
        let held = [0; 3].map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let ports = held.map(|socket| socket.local_addr().expect("bound").port());
        let credential = NewCredential::generate(&SystemEntropy::new()).expect("random bytes");
        let credentials = format!(
            "[[credential]]\nname = \"test\"\nsha256 = \"{}\"\nscopes = [\"app\", \"admin\"]\nrealms = [\"*\"]\nexpires = 2099-01-01T00:00:00Z\n",
            credential.sha256()
        );
        let places = [Place::new(), Place::new()];
        assert!(places[0].run(&["keys", "init"], b"").status.success());
        fs::create_dir(places[1].path("keys")).expect("writable");
        places[1].private("keys/cluster.secret", &fs::read(places[0].path("keys/cluster.secret")).expect("made"));
        let peers: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let start = |place: &Place, at: usize| {
            place.private("credentials.toml", credentials.as_bytes());
            let config = format!(
                "credentials = \"credentials.toml\"\n[limits]\nissue = \"{}\"\n[realm.default]\nmax_facts_per_subject = 2\n\
                 [cluster]\nsize = 3\nname = \"s-{at}\"\nlisten = \"{}\"\npeers = {peers:?}\n",
                ["none", "1/s"][at],
                peers[at]
            );
            place.serve(&config, &[("SEALPASS_DRAIN", "10m")])
        };
        let running: Vec<_> = thread::scope(|scope| {
            let started: Vec<_> =
                places.iter().enumerate().map(|(at, place)| scope.spawn(move || start(place, at))).collect();
            started.into_iter().map(|one| one.join().expect("it starts")).collect()
        });
        let replicas = places.into_iter().zip(running).collect();
        let fleet = Self { replicas, credential: credential.expose().to_owned() };
        wait_for("the core counts", || fleet.call(0, "/v1/sessions", "{\"subject\": \"alice\"}").0 == 201);
        fleet
    }

    fn at(&self, at: usize) -> &Running {
        &self.replicas[at].1
    }

    fn call(&self, at: usize, path: &str, body: &str) -> (u16, Value) {
        let answer = call(self.at(at).control, &self.credential, path, body);
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// What makes each metric move at least once.
    fn happen(&self) {
        assert_eq!(self.call(0, "/v1/keys/rotate", "{}").0, 200, "a key is pending");
        for _ in 0..4 {
            let (_, issued) = self.call(0, "/v1/sessions", "{\"subject\": \"bob\"}");
            self.call(0, "/v1/sessions/revoke", &json!({"token": issued["token"]}).to_string()); // they fold
            self.call(1, "/v1/sessions", "{\"subject\": \"carol\"}"); // more than it may
        }
        kill_process(Pid::from_child(&self.at(1).child), Signal::TERM).expect("it runs");
    }

    /// What goes on meanwhile.
    fn go_on(&self) {
        let (_, issued) = self.call(0, "/v1/sessions", "{\"subject\": \"alice\"}");
        let token = issued["token"].as_str().expect("a token");
        for replica in [0, 1] {
            let cookie = format!("__Host-sealpass={token}");
            ask(self.at(replica).public, "GET", "/verify/", &[("Cookie", &cookie)], b"");
            ask(self.at(replica).public, "GET", "/verify/", &[], b"");
        }
        self.call(0, "/v1/sessions/revoke", &json!({"token": token}).to_string());
    }
}

/// A Prometheus that watches a fleet; killed by its id when it is dropped.
struct Prometheus {
    child: Child,
    at: SocketAddr,
    agent: ureq::Agent,
    _place: Place,
}

impl Prometheus {
    /// `None` if there is none on this machine.
    fn watching(fleet: &Fleet) -> Option<Self> {
        let place = Place::new();
        place.private("credential", fleet.credential.as_bytes());
        fs::write(place.path("sealpass.rules.yml"), RULES).expect("writable");
        let of_operators = "[\"sealpass-0.internal:8081\", \"sealpass-1.internal:8081\", \"sealpass-2.internal:8081\"]";
        let targets = format!("[\"{}\", \"{}\"]", fleet.at(0).control, fleet.at(1).control);
        let mut configuration = CONFIGURATION.to_owned();
        for (theirs, ours) in [
            ("/etc/prometheus/sealpass.credential", "credential"),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            (of_operators, &*targets),
            ("rule_files:", "global: {evaluation_interval: 1s}\nrule_files:"),
        ] {
            assert!(configuration.contains(theirs), "{theirs}");
            configuration = configuration.replace(theirs, ours);
        }
        fs::write(place.path("prometheus.yml"), configuration).expect("writable");
        let at = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let child = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
            .arg(format!("--web.listen-address={at}"))
            .current_dir(place.0.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().into();
        Some(Self { child, at, agent, _place: place })
    }

    /// What it answers: `None` if not, or with an error.
    fn get(&self, path: &str) -> Option<Value> {
        let mut answer = self.agent.get(format!("http://{}/api/v1/{path}", self.at)).call().ok()?;
        let answer: Value = answer.body_mut().read_json().ok()?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// The series that an expression comes to.
    fn ask(&self, expression: &str) -> Option<Vec<Value>> {
        let query: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        self.get(&format!("query?query={query}"))?["result"].as_array().cloned()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every question of the dashboard, and the labels that its legend names.
fn questions() -> Vec<(String, BTreeSet<String>)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let of = |text: &Value| text.as_str().expect("text").replace("$job", "sealpass").replace("$__rate_interval", "10s");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let labels = |legend: &str| {
        legend.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0.to_owned())).collect()
    };
    let mut all: Vec<_> =
        targets.map(|target| (of(&target["expr"]), labels(target["legendFormat"].as_str().expect("text")))).collect();
    let notes = dashboard["annotations"]["list"].as_array().expect("a list").iter();
    all.extend(notes.map(|note| (of(&note["expr"]), BTreeSet::new())));
    all.push((
        "label_replace(sealpass_ready, \"j\", \"$1\", \"job\", \"(sealpass)\")".to_owned(),
        BTreeSet::from(["j".to_owned()]),
    ));
    all
}

/// Why an answer won't do: there is none, it has no number, or it lacks a label of the legend.
fn lacks(answer: Option<Vec<Value>>, legend: &BTreeSet<String>) -> Option<String> {
    let Some(series) = answer else { return Some("an error".to_owned()) };
    let named = |one: &Value| legend.iter().all(|label| one["metric"].get(label).is_some());
    match &series[..] {
        [] => Some("nothing".to_owned()),
        _ if !series.iter().all(named) => Some(format!("no label {legend:?}")),
        _ if series.iter().all(|one| one["value"][1] == "NaN") => Some("no number".to_owned()),
        _ => None,
    }
}

/// Which question is not answered, and why.
fn unanswered(prometheus: &Prometheus, asked: &str, legend: &BTreeSet<String>) -> Option<String> {
    let why = lacks(prometheus.ask(asked), legend)?;
    // What shows trouble alone shows nothing where there is none; what it looks at is there.
    let quiet = asked.strip_suffix(" > 0").filter(|_| why == "nothing");
    let why = quiet.map_or(Some(why), |all| lacks(prometheus.ask(all), legend));
    why.map(|why| format!("{why}: {asked}"))
}

#[test]
fn every_question_of_the_dashboard_has_an_answer() {
    let fleet = Fleet::start();
    let Some(prometheus) = Prometheus::watching(&fleet) else {
        return super::alerts::passed_over("prometheus");
    };
    let scraped = |expression: &str| prometheus.ask(expression).is_some_and(|series| series.len() == 2);
    wait_for("both are scraped", || scraped("up == 1"));
    fleet.happen();
    let (questions, begun) = (questions(), Instant::now());
    assert!(questions.len() > 45, "{}", questions.len());
    loop {
        fleet.go_on();
        let unanswered: Vec<_> =
            questions.iter().filter_map(|(asked, legend)| unanswered(&prometheus, asked, legend)).collect();
        if unanswered.is_empty() {
            break;
        }
        assert!(begun.elapsed() < LIMIT, "\n{}", unanswered.join("\n"));
        thread::sleep(Duration::from_millis(300)); // less than between two scrapes
    }
    every_rule_is_evaluated(&prometheus);
}

/// On what a fleet says, not on series of a test; and a fleet that lacks one replica of three wakes nobody up.
fn every_rule_is_evaluated(prometheus: &Prometheus) {
    let rules = |prometheus: &Prometheus| {
        let groups = prometheus.get("rules").expect("an answer")["groups"].as_array().cloned().expect("groups");
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().expect("rules")).collect::<Vec<_>>()
    };
    wait_for("the rules are evaluated", || rules(prometheus).iter().all(|rule| rule["health"] == "ok"));
    let rules = rules(prometheus);
    assert_eq!(rules.len(), RULES.matches("- alert: ").count());
    for page in rules.iter().filter(|rule| rule["labels"]["severity"] == "page") {
        assert_eq!(page["state"], "inactive", "{page}");
    }
    let waits = |name: &str| rules.iter().any(|rule| rule["name"] == name && rule["state"] == "pending");
    assert!(waits("SealpassReplicaMissing") && waits("SealpassNotReady"), "{rules:?}");
}

#[test]
fn grafana_knows_all_that_the_dashboard_says_and_would_find_what_it_does_not() {
    let checked = |dashboard: &str| {
        let place = Place::new();
        fs::write(place.path("d.json"), dashboard).expect("writable");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/grafana/check.py");
        let mut python = Command::new("python3");
        python.arg(script).arg("d.json");
        let output = place.finish(python, b"");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    };
    let (good, said) = checked(DASHBOARD);
    if said.contains("ModuleNotFoundError") {
        return super::alerts::passed_over("grafana-foundation-sdk");
    }
    assert!(good && said.contains(" 0 faults"), "{said}");
    for (right, wrong, says) in [
        ("\"mode\": \"absolute\"", "\"mode\": \"absolut\"", "'absolut'"),
        ("\"unit\": \"percentunit\"", "\"unit\": 5", "unit is 5"),
        ("\"unit\": \"percentunit\"", "\"unti\": \"percentunit\"", "/unti is not known"),
        ("\"legendFormat\"", "\"legend\"", "/legend is not known"),
        ("\"id\": 2,", "\"id\": 3,", "another panel's"),
        ("\"w\": 4,", "\"w\": 8,", "lies over"),
        ("\"type\": \"timeseries\"", "\"type\": \"timeserie\"", "a timeserie with"),
    ] {
        let broken = DASHBOARD.replacen(right, wrong, 1);
        assert_ne!(broken, DASHBOARD, "{right}");
        let (good, said) = checked(&broken);
        assert!(!good && said.contains(says), "{says}: {said}");
    }
}
