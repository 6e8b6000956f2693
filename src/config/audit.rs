//! Where the audit trail goes.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// The audit trail.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// Where its lines go.
    pub to: AuditTo,
}

/// Where the lines of the audit trail go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum AuditTo {
    /// Nowhere.
    #[default]
    None,
    /// To standard output; the log is on standard error.
    Stdout,
    /// To the end of a file.
    File(PathBuf),
}

impl TryFrom<String> for AuditTo {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match &*text {
            "none" => Ok(Self::None),
            "stdout" => Ok(Self::Stdout),
            path if path.contains('/') && !path.ends_with('/') => Ok(Self::File(path.into())),
            // A misspelt word must not become a file of that name.
            other => Err(format!("audit.to is none, stdout or the path of a file with a / in it, not {other:?}")),
        }
    }
}

impl fmt::Display for AuditTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_no_file() {
        let read = |text: &str| AuditTo::try_from(text.to_owned());
        assert_eq!((read("none"), read("stdout")), (Ok(AuditTo::None), Ok(AuditTo::Stdout)));
        for path in ["/var/log/sealpass/audit.jsonl", "./audit", "log/audit"] {
            assert_eq!(read(path), Ok(AuditTo::File(path.into())));
        }
        for text in ["", "sdtout", "Stdout", "stderr", "audit.jsonl", "/var/log/"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
