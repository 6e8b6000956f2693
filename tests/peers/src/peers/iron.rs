//! iron-session, as Node runs it: in a process of its own, which measures itself and is asked in turn with the others.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;

use super::{Peer, Protects};
use crate::claims::Claims;
use crate::turns::Batch;

pub const NAME: &str = "iron-session (Node)";

/// # Errors
/// What is missing, and how to get it.
pub fn peer(sample: &Claims) -> Result<Peer, String> {
    let node = Rc::new(RefCell::new(Node::start()?));
    let first = node.borrow_mut().ask(&sample.json()).ok_or("node does not answer")?;
    let first: First = serde_json::from_str(&first).map_err(|error| error.to_string())?;
    assert_eq!(first.claims, *sample, "{NAME}");
    Ok(Peer {
        name: NAME,
        characters: first.characters,
        protects: Protects { secrecy: "yes", rotation: "a map of passwords", ending: "no" },
        open: batch(&node, "open"),
        seal: batch(&node, "seal"),
    })
}

/// What it says once it has the claims.
#[derive(Deserialize)]
struct First {
    characters: usize,
    claims: Claims,
}

fn batch(node: &Rc<RefCell<Node>>, what: &'static str) -> Batch {
    let node = Rc::clone(node);
    Box::new(move |runs| {
        let nanos = node.borrow_mut().ask(&format!("{what} {runs}"));
        Duration::from_nanos(nanos.and_then(|text| text.parse().ok()).expect("node says what it took"))
    })
}

/// Ended with this value.
struct Node {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Node {
    fn start() -> Result<Self, String> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("iron");
        let modules = std::env::var_os("SEALPASS_IRON").map_or_else(|| here.clone(), PathBuf::from);
        if !modules.join("node_modules/iron-session").exists() {
            return Err("npm ci --prefix tests/peers/iron; or name a directory that has it in SEALPASS_IRON".to_owned());
        }
        let mut command = Command::new("node");
        command.arg(here.join("iron.mjs")).arg(modules).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("node: {error}"))?;
        let (to, from) = child.stdin.take().zip(child.stdout.take()).expect("piped");
        Ok(Self { child, to, from: BufReader::new(from) })
    }

    /// The answer to a line; `None` if it ended.
    fn ask(&mut self, line: &str) -> Option<String> {
        writeln!(self.to, "{line}").ok()?;
        let mut answer = String::new();
        self.from.read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
