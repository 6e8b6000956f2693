//! Commands and configurations that the pages print: the program knows them, and a test runs them or it is said why none
//! does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::common::Place;
use super::{names_of_tests, sources};

/// Blocks with commands, by how they begin: who runs them as they are printed. A test, by its name; or why none does.
const RUN: &[(&str, &str, Result<&str, &str>)] = &[
    ("README", "cargo install --path .                            # 3", Ok(GUARDED)),
    ("README", "curl -ki https://localhost", Ok(GUARDED)),
    (
        "README",
        "cargo run --release -- serve --dev",
        Ok("dev_makes_private_files_and_what_it_prints_works_as_it_is_printed"),
    ),
    ("README", "cargo run --release -- demo-fleet", Ok("demo_fleet_shows_a_fleet_and_ends")),
    ("README", "cargo test", Err("that is this")),
    ("README", "sealpass proxy-config nginx", Ok(SET_UP)),
    ("README", "sealpass doctor", Err("a host of yours; tests/doctor.rs asks one of its own")),
    ("README", "curl -i http://127.0.0.1:8081/v1/sessions \\", Ok(SET_UP)),
    ("README", "curl -i http://127.0.0.1:8081/v1/sessions/revoke", Ok(SET_UP)),
    ("README", "cargo install --path .   ", Ok(SET_UP)),
    ("README", "mkdir ~/three", Ok("the README leads from a clone to three replicas")),
    ("README", "sealpass keys rotate", Ok(SET_UP)),
    ("apps", "cargo build && node", Err("that is this")),
    ("console", "sealpass credential add", Err("as on the page operations, with another name")),
    ("csrf", "# A login.", Ok("the_commands_of_the_csrf_page_work_as_they_stand")),
    ("deploy", "install -m 755", Err("root's, under systemd; tests/deploy starts what the unit says")),
    ("deploy", "podman run", Err("a container")),
    ("deploy", "sealpass keys init --keys made", Err("a cluster; tests/deploy starts what the manifests say")),
    ("doctor", "sealpass doctor", Err("a host of yours; tests/doctor.rs asks one of its own")),
    ("doctor", "sealpass echo", Err("a host of yours; tests/doctor.rs asks one of its own")),
    ("operations", "sealpass keys init", Ok("the page on operations sets up a service")),
    ("operations", "sealpass credential add", Ok(TYPED)),
    ("operations", "sealpass cluster status --control https", Ok("every_command_speaks_tls_to_a_control_listener")),
    ("operations", "sealpass explain", Ok(TYPED)),
    ("operations", "sealpass cluster status --control http:", Ok(TYPED)),
    ("operations", "0 3 1 * *", Ok(TYPED)),
    ("operations", "sealpass keys revoke", Ok(TYPED)),
    ("operations", "sealpass keys replace-ring", Ok(TYPED)),
    ("operations", "sealpass keys secret accept", Ok(TYPED)),
    ("performance", "cargo build --release", Err("minutes of measuring; .ci/run peers runs both, briefly")),
];

const GUARDED: &str = "the README leads from a clone to a guarded page";
const SET_UP: &str = "the README sets up a service that logs in and out";
const TYPED: &str = "the page on operations is typed as it stands";
const ENDINGS: &str = "every_line_of_the_page_on_endings_works_as_it_is_printed";

#[test]
fn every_block_of_commands_is_run_by_a_test_or_it_is_said_why_not() {
    let named = names_of_tests();
    let mut seen = BTreeSet::new();
    for (page, text) in pages() {
        for (_, block) in blocks(&text).into_iter().filter(|(language, block)| has_commands(language, block)) {
            if page == "endings" || super::PRINTED.iter().any(|(printed, _)| *printed == page) {
                continue; // whole pages
            }
            let fits = |(of, begins, _): &&(&str, &str, _)| *of == page && block.starts_with(begins);
            // The longest beginning is the closest.
            let run = RUN.iter().filter(fits).max_by_key(|(_, begins, _)| begins.len());
            let (of, begins, _) = run.unwrap_or_else(|| panic!("{page}: who runs this?\n{block}"));
            seen.insert((*of, *begins));
        }
    }
    let there: Vec<_> = pages().into_iter().map(|(page, _)| page).collect();
    for (page, begins, by) in RUN.iter().filter(|(page, ..)| there.iter().any(|name| name == page)) {
        assert!(seen.contains(&(*page, *begins)), "{page} has no block that begins with {begins}");
        assert!(by.map_or(true, |test| named.contains(test)), "{page}: there is no test {by:?}");
    }
    assert!(named.contains(ENDINGS));
}

#[test]
fn the_program_knows_every_command_and_every_option_that_a_page_names() {
    let mut known = BTreeMap::new();
    learn(&mut known, &[]);
    let mut checked = 0;
    // The page `format` speaks of the ring file's first line.
    for (page, text) in pages().into_iter().filter(|(page, _)| page != "format") {
        for command in commands(&text) {
            let words: Vec<_> = command.split_whitespace().collect();
            let mut path = Vec::new();
            while let Some(word) = words.get(path.len()).filter(|word| known[&path].1.contains(**word)) {
                path.push((*word).to_owned());
            }
            let (options, subcommands) = &known[&path];
            let next = words.get(path.len());
            let stray =
                next.filter(|word| !subcommands.is_empty() && word.starts_with(|c: char| c.is_ascii_lowercase()));
            // A list of several: `credential add`, `list`, or `keys secret accept` and `only`.
            assert!(stray.is_none(), "{page}: no command: sealpass {command}");
            let given = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
            for option in given.map(|word| word.split('=').next().unwrap_or(word)) {
                assert!(options.contains(option), "{page}: no option {option}: sealpass {command}");
            }
            checked += 1;
        }
    }
    assert!(checked > 80, "{checked} commands");
}

#[test]
fn every_configuration_that_a_page_prints_is_a_right_one() {
    let place = Place::new();
    place.with_application();
    for path in ["keys/facts.redb", "c.toml"] {
        assert!(!place.path(path).exists());
    }
    let mut checked = 0;
    for (page, text) in pages() {
        let built_in = |language: &str| language == "toml" && !OF_FEATURES.contains(&&*page);
        for (_, block) in blocks(&text).into_iter().filter(|(language, _)| built_in(language)) {
            // Of a part of a file, the rest is what that needs.
            let trusted = if block.contains("trusted_proxies =") { "" } else { "trusted_proxies = [\"127.0.0.1\"]\n" };
            fs::write(place.path("c.toml"), format!("{trusted}{block}")).expect("writable");
            let name = [("SEALPASS_CLUSTER__NAME", "a")];
            let own = !block.contains("[cluster]") || block.lines().any(|line| line.starts_with("name ="));
            let output = place.run_with(&["check", "--config", "c.toml"], if own { &[] } else { &name }, b"");
            assert!(output.status.success(), "{page}: {}\n{block}", String::from_utf8_lossy(&output.stderr));
            checked += 1;
        }
    }
    assert!(checked >= 12, "{checked} configurations");
}

#[test]
fn every_exit_code_has_its_row() {
    let (_, rest) = OPERATIONS.split_once("\n## Exit codes\n").expect("the heading");
    let (table, _) = rest.split_once("\n## ").expect("another heading");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok());
    let rows: BTreeSet<u8> = rows.collect();
    let mut codes = BTreeSet::from([0, 1, 2]); // done, ExitCode::FAILURE, clap's
    for (_, source) in sources("src/cli", &["rs"]) {
        let given =
            source.split("ExitCode::from(").skip(1).filter_map(|rest| rest.split(')').next()?.parse::<u8>().ok());
        codes.extend(given);
    }
    assert!(codes.contains(&64), "{codes:?}");
    assert_eq!(rows, codes);
}

/// What each command takes, as its help says: options, and commands below.
type Known = BTreeMap<Vec<String>, (BTreeSet<String>, BTreeSet<String>)>;

fn learn(known: &mut Known, path: &[String]) {
    let mut args: Vec<_> = path.iter().map(String::as_str).collect();
    args.push("--help");
    let output = Place::new().run(&args, b"");
    let help = String::from_utf8(output.stdout).expect("text");
    let words = help.split(|c: char| c.is_whitespace() || "[]<>=,".contains(c));
    let mut options: BTreeSet<_> = words.filter(|word| word.starts_with("--")).map(str::to_owned).collect();
    options.extend(["--help".to_owned(), "--version".to_owned()]);
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap_or_default());
    let below =
        listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty());
    let below: BTreeSet<_> = below.map(str::to_owned).filter(|name| name != "help").collect();
    for name in &below {
        learn(known, &[path, std::slice::from_ref(name)].concat());
    }
    known.insert(path.to_vec(), (options, below));
}

/// All that follows `sealpass`, in blocks and in the text, each up to where the shell or the sentence goes on.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines() {
        for (at, _) in line.match_indices("sealpass ") {
            let before = line[..at].chars().next_back();
            let begins =
                at == 0 || matches!(before, Some('`' | '(')) || line[..at].ends_with("exec ") || is_cron(line, at);
            let rest = &line[at + "sealpass ".len()..];
            let end = rest.find(['`', '|', '>', '&', ';', ')', '#', '…']).unwrap_or(rest.len());
            found.extend(begins.then(|| rest[..end].trim().to_owned()).filter(|command| !command.is_empty()));
        }
    }
    found
}

fn is_cron(line: &str, at: usize) -> bool {
    line.starts_with("0 3 1 * *") && line[..at].ends_with("sealpass  ")
}

/// The blocks of a page, with their languages.
fn blocks(text: &str) -> Vec<(String, String)> {
    // The line break that ends the text before may begin the page.
    let whole = format!("\n{text}");
    let parts = whole.split("\n```").skip(1).step_by(2);
    let halves = parts.filter_map(|part| part.split_once('\n'));
    halves.map(|(language, block)| (language.to_owned(), format!("{block}\n"))).collect()
}

fn has_commands(language: &str, block: &str) -> bool {
    let is = |line: &str| COMMANDS.iter().any(|word| line.split(' ').any(|part| part == *word));
    language == "sh" || language == "text" && block.lines().any(is)
}

const COMMANDS: [&str; 6] = ["sealpass", "curl", "cargo", "podman", "kubectl", "api"];

/// Every page, by its name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let single = [
        ("README", "README.md"),
        ("SECURITY", "SECURITY.md"),
        ("keys", "keys/README.md"),
        ("apps", "tests/apps/README.md"),
    ];
    let single = single.map(|(name, path)| (name.to_owned(), fs::read_to_string(root.join(path)).expect("there")));
    let name = |path: PathBuf| path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
    let manual = sources("src/manual", &["md"]).into_iter().map(|(path, text)| (name(path), text));
    single.into_iter().chain(manual).collect()
}

/// Pages about what the program has only if it is built with a feature; the tests of that feature run them.
const OF_FEATURES: [&str; 1] = ["dbsc"];

const OPERATIONS: &str = include_str!("../../src/manual/operations.md");
