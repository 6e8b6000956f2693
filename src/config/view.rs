//! What of a session an application gets to see.

use super::policy::PolicySettings;
use crate::claims::check_name;

/// Which roles and which data an application gets. Without a setting: all.
#[derive(Clone, Debug, Default)]
pub struct View {
    roles_prefix: Option<String>,
    expose: Option<Vec<String>>,
}

impl View {
    /// Checks what is written; the error says what to do.
    pub(super) fn new(settings: &PolicySettings) -> Result<Self, &'static str> {
        let PolicySettings { roles_prefix, expose, .. } = settings;
        if roles_prefix.as_ref().is_some_and(|prefix| check_name(prefix).is_err()) {
            return Err("roles_prefix is the beginning of a role's name, such as billing: (no control character, not \
                        empty); leave it out for all roles");
        }
        if expose.iter().flatten().any(|key| check_name(key).is_err()) {
            return Err(
                "expose has keys of the session's data, such as email; [] shows none, and all are shown without it",
            );
        }
        Ok(Self { roles_prefix: roles_prefix.clone(), expose: expose.clone() })
    }

    /// What the application gets for a role; `None` if the role is not for it.
    pub fn role<'r>(&self, role: &'r str) -> Option<&'r str> {
        match &self.roles_prefix {
            None => Some(role),
            // The prefix alone is the name of no role.
            Some(prefix) => role.strip_prefix(&**prefix).filter(|rest| !rest.is_empty()),
        }
    }

    /// Whether the application gets the datum under this key.
    pub fn shows(&self, key: &str) -> bool {
        self.expose.as_ref().is_none_or(|keys| keys.iter().any(|shown| shown == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(text: &str) -> Result<View, String> {
        let settings = toml::from_str(text).map_err(|error| error.to_string())?;
        View::new(&settings).map_err(str::to_owned)
    }

    #[test]
    fn a_prefix_chooses_roles_and_is_taken_off_once() {
        let of = |text: &str, role: &'static str| view(text).expect("right").role(role).map(str::to_owned);
        let prefix = "roles_prefix = \"billing:\"";
        for (role, seen) in [
            ("billing:admin", Some("admin")),
            ("billing:billing:admin", Some("billing:admin")),
            ("billing:größe,a", Some("größe,a")),
            ("billing:", None),
            ("billing", None),
            ("Billing:admin", None),
            ("admin", None),
            ("xbilling:admin", None),
            (" billing:admin", None),
        ] {
            assert_eq!(of(prefix, role).as_deref(), seen, "{role}");
            assert_eq!(of("", role).as_deref(), Some(role));
        }
    }

    #[test]
    fn data_are_shown_by_whole_keys() {
        let shows = |text: &str, key: &str| view(text).expect("right").shows(key);
        for key in ["email", "plan", "Email", "emai", ""] {
            assert!(shows("", key));
            assert!(!shows("expose = []", key));
            assert_eq!(shows("expose = [\"name\", \"email\"]", key), key == "email", "{key}");
        }
    }

    #[test]
    fn what_can_be_no_name_is_refused() {
        for (text, says) in [
            ("roles_prefix = \"\"", "roles_prefix"),
            ("roles_prefix = \"a\\n\"", "roles_prefix"),
            ("expose = [\"a\\u0000\"]", "expose"),
            ("expose = [\"\"]", "empty entry"),
        ] {
            let refused = view(text).expect_err(says);
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
