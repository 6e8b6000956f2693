//! The cluster secret is changed in three rolling steps, and nobody who asks meanwhile is refused.

use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::common::{NAME, ask, refused, wait_for};
use crate::rig::{Fleet, Replica};
use crate::setup::Setup;

/// What is done at each replica before it is restarted, as the page `operations` has it.
const STEPS: [fn(&Replica); 3] = [accept_the_new, present_the_new, drop_the_old];

#[test]
fn the_cluster_secret_changes_in_three_rolling_steps_and_no_request_is_refused() {
    let mut fleet = Setup::core(3).on_loopback().started();
    let [mut ended, live] = ["alice", "bob"].map(|subject| fleet.0[0].login(subject));
    let old = secret_of(&fleet.0[0]);
    make_the_new(&fleet);
    let mut of_both = None;
    let (up, done, count) = (Mutex::new(Vec::new()), AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let _done = EndsWith(&done);
        let asker = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                // Held while it asks, so that nobody is stopped who was just asked.
                let up = up.lock().expect("nobody panics");
                for replica in up.iter() {
                    assert_eq!(verify(*replica, &live.token), 200);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        for (number, step) in STEPS.into_iter().enumerate() {
            for at in 0..3 {
                *up.lock().expect("the asker lives") = publics(&fleet, at);
                fleet.0[at].stop();
                step(&fleet.0[at]);
                fleet.0[at].start();
                fleet.wait_ready();
                if number == 1 {
                    of_both = fs::read(fleet.0[at].place().path("keys/ring.sealed")).ok();
                }
                // What ends at the one that was restarted is over at those that were not yet, and the other way round.
                for (from, subject) in [(at, "alice"), ((at + 1) % 3, "carol")] {
                    assert!([200, 202].contains(&fleet.0[from].end(&ended, "majority").status));
                    fleet.wait_refused(&ended.token);
                    ended = fleet.0[at].login_once_a_majority_counts(subject);
                }
            }
        }
        done.store(true, Ordering::SeqCst);
        asker.join().expect("no request is refused");
    });
    assert!(count.load(Ordering::SeqCst) > 100, "{count:?}");
    fleet.assert_accepted(&live.token);
    for replica in &fleet.0 {
        assert_ne!(secret_of(replica), old);
    }
    // The old one is good for nothing any more: who presents it is not heard, whatever else it has.
    let mut late = fleet.0[2].twin();
    late.place().private("keys/cluster.secret", &old);
    late.place().private("keys/ring.sealed", &of_both.expect("the second step was taken"));
    late.place().private("new.secret", &[9; 32]);
    accept(&late, "accept_secrets = [\"new.secret\"]\n");
    fleet.0[2].stop();
    late.start();
    wait_for("it looks for the others", || late.report()["counters"]["rounds"].as_u64() >= Some(5));
    assert!(!late.is_ready() && late.is_not_ready_for("unheard"), "{}", late.report());
}

#[test]
fn secrets_that_can_not_be_accepted_are_one_line() {
    let fleet = Setup::core(3).on_loopback();
    let replica = &fleet.0[0];
    accept(replica, "accept_secrets = [\"new.secret\"]\n");
    let listen = [("SEALPASS_PUBLIC__LISTEN", "127.0.0.1:0")];
    let told = || replica.place().run_with(&["check", "--config", "c.toml"], &listen, b"");
    let check = || refused(&told(), 1);
    assert!(check().contains("new.secret: there is no cluster secret"));
    replica.place().private("new.secret", &secret_of(replica));
    assert!(check().contains("new.secret: is the cluster secret itself; cluster.accept_secrets names the other one"));
    replica.place().private("new.secret", &[7; 32]);
    let told = told();
    assert!(told.status.success());
    assert!(String::from_utf8_lossy(&told.stdout).contains("warning  cluster.accept_secrets: whoever holds one"));
}

fn accept_the_new(replica: &Replica) {
    let done = replica.place().run(&["keys", "secret", "accept", "new.secret"], b"");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    accept(replica, "accept_secrets = [\"new.secret\"]\n");
}

fn present_the_new(replica: &Replica) {
    let path = |name: &str| replica.place().path(name);
    fs::rename(path("keys/cluster.secret"), path("old.secret")).expect("there");
    fs::rename(path("new.secret"), path("keys/cluster.secret")).expect("there");
    accept(replica, "accept_secrets = [\"old.secret\"]\n");
}

fn drop_the_old(replica: &Replica) {
    accept(replica, "");
    let done = replica.place().run(&["keys", "secret", "only"], b"");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::remove_file(replica.place().path("old.secret")).expect("there");
}

/// The line of the configuration about secrets that others may present.
fn accept(replica: &Replica, line: &str) {
    let path = replica.place().path("c.toml");
    let text = fs::read_to_string(&path).expect("written");
    let without: String =
        text.lines().filter(|line| !line.starts_with("accept_")).map(|line| format!("{line}\n")).collect();
    fs::write(path, without.replace("[cluster]\n", &format!("[cluster]\n{line}"))).expect("writable");
}

/// One for all, as an operator makes it and hands it out.
fn make_the_new(fleet: &Fleet) {
    for replica in &fleet.0 {
        replica.place().private("new.secret", &[9; 32]);
    }
}

fn secret_of(replica: &Replica) -> Vec<u8> {
    fs::read(replica.place().path("keys/cluster.secret")).expect("there")
}

/// Where all are asked but one.
fn publics(fleet: &Fleet, but: usize) -> Vec<SocketAddr> {
    (0..3).filter(|at| *at != but).map(|at| fleet.0[at].public()).collect()
}

fn verify(at: SocketAddr, token: &str) -> u16 {
    ask(at, "GET", "/verify/", &[("Cookie", &format!("{NAME}={token}"))], b"").status
}

/// Says that it is done, whatever happens.
struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
