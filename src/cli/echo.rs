//! `sealpass echo`: an application that shows what reaches it.

use std::net::{SocketAddr, TcpListener};

use clap::Args;

use super::Failure;

/// Stand in for the application and show what reaches it
///
/// Answers every request with that request as JSON: its first line, its headers, the length of its body; and accepts a
/// WebSocket. Put it behind your proxy, at a path of its own or in place of the application, and give `sealpass doctor`
/// that path. Values of cookies and credentials are shown as their lengths only. All else is shown to whoever asks,
/// what your proxy adds to requests among it: take it away when you are done.
#[derive(Debug, Args)]
pub struct Echo {
    /// Where it listens; port 0 is any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8082")]
    listen: SocketAddr,
}

impl Echo {
    pub fn run(&self) -> Result<(), Failure> {
        let cant = |error| Failure::Io { what: format!("can't listen on {}", self.listen), error };
        let listener = TcpListener::bind(self.listen).map_err(cant)?;
        let at = listener.local_addr().map_err(cant)?;
        eprintln!("sealpass: echo on http://{at}");
        if !at.ip().is_loopback() {
            eprintln!("sealpass: whoever reaches {at} sees what is sent there; let nobody but your proxy reach it");
        }
        sealpass::http::echo(listener).map_err(|error| Failure::Io { what: "the echo stopped".to_owned(), error })
    }
}
