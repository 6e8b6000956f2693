//! `sealpass cluster status`: every replica in one table, as one of them sees the others.

use clap::{Args, Subcommand};
use sealpass::replica::{ClusterReport, Likeness, Member};

use super::one_replica::OneReplica;
use super::table::{plain, table as columns};
use super::{Common, Failure};

/// Look at the replicas of a fleet
#[derive(Debug, Subcommand)]
pub enum Cluster {
    /// Show every replica: its role, whether it answers, its clock, whether keys and endings are in step
    ///
    /// Asks one replica, which says what it knows of the others. Exit code 0 if all is well, 1 if not.
    Status(Status),
}

#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    replica: OneReplica,
}

impl Cluster {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let Self::Status(status) = self;
        status.run(common)
    }
}

impl Status {
    fn run(&self, common: &Common) -> Result<(), Failure> {
        let report: ClusterReport = self.replica.remote(common)?.get("cluster")?;
        self.replica.show(&report, table)?;
        if report.is_well() { Ok(()) } else { Err(Failure::Refused("not all is well with the replicas".to_owned())) }
    }
}

fn table(report: &ClusterReport) -> String {
    let head = ["replica", "role", "release", "answers", "heard", "age", "clock", "keys", "endings"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(report.members.iter().map(row));
    let mut lines = vec![columns(&rows), String::new()];
    let ends = |text: &str| if text.ends_with('?') { "" } else { "." };
    for why in &report.why {
        lines.push(format!("{} does not answer: {}{}", plain(&report.name), plain(&why.text), ends(&why.text)));
    }
    // Of itself it has said why already, and better.
    for member in report.members.iter().filter(|member| report.why.is_empty() || member.standing != "self") {
        lines.extend(member.problem().map(|problem| format!("{} {problem}{}", plain(&member.name), ends(problem))));
    }
    if report.counters.pending > 0 {
        lines.push(format!("{} endings wait for a majority.", report.counters.pending));
    }
    if report.counters.strangers > 0 {
        lines.push(format!(
            "{} messages did not open: somebody there has another cluster secret.",
            report.counters.strangers
        ));
    }
    lines.extend(report.is_well().then(|| summary(report)));
    lines.join("\n")
}

fn summary(report: &ClusterReport) -> String {
    let edges = report.members.iter().filter(|member| member.role == "edge").count();
    match (report.size, edges) {
        (1, 0) => "This replica is alone, and answers.".to_owned(),
        (size, 0) => format!("All is well: {size} of {size} replicas answer."),
        (size, edges) => format!("All is well: {size} of {size} replicas of the core answer, and {edges} at the edge."),
    }
}

fn row(member: &Member) -> [String; 9] {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let own = member.standing == "self";
    [
        plain(&member.name),
        plain(&member.role),
        or_dash(plain(&member.release)),
        if member.ready { "yes" } else { "no" }.to_owned(),
        if own { "itself".to_owned() } else { or_dash(member.heard_ms_ago.map(ago).unwrap_or_default()) },
        or_dash(member.view_age_ms.map(seconds).unwrap_or_default()),
        or_dash(member.clock_offset_ms.map(|offset| format!("{offset:+} ms")).unwrap_or_default()),
        likeness(member.ring).to_owned(),
        likeness(member.facts).to_owned(),
    ]
}

fn likeness(of: Likeness) -> &'static str {
    match of {
        Likeness::Same => "same",
        Likeness::Differs => "differ",
        Likeness::Other => "others'",
        Likeness::Unknown => "-",
    }
}

fn ago(millis: u64) -> String {
    format!("{} ago", seconds(millis))
}

fn seconds(millis: u64) -> String {
    match millis {
        0..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000..7_200_000 => format!("{} min", millis / 60_000),
        _ => format!("{} h", millis / 3_600_000),
    }
}
