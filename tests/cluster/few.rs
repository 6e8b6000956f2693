//! Schedules written by hand: scenarios that have a name, and ones that broke a promise once.

use sealpass::cluster::node::NotReady;
use sealpass::revocation::Ending;

use super::operation::Operation::{
    Crash, CutLink, CutSubject, End, Heal, Login, Lossy, Renew, Restart, RestartAll, RotateKey, RotateSession, Skew,
    Split,
};
use super::operation::{Operation, Place};
use super::sessions::Why;
use super::world::World;

/// A world in which one thing is told after another, and every promise is looked at all the while.
struct Story(World);

impl Story {
    fn of(core: usize, seed: u64) -> Self {
        let mut story = Self(World::new(seed, core, None));
        story.wait(8_000);
        story
    }

    fn does(&mut self, operations: &[Operation]) {
        for operation in operations {
            let held = self.0.carry_out(*operation).and_then(|()| self.0.check());
            held.unwrap_or_else(|broken| panic!("{operation:?} breaks {:?}\n{}", broken.promise, broken.how));
        }
    }

    fn wait(&mut self, millis: u32) {
        self.does(&[Operation::Wait { micros: millis * 1_000 }]);
    }

    fn answers(&self, place: Place) -> bool {
        let replica = self.0.replicas[usize::from(place)].0.borrow();
        replica.runs() && replica.is_ready(self.0.core.majority())
    }

    /// What a replica says of the visitor's latest cookie.
    fn verdict(&self, place: Place, visitor: u8) -> Result<(), Why> {
        let (token, _) = &self.0.visitors[&visitor];
        self.0.replicas[usize::from(place)].verify(token, self.0.core.majority())
    }

    fn come_together(&mut self) {
        let held = self.0.come_together().and_then(|()| self.0.serve());
        held.unwrap_or_else(|broken| panic!("{:?}\n{}", broken.promise, broken.how));
    }
}

#[test]
fn s05_a_login_right_after_a_cut_off_is_good_and_one_right_before_is_not_whatever_the_clocks_say() {
    for seed in 0..60 {
        let mut story = Story::of(3, seed);
        let [one, two, three] = [[0, 1, 2], [1, 2, 0], [2, 0, 1]][usize::try_from(seed % 3).expect("below three")];
        story.does(&[Skew { at: one, millis: 999 }, Skew { at: two, millis: -999 }]);
        story.wait(3_000);
        story.does(&[Login { at: one, visitor: 0 }]);
        story.wait(4);
        story.does(&[CutSubject { at: two, subject: 0 }]);
        story.wait(4);
        assert_eq!(story.verdict(two, 0), Err(Why::Over(Ending::CutOff)), "seed {seed}");
        story.does(&[Login { at: three, visitor: 3 }]);
        story.wait(8);
        for at in 0..3 {
            assert_eq!(story.verdict(at, 0), Err(Why::Over(Ending::CutOff)), "seed {seed}, at {at}");
            assert_eq!(story.verdict(at, 3), Ok(()), "seed {seed}, at {at}");
        }
        story.does(&[CutSubject { at: three, subject: 0 }]);
        story.wait(8);
        for at in 0..3 {
            assert_eq!(story.verdict(at, 3), Err(Why::Over(Ending::CutOff)), "seed {seed}, at {at}");
        }
    }
}

#[test]
fn s06_who_is_cut_off_says_so_and_refuses_as_soon_as_the_link_is_back() {
    let mut story = Story::of(3, 6);
    story.does(&[Login { at: 0, visitor: 0 }, Login { at: 0, visitor: 1 }]);
    story.wait(20);
    story.does(&[End { at: 0, visitor: 0 }]);
    story.wait(20);
    for at in 0..3 {
        assert_eq!(story.verdict(at, 0), Err(Why::Over(Ending::Denied)), "at {at}");
        assert_eq!(story.verdict(at, 1), Ok(()), "at {at}");
    }
    story.does(&[Split { mask: 0b010 }, End { at: 0, visitor: 1 }]);
    story.wait(6_100);
    assert_eq!(story.verdict(1, 1), Err(Why::NotReady), "it can't know, and says so");
    let why = story.0.replicas[1].0.borrow().view().why;
    assert!(why.iter().any(|why| matches!(why, NotReady::Stale(_))), "{why:?}");
    story.does(&[Heal]);
    story.wait(2_000);
    assert_eq!(story.verdict(1, 1), Err(Why::Over(Ending::Denied)));
}

#[test]
fn s07_whoever_is_killed_answers_when_it_knows_all_and_an_ended_session_stays_ended() {
    for journal in [true, false] {
        let mut story = Story::of(3, 7);
        story.does(&[Login { at: 0, visitor: 0 }, Login { at: 0, visitor: 1 }]);
        story.wait(20);
        story.does(&[End { at: 0, visitor: 0 }]);
        story.wait(10);
        for at in [0, 1, 2] {
            story.does(&[Restart { at, journal }]);
            assert!(!story.answers(at), "it has heard from nobody");
            story.wait(9_000);
            assert_eq!(story.verdict(at, 0), Err(Why::Over(Ending::Denied)), "at {at}, journal: {journal}");
            story.does(&[Renew { at, visitor: 1 }]);
            assert_eq!(story.verdict(at, 1), Ok(()), "a rolling restart logs nobody out; at {at}, journal: {journal}");
        }
    }
}

#[test]
fn s07_a_fleet_that_is_killed_comes_back_with_what_it_knew_and_without_journals_ends_every_session() {
    for (core, journals) in [(3, true), (3, false), (5, true), (5, false)] {
        let mut story = Story::of(core, 7);
        story.does(&[Login { at: 0, visitor: 0 }, Login { at: 1, visitor: 1 }]);
        story.wait(20);
        story.does(&[End { at: 0, visitor: 0 }]);
        story.wait(10);
        story.does(&[RestartAll { journals }]);
        story.wait(10_000);
        for at in 0..u8::try_from(core).expect("few") {
            assert!(story.answers(at), "at {at} of {core}, journals: {journals}");
            assert!(story.verdict(at, 0).is_err(), "at {at} of {core}, journals: {journals}");
            assert_eq!(story.verdict(at, 1).is_ok(), journals, "at {at} of {core}, journals: {journals}");
        }
        story.come_together();
    }
}

#[test]
fn s07_an_ending_outlives_whoever_took_it() {
    for seed in 0..40 {
        let mut story = Story::of(3, seed);
        story.does(&[Login { at: 0, visitor: 0 }]);
        story.wait(20);
        story.does(&[End { at: 1, visitor: 0 }]);
        // About as long as an acknowledgement takes: promises look whether there was one.
        story.wait(u32::try_from(seed % 6).expect("below six"));
        story.does(&[Crash { at: 1 }]);
        story.wait(6_000);
        story.does(&[Restart { at: 1, journal: false }]);
        story.come_together();
    }
}

#[test]
fn s12_with_every_tenth_message_lost_doubled_or_late_all_know_the_same_in_time() {
    for (seed, core) in [(12, 3), (13, 3), (14, 5)] {
        let mut story = Story::of(core, seed);
        story.does(&[Lossy { percent: 10 }]);
        for visitor in 0..6 {
            story.does(&[Login { at: visitor, visitor }]);
        }
        story.wait(1_000);
        for visitor in 0..6 {
            story.does(&[RotateSession { at: visitor + 1, visitor }, End { at: visitor, visitor }]);
        }
        story.does(&[CutSubject { at: 0, subject: 0 }, CutSubject { at: 1, subject: 0 }]);
        story.wait(5_000);
        let held = story.0.compare();
        assert_eq!(held, Ok(()), "seed {seed}");
        for (visitor, at) in (0..6).flat_map(|visitor| (0..3).map(move |at| (visitor, at))) {
            assert!(story.verdict(at, visitor).is_err(), "seed {seed}: {visitor} at {at}");
        }
    }
}

#[test]
fn s13_a_journal_older_than_any_retention_brings_nothing_back() {
    let mut story = Story::of(3, 13);
    story.does(&[Login { at: 0, visitor: 0 }, Login { at: 0, visitor: 1 }]);
    story.wait(20);
    story.does(&[End { at: 0, visitor: 0 }]);
    story.wait(20);
    story.does(&[Crash { at: 2 }, CutSubject { at: 0, subject: 1 }]);
    story.wait(400_000);
    story.does(&[Login { at: 0, visitor: 2 }, Restart { at: 2, journal: true }]);
    story.wait(6_000);
    for at in 0..3 {
        assert_eq!(story.verdict(at, 2), Ok(()), "at {at}");
    }
    story.come_together();
}

#[test]
fn s14_a_token_under_a_new_key_opens_everywhere_and_none_is_sealed_with_it_earlier() {
    let mut story = Story::of(3, 14);
    story.does(&[RotateKey { at: 0 }]);
    let first = story.0.replicas[0].sealing();
    for visitor in 0..3 {
        story.wait(2_000);
        story.does(&[Login { at: 0, visitor }]);
        story.wait(20);
        assert_eq!(Some(story.0.visitors[&visitor].0.key), first, "too early");
    }
    story.wait(8_000);
    story.does(&[Login { at: 0, visitor: 3 }]);
    story.wait(20);
    assert_ne!(Some(story.0.visitors[&3].0.key), first);
    for (visitor, at) in (0..4).flat_map(|visitor| (0..3).map(move |at| (visitor, at))) {
        assert_eq!(story.verdict(at, visitor), Ok(()), "{visitor} at {at}");
    }
}

#[test]
fn s15_of_two_rotations_at_one_moment_one_key_seals_everywhere() {
    let mut story = Story::of(3, 15);
    let first = story.0.replicas[0].sealing();
    story.does(&[RotateKey { at: 0 }, RotateKey { at: 1 }]);
    story.wait(15_000);
    let sealing: Vec<_> = story.0.replicas.iter().map(super::sessions::At::sealing).collect();
    assert!(sealing.iter().all(|key| *key == sealing[0] && *key != first), "{sealing:?}");
    story.come_together();
}

#[test]
fn a_minority_is_silent_from_the_limit_on_and_an_hour_later_still_and_the_others_go_on() {
    let mut story = Story::of(3, 1);
    story.does(&[Login { at: 0, visitor: 0 }, Split { mask: 0b100 }]);
    story.wait(5_100);
    story.does(&[End { at: 2, visitor: 0 }]);
    for minute in 0..60 {
        for at in 0..3 {
            assert_eq!(story.answers(at), at < 2, "replica {at} after {minute} minutes");
        }
        story.does(&[Login { at: 0, visitor: 1 }, End { at: 1, visitor: 1 }]);
        story.wait(60_000);
    }
    story.does(&[Heal]);
    story.wait(2_000);
    assert_eq!(story.0.compare(), Ok(()));
    story.come_together();
}

#[test]
fn a_replica_that_reaches_each_other_one_only_one_way_does_not_answer() {
    let mut story = Story::of(3, 2);
    story.does(&[CutLink { one: 0, other: 1 }, Operation::CutOneWay { from: 2, to: 0 }]);
    story.wait(5_100);
    assert_eq!([0, 1, 2].map(|at| story.answers(at)), [false, true, true]);
    story.come_together();
}
