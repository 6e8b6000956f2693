//! The remedies, in the order of the checks.

use super::{NONE, Remedy};

pub(super) const REMEDIES: &[Remedy] = &[
    Remedy {
        id: "session-passes",
        all: "Hand the client's Cookie header to Sealpass, ask the realm and the policy that this path is meant for, and let 200 pass. \
              If the policy demands a role, give --role.",
        nginx: "proxy_set_header Cookie $http_cookie in the location that auth_request names.",
        traefik: "authRequestHeaders has to have Cookie, or be left out.",
        envoy: "allowed_headers of the ext_authz filter has to have cookie.",
        haproxy: "Pass req.hdrs, or the cookie line, to the Lua action.",
        ..NONE
    },
    Remedy {
        id: "no-cookie-denied",
        all: "Ask Sealpass before every request, and hand its 401 on as it is. For a page that leads browsers to a login page, name another \
              path in --through.",
        nginx: "auth_request in the server block; a location with auth_request off is open. error_page 401 makes a redirect of it.",
        traefik: "Name the forwardAuth middleware in every router.",
        caddy: "forward_auth before reverse_proxy in every handle block; no handle_response for 401.",
        envoy: "The ext_authz filter before the router; no typed_per_filter_config that disables it; failure_mode_allow false.",
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
        all: "Ask Sealpass whatever the method. For CORS preflights set preflight = true in a policy, and let no OPTIONS through in the proxy.",
        nginx: "No limit_except and no if ($request_method) around auth_request.",
        traefik: "No router with a Method rule and without the middleware.",
        caddy: "No method matcher on forward_auth.",
        envoy: "No route that matches :method and disables ext_authz; put the cors filter behind ext_authz.",
        haproxy: "No condition on method before the Lua action.",
    },
    Remedy { id: "upgrade-denied", all: "Ask Sealpass before an upgrade as before any other request.", ..NONE },
    Remedy {
        id: "announced-body",
        all: "Ask Sealpass without the client's body and without its Content-Length and Transfer-Encoding.",
        nginx: "proxy_pass_request_body off; proxy_set_header Content-Length \"\"; where auth_request leads.",
        traefik: "Leave forwardBody off.",
        caddy: "forward_auth asks with GET and no body; in reverse_proxy of your own: method GET and header_up -Content-Length.",
        envoy: "Leave with_request_body out.",
        haproxy: "Don't pass content-length to the Lua action's request.",
    },
    Remedy {
        id: "query-cannot-soften",
        all: "Ask for /verify/ or /policy/NAME/ with the slash at the end: behind it nothing of the client's counts.",
        nginx: "proxy_pass http://sealpass/verify/; and no $is_args$args.",
        traefik: "address: http://SEALPASS/verify/",
        caddy: "uri /verify/ in forward_auth: Caddy keeps the client's query.",
        envoy: "path_prefix: /verify in http_service, which Envoy appends the client's path to.",
        haproxy: "The Lua action's path ends in a slash, and has no query.",
    },
    Remedy {
        id: "path-cannot-soften",
        all: "Choose the policy by the path as it is handed to the application: resolved, unescaped, with single slashes; and refuse what \
              can't be (400).",
        nginx: "merge_slashes on, prefix locations; proxy_pass without a path of its own hands the client's spelling on.",
        traefik: "Leave the entry point's sanitizePath on; no router by PathRegexp on raw paths.",
        caddy: "Path matchers are resolved; matchers of your own by expression are not.",
        envoy: "normalize_path, merge_slashes, path_with_escaped_slashes_action: REJECT_REQUEST; path_prefix in ext_authz.",
        haproxy: "http-request normalize-uri path-merge-slashes, path-strip-dot, path-strip-dotdot full, percent-decode-unreserved; and \
                  deny %2f.",
    },
    Remedy {
        id: "path-lookalikes",
        all: "Refuse paths with ; \\ %3b or %5c in them (400) unless the application means them, and compare paths in any case of letters \
              unless it tells them apart.",
        nginx: "location ~* for policies; if ($request_uri ~* \"[;\\\\]|%3b|%5c\") { return 400; }",
        traefik: "PathRegexp(`(?i)^/admin(/|$)`); encodedCharacters with allowEncodedSemicolon and allowEncodedBackSlash false; a router \
                  for ; that refuses.",
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
        all: "Ask for a policy with csrf = \"require\", hand X-CSRF-Token on to Sealpass, and tell it the method in X-Forwarded-Method, as one \
              of its trusted_proxies.",
        nginx: "proxy_set_header X-Original-Method $request_method; where auth_request leads.",
        traefik: "X-Forwarded-Method comes by itself; authRequestHeaders needs X-CSRF-Token.",
        envoy: "allowed_headers needs x-csrf-token, and headers_to_add x-forwarded-method.",
        ..NONE
    },
    Remedy {
        id: "method-not-believed",
        all: "Overwrite X-Forwarded-Method and X-Original-Method on the way to Sealpass: one of them by the method, the other taken out.",
        nginx: "proxy_set_header X-Original-Method $request_method; proxy_set_header X-Forwarded-Method \"\";",
        traefik: "trustForwardHeader: false; and X-Original-Method not in authRequestHeaders.",
        caddy: "header_up -X-Original-Method in forward_auth; trusted_proxies only for proxies before it.",
        envoy: "Not in allowed_headers; request_headers_to_remove in front of the filter.",
        haproxy: "http-request set-header X-Forwarded-Method %[method]; http-request del-header X-Original-Method.",
    },
    Remedy {
        id: "preflight",
        all: "Set preflight = true in the policy of that path alone, and tell Sealpass Origin, Access-Control-Request-Method and the method.",
        nginx: "proxy_set_header X-Original-Method $request_method; the two others come by themselves.",
        envoy: "allowed_headers needs origin and access-control-request-method.",
        ..NONE
    },
    Remedy {
        id: "page-redirect",
        all: "Set login_url in the policy and hand its redirect on; set X-Forwarded-Host, -Proto and -Uri in the proxy, so that no client's \
              own are read.",
        nginx: "auth_request can't redirect: error_page 401 = @login; and return 302 there, without parts of the request in it.",
        traefik: "trustForwardHeader: false.",
        caddy: "trusted_proxies only for proxies before it.",
        envoy: "allowed_client_headers needs location; x-forwarded-host not in allowed_headers unless set by Envoy.",
        haproxy: "http-request set-header X-Forwarded-Host %[req.hdr(host)].",
    },
    Remedy { id: "optional-passes", all: "Ask for a policy with optional = true there.", ..NONE },
    Remedy {
        id: "identity-arrives",
        all: "Copy all identity headers from the answer of Sealpass into the request to the application.",
        nginx: "auth_request_set and proxy_set_header for each; a location with a proxy_set_header of its own loses those of the server.",
        traefik: "authResponseHeaders with all of them.",
        caddy: "copy_headers with all of them.",
        envoy: "allowed_upstream_headers: prefix x-session-.",
        haproxy: "http-request set-header for each, from the variables of the Lua action.",
    },
    Remedy {
        id: "identity-not-removed",
        all: "Take out what the client's Connection header names before identity headers are written, not after.",
        traefik: "Update: releases before 2.11.9 and 3.1.3 let a client do this (CVE-2024-45410).",
        ..NONE
    },
    Remedy {
        id: "forged-identity",
        all: "Replace every identity header by what Sealpass says, and take out those of which it says nothing; never add to a client's.",
        nginx: "proxy_set_header for all of them; an empty value takes the header out.",
        traefik: "authResponseHeaders with all of them, in every router; where there is no forwardAuth, a headers middleware that empties them.",
        caddy: "request_header -X-Session-* before forward_auth, then copy_headers with all of them.",
        envoy: "allowed_upstream_headers, not allowed_upstream_headers_to_append; early_header_mutation removes the client's.",
        haproxy: "http-request del-header X-Session- -m beg, then set-header, not add-header.",
    },
    Remedy {
        id: "forged-underscores",
        all: "Take out a client's headers with underscores, or refuse them: X_Session_Subject is X-Session-Subject to many applications.",
        nginx: "underscores_in_headers off; in the first server of the address.",
        traefik: "aliasHeadersStrategy: delete at the entry point (3.7.13 or later).",
        caddy: "request_header -*_* and the same for . and whatever else stands for a dash.",
        envoy: "headers_with_underscores_action: REJECT_REQUEST or DROP_HEADER; for other characters a Lua filter.",
        haproxy: "http-request del-header [^a-z0-9-] -m reg, in any case of letters.",
    },
    Remedy {
        id: "forged-optional",
        all: "Take identity headers of a client out on open and optional paths too, before anything is copied.",
        nginx: "proxy_set_header for all of them in the server block, and no proxy_set_header in the location.",
        traefik: "authResponseHeaders with all of them; an empty one replaces the client's.",
        caddy: "request_header -X-Session-* for the whole site.",
        envoy: "early_header_mutation, which does not depend on the route.",
        haproxy: "http-request del-header before any condition on the path.",
    },
    Remedy {
        id: "non-ascii-subject",
        all: "Hand the headers on as Sealpass writes them: percent-encoded ASCII. The application decodes.",
        ..NONE
    },
    Remedy {
        id: "cookie-kept-from-app",
        all: "Take the session's cookie out before the request goes on, on all paths but those that write sessions.",
        nginx: "proxy_set_header Cookie by a map that leaves ours out.",
        traefik: "pass_cookies = true in the policies, and Cookie in authResponseHeaders.",
        caddy: "request_header Cookie with a pattern that takes ours out.",
        envoy: "A Lua filter behind ext_authz that rewrites cookie.",
        haproxy: "http-request replace-header Cookie, behind the Lua action.",
    },
    Remedy {
        id: "other-cookies-arrive",
        all: "Take out the session's cookie alone, by its exact name, wherever in the line it stands.",
        ..NONE
    },
    Remedy {
        id: "client-forwarded",
        all: "Set or remove X-Forwarded-…, X-Original-… and Forwarded: only proxies in front of this one may say where a client comes from.",
        nginx: "proxy_set_header for each: $remote_addr and $scheme, \"\" for those that are not needed.",
        traefik: "No forwardedHeaders.insecure; a headers middleware that empties X-Original-… and Forwarded.",
        caddy: "request_header -X-Original-* and -Forwarded; trusted_proxies only for proxies before it.",
        envoy: "use_remote_address true, xff_num_trusted_hops 0; early_header_mutation removes the others.",
        haproxy: "http-request del-header X-Forwarded- -m beg, and X-Original-, Forwarded; then set what is needed.",
    },
    Remedy {
        id: "large-session",
        all: "Make room for a cookie of 4 KiB in requests and answers, and for 13 KiB of identity headers.",
        nginx: "large_client_header_buffers 4 32k; proxy_buffer_size 16k; where auth_request leads too.",
        envoy: "max_request_headers_kb 96.",
        haproxy: "tune.bufsize 131072.",
        ..NONE
    },
    Remedy {
        id: "foreign-cookies",
        all: "Raise the limits for request headers; past them answer 4xx, never 500.",
        nginx: "large_client_header_buffers 2 96k; and for what Sealpass could not read, a map that sends no cookie.",
        envoy: "max_request_headers_kb 128.",
        haproxy: "tune.bufsize 131072.",
        ..NONE
    },
    Remedy {
        id: "renewal-arrives",
        all: "Hand Set-Cookie of Sealpass on to the client with the application's answer. Without it sessions end in the midst of their use.",
        nginx: "auth_request_set $session_cookie $upstream_http_set_cookie; add_header Set-Cookie $session_cookie always; a location with an \
                add_header of its own needs it again.",
        traefik: "addAuthCookiesToResponse with the cookie's name.",
        caddy: "Keep the header of forward_auth's answer: handle_response with header +Set-Cookie.",
        envoy: "allowed_client_headers_on_success: set-cookie.",
        haproxy: "http-response add-header Set-Cookie from the variable of the Lua action.",
    },
    Remedy {
        id: "cookie-attributes",
        all: "Change nothing about Set-Cookie of Sealpass; its attributes are set in [realm.NAME.cookie].",
        nginx: "No proxy_cookie_flags, proxy_cookie_path or proxy_cookie_domain that touches it.",
        ..NONE
    },
    Remedy {
        id: "app-cookies-arrive",
        all: "Add the renewal's Set-Cookie to the application's lines; don't put it in their place.",
        haproxy: "http-response add-header, not set-header.",
        ..NONE
    },
    Remedy {
        id: "renew-path",
        all: "Route POST /renew to the public listener of Sealpass, unguarded, with Cookie, Origin, Sec-Fetch-Site and Referer as they came. \
              If browsers don't renew, --renew-path none.",
        ..NONE
    },
    Remedy {
        id: "logout-by-api",
        all: "Let nothing cache what Sealpass answers, not for a second.",
        nginx: "No proxy_cache where auth_request leads.",
        caddy: "No cache handler around forward_auth.",
        envoy: "No cache filter before ext_authz.",
        haproxy: "No stick table or map that remembers a verdict.",
        ..NONE
    },
    Remedy {
        id: "logout-by-browser",
        all: "Route POST /logout to the public listener of Sealpass, unguarded, with Cookie, Origin, Sec-Fetch-Site and Referer as they came, \
              and its Set-Cookie back. If browsers log out through the application, --logout-path none.",
        ..NONE
    },
    Remedy {
        id: "answers-not-shared",
        all: "Let no cache before or in the proxy keep guarded answers; those of the application should say Cache-Control: private.",
        nginx: "No proxy_cache on guarded locations, or proxy_no_cache and proxy_cache_bypass $http_cookie.",
        ..NONE
    },
    Remedy {
        id: "verify-hidden",
        all: "Route nothing of the public listener to clients but /logout and /renew.",
        nginx: "internal; in the locations that auth_request names.",
        ..NONE
    },
    Remedy {
        id: "control-hidden",
        all: "Let the control listener listen where only applications and operators get, and never route to it.",
        ..NONE
    },
    Remedy {
        id: "app-behind-proxy",
        all: "Let the application listen on loopback or in a network that only the proxy reaches, or demand of it a secret or a client \
              certificate.",
        ..NONE
    },
    Remedy {
        id: "tls",
        all: "Serve over TLS with a certificate that browsers trust for this name; for one of your own, --ca FILE.",
        ..NONE
    },
    Remedy {
        id: "plain-http",
        all: "Redirect http:// to https://, or close the port.",
        nginx: "return 308 https://$host$request_uri;",
        traefik: "http.redirections.entryPoint to the https entry point.",
        haproxy: "http-request redirect scheme https unless { ssl_fc }.",
        ..NONE
    },
    Remedy {
        id: "clocks",
        all: "Keep the clocks in step (NTP), this machine's too: sessions are judged by them.",
        ..NONE
    },
    Remedy {
        id: "doctor-cleaned-up",
        all: "End them by hand: POST /v1/subjects/revoke with the subject; or wait for their idle limit.",
        ..NONE
    },
];
