//! Who takes part: replicas of the core, which have stable names, and edges, which come and go.

use std::fmt;

/// One life of a replica: random, new at each start of its process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub [u8; 16]);

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether a replica counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of the N whose majority decides what is known.
    Core,
    /// Verifies, issues and ends like the others, and counts for nothing.
    Edge,
}

/// What a replica is called, in the configuration and in reports: as host names are, up to 253 letters, digits, `-`,
/// `.` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// [`MemberError::Name`] if it is empty, too long or has other characters.
    pub fn new(text: &str) -> Result<Self, MemberError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(plain) {
            return Err(MemberError::Name);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number behind its last `-`, as a `StatefulSet` gives it; `None` if it is spelt in another way than those.
    fn ordinal(&self) -> Option<usize> {
        let (_, digits) = self.0.rsplit_once('-')?;
        let number: usize = digits.parse().ok()?;
        // `-01` and `-1` would be two names of one place.
        (number.to_string() == digits).then_some(number)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The N places whose majority decides. Which replica has which is configured and never guessed from who was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    size: usize,
    /// Empty: by ordinals.
    names: Vec<Name>,
}

impl Core {
    /// `size` places, for the replicas whose names end in `-0`, `-1` and so on.
    ///
    /// # Errors
    /// [`MemberError::Size`] unless it is 1 to 15.
    pub fn of_ordinals(size: usize) -> Result<Self, MemberError> {
        if !(1..=MAX_CORE).contains(&size) {
            return Err(MemberError::Size);
        }
        Ok(Self { size, names: Vec::new() })
    }

    /// A place for each of `names`.
    ///
    /// # Errors
    /// [`MemberError::Size`] unless there are 1 to 15, [`MemberError::Twice`] if one is there twice.
    pub fn of_names(names: Vec<Name>) -> Result<Self, MemberError> {
        let twice = names.iter().enumerate().any(|(at, name)| names[..at].contains(name));
        if twice {
            return Err(MemberError::Twice);
        }
        Ok(Self { size: Self::of_ordinals(names.len())?.size, names })
    }

    /// How many places there are: N.
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many of them are more than half.
    pub fn majority(&self) -> usize {
        self.size / 2 + 1
    }

    /// How many others a replica has to learn from until it knows all that any majority knows, with its own old place
    /// perhaps in that majority: N − majority + 1.
    pub fn to_complete(&self) -> usize {
        self.size - self.majority() + 1
    }

    /// The place of `name`.
    pub fn slot(&self, name: &Name) -> Option<usize> {
        if self.names.is_empty() {
            return name.ordinal().filter(|ordinal| *ordinal < self.size);
        }
        self.names.iter().position(|known| known == name)
    }

    /// Who has the place `slot`, where that is configured.
    pub fn name(&self, slot: usize) -> Option<&Name> {
        self.names.get(slot)
    }
}

/// Names or sizes that make no core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// A name that is none.
    #[error("the name of a replica is 1 to 253 letters, digits, `-`, `.` or `_`")]
    Name,
    /// Too few or too many.
    #[error("a core has 1 to 15 replicas")]
    Size,
    /// A name that is there twice.
    #[error("a name stands twice in the list of the core")]
    Twice,
    /// A replica of the core without a place in it.
    #[error(
        "the role is core, but the name has no place in it: list it, give it an ordinal below the size, or make it an edge"
    )]
    NotListed,
}

/// More would make each round slower than it makes the fleet safer.
pub const MAX_CORE: usize = 15;
const MAX_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    #[test]
    fn names_are_those_of_hosts() {
        for text in ["a", "sealpass-0", "node_1.example", &"x".repeat(253)] {
            assert_eq!(name(text).as_str(), text);
        }
        for text in ["", "a b", "ä", "a\n", "a/b", &"x".repeat(254)] {
            assert_eq!(Name::new(text), Err(MemberError::Name), "{text}");
        }
    }

    #[test]
    fn places_go_by_list_or_by_ordinal() {
        let core = Core::of_ordinals(3).expect("three");
        for (text, slot) in
            [("s-0", Some(0)), ("a-b-2", Some(2)), ("s-3", None), ("s-01", None), ("s", None), ("s-", None)]
        {
            assert_eq!(core.slot(&name(text)), slot, "{text}");
        }
        let core = Core::of_names(vec![name("x-7"), name("y")]).expect("two");
        assert_eq!((core.slot(&name("y")), core.slot(&name("x-7")), core.slot(&name("x-0"))), (Some(1), Some(0), None));
        assert_eq!(Core::of_names(vec![name("y"), name("y")]), Err(MemberError::Twice));
        assert_eq!(Core::of_names(Vec::new()), Err(MemberError::Size));
        assert_eq!(Core::of_ordinals(16), Err(MemberError::Size));
    }

    /// Whatever majority held a fact, one of those that a replica completes itself from was in it, though its own place
    /// was too.
    #[test]
    fn whoever_completes_itself_meets_every_majority() {
        for size in 1..=MAX_CORE {
            let core = Core::of_ordinals(size).expect("in range");
            let others = size - 1;
            assert!(core.majority() - 1 + core.to_complete() > others, "{size}");
            assert!(2 * core.majority() > size, "{size}");
        }
    }
}
