//! The templates, and what becomes of them. They are part of the program.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use super::Proxy;
use super::deployment::Deployment;

/// A file of a proxy's configuration.
pub struct Rendered {
    pub name: &'static str,
    pub text: String,
}

/// All files of one proxy, the one that is read first first.
pub fn render(proxy: Proxy, deployment: &Deployment) -> Vec<Rendered> {
    proxy.templates().iter().map(|template| rendered(template, deployment)).collect()
}

/// The Kubernetes form, where there is one.
pub fn ingress(proxy: Proxy, deployment: &Deployment) -> Option<Rendered> {
    proxy.ingress_template().map(|template| rendered(template, deployment))
}

type Template = (&'static str, &'static str);

impl Proxy {
    fn templates(self) -> &'static [Template] {
        match self {
            Self::Envoy => &[("envoy.yaml", include_str!("templates/envoy/envoy.yaml.jinja"))],
            Self::Nginx => &[("sealpass.conf", include_str!("templates/nginx/sealpass.conf.jinja"))],
            Self::Traefik => &[
                ("traefik.yml", include_str!("templates/traefik/traefik.yml.jinja")),
                ("sealpass.yml", include_str!("templates/traefik/sealpass.yml.jinja")),
            ],
            Self::Caddy => &[("Caddyfile", include_str!("templates/caddy/Caddyfile.jinja"))],
            Self::Haproxy => &[
                ("haproxy.cfg", include_str!("templates/haproxy/haproxy.cfg.jinja")),
                ("sealpass.lua", include_str!("templates/haproxy/sealpass.lua.jinja")),
            ],
        }
    }

    fn ingress_template(self) -> Option<&'static Template> {
        match self {
            Self::Traefik => Some(&("ingress.yaml", include_str!("templates/traefik/ingress.yaml.jinja"))),
            Self::Envoy => Some(&("ingress.yaml", include_str!("templates/envoy/ingress.yaml.jinja"))),
            Self::Nginx | Self::Caddy => None,
            Self::Haproxy => Some(&("ingress.yaml", include_str!("templates/haproxy/ingress.yaml.jinja"))),
        }
    }
}

fn rendered(&(name, template): &Template, deployment: &Deployment) -> Rendered {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None); // every value was checked to stand for itself
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    for (part, text) in PARTS {
        environment.add_template(part, text).expect("a template of ours is one");
    }
    let text = environment.render_named_str(name, template, Value::from(Serde(deployment)));
    Rendered { name, text: text.expect("a template of ours names only what a deployment has") }
}

/// What several templates include.
const PARTS: [Template; 3] = [
    ("haproxy/guard", include_str!("templates/haproxy/guard.jinja")),
    ("haproxy/ask", include_str!("templates/haproxy/ask.jinja")),
    ("haproxy/action", include_str!("templates/haproxy/sealpass.lua.jinja")),
];
