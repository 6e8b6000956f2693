//! What is wrong with a proxy: nothing, or one thing.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Replaces what Sealpass says something of, and leaves a client's header where it says nothing.
    KeepsEmptied,
    /// Adds to a client's identity headers.
    Appends,
    /// Takes out identity headers by one spelling of their names alone.
    OneCase,
    /// Lets `X_Session_Subject` through.
    Underscores,
    /// Answers for the application itself, but at /echo.
    OwnApp,
    /// Asks Sealpass at a path that it does not know.
    AsksElsewhere,
    /// Strips no identity headers at /login.
    LoginUnstripped,
    /// Nor at /signup.
    SignupUnstripped,
    /// Strips identity headers of a client on guarded paths only.
    OptionalUnstripped,
    /// Takes out what a Connection header names when identity headers are there already.
    HopByHopLast,
    /// Hands no identity on.
    NoIdentity,
    /// Lets what is not ASCII come out as it likes.
    MangledSubject,
    /// Hands our cookie on to the application.
    KeepsCookie,
    /// Hands no cookie on to it.
    DropsCookies,
    /// Lets a client say where it comes from.
    PassesForwarded,
    /// Remembers what Sealpass said of a cookie.
    CachesVerdicts,
    /// Keeps pages by their path.
    CachesPages,
    /// Has a clock of its own.
    WrongDate,
    /// Leads to a login page in place of 401.
    Redirects,
    /// Answers 200 in place of 401.
    SoftDenial,
    /// 401 in place of 403.
    ForbiddenAs401,
    /// Drops Cache-Control of a denial.
    DropsNoStore,
    /// Drops Set-Cookie of verify.
    DropsRenewal,
    /// Drops the application's Set-Cookie lines but for the first.
    DropsAppCookie,
    /// Takes `HttpOnly` away.
    RewritesCookie,
    /// Lets OPTIONS through.
    OptionsOpen,
    /// Lets everything through that looks like a CORS preflight.
    PreflightsOpen,
    /// Guards GET alone.
    OnlyGet,
    /// Lets upgrades through.
    UpgradeOpen,
    /// Asks with the client's query.
    AsksWithQuery,
    /// Compares paths before they are resolved.
    RawPaths,
    /// Compares and hands on paths with two slashes.
    TwoSlashes,
    /// Tells capitals from small letters.
    CaseMatters,
    /// Lets semicolons through.
    Semicolons,
    /// Asks the default policy for all paths.
    OnePolicy,
    /// Hands the client's X-Forwarded-Method on to Sealpass.
    BelievesMethod,
    /// Hands no X-CSRF-Token on to Sealpass.
    DropsCsrfToken,
    /// Waits for a body before it asks.
    WaitsForBody,
    /// Takes cookies of 2 KiB at the most.
    SmallBuffers,
    /// Fails at large heads.
    Breaks,
    /// Cuts a character off the cookies that it hands to Sealpass.
    CutsCookie,
    /// Lets whoever has a cookie of our name pass, but for those that were ended.
    TrustsCookie,
    /// Guards the optional path.
    OptionalGuarded,
    /// Sends browsers where a client's header says.
    BelievesHost,
    /// Hands no preflight on to Sealpass as one.
    DropsOrigin,
    /// Answers /logout without asking anybody.
    OwnLogout,
    /// Routes no /renew.
    NoRenew,
    /// Routes /verify/ to Sealpass.
    VerifyOpen,
    /// Routes /v1/ to the control listener.
    ControlOpen,
}
