//! `sealpass explain`: why was somebody refused? What is in force about a subject or a session, as one replica knows it.

use clap::Args;
use sealpass::clock::Timestamp;
use sealpass::http::Explained;
use sealpass::sessions::InForce;
use serde_json::json;

use super::one_replica::OneReplica;
use super::table::{plain, table};
use super::{Common, Failure};

/// Say what is in force about a subject or a session, and under which names the audit trail has them
///
/// Asks one replica over its control listener. Only pseudonyms are shown; that it was asked, and by whom, is written into the
/// audit trail.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    whom: Whom,
    /// In which realm
    #[arg(long, default_value = "default")]
    realm: String,
    #[command(flatten)]
    replica: OneReplica,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// A user
    #[arg(long, allow_hyphen_values = true)]
    subject: Option<String>,
    /// A session, by its id as the application was given it
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    session_id: Option<String>,
}

impl Explain {
    pub fn run(&self, common: &Common) -> Result<(), Failure> {
        let asked = match (&self.whom.subject, &self.whom.session_id) {
            (Some(subject), _) => json!({"realm": self.realm, "subject": subject}),
            (None, id) => json!({"realm": self.realm, "session_id": id}),
        };
        let explained: Explained = self.replica.remote(common)?.post("explain", &asked)?;
        self.replica.show(&explained, shown)
    }
}

fn shown(explained: &Explained) -> String {
    let of = &explained.explanation;
    let mut lines = Vec::new();
    let name = if explained.replica.is_empty() { "this replica" } else { &explained.replica };
    lines.push(format!("Realm {}, as {} knows it at {}.", plain(&of.realm), plain(name), of.now.rfc3339()));
    if !explained.ready {
        lines.push("It is not ready: others may know more. Look at `sealpass cluster status`.".to_owned());
    }
    lines.push(String::new());
    let subject = of.subject.iter().map(|name| ("subject", name));
    let steps = of.sessions.iter().enumerate();
    let sessions = steps.map(|(at, name)| (if at == 0 { "session" } else { "rotated to" }, name));
    let names: Vec<_> = subject.chain(sessions).collect();
    lines.extend(names.iter().map(|(what, name)| format!("{what:<10}  {name}")));
    lines.push(String::new());
    if of.facts.is_empty() {
        lines.push("Nothing is in force that ends or outdates it.".to_owned());
    } else {
        let head = ["what", "of", "since", "kept until", "meaning"].map(str::to_owned);
        lines.push(table(&[head].into_iter().chain(of.facts.iter().map(row)).collect::<Vec<_>>()));
    }
    if of.sessions.is_empty() {
        lines.push("Endings of single sessions are kept by their ids: ask with --session-id.".to_owned());
    }
    let pattern: Vec<_> = names.iter().map(|(_, name)| name.to_string()).collect();
    lines.push(String::new());
    lines.push(plain(&explained.who));
    lines.push(format!("  grep -E '{}' audit.jsonl", pattern.join("|")));
    lines.join("\n")
}

fn row(fact: &InForce) -> [String; 5] {
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), Timestamp::rfc3339);
    let of = fact.pseudonym.map_or_else(|| fact.of.clone(), |name| format!("{} {name}", fact.of));
    [fact.kind.clone(), of, time(fact.since), time(fact.until), fact.meaning.clone()]
}
