//! The credentials file, changed: one added, one taken out. Comments and order stay as they are.

use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::{Credentials, CredentialsError, Grant, MAX_FILE, NewCredential, Scope};
use crate::clock::Timestamp;
use crate::store::edit_private;

/// A credentials file that is changed.
#[derive(Debug)]
pub struct CredentialFile(PathBuf);

/// What a new credential is to be good for.
#[derive(Clone, Debug)]
pub struct CredentialTerms {
    /// Whose it is, for the log.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// In which realms; `*` for all.
    pub realms: Vec<String>,
    /// Which roles it can give; `None` for all.
    pub may_grant: Option<Vec<String>>,
    /// Up to which assurance level it can say that somebody was authenticated; `None` for any.
    pub max_aal: Option<u8>,
    /// From when on it is good for nothing; `None` for never.
    pub expires: Option<Timestamp>,
}

impl CredentialFile {
    /// That of a path; it need not be there yet.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Adds a credential. No other one may have its name.
    ///
    /// # Errors
    /// [`CredentialsError`], and the file is what it was.
    pub fn add(&self, new: &NewCredential, terms: &CredentialTerms) -> Result<(), CredentialsError> {
        self.edit(|known, document| {
            if known.iter().any(|grant| grant.name == terms.name) {
                let name = &terms.name;
                return Err(self.refused(format!(
                    "there is a credential called {name:?} already; take another name, and revoke the old one once nobody uses it"
                )));
            }
            let tables = document.entry(KEY).or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
            let tables = tables.as_array_of_tables_mut().ok_or_else(|| self.not_tables())?;
            tables.push(terms.table(new));
            Ok(())
        })
    }

    /// Takes the credential out that has this name or id. The name of what was taken out.
    ///
    /// # Errors
    /// [`CredentialsError`] if there is none or there are several, or the file can't be written; it is what it was.
    pub fn revoke(&self, which: &str) -> Result<String, CredentialsError> {
        let mut revoked = String::new();
        self.edit(|known, document| {
            let found: Vec<_> = known.iter().enumerate().filter(|(_, grant)| named(grant, which)).collect();
            let (at, grant) = match &*found {
                [one] => *one,
                [] => return Err(self.refused(format!("there is no credential called {which:?}"))),
                several => {
                    let ids: Vec<_> = several.iter().map(|(_, grant)| grant.id()).collect();
                    let ids = ids.join(", ");
                    return Err(self.refused(format!("several are called {which:?}; say which one by its id: {ids}")));
                }
            };
            grant.name.clone_into(&mut revoked);
            let tables = document.get_mut(KEY).and_then(Item::as_array_of_tables_mut);
            tables.ok_or_else(|| self.not_tables())?.remove(at);
            Ok(())
        })?;
        Ok(revoked)
    }

    /// Changes the file under a lock, and writes it only if it is right.
    fn edit(
        &self,
        change: impl FnOnce(&Credentials, &mut DocumentMut) -> Result<(), CredentialsError>,
    ) -> Result<(), CredentialsError> {
        edit_private(&self.0, MAX_FILE, |content| {
            let known = Credentials::parse(&self.0, content)?;
            let text = String::from_utf8_lossy(content); // it is UTF-8, or it would not have been read
            let mut document: DocumentMut =
                text.parse().map_err(|error: toml_edit::TomlError| self.refused(error.message().to_owned()))?;
            change(&known, &mut document)?;
            let text = document.to_string().into_bytes();
            Credentials::parse(&self.0, &text).map(|_| text)
        })
    }

    fn refused(&self, problem: String) -> CredentialsError {
        CredentialsError::Refused { path: self.0.clone(), problem }
    }

    fn not_tables(&self) -> CredentialsError {
        self.refused("is not written as [[credential]] tables; change it by hand".to_owned())
    }
}

impl CredentialTerms {
    /// The lines that let `new` in.
    pub fn lines(&self, new: &NewCredential) -> String {
        let mut document = DocumentMut::new();
        document[KEY] = Item::ArrayOfTables([self.table(new)].into_iter().collect());
        document.to_string()
    }

    fn table(&self, new: &NewCredential) -> Table {
        let mut table = Table::new();
        table["name"] = value(&*self.name);
        table["sha256"] = value(new.sha256());
        table["scopes"] = value(self.scopes.iter().map(|scope| scope.name()).collect::<Array>());
        table["realms"] = value(self.realms.iter().map(|realm| &**realm).collect::<Array>());
        if let Some(roles) = &self.may_grant {
            table["may_grant"] = value(roles.iter().map(|role| &**role).collect::<Array>());
        }
        if let Some(level) = self.max_aal {
            table["max_aal"] = value(i64::from(level));
        }
        if let Some(expires) = self.expires {
            table["expires"] = value(expires.rfc3339());
        }
        table
    }
}

fn named(grant: &Grant, which: &str) -> bool {
    grant.name == which || grant.id() == which
}

const KEY: &str = "credential";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::store::replace_private;

    fn terms(name: &str) -> CredentialTerms {
        CredentialTerms {
            name: name.to_owned(),
            scopes: vec![Scope::App],
            realms: vec!["*".to_owned()],
            may_grant: Some(vec!["a:*".to_owned()]),
            max_aal: Some(2),
            expires: Timestamp::parse_rfc3339("2027-01-01T00:00:00Z"),
        }
    }

    #[test]
    fn what_was_there_stays_as_it_was_written() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("credentials.toml");
        let hash = "0".repeat(64);
        let old = format!(
            "# by hand\n\n[[credential]] # the shop's\nname='shop'\nsha256 = \"{hash}\"\nscopes = [ 'app' ]\nrealms = []\n"
        );
        replace_private(&path, old.as_bytes()).expect("writable");
        let (file, new) = (CredentialFile::at(&path), NewCredential::generate(&SystemEntropy::new()).expect("random"));
        let text = || std::fs::read_to_string(&path).expect("there");
        file.add(&new, &terms("new")).expect("another name");
        assert!(text().starts_with(&old), "{}", text());
        let known = Credentials::load(&path).expect("right");
        let grant = known.grant(new.expose().as_bytes(), Timestamp::EPOCH).expect("added");
        assert_eq!((&*grant.name, grant.max_aal(), grant.expires()), ("new", 2, terms("").expires));
        assert!(grant.may_give("a:b") && !grant.may_give("b") && grant.covers("any") && !grant.has(Scope::Admin));
        for (refused, says) in [
            (file.add(&new, &terms("new")), "already"),
            (file.add(&new, &terms("again")), "twice"),
            (file.revoke("none").map(drop), "no credential called"),
        ] {
            let line = refused.expect_err(says).to_string();
            assert!(line.contains(says) && !line.contains('\n'), "{line}");
        }
        assert_eq!(file.revoke("new").expect("there"), "new");
        assert_eq!(text().trim_end(), old.trim_end());
        assert_eq!(file.revoke("00000000").expect("by its id"), "shop");
        assert_eq!(Credentials::load(&path).expect("right").iter().count(), 0);
    }

    #[test]
    fn of_two_with_one_name_the_id_says_which() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("credentials.toml");
        let new = || NewCredential::generate(&SystemEntropy::new()).expect("random");
        let (one, two) = (new(), new());
        replace_private(&path, (terms("a").lines(&one) + &terms("a").lines(&two)).as_bytes()).expect("writable");
        let line = CredentialFile::at(&path).revoke("a").expect_err("two").to_string();
        assert!(line.contains(&two.sha256()[..8]), "{line}");
        CredentialFile::at(&path).revoke(&two.sha256()[..8]).expect("one");
        let known = Credentials::load(&path).expect("right");
        assert!(known.grant(one.expose().as_bytes(), Timestamp::EPOCH).is_some());
        assert!(known.grant(two.expose().as_bytes(), Timestamp::EPOCH).is_none());
    }
}
