//! The command line.

/// What was asked for.
pub struct Options {
    /// How often each thing is measured.
    pub rounds: usize,
    /// Whether a missed goal is an error.
    pub check: bool,
    /// How much of it a goal may be missed by: 2 halves what has to be reached, and doubles what must not be passed.
    pub margin: f64,
    /// Whether a peer that can't be measured here is an error.
    pub all: bool,
}

pub const USAGE: &str = "sealpass-peers [--rounds N] [--check] [--margin N] [--all]";

impl Options {
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { rounds: 15, check: false, margin: 1.0, all: false };
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut number = || args.next().and_then(|text| text.parse::<u16>().ok()).filter(|number| *number > 0);
            match arg.as_str() {
                "--rounds" => options.rounds = number().ok_or("--rounds takes a number")?.into(),
                "--margin" => options.margin = number().ok_or("--margin takes a number")?.into(),
                "--check" => options.check = true,
                "--all" => options.all = true,
                other => return Err(format!("{other} is not known")),
            }
        }
        Ok(options)
    }
}
