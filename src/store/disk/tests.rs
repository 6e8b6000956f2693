//! A disk that loses whatever was not made durable, crashed before and after every step of a write.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::*;

const OLD: &[u8] = b"the old ring, whole";
const NEW: &[u8] = b"the new ring, which is longer";

#[test]
fn a_crash_before_any_step_of_a_write_leaves_the_old_or_the_new_ring() {
    for existing in [Existing::Replace, Existing::Keep] {
        let (crashes, broken) = crash_everywhere(existing, true);
        assert!(crashes > 20, "only {crashes} crashes were tried");
        assert_eq!(broken, Vec::<String>::new());
    }
}

#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    for existing in [Existing::Replace, Existing::Keep] {
        assert!(!crash_everywhere(existing, false).1.is_empty(), "{existing:?}: the test can't fail");
    }
}

#[test]
fn an_error_at_any_step_leaves_what_was_there_and_no_litter() {
    for step in 0..6 {
        let disk = LossyDisk::with_old(step, Failure::Error, true);
        if write_whole(&disk, Path::new("dir/ring"), NEW, Existing::Replace).is_err() {
            let state = disk.state.borrow();
            let names: Vec<_> = state.names.keys().filter(|name| name.ends_with(SUFFIX)).collect();
            assert!(names.is_empty(), "step {step}: {names:?}");
        }
    }
}

/// How many crashes were tried, and what was found after those that broke the promise.
fn crash_everywhere(existing: Existing, honest: bool) -> (usize, Vec<String>) {
    let (mut crashes, mut broken) = (0, Vec::new());
    for step in 0..12 {
        let disk = match existing {
            Existing::Replace => LossyDisk::with_old(step, Failure::Crash, honest),
            Existing::Keep => LossyDisk::new(step, Failure::Crash, honest),
        };
        let done = write_whole(&disk, Path::new("dir/ring"), NEW, existing).is_ok();
        for found in disk.after_crash() {
            crashes += 1;
            let right = match found.as_deref() {
                Some(content) => content == NEW || (content == OLD && !done),
                None => existing == Existing::Keep && !done,
            };
            if !right {
                broken.push(format!("{existing:?}, step {step}, done {done}: {found:?}"));
            }
        }
    }
    (crashes, broken)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// From that step on nothing happens any more.
    Crash,
    /// That step alone fails.
    Error,
}

/// A disk on which content is durable when it was synced, and names when their directory was. Till then a crash may keep
/// or lose any of it.
struct LossyDisk {
    state: RefCell<State>,
    left: Cell<usize>,
    failure: Failure,
    honest: bool,
}

#[derive(Clone, Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names that are not durable yet.
    pending: Vec<(String, Option<usize>)>,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
}

impl LossyDisk {
    fn new(left: usize, failure: Failure, honest: bool) -> Self {
        Self { state: RefCell::default(), left: Cell::new(left), failure, honest }
    }

    fn with_old(left: usize, failure: Failure, honest: bool) -> Self {
        let disk = Self::new(left, failure, honest);
        let mut state = disk.state.borrow_mut();
        state.files.push(Content { now: OLD.to_vec(), durable: OLD.to_vec() });
        for names in [true, false] {
            let map = if names { &mut state.names } else { &mut state.durable_names };
            map.insert("dir/ring".to_owned(), 0);
        }
        drop(state);
        disk
    }

    /// One step, unless the crash came before it.
    fn step<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let left = self.left.get();
        self.left.set(left.wrapping_sub(1));
        let dead = match self.failure {
            Failure::Crash => left == 0 || left > usize::MAX / 2,
            Failure::Error => left == 0,
        };
        if dead { Err(io::Error::other("the power is gone")) } else { act(&mut self.state.borrow_mut()) }
    }

    /// What may be found under the file's name after the crash; `None` if nothing has that name.
    fn after_crash(&self) -> Vec<Option<Vec<u8>>> {
        let state = self.state.borrow();
        let mut found = Vec::new();
        for kept in 0..1_usize << state.pending.len() {
            let mut names = state.durable_names.clone();
            for (place, (name, file)) in state.pending.iter().enumerate() {
                match file {
                    _ if kept >> place & 1 == 0 => {}
                    Some(file) => drop(names.insert(name.clone(), *file)),
                    None => drop(names.remove(name)),
                }
            }
            match names.get("dir/ring").map(|file| &state.files[*file]) {
                None => found.push(None),
                Some(Content { now, durable }) if now == durable => found.push(Some(now.clone())),
                Some(Content { now, durable }) => {
                    found.extend([durable.clone(), now[..now.len() / 2].to_vec(), now.clone()].map(Some));
                }
            }
        }
        found
    }
}

impl State {
    fn name(&mut self, name: String, file: Option<usize>) {
        match file {
            Some(file) => drop(self.names.insert(name.clone(), file)),
            None => drop(self.names.remove(&name)),
        }
        self.pending.push((name, file));
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.get(&text(path)).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for LossyDisk {
    type File = usize;

    fn create(&self, path: &Path) -> io::Result<usize> {
        self.step(|state| {
            state.files.push(Content::default());
            let file = state.files.len() - 1;
            state.name(text(path), Some(file));
            Ok(file)
        })
    }

    fn write(&self, file: &mut usize, content: &[u8]) -> io::Result<()> {
        self.step(|state| {
            state.files[*file].now = content.to_vec();
            Ok(())
        })
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        self.step(|state| {
            if self.honest {
                let content = &mut state.files[*file];
                content.durable.clone_from(&content.now);
            }
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|state| {
            let file = state.file(from)?;
            // Atomic: both names change or none does, which the two pending changes overstate for the old name alone.
            state.name(text(to), Some(file));
            state.name(text(from), None);
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|state| {
            let file = state.file(from)?;
            if state.names.contains_key(&text(to)) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.name(text(to), Some(file));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|state| {
            state.file(path)?;
            state.name(text(path), None);
            Ok(())
        })
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.step(|state| {
            if self.honest {
                state.pending.clear();
                state.durable_names = state.names.clone();
            }
            Ok(())
        })
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
