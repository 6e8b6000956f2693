//! Lists of names, such as roles. The few that most sessions have stand in place, so that reading a token allocates nothing.
//! No `SmallVec`: the core would need it for this alone, and reading one reserves what a length in front promises.

use std::fmt;
use std::ops::Deref;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names in their order. To whoever reads them they are a slice.
#[derive(Clone)]
pub struct Names<'a>(Held<'a>);

#[derive(Clone)]
enum Held<'a> {
    /// The first `len` of `names`.
    Few {
        len: usize,
        names: [&'a str; FEW],
    },
    Many(Vec<&'a str>),
}

impl<'a> Names<'a> {
    /// Appends `name`.
    pub fn push(&mut self, name: &'a str) {
        match &mut self.0 {
            Held::Few { len, names } => {
                if let Some(room) = names.get_mut(*len) {
                    *room = name;
                    *len += 1;
                } else {
                    let mut all = Vec::with_capacity(4 * FEW);
                    all.extend_from_slice(names);
                    all.push(name);
                    self.0 = Held::Many(all);
                }
            }
            Held::Many(names) => names.push(name),
        }
    }
}

impl Default for Names<'_> {
    fn default() -> Self {
        Self(Held::Few { len: 0, names: [""; FEW] })
    }
}

impl<'a> Deref for Names<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &[&'a str] {
        match &self.0 {
            Held::Few { len, names } => &names[..*len],
            Held::Many(names) => names,
        }
    }
}

impl<'a> FromIterator<&'a str> for Names<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut all = Self::default();
        names.into_iter().for_each(|name| all.push(name));
        all
    }
}

impl<'a, const N: usize> From<[&'a str; N]> for Names<'a> {
    fn from(names: [&'a str; N]) -> Self {
        names.into_iter().collect()
    }
}

impl<'n, 'a> IntoIterator for &'n Names<'a> {
    type Item = &'n &'a str;
    type IntoIter = std::slice::Iter<'n, &'a str>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl PartialEq for Names<'_> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Names<'_> {}

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Names<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Reader)
    }
}

/// Reads one name after another.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Names<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names<'de>, A::Error> {
        let mut names = Names::default();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Ok(names)
    }
}

/// How many stand in place.
const FEW: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: [&str; 4] = ["a", "b", "c", "d"];

    #[test]
    fn any_number_of_names_is_read_as_it_was_given() {
        for given in (0..=MANY.len()).map(|count| &MANY[..count]) {
            let names: Names<'_> = given.iter().copied().collect();
            assert_eq!(names[..], *given);
            let written = postcard::to_stdvec(&names).expect("a list");
            assert_eq!(written, postcard::to_stdvec(given).expect("a list"), "the bytes of any list");
            let read: Names<'_> = postcard::from_bytes(&written).expect("a list");
            assert!(read == names && read[..] == *given);
            assert_eq!(format!("{read:?}"), format!("{given:?}"));
            assert!(postcard::from_bytes::<Names<'_>>(&written[..written.len() - 1]).is_err());
        }
    }

    #[test]
    fn names_are_equal_where_all_of_them_are_in_order() {
        let [one, two]: [Names<'_>; 2] = [["a", "b"].into(), ["b", "a"].into()];
        assert!(one == one.clone() && one != two && one != ["a"].into() && one != ["a", "b", "c"].into());
    }
}
