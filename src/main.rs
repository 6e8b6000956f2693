//! The `sealpass` command. Everything it does is in [`cli`], through the library's public API.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
