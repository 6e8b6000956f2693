//! Spans, and what stands in them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    FutureExt as _, SpanKind, SpanRef, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};

use super::choice::{Choice, Parent, WrongSampler};
use super::exporter::{Watched, WrongExporter};
use super::{Noted, Told, TraceMetrics, asked_for, variable};

/// Who makes traces, if anybody.
#[derive(Debug, Default)]
pub struct Traces(Option<Arc<Tracing>>);

/// A request that is traced.
#[derive(Debug)]
pub struct Trace(Context);

/// A part of a request that is traced, until it is dropped.
#[derive(Debug)]
pub struct Step(Context);

struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    choice: Choice,
    metrics: TraceMetrics,
}

/// Who made the span of a context, for the steps below it.
struct Maker(Arc<Tracing>);

impl Traces {
    /// Nobody.
    pub fn none() -> Self {
        Self(None)
    }

    /// As the environment says. `replica`: what this one is called.
    ///
    /// A setting that can't be followed is logged, and nothing is traced: sessions matter more than traces do.
    pub fn start(metrics: TraceMetrics, replica: &str) -> Self {
        if !asked_for(variable) {
            return Self::none();
        }
        match Tracing::new(metrics, replica) {
            Ok(tracing) => {
                let share = tracing.choice.share();
                tracing::info!("traces are sent; of requests that no traceparent decides about, a share of {share}");
                Self(Some(Arc::new(tracing)))
            }
            Err(error) => {
                tracing::error!("nothing is traced: {error}");
                Self::none()
            }
        }
    }

    /// Whether any request may be traced.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins the span of a request, if it is to be traced. `parent`: its `traceparent`; `state`: its `tracestate`, looked
    /// for only if it is traced.
    pub fn request(&self, parent: Option<&[u8]>, state: impl FnOnce() -> String) -> Option<Trace> {
        let tracing = self.0.as_ref()?;
        let decides = parent.and_then(Parent::of);
        if !tracing.choice.takes(decides) {
            return None;
        }
        let caller = parent.filter(|_| decides.is_some()).and_then(|line| continued(line, state));
        // It had the shape, and was none: then nobody decided.
        if decides.is_some() && caller.is_none() && !tracing.choice.takes(None) {
            return None;
        }
        let caller = caller.unwrap_or_default();
        let span = tracing.tracer.span_builder("HTTP").with_kind(SpanKind::Server);
        let span = span.start_with_context(&tracing.tracer, &caller);
        Some(Trace(caller.with_value(Maker(Arc::clone(tracing))).with_span(span)))
    }

    /// Sends what was recorded and makes no more, within `limit`: before the process ends.
    pub fn flush(&self, limit: Duration) {
        let Some(tracing) = &self.0 else { return };
        if let Err(error) = tracing.provider.shutdown_with_timeout(limit) {
            tracing::warn!("the last spans may be lost: {error}");
        }
    }
}

impl Trace {
    /// While `future` is awaited, this is what [`note`] and [`step`] are about.
    pub fn during<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        future.with_context(self.0.clone())
    }

    /// It is answered.
    pub fn end(self, told: &Told<'_>) {
        let (span, status) = (self.0.span(), i64::from(told.status));
        let method = known_method(told.method);
        let named = if method == OTHER_METHOD { "HTTP" } else { method };
        if let Some(route) = told.route {
            span.update_name(format!("{named} {route}"));
            span.set_attribute(KeyValue::new("http.route", route.to_owned()));
        } else {
            span.update_name(named);
        }
        span.set_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.path", told.path.to_owned()),
            KeyValue::new("url.scheme", told.scheme),
            KeyValue::new("http.response.status_code", status),
        ]);
        if status >= 500 {
            span.set_attribute(KeyValue::new("error.type", told.status.to_string()));
            span.set_status(Status::error(""));
        }
        end(&self.0);
    }
}

impl Step {
    /// How many replicas of the core have it, and how many there are.
    pub fn spread(&self, applied: u16, core: u16) {
        self.0.span().set_attributes([
            KeyValue::new("sealpass.cluster.applied", i64::from(applied)),
            KeyValue::new("sealpass.cluster.core", i64::from(core)),
        ]);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        end(&self.0);
    }
}

/// Notes it in the span of the request that is answered now, if that is traced.
pub fn note(what: &[Noted<'_>]) {
    Context::map_current(|context| {
        if context.has_active_span() {
            write(&context.span(), what);
        }
    });
}

/// Begins a part of the request that is answered now, if that is traced.
pub fn step(name: &'static str) -> Option<Step> {
    let context = Context::map_current(|context| context.has_active_span().then(|| context.clone()))?;
    let Maker(tracing) = context.get::<Maker>()?;
    let span = tracing.tracer.start_with_context(name, &context);
    Some(Step(context.with_span(span)))
}

fn write(span: &SpanRef<'_>, what: &[Noted<'_>]) {
    for noted in what {
        span.set_attribute(match noted {
            Noted::Decision(reason) => KeyValue::new("sealpass.decision", *reason),
            Noted::Realm(name) => KeyValue::new("sealpass.realm", name.as_str().to_owned()),
            Noted::Policy(name) => KeyValue::new("sealpass.policy", (*name).to_owned()),
            Noted::Request(id) => KeyValue::new("sealpass.request_id", id.as_str().to_owned()),
        });
    }
}

fn end(context: &Context) {
    context.span().end();
    if let Some(Maker(tracing)) = context.get() {
        tracing.metrics.recorded.inc();
    }
}

/// The caller's span, if the library can read what it said.
fn continued(parent: &[u8], state: impl FnOnce() -> String) -> Option<Context> {
    // What is longer may be dropped as a whole (W3C Trace Context, section 3.3.1.5): spans wait in memory.
    let state = Some(state()).filter(|state| state.len() <= MAX_STATE).unwrap_or_default();
    let said = Said { parent: std::str::from_utf8(parent).ok()?, state };
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &said);
    context.has_active_span().then_some(context)
}

struct Said<'r> {
    parent: &'r str,
    state: String,
}

impl Extractor for Said<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(self.parent),
            "tracestate" => Some(&self.state),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// What can't be followed.
#[derive(Debug, thiserror::Error)]
enum WrongTraces {
    #[error(transparent)]
    Sampler(#[from] WrongSampler),
    #[error(transparent)]
    Exporter(#[from] WrongExporter),
}

impl Tracing {
    fn new(metrics: TraceMetrics, replica: &str) -> Result<Self, WrongTraces> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (sampler, argument) = (set("OTEL_TRACES_SAMPLER"), set("OTEL_TRACES_SAMPLER_ARG"));
        let choice = Choice::of(sampler.as_deref(), argument.as_deref())?;
        let exporter = Watched::new(metrics.clone())?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            // What is begun at all was chosen before.
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource(replica))
            .build();
        let scope = InstrumentationScope::builder("sealpass").with_version(env!("CARGO_PKG_VERSION"));
        let tracer = provider.tracer_with_scope(scope.with_schema_url(SCHEMA).build());
        Ok(Self { provider, tracer, choice, metrics })
    }
}

/// Who it is that is traced. What the environment says of it holds.
fn resource(replica: &str) -> Resource {
    let said = Resource::builder().build();
    let unnamed = said.get(&"service.name".into()).is_none_or(|name| name.as_str().starts_with("unknown_service"));
    let own = [("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", replica)];
    let own = own.into_iter().chain(unnamed.then_some(("service.name", "sealpass")));
    let own = own.filter(|(name, _)| *name == "service.name" || said.get(&(*name).into()).is_none());
    let own: Vec<_> = own.map(|(name, value)| KeyValue::new(name, value.to_owned())).collect();
    Resource::builder().with_attributes(own).build()
}

/// As the conventions want it: there are only so many.
fn known_method(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER_METHOD)
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").field("choice", &self.choice).finish_non_exhaustive()
    }
}

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
/// As much of a `tracestate` has to be passed on.
const MAX_STATE: usize = 512;
const OTHER_METHOD: &str = "_OTHER";
/// The release of OpenTelemetry's semantic conventions that the names of attributes are from.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";
