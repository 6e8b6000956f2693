//! The rules of the cut-off, tried in every order of two small worlds: three replicas whose clocks differ as far as they may,
//! two of which are a majority. In one there are two cut-offs and two logins, in the other one of each, renewals,
//! and a step of time. No session from before a cut-off survives it, and no login after it is refused. And every rule is
//! needed: with any one left out, a world breaks.
//!
//! The arithmetic is the core's own; who asks whom is this model's.

use std::collections::HashSet;

use sealpass::clock::Timestamp;
use sealpass::revocation::{CLOCK_ERROR, cutoff_at, next, reaches, start_after};

#[test]
fn no_old_session_survives_and_no_fresh_login_is_refused() {
    for (renewals, states) in [(false, 40_000), (true, 1_000)] {
        let mut world = World { renewals, ..World::default() };
        assert_eq!(world.explore(), None);
        assert!(world.seen > states, "only {} states", world.seen);
    }
}

#[test]
fn every_rule_is_needed() {
    for (left_out, breaks) in [
        (Rule::ComparesStarted, Broken::OldSurvives),
        (Rule::HitsTheInstant, Broken::OldSurvives),
        (Rule::LiesAhead, Broken::OldSurvives),
        (Rule::PassesKnown, Broken::OldSurvives),
        (Rule::AcknowledgementsRaise, Broken::OldSurvives),
        (Rule::IssuersPassKnown, Broken::FreshRefused),
        (Rule::IssuersAskAMajority, Broken::FreshRefused),
        (Rule::IssuersTellWhatTheyPassed, Broken::OldSurvives),
    ] {
        let renewals = left_out == Rule::ComparesStarted;
        let mut world = World { left_out: Some(left_out), renewals, ..World::default() };
        assert_eq!(world.explore(), Some(breaks), "without {left_out:?}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A cut-off compares `started`, which no renewal moves.
    ComparesStarted,
    /// It hits what started at the very instant.
    HitsTheInstant,
    /// It lies `2e` ahead.
    LiesAhead,
    /// It lies past what was known.
    PassesKnown,
    /// Whoever acknowledges it says what it knew; if that is no less, the cut-off is raised past it and sent again.
    AcknowledgementsRaise,
    /// A login starts behind what is known.
    IssuersPassKnown,
    /// That is what a majority knows.
    IssuersAskAMajority,
    /// And who of the majority knew less learns it: else the login may lie behind something that no later cut-off hears of.
    IssuersTellWhatTheyPassed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    OldSurvives,
    FreshRefused,
}

const REPLICAS: usize = 3;
const MAX_OF_EACH: usize = 2;
const START: Timestamp = match Timestamp::from_millis(1_000_000) {
    Some(start) => start,
    None => panic!("in range"),
};
/// Longer than a cut-off lies ahead of the most advanced clock.
const STEP: std::time::Duration = std::time::Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    stepped: bool,
    known: [Option<Timestamp>; REPLICAS],
    cutoffs: [Option<Cutoff>; MAX_OF_EACH],
    logins: [Option<Login>; MAX_OF_EACH],
    /// The latest that was acknowledged.
    acknowledged: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Cutoff {
    by: usize,
    with: usize,
    at: Timestamp,
    /// Which logins were answered before it was asked for.
    ends: [bool; MAX_OF_EACH],
    /// Whether it was raised past what another one knew. Once is enough, and two that go on raising would never end.
    raised: bool,
    done: bool,
}

/// A session. It is answered in the step in which it is asked for: what else could happen between them would only take away
/// from what has to hold of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Login {
    started: Timestamp,
    sealed: Timestamp,
    /// The latest cut-off that it came before.
    ended: Option<Timestamp>,
    /// Whether one that it came behind hits it.
    refused: bool,
}

#[derive(Default)]
struct World {
    left_out: Option<Rule>,
    /// Whether time goes on and sessions are renewed; then there is one cut-off and one login.
    renewals: bool,
    /// Which clocks are ahead by `e`; the others are behind by it.
    ahead: [bool; REPLICAS],
    seen: usize,
}

impl World {
    fn explore(&mut self) -> Option<Broken> {
        // Which of them is ahead makes no difference, and all ahead are as good as none.
        for ahead in 0..REPLICAS {
            self.ahead = std::array::from_fn(|replica| replica < ahead);
            let (mut seen, mut open) = (HashSet::new(), vec![State::new()]);
            while let Some(state) = open.pop() {
                if let Some(broken) = self.broken(&state) {
                    return Some(broken);
                }
                if seen.insert(state) {
                    self.steps(&state, &mut open);
                }
            }
            self.seen += seen.len();
        }
        None
    }

    fn holds(&self, rule: Rule) -> bool {
        self.left_out != Some(rule)
    }

    fn of_each(&self) -> usize {
        if self.renewals { 1 } else { MAX_OF_EACH }
    }

    fn now(&self, state: &State, replica: usize) -> Timestamp {
        let true_time = if state.stepped { START.plus(STEP) } else { START };
        if self.ahead[replica] { true_time.plus(CLOCK_ERROR) } else { true_time.minus(CLOCK_ERROR) }
    }

    fn cutoff_at(&self, now: Timestamp, known: Option<Timestamp>) -> Timestamp {
        let now = if self.holds(Rule::LiesAhead) { now } else { now.minus(2 * CLOCK_ERROR) };
        cutoff_at(now, known.filter(|_| self.holds(Rule::PassesKnown)))
    }

    fn hits(&self, at: Timestamp, started: Timestamp, sealed: Timestamp) -> bool {
        let compared = if self.holds(Rule::ComparesStarted) { started } else { sealed };
        // Without the rule: only what is earlier.
        reaches(at, if self.holds(Rule::HitsTheInstant) { compared } else { next(compared) })
    }

    fn broken(&self, state: &State) -> Option<Broken> {
        let logins = || state.logins.into_iter().flatten();
        let survives = |login: Login| login.ended.is_some_and(|at| !self.hits(at, login.started, login.sealed));
        if logins().any(survives) {
            return Some(Broken::OldSurvives);
        }
        logins().any(|login| login.refused).then_some(Broken::FreshRefused)
    }

    fn steps(&self, state: &State, out: &mut Vec<State>) {
        if self.renewals {
            out.push(State { stepped: true, ..*state });
        }
        for by in 0..REPLICAS {
            for with in (0..REPLICAS).filter(|with| *with != by) {
                out.extend(self.ask_cutoff(state, by, with));
                out.extend(self.log_in(state, by, with));
            }
        }
        for at in 0..MAX_OF_EACH {
            out.extend(self.push_cutoff(state, at));
            out.extend((0..REPLICAS).filter(|_| self.renewals).filter_map(|replica| self.renew(state, at, replica)));
        }
    }

    /// A replica is asked for a cut-off, decides on its time, and knows it.
    fn ask_cutoff(&self, state: &State, by: usize, with: usize) -> Option<State> {
        let free = state.cutoffs[..self.of_each()].iter().position(Option::is_none)?;
        let at = self.cutoff_at(self.now(state, by), state.known[by]);
        let ends = state.logins.map(|login| login.is_some());
        let mut after = state.learns(by, Some(at));
        after.cutoffs[free] = Some(Cutoff { by, with, at, ends, raised: false, done: false });
        Some(after)
    }

    /// Another one gets it. If that one knew as late a time already, on it goes; else a majority has it, and it is acknowledged.
    fn push_cutoff(&self, state: &State, which: usize) -> Option<State> {
        let cutoff = state.cutoffs[which].filter(|cutoff| !cutoff.done)?;
        let (by, with) = (cutoff.by, cutoff.with);
        let knew = state.known[with];
        let mut after = state.learns(with, Some(cutoff.at));
        if !cutoff.raised && knew >= Some(cutoff.at) && self.holds(Rule::AcknowledgementsRaise) {
            let at = self.cutoff_at(self.now(state, by), knew);
            after = after.learns(by, Some(at));
            after.cutoffs[which] = Some(Cutoff { at, raised: true, ..cutoff });
            return Some(after);
        }
        after.cutoffs[which] = Some(DONE);
        after.acknowledged = after.acknowledged.max(Some(cutoff.at));
        for (login, ends) in after.logins.iter_mut().zip(cutoff.ends) {
            if let (Some(login), true) = (login, ends) {
                login.ended = login.ended.max(Some(cutoff.at));
            }
        }
        Some(after)
    }

    /// A replica is asked for a session, and asks another one what it knows.
    fn log_in(&self, state: &State, by: usize, with: usize) -> Option<State> {
        let free = state.logins[..self.of_each()].iter().position(Option::is_none)?;
        let mut heard = state.known[by];
        let mut after = *state;
        if self.holds(Rule::IssuersAskAMajority) {
            heard = heard.max(state.known[with]);
            if self.holds(Rule::IssuersTellWhatTheyPassed) {
                after = after.learns(by, heard).learns(with, heard);
            }
        }
        let started = start_after(self.now(state, by), heard.filter(|_| self.holds(Rule::IssuersPassKnown)));
        let refused = state.acknowledged.is_some_and(|at| self.hits(at, started, started));
        after.logins[free] = Some(Login { started, sealed: started, ended: None, refused });
        Some(after)
    }

    /// Any replica that does not know better seals a session anew.
    fn renew(&self, state: &State, which: usize, by: usize) -> Option<State> {
        let login = state.logins[which]?;
        let now = self.now(state, by);
        let known = state.known[by].is_some_and(|at| self.hits(at, login.started, login.sealed));
        let mut after = *state;
        after.logins[which] = Some(Login { sealed: now, ..login });
        (!known && now > login.sealed).then_some(after)
    }
}

impl State {
    fn new() -> Self {
        Self {
            stepped: false,
            known: [None; REPLICAS],
            cutoffs: [None; MAX_OF_EACH],
            logins: [None; MAX_OF_EACH],
            acknowledged: None,
        }
    }

    fn learns(mut self, replica: usize, at: Option<Timestamp>) -> Self {
        self.known[replica] = self.known[replica].max(at);
        self
    }
}

/// A cut-off that was acknowledged: what it did is in what replicas and logins know of it.
const DONE: Cutoff =
    Cutoff { by: 0, with: 0, at: Timestamp::EPOCH, ends: [false; MAX_OF_EACH], raised: false, done: true };
