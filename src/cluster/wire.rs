//! How the core's types look inside a message: what postcard is told of them, and what is refused.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes as one run, which is read and written as a whole.
pub(super) struct Raw(pub(super) Vec<u8>);

struct RawRef<'a>(&'a [u8]);

impl Serialize for RawRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Run;
        impl Visitor<'_> for Run {
            type Value = Raw;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Raw, E> {
                Ok(Raw(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Run)
    }
}

/// Runs of bytes, for `#[serde(with = …)]`.
pub(super) mod bytes {
    use super::{Deserialize, Deserializer, Raw, RawRef, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        RawRef(bytes).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Raw::deserialize(deserializer).map(|raw| raw.0)
    }
}

/// Facts, each as the journal has it.
pub(super) mod facts {
    use super::{Deserializer, Error, Raw, RawRef, SeqAccess, Serializer, Visitor, fmt};
    use crate::revocation::Fact;
    use crate::revocation::encoding::{decode, encode};

    pub(in super::super) fn serialize<S: Serializer>(facts: &[Fact], serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let mut list = serializer.serialize_seq(Some(facts.len()))?;
        for fact in facts {
            list.serialize_element(&RawRef(&encode(fact)))?;
        }
        list.end()
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Fact>, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Vec<Fact>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("facts")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Fact>, A::Error> {
                let mut facts = Vec::new();
                while let Some(Raw(bytes)) = list.next_element()? {
                    facts.push(decode(&bytes).ok_or_else(|| A::Error::custom("not a fact"))?);
                }
                Ok(facts)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// A time in milliseconds.
pub(super) mod time {
    use super::{Deserialize as _, Deserializer, Error, Serializer};
    use crate::clock::Timestamp;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(in super::super) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(at.as_millis())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_millis(u64::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("out of range"))
    }

    /// One that may be absent.
    pub(in super::super) mod option {
        use super::{Deserializer, Error, Serializer, Timestamp};
        use serde::{Deserialize as _, Serialize as _};

        #[expect(clippy::ref_option, reason = "serde's signature")]
        pub(in super::super::super) fn serialize<S: Serializer>(
            at: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            at.map(Timestamp::as_millis).serialize(serializer)
        }

        pub(in super::super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            let millis = Option::<u64>::deserialize(deserializer)?;
            let at =
                millis.map(|millis| Timestamp::from_millis(millis).ok_or_else(|| D::Error::custom("out of range")));
            at.transpose()
        }
    }
}

/// Digests of 256 parts, as one run.
pub(super) mod buckets {
    use super::{Deserialize as _, Deserializer, Error, Raw, RawRef, Serialize as _, Serializer};
    use crate::cluster::ports::Buckets;

    pub(in super::super) fn serialize<S: Serializer>(buckets: &Buckets, serializer: S) -> Result<S::Ok, S::Error> {
        let run: Vec<u8> = buckets.iter().flat_map(|digest| digest.to_le_bytes()).collect();
        RawRef(&run).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Buckets, D::Error> {
        let Raw(run) = Raw::deserialize(deserializer)?;
        let (words, []) = run.as_chunks::<8>() else { return Err(D::Error::custom("no digests")) };
        let digests: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        digests.into_boxed_slice().try_into().map_err(|_| D::Error::custom("not 256 digests"))
    }
}

/// Keys of tags.
pub(super) mod tags {
    use super::{Deserialize as _, Deserializer, Error, MAX_TAGS, Serialize as _, Serializer};
    use crate::claims::RealmId;
    use crate::revocation::TagKey;

    pub(in super::super) fn serialize<S: Serializer>(tags: &[TagKey], serializer: S) -> Result<S::Ok, S::Error> {
        let plain: Vec<_> = tags.iter().map(|key| (key.realm.0, key.tag)).collect();
        plain.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TagKey>, D::Error> {
        let plain = Vec::<([u8; 8], [u8; 8])>::deserialize(deserializer)?;
        if plain.len() > MAX_TAGS {
            return Err(D::Error::custom("too many tags"));
        }
        Ok(plain.into_iter().map(|(realm, tag)| TagKey { realm: RealmId(realm), tag }).collect())
    }
}

/// A question.
pub(super) mod question {
    use super::{Deserialize, Deserializer, Serialize, Serializer, tags};
    use crate::claims::{RealmId, SessionId};
    use crate::revocation::{Question, SessionKey, TagKey};

    #[derive(Serialize, Deserialize)]
    struct Plain {
        realm: [u8; 8],
        #[serde(with = "tags")]
        tags: Vec<TagKey>,
        session: Option<([u8; 8], [u8; 16])>,
    }

    pub(in super::super) fn serialize<S: Serializer>(question: &Question, serializer: S) -> Result<S::Ok, S::Error> {
        let session = question.session.map(|key| (key.realm.0, key.sid.0));
        Plain { realm: question.realm.0, tags: question.tags.clone(), session }.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Question, D::Error> {
        let Plain { realm, tags, session } = Plain::deserialize(deserializer)?;
        let session = session.map(|(realm, sid)| SessionKey { realm: RealmId(realm), sid: SessionId(sid) });
        Ok(Question { realm: RealmId(realm), tags, session })
    }
}

/// A session has its subject's and four handles.
const MAX_TAGS: usize = 64;
