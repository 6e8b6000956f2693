//! The journal's file: what stands in it, and how it is opened, written and read.
//!
//! Two tables: the facts, each under ring, kind and key; and the rings that were used with it, with the newest epoch of
//! each.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{
    Builder, CompactionError, Database, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, TableError,
};

use super::JournalError;
use super::entry::{Key, decode_pin, encode_pin, is_pin, joined, pins_of, place, stands_under};
use super::memory::Memory;
use crate::clock::Timestamp;
use crate::keyring::RingId;
use crate::revocation::{Fact, encoding};
use crate::store::PrivateFileError;
use crate::store::private_file::{create_private, open_private};

/// What a commit does to an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Keep(Fact),
    Pin(Fact, Timestamp),
    Forget,
}

/// One durable commit.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub facts: BTreeMap<Key, Change>,
    pub rings: BTreeMap<RingId, u64>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.rings.is_empty()
    }
}

/// The open file.
pub(super) struct JournalFile {
    path: PathBuf,
    identity: Identity,
    database: Database,
}

/// Device and inode: what tells a file from another one of its name.
pub type Identity = (u64, u64);

impl JournalFile {
    /// Opens the journal, and makes it if there is none. Every page of it is checked.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        match open_private(path) {
            Ok(file) => Self::of(path, file),
            Err(PrivateFileError::Missing(_)) => {
                // Made aside and whole: a crash meanwhile leaves none.
                create_private(path, &Self::new_one(path)?)?;
                Self::of(path, open_private(path)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a journal that was open before, and no other one that has its name now.
    pub fn reopen(path: &Path, identity: Identity) -> Result<Self, JournalError> {
        let file = open_private(path)?;
        in_place(path, &file.metadata().map_err(|error| io_error(path, error))?, identity)?;
        Self::of(path, file)
    }

    /// Which file it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    fn of(path: &Path, file: File) -> Result<Self, JournalError> {
        let metadata = file.metadata().map_err(|error| io_error(path, error))?;
        if metadata.len() == 0 {
            return Err(JournalError::Damaged(path.to_owned()));
        }
        let identity = identity_of(&metadata);
        let this = Self { path: path.to_owned(), identity, database: database(path, file)? };
        let read = this.database.begin_read().map_err(|error| failed(path, error))?;
        match read.open_table(RINGS) {
            Ok(_) => Ok(this),
            Err(TableError::Storage(error)) => Err(failed(path, error)),
            Err(_) => Err(JournalError::Foreign(path.to_owned())),
        }
    }

    /// The bytes of an empty journal.
    fn new_one(path: &Path) -> Result<Vec<u8>, JournalError> {
        let memory = Memory::default();
        let database = Builder::new().create_with_backend(memory.clone()).map_err(|error| failed(path, error))?;
        let write = database.begin_write().map_err(|error| failed(path, error))?;
        write.open_table(RINGS).map_err(|error| failed(path, error))?;
        write.open_table(FACTS).map_err(|error| failed(path, error))?;
        write.commit().map_err(|error| failed(path, error))?;
        drop(database);
        Ok(memory.into_bytes())
    }

    /// Writes `changes`; they are durable when this returns.
    pub fn commit(&self, changes: &Changes) -> Result<(), JournalError> {
        let named = std::fs::symlink_metadata(&self.path).map_err(|_| JournalError::Gone(self.path.clone()))?;
        in_place(&self.path, &named, self.identity)?;
        self.try_commit(changes).map_err(|error| failed(&self.path, error))
    }

    fn try_commit(&self, changes: &Changes) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut facts = write.open_table(FACTS)?;
            for (key, change) in &changes.facts {
                match change {
                    Change::Keep(fact) => keep(&mut facts, key, fact)?,
                    Change::Pin(fact, dated) => {
                        facts.insert(&**key, encode_pin(fact, *dated).as_slice())?;
                    }
                    Change::Forget => drop(facts.remove(&**key)?),
                }
            }
            let mut rings = write.open_table(RINGS)?;
            for (ring, epoch) in &changes.rings {
                rings.insert(&ring[..], epoch)?;
            }
        }
        Ok(write.commit()?)
    }

    /// The newest epoch that was seen of a ring; `None` if none was.
    pub fn epoch(&self, ring: RingId) -> Result<Option<u64>, JournalError> {
        let read = || -> Result<_, redb::Error> {
            let rings = self.database.begin_read()?.open_table(RINGS)?;
            Ok(rings.get(&ring[..])?.map(|epoch| epoch.value()))
        };
        read().map_err(|error| failed(&self.path, error))
    }

    /// Hands over every fact of `ring`.
    pub fn facts(&self, ring: RingId, mut each: impl FnMut(Fact)) -> Result<(), JournalError> {
        let mut unreadable = false;
        let seen = self.scan(&ring, |key, found| {
            if !key.starts_with(&ring) {
                return ControlFlow::Break(());
            }
            match found {
                Some(Found::Fact(fact)) => each(fact),
                Some(Found::Pin(..)) => {}
                None => unreadable = true,
            }
            if unreadable { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        seen.map_err(|error| failed(&self.path, error))?;
        // The file's checksums are right, so a release wrote it that knows more.
        if unreadable { Err(JournalError::Newer(self.path.clone())) } else { Ok(()) }
    }

    /// Hands over every pinned fact of `ring`, and since when it is pinned.
    pub fn pins(&self, ring: RingId, mut each: impl FnMut(Fact, Timestamp)) -> Result<(), JournalError> {
        let seen = self.scan(&pins_of(ring), |key, found| match found {
            Some(Found::Pin(fact, dated)) if key.starts_with(&ring) => {
                each(fact, dated);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        });
        seen.map_err(|error| failed(&self.path, error))
    }

    /// Looks at up to `limit` entries behind `from`, and says which of them are past their time by more than the
    /// margin, and where to go on; at the end, from the beginning.
    pub fn expired(&self, from: &[u8], limit: usize, now: Timestamp) -> Result<(Vec<Key>, Key), JournalError> {
        let (mut expired, mut last, mut left) = (Vec::new(), Key::default(), limit);
        let seen = self.scan(from, |key, found| {
            if left == 0 {
                last = key.into();
                return ControlFlow::Break(());
            }
            left -= 1;
            let until = found.map(|found| match found {
                Found::Fact(fact) => fact.until(),
                Found::Pin(_, dated) => dated.plus(PINNED),
            });
            if until.is_some_and(|until| until.plus(MARGIN) < now) {
                expired.push(key.into());
            }
            ControlFlow::Continue(())
        });
        seen.map_err(|error| failed(&self.path, error))?;
        Ok((expired, last))
    }

    fn scan(
        &self,
        from: &[u8],
        mut each: impl FnMut(&[u8], Option<Found>) -> ControlFlow<()>,
    ) -> Result<(), redb::Error> {
        let facts = self.database.begin_read()?.open_table(FACTS)?;
        for entry in facts.range::<&[u8]>(from..)? {
            let (key, value) = entry?;
            if each(key.value(), Found::at(key.value(), value.value())).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Gives back to the disk what expired entries took, if that is most of a file that is not small.
    pub fn compact_if_it_pays(&mut self) -> Result<(), JournalError> {
        let length = self.path.metadata().map_err(|error| io_error(&self.path, error))?.len();
        let path = self.path.clone();
        if length < WORTH_COMPACTING {
            return Ok(());
        }
        let write = self.database.begin_write().map_err(|error| failed(&path, error))?;
        let stats = write.stats().map_err(|error| failed(&path, error))?;
        write.abort().map_err(|error| failed(&path, error))?;
        if stats.stored_bytes() + stats.metadata_bytes() > length / 2 {
            return Ok(());
        }
        match self.database.compact() {
            Err(CompactionError::Storage(error)) => Err(failed(&path, error)),
            _ => Ok(()), // what can't be done now can wait until the next start
        }
    }
}

/// What stands in an entry.
enum Found {
    Fact(Fact),
    Pin(Fact, Timestamp),
}

impl Found {
    /// `None` if no release up to this one wrote it. What stands under another one's key was put there by somebody
    /// else.
    fn at(key: &[u8], value: &[u8]) -> Option<Self> {
        let place = key.get(RING..)?;
        if is_pin(place) {
            return decode_pin(place, value).map(|(fact, dated)| Self::Pin(fact, dated));
        }
        encoding::decode(value).filter(|fact| stands_under(fact, place)).map(Self::Fact)
    }
}

/// Merges `fact` into what stands under `key`. What the first release put there and has a place of its own today moves
/// to that.
fn keep(facts: &mut Table<'_, &[u8], &[u8]>, key: &[u8], fact: &Fact) -> Result<(), redb::Error> {
    let read = |facts: &Table<'_, &[u8], &[u8]>, key: &[u8]| -> Result<_, redb::Error> {
        Ok(facts.get(key)?.and_then(|known| encoding::decode(known.value())))
    };
    let known = read(facts, key)?;
    if let Some(moved) = known.filter(|known| !key.ends_with(&place(known))) {
        let own = [&key[..RING], &place(&moved)].concat();
        let joined = joined(read(facts, &own)?, &moved);
        facts.insert(&*own, encoding::encode(&joined).as_slice())?;
    }
    facts.insert(key, encoding::encode(&joined(known, fact)).as_slice())?;
    Ok(())
}

fn database(path: &Path, file: File) -> Result<Database, JournalError> {
    let backend = FileBackend::new(file).map_err(|error| failed(path, error))?;
    let mut builder = Builder::new();
    // A file that somebody changed is refused rather than trusted: its checksums are looked at, page by page.
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder.create_with_backend(backend).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: impl Into<redb::Error>) -> JournalError {
    let path = path.to_owned();
    match error.into() {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => JournalError::InUse(path),
        redb::Error::UpgradeRequired(_) => JournalError::Newer(path),
        redb::Error::Io(error) => match error.kind() {
            io::ErrorKind::InvalidData => JournalError::Foreign(path),
            io::ErrorKind::UnexpectedEof => JournalError::Damaged(path),
            _ => JournalError::Io { path, error },
        },
        redb::Error::Corrupted(_) | redb::Error::RepairAborted => JournalError::Damaged(path),
        other => JournalError::Io { path, error: io::Error::other(other) },
    }
}

fn in_place(path: &Path, found: &Metadata, identity: Identity) -> Result<(), JournalError> {
    if identity_of(found) == identity { Ok(()) } else { Err(JournalError::Gone(path.to_owned())) }
}

fn identity_of(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

fn io_error(path: &Path, error: io::Error) -> JournalError {
    JournalError::Io { path: path.to_owned(), error }
}

const FACTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("facts");
const RINGS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("rings");

/// Bytes of a ring's id, with which every key begins.
const RING: usize = 16;
/// Bytes of the file that stay in memory.
const CACHE: usize = 4 << 20;
/// How long an entry outlasts its fact: a wall clock that was so far ahead, and is set right, finds it again.
const MARGIN: Duration = Duration::from_secs(2 * 60 * 60);
/// How long what is pinned stays so.
const PINNED: Duration = crate::sessions::Lifetimes::MAX;
/// Below this a file is small enough as it is.
const WORTH_COMPACTING: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use super::super::entry;
    use super::*;
    use crate::claims::{RealmId, SessionId};
    use crate::revocation::{AT_ONCE, SessionFacts, SessionKey};

    const OF: RingId = [7; RING];

    fn deny(rotated: bool, millis: u64) -> Fact {
        let session = SessionKey { realm: RealmId([1; 8]), sid: SessionId([2; 16]) };
        let until = Timestamp::from_millis(millis).expect("in range");
        Fact::Deny { session, from: AT_ONCE, rotated, of: None, until }
    }

    fn commit(file: &JournalFile, fact: Fact) {
        let facts = BTreeMap::from([(entry::key(OF, &fact), Change::Keep(fact))]);
        file.commit(&Changes { facts, ..Changes::default() }).expect("it is written");
    }

    fn all(file: &JournalFile) -> Vec<Fact> {
        let mut found = Vec::new();
        file.facts(OF, |fact| found.push(fact)).expect("readable");
        found
    }

    /// The first release had one entry for a rotation and an ending of the same session.
    #[test]
    fn a_rotation_of_the_first_release_is_read_and_outlives_an_ending() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let file = JournalFile::open(&dir.path().join("facts.redb")).expect("a journal");
        let key = entry::key(OF, &deny(false, 0));
        let write = file.database.begin_write().expect("a transaction");
        let mut table = write.open_table(FACTS).expect("a table");
        table.insert(&*key, encoding::encode(&deny(true, 5)).as_slice()).expect("an entry");
        drop(table);
        write.commit().expect("it is written");
        assert_eq!(all(&file), [deny(true, 5)]);
        commit(&file, deny(false, 3));
        assert_eq!(all(&file), [deny(false, 3), deny(true, 5)]);
        commit(&file, deny(true, 9));
        assert_eq!(all(&file), [deny(false, 3), deny(true, 9)]);
        let known = all(&file).iter().fold(SessionFacts::default(), SessionFacts::with);
        assert!(known.over() && known.succeeded());
    }

    /// As that one reads: an entry counts only under the key that it gave to its kind of fact, and another is of a
    /// newer release.
    #[test]
    fn the_first_release_does_not_misread_what_this_one_writes() {
        assert_eq!(entry::place(&deny(true, 1))[0], 5, "none of its kinds");
        assert_eq!(entry::place(&deny(false, 1))[0], 0);
    }
}
