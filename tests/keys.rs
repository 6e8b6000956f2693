//! The ring of a running service: rotated on its files and through its control API, in the face of every fault of a file,
//! and of a writer that is killed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sealpass::clock::{Clock as _, SystemClock};
use sealpass::custody::{Among, Custodian, CustodyError, Holder, Patience, Receipt, Report, Task};
use sealpass::entropy::SystemEntropy;
use sealpass::keyring::{KeyRing, Timing};
use sealpass::revocation::Wait;
use serde_json::{Value, json};

#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;

use common::{CREDENTIAL, NAME, Place, Response, Running, Server, ask, call, refused, sealpass, wait_for};

#[test]
fn rotate_says_what_will_happen_and_does_it_once() {
    let place = with_ring();
    let dry = ok(&place.run(&["keys", "rotate", "--dry-run"], b""));
    assert!(dry.contains("Nothing is done") && dry.contains("in 10 minutes"), "{dry}");
    assert_eq!(keys(&place).len(), 1);
    let first = ok(&place.run(&["keys", "rotate"], b""));
    let [active, pending] = &keys(&place)[..] else { panic!("two keys") };
    assert_eq!((text(active, "state"), text(pending, "state")), ("active", "pending"));
    for said in [text(active, "key"), text(pending, "key"), "seals in 10 minutes", " UTC", "14 days"] {
        assert!(first.contains(said), "{said}: {first}");
    }
    let again = ok(&place.run(&["keys", "rotate"], b""));
    assert!(again.contains("pending already") && again.contains("Nothing changed"), "{again}");
    assert_eq!(keys(&place).len(), 2);
    let list = ok(&place.run(&["keys", "list"], b""));
    let life = list.lines().filter(|line| line.starts_with(text(active, "key"))).nth(1).expect("a line of its life");
    assert!(life.contains("##") && life.contains("--"), "{list}");
    let local = place.run_with(&["keys", "rotate"], &[("TZ", "Asia/Kolkata")], b"");
    assert!(ok(&local).contains("+05:30"), "local time as well");
}

#[test]
fn a_rotation_is_put_off_or_asked_for_later() {
    let place = with_ring();
    let none = refused(&place.run(&["keys", "postpone", "--by", "1h"], b""), 1);
    assert!(none.contains("no rotation is pending"), "{none}");
    let hasty = refused(&place.run(&["keys", "rotate", "--after", "5m"], b""), 1);
    assert!(hasty.contains("600s"), "{hasty}");
    assert!(ok(&place.run(&["keys", "rotate", "--after", "1h"], b"")).contains("in 1 hour"));
    assert!(ok(&place.run(&["keys", "postpone", "--by", "1h"], b"")).contains("in 2 hours"));
    let earlier = place.run(&["keys", "postpone", "--until", "2026-01-01T00:00:00Z"], b"");
    assert!(refused(&earlier, 1).contains("to a later time"));
    assert_eq!(place.run(&["keys", "postpone", "--until", "tomorrow"], b"").status.code(), Some(2));
}

#[test]
fn what_ends_sessions_is_not_done_unasked_and_the_price_is_said_first() {
    let place = with_ring();
    let key = text(&keys(&place)[0], "key").to_owned();
    let before = fs::read(place.path("keys/ring.sealed")).expect("there");
    for (args, price) in [
        (&["keys", "revoke", &key][..], "its users log in again"),
        (&["keys", "destroy", &key, "--force"], "wiped"),
        (&["keys", "replace-ring"], "everybody has to log in again"),
    ] {
        let line = refused(&place.run(args, b"yes\n"), 1);
        assert!(line.contains(price) && line.contains("--yes"), "{line}");
    }
    assert_eq!(fs::read(place.path("keys/ring.sealed")).expect("there"), before);
    let revoked = ok(&place.run(&["keys", "revoke", &key, "--yes"], b""));
    assert!(revoked.contains("every session under it is over"), "{revoked}");
    let fresh = keys(&place).into_iter().find(|key| text(key, "state") == "active").expect("one seals");
    let in_use = refused(&place.run(&["keys", "destroy", text(&fresh, "key"), "--yes"], b""), 1);
    assert!(in_use.contains("is active"), "{in_use}");
    assert!(ok(&place.run(&["keys", "destroy", &key, "--yes"], b"")).contains("destroyed"));
    assert!(ok(&place.run(&["keys", "replace-ring", "--yes"], b"")).contains("log in again"));
    assert_eq!(keys(&place).len(), 1);
    for wrong in ["", "xyz", "0123456", "../../etc"] {
        assert!(refused(&place.run(&["keys", "revoke", wrong, "--yes"], b""), 1).contains("no key id"), "{wrong}");
    }
}

#[test]
fn init_to_standard_output_gives_a_seed_that_a_service_starts_from() {
    let place = Place::new();
    fs::create_dir(place.path("keys")).expect("a directory");
    let output = place.run(&["keys", "init", "--stdout"], b"");
    assert!(output.status.success() && output.stdout.starts_with(b"sealpass ring 1\n"));
    assert!(!place.path("keys/ring.sealed").exists() && place.path("keys/cluster.secret").exists());
    fs::create_dir_all(place.path("mount/..1")).expect("a directory");
    fs::write(place.path("mount/..1/ring"), &output.stdout).expect("writable");
    symlink("..1", place.path("mount/..data")).expect("a link");
    symlink("..data/ring", place.path("mount/ring")).expect("a link");
    let seed = ok(&place.run_with(&["keys", "list"], &[("SEALPASS_RING_SEED", "mount/ring")], b""));
    assert!(seed.contains("Epoch 2."), "it is taken for new at each start: {seed}");
    let service = place.serve("ring_seed = \"mount/ring\"\n", &[]);
    assert_eq!(get(&service, "/readyz").status, 200);
    assert!(ok(&place.run(&["keys", "list", "--config", "c.toml"], b"")).contains("active"));
    service.end();
}

#[test]
fn a_service_that_forgets_its_own_files_ends_what_it_may_have_ended() {
    let place = with_ring();
    fs::rename(place.path("keys/ring.sealed"), place.path("seed")).expect("there");
    let (secret, line) = credential();
    place.private("credentials.toml", line.replace("SCOPE", "app").replace("REALM", "*").as_bytes());
    let mut ended = String::new();
    for round in 0..2 {
        let config = "ring_seed = \"seed\"\ncredentials = \"credentials.toml\"\n";
        let service = Service { running: place.serve(config, &[]), credential: secret.clone() };
        if round == 0 {
            ended = service.login();
            let body = json!({"token": ended}).to_string();
            assert_eq!(call(service.running.control, &secret, "/v1/sessions/revoke", &body).status, 204);
        }
        assert_eq!(service.verify(&ended), 401, "start {round}");
        assert_eq!(service.verify(&service.login()), 200);
        service.running.end();
        for name in ["ring.sealed", "facts.redb"] {
            fs::remove_file(place.path("keys").join(name)).expect("there");
        }
    }
}

#[test]
fn the_cluster_secret_is_changed_in_three_steps_while_a_service_runs() {
    let place = with_ring();
    let service = place.serve(SHORT, &[]);
    ok(&place.run(&["keys", "secret", "accept", "new.secret"], b""));
    assert_eq!(fs::metadata(place.path("new.secret")).expect("made").permissions().mode() & 0o777, 0o600);
    wait_for("the ring is read again", || get(&service, "/readyz").status == 200);
    let early = refused(&place.run(&["keys", "secret", "only"], b""), 1);
    assert!(early.contains("the older of the secrets") && early.contains("--drop-newer"), "{early}");
    fs::rename(place.path("new.secret"), place.path("keys/cluster.secret")).expect("handed over");
    ok(&place.run(&["keys", "secret", "only"], b""));
    ok(&place.run(&["keys", "rotate", "--config", "c.toml"], b""));
    std::thread::sleep(3 * SECOND);
    assert_eq!(get(&service, "/readyz").status, 200, "the service went along");
    place.private("old", &[1; 32]);
    let wrong = refused(&place.run(&["keys", "list", "--cluster-secret", "old"], b""), 1);
    assert!(wrong.contains("another cluster secret"), "{wrong}");
    service.end();
}

#[test]
fn s16_whatever_happens_to_the_file_the_last_good_ring_stays_and_the_next_one_is_taken() {
    let place = with_ring();
    let service = start_dev_like(&place);
    let ring = place.path("keys/ring.sealed");
    let good = fs::read(&ring).expect("there");
    let token = service.login();
    let faults: [(&str, &dyn Fn(), &str); 6] = [
        ("deleted", &|| fs::remove_file(&ring).expect("there"), "there is no key ring"),
        ("half written in place", &|| fs::write(&ring, &good[..good.len() / 2]).expect("ours"), "cut off or damaged"),
        ("emptied", &|| fs::write(&ring, b"").expect("ours"), "is empty"),
        (
            "open to others",
            &|| fs::set_permissions(&ring, fs::Permissions::from_mode(0o644)).expect("ours"),
            "open to others",
        ),
        ("a link elsewhere", &|| relink(&ring, "/etc/passwd"), "symbolic link"),
        ("another deployment's", &|| other_ring(&ring), "another deployment"),
    ];
    let mut service = service;
    for (fault, make, says) in faults {
        let begun = Instant::now();
        make();
        service.running.until_logged(says);
        let status = service.verify_at_once(&token);
        // On a machine that stood still meanwhile, the time in which the ring has to be confirmed is over.
        assert!(status == 200 || begun.elapsed() > SECOND / 2, "{fault}: the last good ring serves on, not {status}");
        wait_for("it is not ready in time", || service.verify_at_once(&token) == 503);
        assert_eq!(get(&service.running, "/readyz").status, 503, "{fault}");
        let _ = fs::remove_file(&ring);
        place.private("keys/ring.sealed", &good);
        wait_for("it recovers by itself", || service.verify(&token) == 200);
        assert!(service.ring_age() < 10, "{fault}");
        service.running.logged.clear();
    }
    let secret = place.path("keys/cluster.secret");
    fs::rename(&secret, place.path("away")).expect("there");
    service.running.until_logged("there is no cluster secret");
    wait_for("it is not ready in time", || service.verify_at_once(&token) == 503);
    fs::rename(place.path("away"), &secret).expect("there");
    wait_for("it recovers by itself", || service.verify(&token) == 200);
    let own = fs::read(&secret).expect("there");
    place.private("keys/cluster.secret", &[9; 32]);
    service.running.until_logged("another cluster secret");
    place.private("keys/cluster.secret", &own);
    wait_for("it recovers by itself", || service.verify(&token) == 200);
    // The rotation that was missed meanwhile is taken up, under load of nothing but time.
    ok(&place.run(&["keys", "rotate", "--config", "c.toml"], b""));
    let new = keys_of(&place, &["--config", "c.toml"]).into_iter().find(|key| text(key, "state") == "pending");
    let new = text(&new.expect("one is pending"), "key").to_owned();
    wait_for("the new key seals", || kid_of(&service.login()) == new);
    assert_eq!(service.verify(&token), 200);
}

#[test]
fn an_older_file_brings_no_revoked_key_back() {
    let place = with_ring();
    let mut service = start_dev_like(&place);
    let ring = place.path("keys/ring.sealed");
    let old = fs::read(&ring).expect("there");
    let token = service.login();
    let key = kid_of(&token);
    ok(&place.run(&["keys", "revoke", &key, "--yes", "--config", "c.toml"], b""));
    wait_for("the revocation is in force", || service.verify(&token) == 401);
    let fresh = service.login();
    assert_eq!(service.verify(&fresh), 200);
    place.private("keys/ring.sealed", &old);
    service.running.until_logged("older than the one in use");
    assert_eq!((service.verify(&token), service.verify(&fresh)), (401, 200));
    wait_for("the file is mended", || {
        let listed = keys_of(&place, &["--config", "c.toml"]);
        listed.iter().any(|known| text(known, "key") == key && text(known, "state") == "revoked")
    });
}

#[test]
fn through_the_control_api_an_order_is_in_force_when_it_is_answered() {
    let place = with_ring();
    let service = start_dev_like(&place);
    let url = format!("http://{}", service.running.control);
    let through = |args: &[&str]| {
        let own = ["--control", &url, "--credential", "admin"];
        place.run(&[&["keys"], args, &own].concat(), b"")
    };
    let listed: Value = serde_json::from_str(&ok(&through(&["list", "--json"]))).expect("JSON");
    assert_eq!(listed["keys"].as_array().map(Vec::len), Some(1));
    assert!(ok(&through(&["rotate", "--dry-run"])).contains("Nothing is done"));
    assert!(ok(&through(&["rotate"])).contains("seals in"));
    assert!(ok(&through(&["postpone", "--by", "2h"])).contains("in 2 hours"));
    for _ in 0..20 {
        let token = service.login();
        assert_eq!(service.verify(&token), 200);
        ok(&through(&["revoke", &kid_of(&token), "--yes"]));
        assert_eq!(service.verify(&token), 401, "at once");
        assert_eq!(service.verify(&service.login()), 200, "and logins go on");
    }
    let elsewhere = [("http_proxy", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1"), ("no_proxy", "")];
    let own = ["keys", "list", "--control", &url, "--credential", "admin"];
    assert!(ok(&place.run_with(&own, &elsewhere, b"")).contains("active"), "no proxy sees the credential");
    let token = service.login();
    assert!(ok(&through(&["replace-ring", "--yes"])).contains("log in again"));
    assert_eq!((service.verify(&token), service.verify(&service.login())), (401, 200));

    ok(&through(&["rotate"]));
    let listed: Value = serde_json::from_str(&ok(&through(&["list", "--json"]))).expect("JSON");
    let keys = listed["keys"].as_array().expect("a list");
    let pending = text(keys.iter().find(|key| text(key, "state") == "pending").expect("one"), "key").to_owned();
    let asked = refused(&through(&["revoke", &pending]), 1);
    assert!(asked.contains("is called off") && !asked.contains("ends now"), "{asked}");

    let ring = place.path("keys/ring.sealed");
    let good = fs::read(&ring).expect("there");
    other_ring(&ring);
    let elsewhere = fs::read(&ring).expect("there");
    assert!(refused(&through(&["rotate"]), 1).contains("another deployment"));
    assert_eq!(fs::read(&ring).expect("there"), elsewhere, "and nothing is done to it");
    fs::remove_file(&ring).expect("there");
    place.private("keys/ring.sealed", &good);

    let unknown = refused(&through(&["revoke", "00000000", "--yes"]), 1);
    assert!(unknown.contains("no key 00000000"), "{unknown}");
    place.private("wrong", b"sealpass_not-this-one\n");
    let own = ["keys", "list", "--control", &url, "--credential", "wrong"];
    assert!(refused(&place.run(&own, b""), 1).contains("with a credential of this service"));
    let elsewhere = format!("http://{}", service.running.public);
    let own = ["keys", "list", "--control", &elsewhere, "--credential", "admin"];
    assert!(refused(&place.run(&own, b""), 1).contains("is that the control listener?"));
    let own = ["keys", "list", "--control", "https://127.0.0.1:1", "--credential", "admin"];
    assert!(refused(&place.run(&own, b""), 1).contains("does the service run"));
}

/// One of three, whose others get the key one after the other, each time it is asked.
#[derive(Default)]
struct OneOfThree {
    asked: AtomicUsize,
    patience: Mutex<Option<Patience>>,
}

impl OneOfThree {
    /// The key has its time once two have it.
    fn shown(have: usize) -> Report {
        let ring = KeyRing::init(&SystemEntropy::new(), SystemClock.now()).expect("random bytes");
        let mut report = Report::of(&ring, SystemClock.now(), Timing::DEFAULT);
        KEY.clone_into(&mut report.keys[0].key);
        report.keys[0].seals_from = report.keys[0].seals_from.filter(|_| have >= 2);
        let holder = |n| Holder { name: format!("replica-{n}"), up: n < 2, has_ring: n < have };
        report.replicas = (0..3).map(holder).collect();
        report
    }
}

impl Custodian for OneOfThree {
    fn report(&self) -> Result<Report, CustodyError> {
        Ok(Self::shown(2 + self.asked.fetch_add(1, Ordering::Relaxed)))
    }

    fn carry_out(&self, _: Task, _: bool) -> Result<Receipt, CustodyError> {
        Err(CustodyError::Unavailable("nobody says how long to wait".to_owned()))
    }

    fn carry_out_among(&self, _: Task, dry_run: bool, patience: Patience) -> Result<Receipt, CustodyError> {
        *self.patience.lock().expect("no panic") = Some(patience);
        self.asked.store(0, Ordering::Relaxed);
        let among = Among { applied: 1, core: 3, reached: patience.wait == Wait::Local, waited_ms: 1 };
        Ok(Receipt {
            outcome: "proposed".to_owned(),
            key: KEY.to_owned(),
            seals_from: None,
            fresh_key: None,
            changed: true,
            dry_run,
            destroyed: Vec::new(),
            among: Some(among),
            ring: Self::shown(1),
        })
    }
}

#[test]
fn among_several_an_order_that_has_not_come_far_enough_is_202_and_the_command_waits_for_each() {
    let three = Arc::new(OneOfThree::default());
    let server = Server::with_custodian(Arc::clone(&three) as Arc<dyn Custodian>);
    let patience = || three.patience.lock().expect("no panic").take();
    let rotated = server.call("/v1/keys/rotate", &json!({}));
    assert_eq!((rotated.status, patience()), (202, Some(Patience::default())));
    let said = rotated.json();
    assert_eq!((&said["applied"], &said["core"], &said["reached"]), (&json!(1), &json!(3), &json!(false)), "{said}");
    assert_eq!(said["ring"]["replicas"][2], json!({"name": "replica-2", "up": false, "has_ring": false}));
    let (all, second) = (Wait::All, 1_000);
    for (path, body) in [
        ("/v1/keys/rotate", json!({"wait": "all", "timeout_ms": second})),
        ("/v1/keys/postpone", json!({"until": "2026-01-02T00:00:00Z", "wait": "all", "timeout_ms": second})),
        ("/v1/keys/revoke", json!({"key": KEY, "wait": "all", "timeout_ms": second})),
        ("/v1/keys/destroy", json!({"key": KEY, "wait": "all", "timeout_ms": second})),
        ("/v1/keys/replace-ring", json!({"wait": "all", "timeout_ms": second})),
    ] {
        assert_eq!(server.call(path, &body).status, 202, "{path}");
        assert_eq!(patience(), Some(Patience { wait: all, at_most: SECOND }), "{path}");
    }
    assert_eq!(server.call("/v1/keys/rotate", &json!({"wait": "local"})).status, 200);
    for wrong in [json!({"wait": "some"}), json!({"timeout_ms": 30_001})] {
        assert_eq!(server.call("/v1/keys/rotate", &wrong).status, 422, "{wrong}");
    }

    let place = Place::new();
    place.private("admin", CREDENTIAL.as_bytes());
    let url = format!("http://{}", server.control);
    let rotate = |args: &[&str]| {
        let own = ["keys", "rotate", "--control", &url, "--credential", "admin"];
        place.run(&[&own[..], args].concat(), b"")
    };
    let all = ok(&rotate(&["--wait"]));
    let told: Vec<_> = all.lines().filter(|line| line.contains("has key")).collect();
    assert_eq!(told, [0, 1, 2].map(|n| format!("replica-{n} has key {KEY}.")), "{all}");
    let majority = ok(&rotate(&["--wait=majority"]));
    assert!(majority.contains("replica-1 has") && !majority.contains("replica-2 has"), "{majority}");
    let late = rotate(&["--wait", "--wait-at-most", "0s"]);
    let text = String::from_utf8_lossy(&late.stderr);
    assert!(
        !late.status.success() && text.contains("missing at replica-1 (up), replica-2 (does not answer)"),
        "{text}"
    );
    assert!(ok(&rotate(&[])).contains("1 of 3 replicas of the core have it; the others get it"));
    let listed = ok(&place.run(&["keys", "list", "--control", &url, "--credential", "admin"], b""));
    assert!(listed.contains("replica-0           has this ring"), "{listed}");
    assert!(refused(&with_ring().run(&["keys", "rotate", "--wait"], b""), 1).contains("give --control"));
}

#[test]
fn s51_keys_are_for_credentials_of_the_scope_admin_and_all_realms() {
    let scopes = |scope: &str, realm: &str| {
        let (secret, line) = credential();
        (secret, line.replace("SCOPE", scope).replace("REALM", realm))
    };
    let ((app, a), (narrow, b), (admin, c)) = (scopes("app", "*"), scopes("admin", "default"), scopes("admin", "*"));
    let server = Server::with_credentials("", &[a, b, c].concat());
    for (path, body) in [
        ("/v1/keys/rotate", json!({})),
        ("/v1/keys/postpone", json!({"until": "2026-01-02T00:00:00Z"})),
        ("/v1/keys/revoke", json!({"key": "00000000"})),
        ("/v1/keys/destroy", json!({"key": "00000000"})),
        ("/v1/keys/replace-ring", json!({})),
    ] {
        for refused in [&app, &narrow] {
            let response = server.call_as(refused, path, &body);
            assert_eq!(response.status, 403, "{path}");
        }
        assert_eq!(server.call_as("nobody", path, &body).status, 401, "{path}");
        let bad = server.call_as(&admin, path, &json!({"unknown": 1}));
        assert_eq!(bad.status, 422, "{path}: {}", String::from_utf8_lossy(&bad.body));
    }
    let missing = server.call_as(&admin, "/v1/keys/revoke", &json!({"key": "00000000"}));
    assert_eq!((missing.status, missing.json()["field"].as_str()), (404, Some("key")));
    let rotated = server.call_as(&admin, "/v1/keys/rotate", &json!({}));
    assert_eq!((rotated.status, rotated.json()["outcome"].as_str()), (200, Some("rotating")));
    let soon = server.call_as(&admin, "/v1/keys/rotate", &json!({"after_seconds": 1}));
    assert_eq!((soon.status, soon.json()["limit"].as_u64()), (422, Some(600)));
}

#[test]
fn a_writer_that_is_killed_leaves_a_whole_ring() {
    let place = with_ring();
    let mut written = 0;
    for round in 0..40_u64 {
        let key = keys(&place).into_iter().find(|key| text(key, "state") == "active").expect("one seals");
        let mut command = sealpass(&["keys", "revoke", text(&key, "key"), "--yes"], &[]);
        let child =
            command.current_dir(place.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().expect("it starts");
        std::thread::sleep(Duration::from_micros(round * 400));
        let _ = kill_process(Pid::from_child(&child), Signal::KILL);
        written += u32::from(child.wait().expect("our child").success());
        assert!(!keys(&place).is_empty(), "round {round}");
    }
    println!("{written} of 40 were done before they were killed");
    ok(&place.run(&["keys", "rotate"], b""));
    let left: Vec<_> =
        fs::read_dir(place.path("keys")).expect("there").map(|entry| entry.expect("one").file_name()).collect();
    assert_eq!(left.len(), 2, "the next writer clears away: {left:?}");
}

#[test]
fn writers_at_one_moment_come_one_after_the_other() {
    let place = with_ring();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| ok(&place.run(&["keys", "rotate"], b"")));
        }
    });
    assert_eq!(keys(&place).len(), 2, "one key was made");
}

/// Whoever may open a directory may lock it, so nobody else may; and a lock that is never given back does not hang a command.
#[test]
fn a_directory_that_somebody_holds_is_said_to_be_held() {
    let place = with_ring();
    assert_eq!(fs::metadata(place.path("keys")).expect("made").permissions().mode() & 0o777, 0o700);
    let held = fs::File::open(place.path("keys")).expect("there");
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).expect("free");
    let line = refused(&place.run(&["keys", "rotate"], b""), 1);
    assert!(line.contains("another process") && line.contains("keys"), "{line}");
}

#[cfg(target_os = "linux")]
#[test]
fn no_core_file_is_written_and_no_other_process_may_look() {
    let place = with_ring();
    let service = place.serve("", &[]);
    let proc = |name: &str| format!("/proc/{}/{name}", service.child.id());
    let limits = fs::read_to_string(proc("limits")).expect("readable");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("there");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    // What is not dumpable belongs to root, which tells nothing where tests are run by root.
    assert_eq!(fs::metadata(proc("environ")).expect("there").uid(), 0);
    service.end();
}

/// A service whose rotation takes seconds, and a credential for it.
struct Service {
    running: Running,
    credential: String,
}

impl Service {
    fn login(&self) -> String {
        let issue = || call(self.running.control, &self.credential, "/v1/sessions", "{\"subject\": \"alice\"}");
        let response = once_ready(issue);
        assert_eq!(response.status, 201, "a login is refused");
        response.json()["token"].as_str().expect("a token").to_owned()
    }

    /// How many seconds ago the service read its ring, by its own account.
    fn ring_age(&self) -> u64 {
        let bearer = format!("Bearer {}", self.credential);
        let metrics = ask(self.running.control, "GET", "/metrics", &[("Authorization", &bearer)], b"").body;
        let metrics = String::from_utf8(metrics).expect("text");
        let line = metrics.lines().find_map(|line| line.strip_prefix("sealpass_ring_read_timestamp_seconds "));
        let at: u64 = line.expect("there").parse().expect("a number");
        SystemClock.now().as_secs().saturating_sub(at)
    }

    fn verify(&self, token: &str) -> u16 {
        once_ready(|| self.asked(token)).status
    }

    /// As it is this moment, ready or not.
    fn verify_at_once(&self, token: &str) -> u16 {
        self.asked(token).status
    }

    fn asked(&self, token: &str) -> Response {
        ask(self.running.public, "GET", "/verify/", &[("Cookie", &format!("{NAME}={token}"))], b"")
    }
}

/// An answer of a service that is ready. With a second to confirm its ring, it is not for a moment after its machine stood
/// still for one.
fn once_ready(ask: impl Fn() -> Response) -> Response {
    for _ in 0..100 {
        let response = ask();
        if response.status != 503 {
            return response;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    ask()
}

fn start_dev_like(place: &Place) -> Service {
    let (secret, line) = credential();
    place.private("credentials.toml", line.replace("SCOPE", "app\", \"admin").replace("REALM", "*").as_bytes());
    place.private("admin", secret.as_bytes());
    let running = place.serve(&format!("credentials = \"credentials.toml\"\n{SHORT}"), &[]);
    Service { running, credential: secret }
}

/// A credential and its line, with SCOPE and REALM to be filled in.
fn credential() -> (String, String) {
    let credential =
        sealpass::http::NewCredential::generate(&sealpass::entropy::SystemEntropy::new()).expect("random bytes");
    let secret = credential.expose().to_owned();
    let hash: String = sealpass::secret::sha256(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let line =
        format!("[[credential]]\nname = \"test\"\nsha256 = \"{hash}\"\nscopes = [\"SCOPE\"]\nrealms = [\"REALM\"]\n");
    (secret, line)
}

fn with_ring() -> Place {
    let place = Place::new();
    ok(&place.run(&["keys", "init"], b""));
    place
}

fn keys(place: &Place) -> Vec<Value> {
    keys_of(place, &[])
}

fn keys_of(place: &Place, args: &[&str]) -> Vec<Value> {
    let listed: Value =
        serde_json::from_str(&ok(&place.run(&[&["keys", "list", "--json"], args].concat(), b""))).expect("JSON");
    listed["keys"].as_array().expect("a list").clone()
}

fn text<'v>(key: &'v Value, name: &str) -> &'v str {
    key[name].as_str().unwrap_or_else(|| panic!("{name}: {key}"))
}

fn ok(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn get(service: &Running, path: &str) -> Response {
    ask(service.public, "GET", path, &[], b"")
}

fn kid_of(token: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).expect("a token");
    bytes[1..5].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn relink(path: &Path, to: &str) {
    fs::remove_file(path).expect("there");
    symlink(to, path).expect("a link");
}

/// A ring under the same secret that was made apart.
fn other_ring(path: &Path) {
    fs::remove_file(path).expect("there");
    let place = Place::new();
    fs::create_dir(place.path("keys")).expect("a directory");
    fs::copy(path.with_file_name("cluster.secret"), place.path("keys/cluster.secret")).expect("readable");
    ok(&place.run(&["keys", "init"], b""));
    fs::copy(place.path("keys/ring.sealed"), path).expect("writable");
}

const KEY: &str = "0a1b2c3d";
const SECOND: Duration = Duration::from_secs(1);
/// A rotation in five seconds.
const SHORT: &str = "[rotation]\nconfirm_within = \"1s\"\n";
