//! Remedies where Sealpass is not asked, or not as it should be.

use super::{NONE, Remedy};

pub(super) const GUARD: &[Remedy] = &[
    Remedy {
        id: "session-passes",
        all: "Hand the client's Cookie header to Sealpass, ask the realm and the policy that this path is meant for, \
              and let 200 pass. If the policy demands a role, give --role.",
        nginx: "proxy_set_header Cookie $http_cookie in the location that auth_request names.",
        traefik: "authRequestHeaders has to have Cookie, or be left out.",
        envoy: "allowed_headers of the ext_authz filter has to have cookie.",
        haproxy: "Pass req.hdrs, or the cookie line, to the Lua action.",
        ..NONE
    },
    Remedy {
        id: "no-cookie-denied",
        all: "Ask Sealpass before every request, and hand its 401 on as it is. For a page that leads browsers to a \
              login page, name another path in --through.",
        nginx: "auth_request in the server block; a location with auth_request off is open. error_page 401 makes a \
                redirect of it.",
        traefik: "Name the forwardAuth middleware in every router.",
        caddy: "import guarded_by /verify/ or /policy/NAME/ in every handle block but the session paths' (with the \
                shorthand: forward_auth before reverse_proxy); handle_response for status 200 alone.",
        envoy: "The ext_authz filter before the router; no typed_per_filter_config that disables it; \
                failure_mode_allow false.",
        haproxy: "http-request deny deny_status 401 unless the Lua action said 200.",
    },
    Remedy {
        id: "denial-not-cached",
        all: "Hand Cache-Control: no-store of Sealpass on with its denials.",
        nginx: "add_header Cache-Control no-store always, by a map from the status of auth_request.",
        envoy: "allowed_client_headers has to have cache-control.",
        haproxy: "http-request return status 401 hdr Cache-Control no-store.",
        ..NONE
    },
    Remedy {
        id: "tampered-denied",
        all: "Let nobody but Sealpass judge cookies, and let nothing but its 200 pass.",
        ..NONE
    },
    Remedy {
        id: "methods-denied",
        all: "Ask Sealpass whatever the method. For CORS preflights set preflight = true in a policy, and let no \
              OPTIONS through in the proxy.",
        nginx: "No limit_except and no if ($request_method) around auth_request.",
        traefik: "No router with a Method rule and without the middleware.",
        caddy: "No method matcher around import guarded_by, or forward_auth.",
        envoy: "No route that matches :method and disables ext_authz; put the cors filter behind ext_authz.",
        haproxy: "No condition on method before the Lua action.",
    },
    Remedy { id: "upgrade-denied", all: "Ask Sealpass before an upgrade as before any other request.", ..NONE },
    Remedy {
        id: "announced-body",
        all: "Ask Sealpass without the client's body and without its Content-Length and Transfer-Encoding.",
        nginx: "proxy_pass_request_body off; proxy_set_header Content-Length \"\"; where auth_request leads.",
        traefik: "Leave forwardBody off.",
        caddy: "method GET, header_up -Content-Length and header_up -Transfer-Encoding in (guarded_by); forward_auth \
                does so by itself.",
        envoy: "Leave with_request_body out.",
        haproxy: "Don't pass content-length to the Lua action's request.",
    },
    Remedy {
        id: "query-cannot-soften",
        all: "Ask for /verify/ or /policy/NAME/ with the slash at the end: behind it nothing of the client's counts.",
        nginx: "proxy_pass http://sealpass/verify/; and no $is_args$args.",
        traefik: "address: http://SEALPASS/verify/",
        caddy: "rewrite {args[0]}? in (guarded_by), with the question mark, and import guarded_by /verify/ with the \
                slash; forward_auth keeps the client's query.",
        envoy: "path_prefix: /verify in http_service, which Envoy appends the client's path to.",
        haproxy: "The Lua action's path ends in a slash, and has no query.",
    },
    Remedy {
        id: "path-cannot-soften",
        all: "Choose the policy by the path as it is handed to the application: resolved, unescaped, with single \
              slashes; and refuse what can't be (400).",
        nginx: "merge_slashes on, prefix locations; proxy_pass without a path of its own hands the client's spelling \
                on.",
        traefik: "Leave the entry point's sanitizePath on; no router by PathRegexp on raw paths.",
        caddy: "Path matchers are resolved; matchers of your own by expression are not.",
        envoy: "normalize_path, merge_slashes, path_with_escaped_slashes_action: REJECT_REQUEST; path_prefix in \
                ext_authz.",
        haproxy: "http-request normalize-uri path-merge-slashes, path-strip-dot, path-strip-dotdot full, \
                  percent-decode-unreserved; and deny %2f.",
    },
    Remedy {
        id: "path-lookalikes",
        all: "Refuse paths with ; \\ %3b or %5c in them (400) unless the application means them, and compare paths in \
              any case of letters unless it tells them apart.",
        nginx: "location ~* for policies; if ($request_uri ~* \"[;\\\\]|%3b|%5c\") { return 400; }",
        traefik: "PathRegexp(`(?i)^/admin(/|$)`); encodedCharacters with allowEncodedSemicolon and \
                  allowEncodedBackSlash false; a router for ; that refuses.",
        caddy: "vars_regexp on {uri} for them, and respond 400.",
        envoy: "safe_regex routes with (?i); a route for ; and \\ with direct_response 400.",
        haproxy: "http-request deny deny_status 400 if { path -m reg -i ;|%3b|%5c }; path -i in acls.",
    },
    Remedy {
        id: "role-demanded",
        all: "Ask for the path's own policy, and hand its 403 on as it is. The doctor's sessions must lack the role.",
        nginx: "auth_request to a location of the policy; error_page 403 must not change the code.",
        caddy: "The stricter handle block stands first, or is the more specific one.",
        envoy: "A route of its own for the path, before the others; status_on_error has no part in this.",
        haproxy: "http-request deny deny_status 403 if Sealpass said 403.",
        ..NONE
    },
    Remedy {
        id: "csrf-demanded",
        all: "Ask for a policy with csrf = \"require\", hand X-CSRF-Token on to Sealpass, and tell it the method in \
              X-Forwarded-Method, as one of its trusted_proxies.",
        nginx: "proxy_set_header X-Original-Method $request_method; where auth_request leads.",
        traefik: "X-Forwarded-Method comes by itself; authRequestHeaders needs X-CSRF-Token.",
        envoy: "allowed_headers needs x-csrf-token, and headers_to_add x-forwarded-method.",
        ..NONE
    },
    Remedy {
        id: "method-not-believed",
        all: "Overwrite X-Forwarded-Method and X-Original-Method on the way to Sealpass: one of them by the method, \
              the other taken out.",
        nginx: "proxy_set_header X-Original-Method $request_method; proxy_set_header X-Forwarded-Method \"\";",
        traefik: "trustForwardHeader: false; and X-Original-Method not in authRequestHeaders.",
        caddy: "header_up X-Forwarded-Method {method} in (guarded_by), request_header -X-Original-* in the site; \
                Caddy's own trusted_proxies only for proxies before it.",
        envoy: "Not in allowed_headers; request_headers_to_remove in front of the filter.",
        haproxy: "http-request set-header X-Forwarded-Method %[method]; http-request del-header X-Original-Method.",
    },
    Remedy {
        id: "preflight",
        all: "Set preflight = true in the policy of that path alone, and tell Sealpass Origin, \
              Access-Control-Request-Method and the method.",
        nginx: "proxy_set_header X-Original-Method $request_method; the two others come by themselves.",
        envoy: "allowed_headers needs origin and access-control-request-method.",
        ..NONE
    },
    Remedy {
        id: "page-redirect",
        all: "In sealpass.toml: a policy for this path with login_url; the proxy's address in trusted_proxies; and in \
              public_origins of the realm the address as browsers see it, with a port that is not the usual one \
              (here: {origin}). In the proxy: hand the redirect on, and set X-Forwarded-Host, -Proto and -Uri, so that \
              no client's own are read.",
        nginx: "auth_request can't redirect: error_page 401 = @login; and return 302 there, without parts of the \
                request in it.",
        traefik: "trustForwardHeader: false.",
        caddy: "header_up X-Forwarded-Uri {uri} where Sealpass is asked; Caddy's own trusted_proxies only for proxies \
                before it.",
        envoy: "allowed_client_headers needs location; x-forwarded-host not in allowed_headers unless set by Envoy.",
        haproxy: "http-request set-header X-Forwarded-Host %[req.hdr(host)].",
    },
    Remedy { id: "optional-passes", all: "Ask for a policy with optional = true there.", ..NONE },
];
