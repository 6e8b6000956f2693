//! The rules that the promises rest on, each of which a world can break.

/// A rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// An ending is acknowledged when a majority holds it, not when one replica does.
    MajorityAcknowledges,
    /// It is acknowledged when it is durable.
    AcknowledgedWhenDurable,
    /// A login asks a majority first.
    LoginsAsk,
    /// What an asker learns that others did not know it tells them before it goes on.
    AskersTell,
    /// The age of what is known counts from when the question was sent.
    AgeCountsFromSending,
    /// An ending is kept for longer than the idle limit.
    KeptBeyondIdle,
    /// A cut-off hits the very instant.
    HitsTheInstant,
    /// It lies `2e` ahead.
    LiesAhead,
    /// It lies past the start of sessions that began ahead of the clocks.
    LiesPastThePassed,
    /// Who lacks its facts does not count.
    IncompleteDoNotCount,
    /// Who has another time does not answer.
    ClocksAreGuarded,
}
