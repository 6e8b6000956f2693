//! The description of the control API (OpenAPI 3.1), made from the types that its calls take and answer with.
//!
//! Here: what all of it shares, and where it is served. The calls are in [`calls`], in [`told`] and [`explained`] the words of the core,
//! which knows nothing of this.

mod call;
mod calls;
#[expect(dead_code, reason = "its types are described, never made")]
mod explained;
#[expect(dead_code, reason = "its types are described, never made")]
mod told;
mod words;

pub use told::Wait;
pub use words::{Data, Id, ImportKey, Name, Named, NamedRequest, No, Time, Yes};

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

use super::Service;
use super::answer::{close_if_more_follows, json_text};
use super::call::authenticate;

/// `/openapi.json`: for any credential, as all of the control listener.
pub async fn serve(service: web::Data<Service>, request: HttpRequest) -> HttpResponse {
    let mut response = match authenticate(&service, &request) {
        Ok(_) => json_text(&DOCUMENT),
        Err(response) => response,
    };
    close_if_more_follows(request.headers(), &mut response);
    response
}

fn document() -> OpenApi {
    let (paths, components) = calls::all();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("A credential of `sealpass credential add`.".to_owned());
    let components = components.security_scheme(SCHEME, SecurityScheme::Http(bearer));
    let info = InfoBuilder::new()
        .title("Sealpass: control API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components.build()))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>(SCHEME, [])]))
        .build()
}

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| document().to_pretty_json().expect("names and texts are all that is in it") + "\n");

const SCHEME: &str = "credential";
const DESCRIPTION: &str = "What applications and operators ask of Sealpass, on its control listener. Every call needs a \
                           credential of the right scope and realm. Lengths of text are counted in bytes of UTF-8, so \
                           that fewer characters than a `maxLength` may be too many. A path or method that is not here \
                           is answered 404, with problem details.";
