//! The tables of the manual's page: made here, and read back from there.

use std::time::Duration;

use super::late::{self, Late};
use super::paper;
use super::steady::{Figures, SECOND, Steady};
use super::world::Links;

/// A line of a table: what was looked at, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub what: Vec<String>,
    pub figures: Vec<f64>,
}

/// A table, in the order of its lines.
pub struct Table {
    pub name: &'static str,
    head: &'static [&'static str],
    /// How many of its columns say what was looked at.
    whats: usize,
    /// Each line: whether it is quickly made, and how.
    lines: Vec<(bool, Box<dyn Fn() -> Row + Send>)>,
}

/// Within one zone.
const ZONE: Links = Links { takes: (200, 800), lost: 0 };

/// All tables of the page.
pub fn tables() -> Vec<Table> {
    vec![by_replicas(), by_conditions(), joins(), comings(), held()]
}

impl Table {
    /// Makes its lines, or those that are quickly made.
    pub fn rows(&self, quickly: bool) -> impl Iterator<Item = Row> {
        self.lines.iter().filter(move |(quick, _)| *quick || !quickly).map(|(_, make)| make())
    }

    /// As it stands in the page.
    pub fn text(&self, rows: &[Row]) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<_> = self.head.iter().map(ToString::to_string).collect();
        let ruler: Vec<_> = head.iter().map(|_| "---".to_owned()).collect();
        let rows = rows.iter().map(|row| {
            let figures = row.figures.iter().map(|figure| spelt(*figure));
            line(&row.what.iter().cloned().chain(figures).collect::<Vec<_>>())
        });
        [line(&head), line(&ruler)].into_iter().chain(rows).collect()
    }

    /// The lines that the page has.
    pub fn read(&self, page: &str) -> Vec<Row> {
        let (_, behind) = page.split_once(&self.begin()).expect("the page has a place for it");
        let (text, _) = behind.split_once(END).expect("it ends");
        let rows = text.lines().filter(|line| line.starts_with('|')).skip(2);
        let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        rows.map(|line| {
            let mut what: Vec<String> = cells(line);
            let figures = what.split_off(self.whats);
            Row { what, figures: figures.iter().map(|figure| number(figure)).collect() }
        })
        .collect()
    }

    /// The page with these lines in it.
    pub fn written(&self, page: &str, rows: &[Row]) -> String {
        let (before, behind) = page.split_once(&self.begin()).expect("the page has a place for it");
        let (_, after) = behind.split_once(END).expect("it ends");
        format!("{before}{}\n{}{END}{after}", self.begin(), self.text(rows))
    }

    fn begin(&self) -> String {
        format!("<!-- scale: {} -->", self.name)
    }
}

fn by_replicas() -> Table {
    let sizes = [3, 10, 30, 100, 300, 1_000];
    let lines = [0, MILLION].into_iter().flat_map(|logouts| {
        sizes.map(|replicas| {
            let fleet = Steady { replicas, core: 3, logouts, links: ZONE };
            let what = vec![grouped(logouts), grouped(replicas as u64)];
            line(replicas <= 10, move || Row { what: what.clone(), figures: traffic(&fleet.run()) })
        })
    });
    Table { name: "replicas", head: TRAFFIC, whats: 2, lines: lines.collect() }
}

fn by_conditions() -> Table {
    let usual = Steady { replicas: 30, core: 3, logouts: MILLION, links: ZONE };
    let far = |millis: u64| Links { takes: (900 * millis, 1_100 * millis), lost: 0 };
    let cases = [
        ("as above", usual, false),
        ("a core of five", Steady { core: 5, ..usual }, false),
        ("100,000 logouts an hour", Steady { logouts: MILLION / 10, ..usual }, true),
        ("10,000,000 logouts an hour", Steady { logouts: MILLION * 10, ..usual }, false),
        ("1 % of all messages lost", Steady { links: Links { lost: 10, ..ZONE }, ..usual }, false),
        ("5 ms from each to each", Steady { links: far(5), ..usual }, false),
        ("50 ms from each to each", Steady { links: far(50), ..usual }, false),
    ];
    let lines = cases.map(|(what, fleet, quick)| {
        line(quick, move || Row { what: vec![what.to_owned()], figures: speed(&fleet.run()) })
    });
    Table { name: "conditions", head: SPEED, whats: 1, lines: lines.into() }
}

fn joins() -> Table {
    let far = Links { takes: (18_000, 22_000), lost: 0 };
    let lines = [1_000, 10_000, 100_000, MILLION].into_iter().flat_map(|facts| {
        [(ZONE, "0.5 ms"), (far, "20 ms")].map(|(links, takes)| {
            let make = move || {
                let Late { lacked, took, sent, came } = late::join(facts, links);
                late_row(vec![grouped(lacked), takes.to_owned()], lacked, took, [sent, came])
            };
            line(facts <= 1_000, make)
        })
    });
    Table { name: "joins", head: JOINS, whats: 2, lines: lines.collect() }
}

fn comings() -> Table {
    let lines = [10, 60, 600].map(|seconds| {
        line(seconds == 10, move || {
            let Late { lacked, took, sent, came } = late::come_back(seconds, MILLION, ZONE);
            late_row(vec![grouped(seconds)], lacked, took, [sent, came])
        })
    });
    Table { name: "comings", head: COMINGS, whats: 1, lines: lines.into() }
}

fn held() -> Table {
    let idle = [10, 30, 120, 720];
    let lines = [MILLION / 100, MILLION / 10, MILLION, 10 * MILLION].map(|logouts| {
        line(true, move || {
            let facts = idle.map(|minutes| paper::held(logouts, Duration::from_secs(60 * minutes)));
            let mib = facts.map(|facts| count(facts * BYTES_A_FACT) / f64::from(1 << 20));
            let figures = [count(logouts) / 3_600.0].into_iter();
            let both = facts.into_iter().zip(mib).flat_map(|(facts, mib)| [count(facts), mib]);
            Row { what: vec![grouped(logouts)], figures: figures.chain(both).collect() }
        })
    });
    Table { name: "held", head: HELD, whats: 1, lines: lines.into() }
}

fn line(quick: bool, make: impl Fn() -> Row + Send + 'static) -> (bool, Box<dyn Fn() -> Row + Send>) {
    (quick, Box::new(make))
}

fn traffic(figures: &Figures) -> Vec<f64> {
    let Figures { core: (sent, came), edge, fleet, logout, .. } = figures;
    let [push, ask, round, repair] = fleet.map(kib);
    let mut row = vec![count(sent.messages), count(came.messages), kib(sent.bytes), kib(came.bytes)];
    row.extend([count(edge.messages), kib(edge.bytes), push, ask, round, repair, kib(*logout)]);
    row
}

fn speed(figures: &Figures) -> Vec<f64> {
    let Figures { core: (sent, _), fleet, logout, held, asked, known, .. } = figures;
    let times = [held, asked, known].into_iter().flat_map(|of| of.map(|micros| count(micros) / 1_000.0));
    let mut row = vec![kib(sent.bytes), kib(fleet.iter().sum()), kib(fleet[3]), kib(*logout)];
    row.extend(times);
    row
}

fn late_row(what: Vec<String>, lacked: u64, took: u64, [sent, came]: [super::traffic::Sum; 2]) -> Row {
    let seconds = count(took) / count(SECOND);
    let each = count(came.bytes + sent.bytes) / count(lacked.max(1));
    let figures = vec![count(lacked), seconds, count(came.messages), kib(came.bytes), kib(sent.bytes), each];
    Row { what, figures }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn count(number: u64) -> f64 {
    number as f64
}

fn kib(bytes: u64) -> f64 {
    count(bytes) / 1_024.0
}

/// Three digits, or all before the point.
fn spelt(figure: f64) -> String {
    match figure {
        0.0..10.0 => format!("{figure:.2}"),
        10.0..100.0 => format!("{figure:.1}"),
        _ => grouped(format!("{figure:.0}").parse().expect("a whole number")),
    }
}

fn number(spelt: &str) -> f64 {
    spelt.replace(',', "").parse().expect("a number")
}

/// With a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let commas = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    digits.char_indices().flat_map(|(at, digit)| commas(at).then_some(',').into_iter().chain([digit])).collect()
}

const MILLION: u64 = 1_000_000;
/// In a fleet; `tests/scale_memory.rs` and the page's section on memory.
const BYTES_A_FACT: u64 = 500;
const END: &str = "<!-- scale: end -->";
const TRAFFIC: &[&str] = &[
    "logouts an hour",
    "replicas",
    "core: messages out",
    "in",
    "KiB out",
    "KiB in",
    "edge: messages out",
    "KiB out",
    "fleet, KiB: pushes",
    "asks",
    "rounds",
    "repair",
    "KiB a logout",
];
const SPEED: &[&str] = &[
    "30 replicas, 1,000,000 logouts an hour",
    "core: KiB out",
    "fleet, KiB",
    "of it repair",
    "KiB a logout",
    "held, ms: p50",
    "p99",
    "login, ms: p50",
    "p99",
    "known by all, ms: p50",
    "p99",
];
const HELD: &[&str] = &[
    "logouts an hour",
    "a second",
    "idle limit 10 min: facts",
    "MiB",
    "30 min: facts",
    "MiB",
    "2 h: facts",
    "MiB",
    "12 h: facts",
    "MiB",
];
const JOINS: &[&str] =
    &["facts", "a message takes", "pulled", "seconds", "messages in", "KiB in", "KiB out", "bytes a fact"];
const COMINGS: &[&str] =
    &["seconds away", "facts lacked", "seconds", "messages in", "KiB in", "KiB out", "bytes a fact"];
