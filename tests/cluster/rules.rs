//! The rules that the promises rest on, each of which a world can break: and each is needed.

use super::operation::{Mood, Schedule};
use super::run::run;

#[test]
fn every_rule_is_needed() {
    let needless = |(rule, moods): (Rule, &[Mood])| {
        let breaks = |seed: u64| {
            let mood = moods[usize::try_from(seed).expect("few") % moods.len()];
            let schedule = Schedule::in_mood(seed, mood);
            run(&schedule, Some(rule)).is_err() && run(&schedule, None).is_ok()
        };
        match (0..WITHIN).find(|seed| breaks(*seed)) {
            Some(seed) => println!("without {rule:?}, seed {seed} breaks a promise"),
            None => return Some(rule),
        }
        None
    };
    let (one, other) = RULES.split_at(RULES.len() / 2);
    let needless: Vec<_> = std::thread::scope(|scope| {
        let all =
            [one, other].map(|some| scope.spawn(|| some.iter().copied().filter_map(needless).collect::<Vec<_>>()));
        all.into_iter().flat_map(|some| some.join().expect("a world panics")).collect()
    });
    assert_eq!(needless, [], "no seed notices that they are broken");
}

/// A rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// An ending is acknowledged when a majority holds it, not when one replica does.
    MajorityAcknowledges,
    /// It is acknowledged when it is durable.
    AcknowledgedWhenDurable,
    /// A login asks a majority first.
    LoginsAsk,
    /// The age of what is known counts from when the question was sent.
    AgeCountsFromSending,
    /// An ending is kept for longer than the idle limit.
    KeptBeyondIdle,
    /// A cut-off hits the very instant.
    HitsTheInstant,
    /// It lies `2e` ahead.
    LiesAhead,
    /// It lies past the start of sessions that began ahead of the clocks.
    LiesPastThePassed,
    /// Who lacks its facts does not count.
    IncompleteDoNotCount,
    /// Who has another time does not answer.
    ClocksAreGuarded,
    /// Who changes a session, or binds it to a device, looks again before the token is handed out.
    LooksAgain,
}

/// Each, and in which schedules it is missed first.
const RULES: &[(Rule, &[Mood])] = &[
    (Rule::MajorityAcknowledges, &[Mood::Ages]),
    (Rule::AcknowledgedWhenDurable, &[Mood::Outages]),
    (Rule::LoginsAsk, &[Mood::Splits]),
    (Rule::AgeCountsFromSending, &[Mood::Splits]),
    (Rule::KeptBeyondIdle, &[Mood::Ages]),
    (Rule::HitsTheInstant, &[Mood::Instants]),
    (Rule::LiesAhead, &[Mood::Instants]),
    (Rule::LiesPastThePassed, &[Mood::Instants]),
    (Rule::IncompleteDoNotCount, &[Mood::Outages]),
    (Rule::ClocksAreGuarded, &[Mood::Clocks]),
    (Rule::LooksAgain, &[Mood::Devices]),
];
/// How many seeds may pass before a broken rule is noticed.
const WITHIN: u64 = 300;
