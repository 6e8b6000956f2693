//! Which requests are traced: decided before there is a span, so that one that is not traced costs next to nothing.

use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample as _};

/// Which requests are traced.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Whether what the caller decided holds.
    follows: bool,
    /// Of all others, which share.
    share: f64,
    ids: RandomIdGenerator,
}

/// What a `traceparent` decides, if it is whole: a look at its shape alone, which the library reads afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent<'r> {
    trace: &'r str,
    sampled: bool,
}

/// Neither a sampler nor a ratio.
#[derive(Debug, thiserror::Error)]
pub enum WrongSampler {
    /// Of a name that is not known here.
    #[error(
        "OTEL_TRACES_SAMPLER is {0:?}; always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off and \
         parentbased_traceidratio are known"
    )]
    Name(String),
    /// A ratio that is none.
    #[error("OTEL_TRACES_SAMPLER_ARG is {0:?}, and has to be a number from 0 to 1")]
    Ratio(String),
}

impl Choice {
    /// As `OTEL_TRACES_SAMPLER` and its argument say. Without them: what callers decide holds, and of what nobody decided one
    /// in a hundred, since all of a busy service's verifies would be too many for any collector.
    pub fn of(name: Option<&str>, argument: Option<&str>) -> Result<Self, WrongSampler> {
        let ratio = || match argument {
            None => Ok(1.0),
            Some(text) => {
                let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
                ratio.ok_or_else(|| WrongSampler::Ratio(text.to_owned()))
            }
        };
        let (follows, share) = match name {
            None => (true, argument.map_or(Ok(USUAL), |_| ratio())?),
            Some("always_on") => (false, 1.0),
            Some("always_off") => (false, 0.0),
            Some("traceidratio") => (false, ratio()?),
            Some("parentbased_always_on") => (true, 1.0),
            Some("parentbased_always_off") => (true, 0.0),
            Some("parentbased_traceidratio") => (true, ratio()?),
            Some(other) => return Err(WrongSampler::Name(other.to_owned())),
        };
        Ok(Self { follows, share, ids: RandomIdGenerator::default() })
    }

    /// Whether a request is traced. Nothing is allocated for it.
    pub fn takes(&self, parent: Option<Parent<'_>>) -> bool {
        if let (true, Some(parent)) = (self.follows, parent) {
            return parent.sampled;
        }
        if self.share <= 0.0 {
            return false;
        }
        let known = parent.and_then(|parent| TraceId::from_hex(parent.trace).ok());
        let id = known.unwrap_or_else(|| self.ids.new_trace_id());
        let decided = Sampler::TraceIdRatioBased(self.share).should_sample(None, id, "", &SpanKind::Server, &[], &[]);
        decided.decision == SamplingDecision::RecordAndSample
    }

    /// Of requests that nobody decided about, which share is traced.
    pub fn share(&self) -> f64 {
        self.share
    }
}

impl<'r> Parent<'r> {
    /// Of a `traceparent` line (W3C Trace Context, section 3.2): version, trace id, parent id, flags.
    pub fn of(line: &'r [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_ascii();
        let mut parts = line.split('-');
        let (_, trace, _, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace, sampled: flags & 1 == 1 })
    }
}

const USUAL: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const NOT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn takes(name: Option<&str>, argument: Option<&str>) -> [usize; 3] {
        let choice = Choice::of(name, argument).expect("known");
        let of = |line: Option<&[u8]>| (0..1_000).filter(|_| choice.takes(line.and_then(Parent::of))).count();
        [of(None), of(Some(SAMPLED)), of(Some(NOT))]
    }

    #[test]
    fn what_the_caller_decided_holds_unless_it_is_said_otherwise() {
        assert_eq!(takes(Some("parentbased_always_on"), None), [1_000, 1_000, 0]);
        assert_eq!(takes(Some("parentbased_always_off"), None), [0, 1_000, 0]);
        assert_eq!(takes(Some("always_on"), None), [1_000; 3]);
        assert_eq!(takes(Some("always_off"), None), [0; 3]);
        assert_eq!(takes(Some("parentbased_traceidratio"), None), [1_000, 1_000, 0]);
        let [some, sampled, not] = takes(Some("parentbased_traceidratio"), Some("0.5"));
        assert!((300..700).contains(&some) && (sampled, not) == (1_000, 0), "{some}");
        let [some, one, other] = takes(Some("traceidratio"), Some("0.5"));
        // By the id of the trace, which is the same in both.
        assert!((300..700).contains(&some) && one == other && [0, 1_000].contains(&one), "{some} {one} {other}");
    }

    #[test]
    fn without_a_word_it_is_one_in_a_hundred() {
        let [some, sampled, not] = takes(None, None);
        assert!((0..100).contains(&some) && (sampled, not) == (1_000, 0), "{some}");
        assert_eq!(takes(None, Some("1")), [1_000, 1_000, 0]);
    }

    #[test]
    fn a_sampler_that_is_none_is_refused_by_name() {
        for (name, argument, says) in [
            ("jaeger_remote", None, "jaeger_remote"),
            ("parentbased_traceidratio", Some("2"), "\"2\""),
            ("traceidratio", Some("NaN"), "NaN"),
            ("traceidratio", Some("half"), "half"),
        ] {
            let said = Choice::of(Some(name), argument).expect_err(name).to_string();
            assert!(said.contains(says), "{said}");
        }
    }

    #[test]
    fn a_line_without_the_shape_decides_nothing() {
        for line in ["", "00", "00-a-b", "00-a-b-", "00-a-b-zz", "00-a-b-100", "\u{e4}"] {
            assert_eq!(Parent::of(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(Parent::of(b"\xff-a-b-01"), None);
        assert!(Parent::of(SAMPLED).is_some_and(|parent| parent.sampled && parent.trace.len() == 32));
        assert!(Parent::of(NOT).is_some_and(|parent| !parent.sampled));
    }
}
