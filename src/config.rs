//! Configuration: one TOML file, the environment over it, flags over both; checked whole before a port is bound.
//!
//! [`Settings`] is what is written down, [`Site`] what it means: realms and policies that can't contradict themselves;
//! and [`Membership`] the replica's place among others.

mod audit;
mod checks;
mod cluster;
mod cookie_shape;
mod csrf;
mod dbsc;
mod limits;
mod listener;
mod login;
mod membership;
mod operation;
mod policy;
mod settings;
mod site;
mod site_error;
mod values;
mod view;

pub use audit::{AuditSettings, AuditTo};
pub use cluster::{Availability, ClusterRole, ClusterSettings};
pub use cookie_shape::CookieShape;
pub use csrf::Csrf;
pub use dbsc::{Dbsc, DbscSettings};
pub use limits::{LimitSettings, Rate};
pub use listener::{Listen, ListenError, Listener};
pub use login::LoginPage;
pub use membership::{Membership, MembershipError, host_name};
pub use operation::{LogFormat, LogLevel, LogSettings, RotationSettings};
pub use policy::{Bound, Policy, PolicySettings, Preset};
pub use settings::{Access, CookieSettings, DEFAULT_FILE, RealmSettings, SameSite, Settings, SettingsError};
pub use site::{RealmSite, Site};
pub use site_error::SiteError;
pub use view::View;
