//! What is asked of the other replicas before sessions begin, change or end.
//!
//! A replica that is alone has nobody to ask: then all of these are ready at once. Else whoever acts without having
//! awaited them acts on what this replica happens to know.

use super::issue::tags_of;
use super::{Group, NewSession, Realm, Sessions};
use crate::claims::{Claims, Tag};
use crate::revocation::{Learned, Question, TagKey};

impl Sessions {
    /// Of how many replicas a majority decides what is known; `None` for one that is alone.
    pub fn fleet(&self) -> Option<u16> {
        self.facts.fleet()
    }

    /// To be awaited before [`Sessions::begin`]: else the session may begin before an ending that was acknowledged, and
    /// would be refused by whoever knows of it.
    pub fn ask_before_issue(&self, realm: &Realm, new: &NewSession<'_>) -> Learned {
        self.ask(|| {
            let keys = self.keys.load();
            let mut question = question(realm, tags_of(&keys, realm, new.subject, new.handles));
            let import = new.import.as_ref().filter(|_| realm.imports());
            question.session = import.map(|import| realm.key(keys.imported(realm.name(), import.key)));
            Some(question)
        })
    }

    /// To be awaited before [`Sessions::rotate`] and [`Sessions::reseal`], and before [`Sessions::end_group`] keeps the
    /// session: else what ended or changed it elsewhere is missed. The session has to be judged again afterwards.
    pub fn ask_before_change(&self, realm: &Realm, claims: &Claims<'_>) -> Learned {
        self.ask(|| {
            let mut question = question(realm, claims.tags.iter().collect());
            question.session = Some(realm.key(claims.sid));
            Some(question)
        })
    }

    /// To be awaited before [`Sessions::end_group`] and [`Sessions::outdate_group`]: else the ending may be dated
    /// before the start of a session that began behind one which only others know. An ending that can't wait is taken
    /// all the same.
    pub fn ask_before_ending(&self, realm: &Realm, group: Group<'_>) -> Learned {
        self.ask(|| Some(question(realm, vec![self.tag_of(realm, group).ok()?])))
    }

    /// The same before [`Sessions::end_realm`] and [`Sessions::end_all`].
    pub fn ask_before_floor(&self, realms: &[&Realm]) -> Learned {
        if self.fleet().is_none() {
            return Learned::now();
        }
        let asked: Vec<_> = realms.iter().map(|realm| self.facts.learn(question(realm, Vec::new()))).collect();
        Learned::when(async move {
            for learned in asked {
                learned.await?;
            }
            Ok(())
        })
    }

    fn ask(&self, question: impl FnOnce() -> Option<Question>) -> Learned {
        let question = self.fleet().and_then(|_| question());
        question.map_or_else(Learned::now, |question| self.facts.learn(question))
    }
}

fn question(realm: &Realm, tags: Vec<Tag>) -> Question {
    let tags = tags.into_iter().map(|tag| realm.tag_key(tag)).chain([TagKey::all_of(realm.id())]);
    Question { realm: realm.id(), tags: tags.collect(), session: None }
}
