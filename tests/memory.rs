//! What is left of a root in memory once its keys are derived: nothing of ours.
//!
//! This process is left dumpable, so that it can read its own memory; the service is not.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealpass::claims::{CookieName, RealmName};
use sealpass::clock::{Clock, SystemClock};
use sealpass::entropy::{Entropy, EntropyError, SystemEntropy};
use sealpass::keyring::{KeyRing, Keys, Kid, Timing};
use sealpass::revocation::MemoryFacts;
use sealpass::secret::Secret;
use sealpass::sessions::{Lifetimes, NewSession, Realm, Sessions};
use sealpass::store::{RingDir, RingOffice, RingWatch};
use sealpass::token::Scratch;

#[test]
fn no_root_is_left_in_memory_once_its_keys_are_derived() {
    let dir = tempfile::tempdir().expect("a directory for the test");
    // In another process, so that making it leaves nothing here.
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "writes_a_ring_for_the_other_test", "--ignored"])
        .env(DIR, dir.path())
        .output()
        .expect("it starts");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));

    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
    let ring_dir = RingDir::new(dir.path(), None);
    let keys = Keys::new(&ring_dir.load().expect("a ring"), &*entropy).expect("random bytes");
    let sessions = Sessions::new(keys, Arc::new(MemoryFacts::default()), Arc::clone(&clock) as Arc<dyn Clock>, entropy);
    let sessions = Arc::new(sessions);
    use_sessions(&sessions);
    assert_eq!(copies(), 0, "after loading");

    let office =
        RingOffice::new(ring_dir, Timing::DEFAULT, Lifetimes::DEFAULT.longest(), clock, Arc::new(SystemEntropy::new()));
    let user = Arc::clone(&sessions);
    office.note_limits().expect("writable");
    let watch = RingWatch::new(office, move |_, keys| user.replace_keys(keys), |_| ());
    watch.look().expect("a ring");
    use_sessions(&sessions);
    assert_eq!(copies(), 0, "after it was written, read, and held for the next look");

    let ring = RingDir::new(dir.path(), None).load().expect("a ring");
    assert!(copies() >= 1, "the search finds it in a ring that is held");
    let held = root();
    assert_eq!(ring.records()[0].kid(), Kid::of(&held), "it is the ring's root that is looked for");
    drop(ring);
    assert!(copies() >= 1, "the search finds one that is held");
    drop(held);
    assert_eq!(copies(), 0, "and none when it is wiped");
}

#[test]
#[ignore = "run by the other test, in a process of its own"]
fn writes_a_ring_for_the_other_test() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let ring = KeyRing::init(&Formula::default(), SystemClock.now()).expect("never fails");
    RingDir::new(Path::new(&dir), None).init(&ring, &SystemEntropy::new()).expect("an empty directory");
}

fn use_sessions(sessions: &Sessions) {
    let name = CookieName::new("__Host-s").expect("a name");
    let realm = Realm::new(RealmName::new("default").expect("a name"), name, Lifetimes::DEFAULT);
    let new = NewSession { subject: Some("alice"), ..NewSession::default() };
    let token = sessions.issue(&realm, &new).expect("fits").token;
    sessions.verify(&realm, &[token.expose().as_bytes()], &mut Scratch::default()).expect("good");
}

/// How often the root is in this process's writable memory. Only its complement is ever written down here.
fn copies() -> usize {
    let complement: [u8; 32] = std::array::from_fn(|at| !byte(ROOT + at as u64));
    let memory = File::open("/proc/self/mem").expect("our own");
    let maps = fs::read_to_string("/proc/self/maps").expect("our own");
    let (mut found, mut buffer) = (0, vec![0; CHUNK + 32]);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().expect("a range"), words.next().expect("rights"));
        if !rights.starts_with("rw") || line.ends_with("[vvar]") {
            continue;
        }
        let (start, end) = range.split_once('-').expect("two ends");
        let [start, end] = [start, end].map(|end| u64::from_str_radix(end, 16).expect("an address"));
        let mut at = start;
        while at < end {
            let wanted = usize::try_from((end - at).min(buffer.len() as u64)).expect("small");
            let Ok(read) = memory.read_at(&mut buffer[..wanted], at) else { break };
            let own = buffer.as_ptr() as u64;
            if at + CHUNK as u64 <= own || at >= own + buffer.len() as u64 {
                found += buffer[..read].windows(32).filter(|window| is_root(window, &complement)).count();
            }
            at += CHUNK as u64;
        }
    }
    found
}

fn is_root(window: &[u8], complement: &[u8; 32]) -> bool {
    window.iter().zip(complement).all(|(byte, other)| *byte == !other)
}

fn root() -> Secret<32> {
    let filled = Secret::fill_with(|place| {
        place.iter_mut().zip(ROOT..).for_each(|(place, at)| *place = byte(at));
        Ok::<_, EntropyError>(())
    });
    filled.expect("never fails")
}

/// Random bytes that are none: byte by byte from a formula, so that nobody has to keep them to know them.
#[derive(Default)]
struct Formula(AtomicU64);

impl Entropy for Formula {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        for place in out {
            *place = byte(self.0.fetch_add(1, Ordering::SeqCst));
        }
        Ok(())
    }
}

fn byte(at: u64) -> u8 {
    (at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).to_le_bytes()[0]
}

/// Where the root lies among the bytes that a ring is made of: behind its id, the tag secret and the log secret.
const ROOT: u64 = 16 + 32 + 32;
const CHUNK: usize = 1 << 16;
const DIR: &str = "SEALPASS_TEST_RING_DIR";
