//! The committed corpus of the fuzz targets, replayed: `tests/fuzz/corpus/TARGET/`, one case a file.
#![cfg(feature = "server")]

#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn every_committed_case_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let cases = fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("corpus/{name}: {error}"));
        let (mut accepted, mut refused) = (0, 0);
        for case in cases {
            let path = case.expect("readable").path();
            println!("{}", path.display());
            match target(&fs::read(&path).expect("readable")) {
                true => accepted += 1,
                false => refused += 1,
            }
        }
        assert!(accepted > 0 && refused > 0, "corpus/{name}: {accepted} accepted, {refused} refused; both are needed");
    }
    let directories = fs::read_dir(&corpus).expect("readable").count();
    assert_eq!(directories, targets::TARGETS.len(), "a directory without a target");
}
