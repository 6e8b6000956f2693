//! The real binary and its journal: killed at any moment, on a full disk, with a file that is not right. Whatever was
//! acknowledged holds, and whatever is known to be over never becomes good again.
//!
//! `SEALPASS_KILL=50x10000` kills 50 times during 10,000 logouts each; without it 3 times during 400.

#[path = "journal/rig.rs"]
mod rig;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use rig::{Place, free_port, random};

#[test]
fn s07_a_killed_replica_answers_nobody_before_it_knows_what_is_over() {
    let place = Place::new();
    let (public, control) = (free_port(), free_port());
    let at = [("SEALPASS_PUBLIC__LISTEN", &*public), ("SEALPASS_CONTROL__LISTEN", &*control)];
    let mut service = place.start(&[], &at);
    let tokens = place.issue(2_001);
    let (live, ended) = tokens.split_last().expect("some");
    for token in ended {
        assert_eq!(service.client().revoke(token), Some(204));
    }
    service.kill();
    let asked = std::thread::spawn({
        let (ended, public) = (ended[0].clone(), service.public);
        move || {
            // Nothing at all, or 503, or the right answer.
            loop {
                match rig::Client::open(public).map(|mut client| client.verify(&ended)) {
                    None | Some(None) => std::thread::sleep(Duration::from_millis(1)),
                    Some(Some(503)) => {}
                    Some(Some(status)) => return status,
                }
            }
        }
    });
    let mut service = place.start(&[], &at);
    assert_eq!(asked.join().expect("an answer"), 401);
    let mut client = service.public_client();
    for token in ended {
        assert_eq!(client.verify(token), Some(401));
    }
    assert_eq!(client.verify(live), Some(200), "a restart ends nothing by itself");
    service.kill();
}

#[test]
fn every_acknowledged_logout_outlives_a_kill_at_any_moment() {
    let (rounds, logouts) = match std::env::var("SEALPASS_KILL") {
        Ok(text) => {
            let (rounds, logouts) = text.split_once('x').expect("SEALPASS_KILL=50x10000");
            (rounds.parse().expect("a number"), logouts.parse().expect("a number"))
        }
        Err(_) => (3, 400),
    };
    let place = Place::new();
    place.start(&[], &[]).kill();
    let (mut acknowledged, mut asked) = (0, 0);
    for round in 0..rounds {
        let mut service = place.start(&[], &[]);
        let tokens = place.issue(logouts + 1);
        let (live, doomed) = tokens.split_last().expect("some");
        let (answered, sent) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        let goal = random(logouts);
        std::thread::scope(|scope| {
            for part in doomed.chunks(logouts.div_ceil(CLIENTS)) {
                let mut client = service.client();
                let (answered, sent) = (&answered, &sent);
                scope.spawn(move || {
                    for token in part {
                        sent.fetch_add(1, Ordering::Relaxed);
                        match client.revoke(token) {
                            Some(204) => answered.lock().expect("no panic").push(token),
                            Some(status) => panic!("a logout answers {status}"),
                            None => return,
                        }
                    }
                });
            }
            while answered.lock().expect("no panic").len() < goal {
                std::thread::sleep(Duration::from_micros(200));
            }
            std::thread::sleep(Duration::from_micros(random(3_000) as u64));
            service.kill();
        });
        let answered = answered.into_inner().expect("no panic");
        let mut service = place.start(&[], &[]);
        let mut client = service.public_client();
        let lost = answered.iter().filter(|token| client.verify(token) != Some(401)).count();
        assert_eq!(lost, 0, "round {round}: of {} acknowledged logouts", answered.len());
        assert_eq!(client.verify(live), Some(200));
        service.kill();
        acknowledged += answered.len();
        asked += sent.load(Ordering::Relaxed);
    }
    println!("{rounds} kills, {asked} logouts asked for, {acknowledged} acknowledged, none of those lost");
    assert!(acknowledged > 0);
}

#[test]
fn a_full_disk_acknowledges_nothing_and_brings_nothing_back() {
    let place = Place::new();
    // The shell counts in blocks of 512 bytes. A new journal has about 144 of them.
    let mut service = place.start_by(&["sh", "-c", "trap '' XFSZ; ulimit -S -f 300; exec \"$0\" \"$@\""], &[], &[]);
    let tokens = place.issue(3_000);
    let mut client = service.client();
    let refused = tokens.iter().position(|token| client.revoke(token).expect("an answer") == 503);
    let refused = refused.expect("300 blocks are full before that");
    let body = client.last_body();
    assert!(body.contains("not-kept") && client.last_head().contains("application/problem+json"), "{body}");
    let over = |service: &rig::Running, what: &str| {
        let mut client = service.public_client();
        for token in &tokens[..=refused] {
            assert_eq!(client.verify(token), Some(401), "{what}");
        }
        assert_eq!(client.verify(&tokens[refused + 10]), Some(200), "{what}");
    };
    over(&service, "while the disk is full");
    assert_eq!(client.revoke(&tokens[refused + 1]), Some(503), "as long as it is");
    assert_eq!(client.revoke(&tokens[0]), Some(503), "what was durable can't be told from what is not");
    assert!(client.metrics().contains("sealpass_journal_failing 1"));
    let logged = service.logged();
    assert!(logged.contains("facts.redb") && logged.contains("check the disk"), "{logged}");
    let unlimited = Rlimit { current: None, maximum: None };
    prlimit(Some(Pid::from_raw(service.id()).expect("a process")), Resource::Fsize, unlimited).expect("ours");
    let works = |client: &mut rig::Client| client.metrics().contains("sealpass_journal_failing 0");
    // Without a new ending it tries every second.
    assert!((0..400).any(|_| works(&mut client) || {
        std::thread::sleep(Duration::from_millis(50));
        false
    }));
    assert_eq!(client.revoke(&tokens[refused]), Some(204));
    service.kill();
    let mut service = place.start(&[], &[]);
    over(&service, "after a restart");
    assert_eq!(service.public_client().verify(&tokens[refused + 1]), Some(401), "what was owed is durable too");
    service.kill();
}

#[test]
fn endings_under_a_ring_that_came_while_the_journal_failed_outlive_a_restart() {
    let place = Place::new();
    place.start(&[], &[]).kill();
    let mut service = place.start_by(&["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""], &[], &[]);
    let limit = |current| {
        let limit = Rlimit { current, maximum: None };
        prlimit(Some(Pid::from_raw(service.id()).expect("a process")), Resource::Fsize, limit).expect("ours");
    };
    let mut client = service.client();
    let token = client.log_in();
    limit(Some(4_096));
    assert_eq!(client.revoke(&token), Some(503));
    // The ring's file is not longer than that.
    assert_eq!(client.replace_ring(), Some(200));
    assert_eq!(client.revoke(&token), Some(204), "nothing of this ring is left to end");
    limit(None);
    let works = |client: &mut rig::Client| client.metrics().contains("sealpass_journal_failing 0");
    assert!((0..400).any(|_| works(&mut client) || {
        std::thread::sleep(Duration::from_millis(50));
        false
    }));
    let (ended, lives) = (client.log_in(), client.log_in());
    assert_eq!(client.revoke(&ended), Some(204));
    service.kill();
    let mut service = place.start(&[], &[]);
    assert_eq!(service.public_client().verify(&ended), Some(401), "it was acknowledged");
    assert_eq!(service.public_client().verify(&lives), Some(200), "the journal knows the ring");
    service.kill();
}

#[test]
fn start_up_says_in_one_line_what_is_wrong_with_the_journal() {
    let place = Place::new();
    place.start(&[], &[]).kill();
    let good = fs::read(place.journal()).expect("there");
    let second = {
        let mut first = place.start(&[], &[]);
        let text = place.refused(&[], &[]);
        first.kill();
        text
    };
    assert!(second.contains("is in use by another process"), "{second}");
    for (bytes, says) in [
        (&good[..good.len() / 3], "is cut off or damaged"),
        (&b""[..], "is cut off or damaged"),
        (&[b'x'; 5_000], "is not a journal"),
    ] {
        fs::write(place.journal(), bytes).expect("ours");
        let text = place.refused(&[], &[]);
        assert!(text.contains("facts.redb") && text.contains(says), "{text}");
    }
    fs::remove_file(place.journal()).expect("ours");
    let text = place.refused(&[], &[("SEALPASS_JOURNAL", "/nowhere/facts.redb")]);
    assert!(text.contains("/nowhere/facts.redb"), "{text}");
    let text = place.refused_by(&["sh", "-c", "trap '' XFSZ; ulimit -f 20; exec \"$0\" \"$@\""], &[], &[]);
    assert!(text.contains("facts.redb") && text.contains("File too large"), "{text}");
    assert!(!place.journal().exists(), "nothing half made is left");
}

#[test]
fn after_a_restore_everybody_logs_in_again() {
    let place = Place::new();
    let mut service = place.start(&[], &[]);
    let before = place.issue(1).remove(0);
    assert_eq!(service.public_client().verify(&before), Some(200));
    service.kill();
    let mut service = place.start(&["--restored"], &[]);
    assert_eq!(service.public_client().verify(&before), Some(401));
    let after = service.client().log_in();
    assert_eq!(service.public_client().verify(&after), Some(200));
    service.kill();
    let mut service = place.start(&[], &[]);
    assert_eq!(service.public_client().verify(&before), Some(401));
    assert_eq!(service.public_client().verify(&after), Some(200));
    service.kill();
}

#[test]
fn a_journal_that_is_lost_ends_all_sessions_of_a_ring_that_was_served() {
    let place = Place::new();
    let mut service = place.start(&[], &[]);
    let before = place.issue(1).remove(0);
    assert_eq!(service.public_client().verify(&before), Some(200));
    service.kill();
    fs::remove_file(place.journal()).expect("ours");
    let mut service = place.start(&[], &[]);
    assert_eq!(service.public_client().verify(&before), Some(401));
    service.kill();
}

#[test]
fn without_a_journal_a_start_ends_all_sessions() {
    let place = Place::new();
    let none = [("SEALPASS_JOURNAL", "none")];
    let mut service = place.start(&[], &none);
    let before = place.issue(1).remove(0);
    assert_eq!(service.public_client().verify(&before), Some(200));
    service.kill();
    let mut service = place.start(&[], &none);
    assert_eq!(service.public_client().verify(&before), Some(401));
    let after = service.client().log_in();
    assert_eq!(service.public_client().verify(&after), Some(200));
    service.kill();
    assert!(!Path::new(&place.journal()).exists());
}

const CLIENTS: usize = 16;
