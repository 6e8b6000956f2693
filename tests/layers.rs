//! The layers of the design, held as a test over the sources: who may name what, how long files and functions are.
//!
//! It reads text, not syntax: comments and the tests at the end of a file are left out, and a name is looked for as it
//! stands. `cargo check --lib --no-default-features` proves the rest: that the core compiles alone.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Files of the core, below `src/`: no HTTP, no runtime, no files, no clock of their own.
const CORE: &[&str] = &[
    "lib.rs",
    "claims.rs",
    "claims/",
    "clock.rs",
    "custody.rs",
    "custody/",
    "entropy.rs",
    "keyring/",
    "replica.rs",
    "revocation.rs",
    "revocation/",
    "seal.rs",
    "secret.rs",
    "sessions.rs",
    "sessions/",
    "token/",
];

/// Files of the protocol of the replicas: no runtime, no engine, no clock and no randomness of their own.
const PROTOCOL: &[&str] = &[
    "cluster/asks.rs",
    "cluster/batches.rs",
    "cluster/clocks.rs",
    "cluster/compare.rs",
    "cluster/dating.rs",
    "cluster/dispatch.rs",
    "cluster/floor.rs",
    "cluster/member.rs",
    "cluster/members.rs",
    "cluster/message.rs",
    "cluster/node.rs",
    "cluster/ports.rs",
    "cluster/progress.rs",
    "cluster/pushes.rs",
    "cluster/repair.rs",
    "cluster/report.rs",
    "cluster/rounds.rs",
    "cluster/sharing.rs",
    "cluster/table.rs",
    "cluster/view.rs",
    "cluster/wire.rs",
];

/// What may be named where. A place is a file, or a directory with `/` behind it.
struct Rule {
    why: &'static str,
    names: &'static [&'static str],
    where_to: Places,
}

enum Places {
    /// Nowhere but there.
    Only(&'static [&'static str]),
    /// Not in the first, but for the second.
    NotIn(&'static [&'static str], &'static [&'static str]),
}

use Places::{NotIn, Only};

const RULES: &[Rule] = &[
    Rule {
        why: "the core knows no HTTP, no runtime and no operating system",
        names: &[
            "actix_web",
            "actix_http",
            "actix_service",
            "tokio",
            "moka",
            "redb",
            "zenoh",
            "tracing",
            "clap",
            "std::fs",
            "std::net",
            "std::thread",
            "std::env",
            "std::process",
            "std::os",
            "std::path",
            "std::io",
        ],
        where_to: NotIn(CORE, &[]),
    },
    Rule {
        why: "the core does not depend on the service",
        names: &["crate::config", "crate::http", "crate::store", "crate::telemetry", "crate::cluster"],
        where_to: NotIn(CORE, &[]),
    },
    Rule {
        why: "one file reads the wall clock",
        names: &["SystemTime", "UNIX_EPOCH", "now_utc", "now_local"],
        where_to: Only(&["clock.rs"]),
    },
    Rule {
        why: "cryptography is in three files",
        names: &["ring::", "aes::"],
        // In keyring/mod.rs, `ring` is the module beside it.
        where_to: Only(&["seal.rs", "entropy.rs", "secret.rs", "keyring/mod.rs"]),
    },
    Rule {
        why: "constant-time comparison and wiping are the core's",
        names: &["subtle::"],
        where_to: Only(&["secret.rs"]),
    },
    Rule {
        why: "HTTP is in http/",
        names: &["actix_web", "actix_http", "actix_service"],
        where_to: Only(&["http/", "cli/serve.rs", "cli/demo_fleet/"]),
    },
    Rule {
        why: "structured fields are read and written in one file",
        names: &["sfv"],
        where_to: Only(&["dbsc/fields.rs"]),
    },
    Rule { why: "the control API is described in http/", names: &["utoipa"], where_to: Only(&["http/"]) },
    Rule { why: "stores are in store/", names: &["moka", "redb"], where_to: Only(&["store/"]) },
    Rule {
        why: "the service calls nobody but who takes its traces; commands do",
        names: &["ureq"],
        where_to: Only(&[
            "cli/remote.rs",
            "cli/remote/",
            "cli/demo_fleet/",
            "cli/doctor/wire.rs",
            "telemetry/traces/client.rs",
        ]),
    },
    Rule {
        why: "what gets into a trace is in one place",
        names: &["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "opentelemetry_http"],
        where_to: Only(&["telemetry/traces/"]),
    },
    Rule {
        why: "templates are for configurations of proxies",
        names: &["minijinja"],
        where_to: Only(&["cli/proxy_config/files.rs"]),
    },
    Rule {
        why: "the protocol of the replicas is told what comes in and what time it is",
        names: &[
            "tokio",
            "zenoh",
            "rcgen",
            "crate::http",
            "crate::store",
            "crate::config",
            "crate::telemetry",
            "crate::entropy",
            "std::fs",
            "std::net",
            "std::thread",
            "std::io",
            "Instant",
        ],
        where_to: NotIn(PROTOCOL, &[]),
    },
    Rule {
        why: "one file knows the engine of the links",
        names: &["zenoh::"],
        where_to: Only(&["cluster/link/zenoh.rs", "cluster/link/zenoh/"]),
    },
    Rule {
        why: "certificates are made in one file",
        names: &["rcgen::"],
        where_to: Only(&["cluster/link/certificate.rs"]),
    },
    Rule { why: "TLS is in one file", names: &["rustls"], where_to: Only(&["http/tls.rs"]) },
    Rule { why: "sockets come from one file", names: &["listenfd"], where_to: Only(&["http/sockets.rs"]) },
    Rule {
        why: "one file talks to the service manager",
        names: &["sd_notify"],
        where_to: Only(&["cli/serve/notify.rs"]),
    },
    Rule {
        why: "http calls Sessions; it names no cryptography and no ring",
        names: &[
            "crate::seal",
            "crate::keyring",
            "crate::token::open",
            "crate::token::seal",
            "KeyRing",
            "PurposeKey",
            "crate::cluster",
        ],
        where_to: NotIn(&["http/"], &[]),
    },
    Rule {
        why: "http handles no secrets, but for credentials: those are stored as hashes",
        names: &["crate::secret"],
        where_to: NotIn(&["http/"], &["http/credentials.rs"]),
    },
    Rule {
        why: "the binary sees only the public API",
        names: &["crate::", "#[path"],
        where_to: NotIn(&["main.rs", "cli/"], &[]),
    },
];

const MAX_FILE: usize = 320;
/// Files that are over it today, and the length that each may not pass before it is split.
const LONG: &[(&str, usize)] = &[];
const MAX_FUNCTION: usize = 50;

#[test]
fn the_sources_keep_their_layers() {
    let files = sources();
    assert!(files.len() > 40, "only {} files found", files.len());
    for place in CORE.iter().chain(PROTOCOL) {
        assert!(files.iter().any(|(path, _)| is_in(path, &[place])), "{place} is not there");
    }
    for (long, _) in LONG {
        let text = files.iter().find(|(path, _)| path == long).map(|(_, text)| without_tests(text));
        let still = text.is_some_and(|text| text.lines().count() > MAX_FILE);
        assert!(still, "{long} is not over {MAX_FILE} lines any more; take it off the list");
    }
    let mut broken = String::new();
    for (path, text) in &files {
        for fault in faults(path, text) {
            let _ = writeln!(broken, "src/{path}{fault}");
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

/// The checker itself can fail: each of these is one fault, and without it none.
#[test]
fn what_breaks_a_layer_is_found() {
    let head = "//! Sample.\n";
    for (path, line, found) in [
        ("claims.rs", "use actix_web::web;", "HTTP"),
        ("token/mod.rs", "    let _ = std::fs::read(path);", "operating system"),
        ("sessions/issue.rs", "use std::{fs, fmt};", "operating system"),
        ("sessions/issue.rs", "let now = std::time::SystemTime::now();", "wall clock"),
        ("http/mod.rs", "use std::time::{Duration, SystemTime};", "wall clock"),
        ("store/facts.rs", "use ring::digest;", "three files"),
        ("http/public.rs", "use crate::keyring::Keys;", "no ring"),
        ("http/dev.rs", "use crate::secret::Secret;", "no secrets"),
        ("http/dev.rs", "use crate::{config, secret};", "no secrets"),
        ("store/mod.rs", "use actix_web::web;", "in http/"),
        ("custody.rs", "use utoipa::ToSchema;", "described in http/"),
        ("cli/check.rs", "use actix_web::web;", "in http/"),
        ("http/dbsc.rs", "use sfv::Item;", "in one file"),
        ("cli/check.rs", "use crate::keyring::KeyRing;", "public API"),
        ("http/mod.rs", "use moka::sync::Cache;", "in store/"),
        ("store/mod.rs", "use zenoh::Session;", "knows the engine"),
        ("cluster/fleet.rs", "use zenoh::Session;", "knows the engine"),
        ("cluster/link/zenoh.rs", "use rcgen::KeyPair;", "in one file"),
        ("http/dev.rs", "use ureq::Agent;", "calls nobody"),
        ("telemetry/log.rs", "use ureq::Agent;", "calls nobody"),
        ("http/verify.rs", "use opentelemetry::KeyValue;", "in one place"),
        ("telemetry/log.rs", "use opentelemetry_sdk::Resource;", "in one place"),
        ("http/running.rs", "use rustls::ServerConfig;", "TLS is in one file"),
        ("http/running.rs", "use listenfd::ListenFd;", "sockets come from one file"),
        ("cli/serve/life.rs", "use sd_notify::NotifyState;", "the service manager"),
        ("clock.rs", "use crate::config::Site;", "on the service"),
        ("cluster/node.rs", "use tokio::sync::mpsc;", "is told what comes in"),
        ("cluster/pushes.rs", "use zenoh::Session;", "is told what comes in"),
        ("cluster/asks.rs", "use crate::store::CachedFacts;", "is told what comes in"),
        ("cluster/rounds.rs", "let now = std::time::Instant::now();", "is told what comes in"),
    ] {
        let all = faults(path, &format!("{head}{line}\n"));
        assert!(all.iter().any(|fault| fault.contains(found)), "{path}: {line}: {all:?}");
        let comment = format!("{head}// {line}\n/// {line}\n");
        assert_eq!(faults(path, &comment), [""; 0], "{path}: a comment");
        let test = format!("{head}#[cfg(test)]\nmod tests {{\n{line}\n}}\n");
        assert_eq!(faults(path, &test), [""; 0], "{path}: a test");
    }
    for (path, line) in [
        ("seal.rs", "use ring::aead;"),
        ("clock.rs", "let now = SystemTime::now();"),
        ("http/credentials.rs", "use crate::secret::sha256;"),
        ("cli/serve.rs", "use actix_web::rt::System;"),
        ("cli/keys.rs", "use sealpass::keyring::KeyRing;"),
        ("token/mod.rs", "use super::keyring::Keys;"),
        ("store/ring_dir.rs", "use crate::keyring::file;"),
        ("cluster/fleet.rs", "use tokio::sync::mpsc;"),
    ] {
        assert_eq!(faults(path, &format!("{head}{line}\n")), [""; 0], "{path}: {line}");
    }
}

#[test]
fn what_is_too_long_or_has_no_head_is_found() {
    assert_eq!(faults("x.rs", "use std::fmt;\n"), [": does not begin with //!"]);
    let body = |lines: usize| format!("//! Sample.\n{}", "const X: u8 = 0;\n".repeat(lines - 1));
    assert_eq!(faults("x.rs", &body(MAX_FILE)), [""; 0]);
    assert_eq!(faults("x.rs", &body(MAX_FILE + 1)).len(), 1);
    let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", body(MAX_FILE), "//\n".repeat(500));
    assert_eq!(faults("x.rs", &with_tests), [""; 0]);
    let function = |lines: usize| {
        format!(
            "//! S.\nimpl X {{\n    pub fn long(\n        x: u8,\n    ) {{\n{}    }}\n}}\n",
            "        y();\n".repeat(lines - 4)
        )
    };
    assert_eq!(faults("x.rs", &function(MAX_FUNCTION)), [""; 0]);
    assert_eq!(faults("x.rs", &function(MAX_FUNCTION + 1)), [":3: a function of 51 lines"]);
}

/// What is wrong with a file, each fault beginning with its line if it has one.
fn faults(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(": does not begin with //!".to_owned());
    }
    let text = without_tests(text);
    let lines = text.lines().count();
    if lines > LONG.iter().find(|(long, _)| *long == path).map_or(MAX_FILE, |(_, limit)| *limit) {
        found.push(format!(": {lines} lines without tests"));
    }
    for (start, length) in functions(text) {
        if length > MAX_FUNCTION {
            found.push(format!(":{start}: a function of {length} lines"));
        }
    }
    let code = spelt_out(text);
    for rule in RULES.iter().filter(|rule| rule.holds_in(path)) {
        for (number, line) in &code {
            if let Some(name) = rule.names.iter().find(|name| names(line, name)) {
                found.push(format!(":{number}: `{name}`: {}", rule.why));
            }
        }
    }
    found
}

impl Rule {
    fn holds_in(&self, path: &str) -> bool {
        match self.where_to {
            Only(places) => !is_in(path, places),
            NotIn(places, but) => is_in(path, places) && !is_in(path, but),
        }
    }
}

fn is_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| if place.ends_with('/') { path.starts_with(place) } else { path == *place })
}

/// Whether `line` names it as a whole path or the beginning of one: `ring::` is not in `keyring::` or `super::ring::`.
fn names(line: &str, name: &str) -> bool {
    let boundary = |before: &str| {
        let before = before.strip_suffix("sealpass::").unwrap_or(before);
        !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':'))
    };
    let end = |behind: &str| name.ends_with(':') || !behind.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let types = name.starts_with(char::is_uppercase) || name.starts_with("now_");
    line.match_indices(name).any(|(at, _)| (types || boundary(&line[..at])) && end(&line[at + name.len()..]))
}

/// Code lines with their numbers, without comments, and `use a::{b, c}` spelt out as `a::b a::c`, over several lines too.
fn spelt_out(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split("//").next().unwrap_or_default();
        let is_use = line.trim_start().starts_with("use ") || line.trim_start().starts_with("pub use ");
        match &mut open {
            Some((_, whole)) => whole.push_str(line.trim()),
            None if is_use => open = Some((number, line.trim().to_owned())),
            None => lines.push((number, line.to_owned())),
        }
        if let Some((start, whole)) = open.take_if(|(_, whole)| whole.ends_with(';')) {
            lines.push((start, expand(&whole)));
        }
    }
    lines
}

fn expand(tree: &str) -> String {
    let Some((prefix, rest)) = tree.split_once('{') else { return tree.to_owned() };
    let prefix = prefix.rsplit(' ').next().unwrap_or_default();
    let mut prefixes = vec![prefix.to_owned()];
    let (mut out, mut part) = (String::new(), String::new());
    for c in rest.chars() {
        let here = prefixes.last().cloned().unwrap_or_default();
        match c {
            '{' => prefixes.push(format!("{here}{}", std::mem::take(&mut part).trim())),
            ',' | '}' => {
                let _ = write!(out, "{here}{} ", std::mem::take(&mut part).trim());
                if c == '}' {
                    prefixes.pop();
                }
            }
            _ => part.push(c),
        }
    }
    out
}

/// Where functions begin, and how many lines they have. Formatted code closes each one at the indent it began with.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        let words: Vec<_> = code.split(' ').take_while(|word| *word != "fn").collect();
        let qualifiers = ["async", "const", "extern", "pub"];
        let is_head = code.contains("fn ") && words.iter().all(|word| qualifiers.iter().any(|q| word.starts_with(q)));
        match open {
            None if is_head && !code.ends_with(['}', ';']) => open = Some((number, indent)),
            Some((start, at)) if indent == at && matches!(code, "}" | ");") => {
                found.push((start, number - start + 1));
                open = None;
            }
            _ => {}
        }
    }
    found
}

fn without_tests(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod ").map_or(text, |(code, _)| code)
}

/// Every file below `src/`, by its path there.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut open) = (Vec::new(), vec![root.clone()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found
}
