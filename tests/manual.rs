//! The manual against what it speaks of: the code that it prints is code that runs, and the tests that it names exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "manual/commands.rs"]
mod commands;
#[expect(dead_code, unused_imports, reason = "each test crate uses its part")]
mod common;

#[test]
fn what_is_printed_is_part_of_a_file_that_runs() {
    let files: Vec<_> = sources("tests/apps", &["mjs", "py", "go", "sh", "toml", "conf"]);
    assert!(files.len() >= 10, "{} files", files.len());
    for (page, text) in PRINTED {
        let blocks: Vec<_> = text.split("\n```").skip(1).step_by(2).collect();
        assert!(blocks.len() >= 2, "{page}: {} blocks", blocks.len());
        for block in blocks {
            let (_, code) = block.split_once('\n').expect("a language, and lines");
            let lines = format!("\n{code}\n");
            let somewhere = files.iter().any(|(_, source)| format!("\n{source}").contains(&lines));
            assert!(somewhere, "{page}: no file has this block:\n{code}");
        }
    }
}

#[test]
fn every_requirement_has_its_row_and_every_test_that_a_row_names_is_there() {
    let named = names_of_tests();
    let rows: Vec<Vec<_>> = ASVS
        .lines()
        .filter(|line| line.starts_with("| 3.") || line.starts_with("| 7."))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let numbers: Vec<_> = rows.iter().map(|row| row[0].to_owned()).collect();
    let all = SECTIONS.iter().flat_map(|(section, count)| (1..=*count).map(move |last| format!("{section}.{last}")));
    assert_eq!(numbers, all.collect::<Vec<_>>());
    for row in rows {
        let [number, level, asked, verdict, how, tests] = row[..] else { panic!("{row:?}") };
        assert!(["1", "2", "3"].contains(&level) && !asked.is_empty() && !how.is_empty(), "{number}");
        assert!(VERDICTS.contains(&verdict), "{number}: {verdict}");
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        let needed = !["yours", "not held"].contains(&verdict);
        assert!(!needed || !tests.is_empty(), "{number} is said to be {verdict}, and no test proves it");
        for test in tests {
            assert!(named.contains(test), "{number}: there is no test {test:?}");
        }
    }
}

#[test]
fn a_stranger_reads_and_types_for_five_minutes_to_a_guarded_page_and_ten_to_three_replicas() {
    let (until_guarded, _) = README.split_once("\n## Behind your proxy\n").expect("the heading");
    let (_, of_three) = README.split_once("\n### Several replicas\n").expect("the heading");
    let (of_three, _) = of_three.split_once("\n### ").expect("another heading");
    let (one, three) = (seconds(until_guarded), seconds(until_guarded) + seconds(of_three));
    assert!((60..=300).contains(&one), "{one} s to a guarded page");
    assert!((one + 60..=600).contains(&three), "{three} s to three replicas");
}

/// How long it takes to read all of it, at 230 words a minute, and to type what stands in `sh` blocks, at 40 words of five
/// characters.
fn seconds(text: &str) -> usize {
    let words = text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count();
    let blocks = text.split("\n```sh\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    let lines = blocks.flat_map(|(block, _)| block.lines());
    let typed: usize = lines.map(|line| line.split(" # ").next().unwrap_or_default().trim_end().len() + 1).sum();
    words * 60 / 230 + typed * 60 / (40 * 5)
}

/// Of Rust the functions below `#[test]`, of Node what is given to `test`, and the checks of the applications.
fn names_of_tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in sources("tests", &["rs"]).into_iter().chain(sources("src", &["rs"])) {
        for after in text.split("#[test]\n").skip(1) {
            let name = after.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
            names.extend(name.map(|(name, _)| name.to_owned()));
        }
    }
    for (_, text) in sources("tests", &["mjs"]) {
        for line in text.lines().map(str::trim_start) {
            let quoted = ["test('", "test(`", "async '"].iter().find_map(|opening| line.strip_prefix(opening));
            names.extend(quoted.and_then(|rest| rest.split(['\'', '`']).next()).map(str::to_owned));
        }
    }
    names
}

/// The files below `dir` that end in one of `endings`, with their text.
fn sources(dir: &str, endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a directory").map(|entry| entry.expect("readable").path()) {
            let ending = entry.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if entry.is_dir() {
                dirs.extend(Some(entry).filter(|dir| !dir.ends_with("node_modules") && !dir.ends_with("target")));
            } else if endings.contains(&ending) {
                let text = fs::read_to_string(&entry).expect("text");
                found.push((entry, text));
            }
        }
    }
    found
}

/// Pages of which every block is part of a file below `tests/apps`, which runs as it stands.
const PRINTED: &[(&str, &str)] = &[
    ("quickstart", include_str!("../src/manual/quickstart.md")),
    ("migrate", include_str!("../src/manual/migrate.md")),
    ("leaving", include_str!("../src/manual/leaving.md")),
];

const README: &str = include_str!("../README.md");

const ASVS: &str = include_str!("../src/manual/asvs.md");

/// The requirements of ASVS 5.0.0 in the chapters V3 and V7: how many each section has.
const SECTIONS: &[(&str, usize)] = &[
    ("3.1", 1),
    ("3.2", 3),
    ("3.3", 5),
    ("3.4", 8),
    ("3.5", 8),
    ("3.6", 1),
    ("3.7", 5),
    ("7.1", 3),
    ("7.2", 4),
    ("7.3", 2),
    ("7.4", 5),
    ("7.5", 3),
    ("7.6", 2),
];

const VERDICTS: &[&str] = &["held", "if set so", "in part", "yours", "not held"];
