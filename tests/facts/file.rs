//! Faults of the journal's file: one line each, and nothing is taken for right that is not.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Duration;

use pollster::block_on;
use sealpass::revocation::{FactStore, StoreError};
use sealpass::store::CachedFacts;

use super::rig::{Place, REALM, Session, now, realm, record, session, subject};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_journal_is_private() {
    let place = Place::new();
    drop(place.open().expect("a journal"));
    assert_eq!(fs::metadata(place.path()).expect("there").mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(place.path().parent().expect("a directory")).expect("there").count(), 1);
}

#[test]
fn each_fault_is_one_line_with_file_and_remedy() {
    let faults: [(&str, Make); 9] = [
        ("is not a journal of this service; give", &|place| write(place, b"-----BEGIN PRIVATE KEY-----\n")),
        ("is not a journal of this service; give", &|place| write(place, &vec![0; 100_000])),
        ("is cut off or damaged; restore it", &|place| write(place, b"")),
        ("is not a journal of this service; give", &another_programs),
        ("is a symbolic link; give", &|place| {
            let elsewhere = place.path().with_extension("elsewhere");
            write(place, b"");
            fs::rename(place.path(), &elsewhere).expect("ours");
            std::os::unix::fs::symlink(elsewhere, place.path()).expect("a link");
        }),
        ("is not a regular file; give", &|place| fs::create_dir(place.path()).expect("free")),
        ("is not a regular file; give", &|place| {
            rustix::fs::mkfifoat(rustix::fs::CWD, place.path(), rustix::fs::Mode::from_raw_mode(0o600)).expect("free");
        }),
        ("is open to others (mode 0640); run `chmod 600", &|place| {
            drop(place.open().expect("a journal"));
            fs::set_permissions(place.path(), fs::Permissions::from_mode(0o640)).expect("ours");
        }),
        ("is cut off or damaged; restore it", &|place| {
            drop(place.open().expect("a journal"));
            let length = fs::metadata(place.path()).expect("there").len();
            OpenOptions::new().write(true).open(place.path()).and_then(|file| file.set_len(length / 2)).expect("ours");
        }),
    ];
    for (says, make) in faults {
        let place = Place::new();
        make(&place);
        let text = place.open().expect_err(says).to_string();
        assert!(text.contains(says) && text.contains("facts.redb") && !text.contains('\n'), "{says}: {text}");
    }
}

#[test]
fn a_second_one_is_refused_while_the_first_has_it() {
    let place = Place::new();
    let first = place.open().expect("a journal");
    let text = place.open().expect_err("in use").to_string();
    assert!(text.contains("facts.redb: is in use by another process; stop that one"), "{text}");
    drop(first);
    drop(place.open().expect("free again"));
}

#[test]
fn whatever_is_changed_or_cut_off_is_refused_or_harmless() {
    let (place, sessions) = filled();
    let good = fs::read(place.path()).expect("there");
    let mut refused = 0;
    // A step without a common factor with pages, so that every part of one is met.
    let changes = (0..good.len()).step_by(3_109).map(|at| (at, good.len()));
    let cuts = (0..good.len()).step_by(24_989).map(|length| (usize::MAX, length));
    for (at, length) in changes.chain(cuts) {
        let mut bytes = good[..length].to_vec();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0x10;
        }
        write(&place, &bytes);
        match place.open() {
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                refused += 1;
            }
            Ok(facts) => all_there(&facts, &sessions, &format!("byte {at}, length {length}")),
        }
    }
    assert!(refused > 10, "{refused} were refused");
}

#[test]
fn a_copy_of_the_file_of_a_running_service_is_whole_or_refused() {
    // What kill -9 leaves: the file as it is at some moment, not closed.
    let (place, sessions) = filled();
    let facts = place.open().expect("the same journal");
    let more = session(realm(REALM), subject(77), now().plus(HOUR));
    record(&facts, more.deny(now().plus(HOUR)));
    let bytes = fs::read(place.path()).expect("there");
    drop(facts);
    write(&place, &bytes);
    let facts = place.open().expect("after a crash");
    all_there(&facts, &sessions, "after a crash");
    assert!(more.is_over(&facts));
}

#[test]
fn nothing_is_acknowledged_into_a_file_that_is_no_longer_there() {
    let (place, _) = filled();
    let facts = place.open().expect("the same journal");
    let away = place.path().with_extension("away");
    let ended: Vec<_> = (0..4).map(|n| session(realm(REALM), subject(80 + n), now().plus(HOUR))).collect();
    let keep = |n: usize| {
        let ended = &ended[n];
        let kept = block_on(facts.record(ended.deny(now().plus(HOUR)), now()).kept);
        assert!(ended.is_over(&facts), "it is in force all the same");
        kept
    };
    assert_eq!(keep(0), Ok(()));
    fs::rename(place.path(), &away).expect("there");
    assert_eq!(keep(1), Err(StoreError), "removed");
    let other = Place::new();
    drop(other.open().expect("another journal"));
    fs::copy(other.path(), place.path()).expect("writable");
    assert_eq!(keep(2), Err(StoreError), "replaced");
    fs::rename(&away, place.path()).expect("there");
    assert_eq!(keep(3), Ok(()), "put back");
    drop(facts);
    let facts = place.open().expect("the same journal");
    assert!(ended.iter().all(|ended| ended.is_over(&facts)), "what was owed was made up for");
}

/// Puts something in the place of a journal.
type Make = &'static dyn Fn(&Place);

fn filled() -> (Place, Vec<Session>) {
    let place = Place::new();
    let facts = place.open().expect("a journal");
    let sessions: Vec<_> = (0..500).map(|n| session(realm(REALM), subject(n), now().plus(HOUR))).collect();
    for session in &sessions {
        drop(facts.record(session.deny(now().plus(HOUR)), now()));
    }
    record(&facts, sessions[0].deny(now().plus(HOUR)));
    (place, sessions)
}

fn all_there(facts: &CachedFacts, sessions: &[Session], why: &str) {
    let lost = sessions.iter().filter(|session| facts.session(session.key).is_none()).count();
    let floored = sessions.iter().all(|session| facts.floor(realm(REALM)) >= Some(session.started));
    assert!(lost == 0 || floored, "{why}: {lost} are lost");
}

fn write(place: &Place, bytes: &[u8]) {
    fs::write(place.path(), bytes).expect("writable");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o600)).expect("ours");
}

/// A database of the same make that some other program keeps.
fn another_programs(place: &Place) {
    let database = redb::Database::create(place.path()).expect("free");
    let write = database.begin_write().expect("alone");
    let users = redb::TableDefinition::<&str, u64>::new("users");
    write.open_table(users).and_then(|mut table| Ok(table.insert("alice", 1).map(drop)?)).expect("writable");
    write.commit().expect("writable");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o600)).expect("ours");
}
