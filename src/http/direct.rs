//! How the public listener answers: verify at once, from the head that was parsed; everything else, and everything while
//! traces are on, by an application of actix-web.
//!
//! Verify needs nothing of what an application does for a request (routing, extractors, data of its own, futures in boxes),
//! and would spend as much on it as on deriving a token's key.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_http::Request;
use actix_service::IntoServiceFactory;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Response, Service as Answers, ServiceFactory, ServiceResponse, forward_ready};
use actix_web::{App, Error};

use super::Service;
use super::head::Head;
use super::public::{decided, routes};

/// What the public listener answers, for a server of actix-web.
pub fn public_service(
    service: &Arc<Service>,
) -> impl ServiceFactory<Request, Config = AppConfig, Response = Response<BoxBody>, Error = Error, InitError = ()> + use<>
{
    Factory { service: Arc::clone(service), app: App::new().configure(routes(service)).into_factory() }
}

/// Makes a [`Direct`] for each worker.
struct Factory<A> {
    service: Arc<Service>,
    app: A,
}

/// Answers the requests of one worker.
struct Direct<A> {
    service: Arc<Service>,
    app: A,
}

/// An answer: there already, or to come from the application.
enum Answer<F> {
    Now(Option<Response<BoxBody>>),
    Later(F),
}

impl<A> ServiceFactory<Request> for Factory<A>
where
    A: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse, Error = Error, InitError = ()>,
    A::Future: 'static,
    <A::Service as Answers<Request>>::Future: Unpin,
{
    type Response = Response<BoxBody>;
    type Error = Error;
    type Config = AppConfig;
    type Service = Direct<A::Service>;
    type InitError = ();
    type Future = Pin<Box<dyn Future<Output = Result<Self::Service, ()>>>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let (service, app) = (Arc::clone(&self.service), self.app.new_service(config));
        Box::pin(async move { Ok(Direct { service, app: app.await? }) })
    }
}

impl<A> Answers<Request> for Direct<A>
where
    A: Answers<Request, Response = ServiceResponse, Error = Error>,
    A::Future: Unpin,
{
    type Response = Response<BoxBody>;
    type Error = Error;
    type Future = Answer<A::Future>;

    forward_ready!(app);

    fn call(&self, request: Request) -> Self::Future {
        let traced = self.service.traces.is_on();
        match if traced { None } else { decided(&self.service, Head::Parsed(&request)) } {
            Some(response) => Answer::Now(Some(response.into())),
            None => Answer::Later(self.app.call(request)),
        }
    }
}

impl<F: Future<Output = Result<ServiceResponse, Error>> + Unpin> Future for Answer<F> {
    type Output = Result<Response<BoxBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Now(response) => Poll::Ready(Ok(response.take().expect("a future that is ready is not asked again"))),
            Self::Later(answering) => Poll::Ready(ready!(Pin::new(answering).poll(context)).map(Into::into)),
        }
    }
}
