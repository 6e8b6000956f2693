//! Remedies for what is handed on to the application and to clients, and for what is around the proxy.

use super::{NONE, Remedy};

pub(super) const AROUND: &[Remedy] = &[
    Remedy {
        id: "identity-arrives",
        all: "Copy all identity headers from the answer of Sealpass into the request to the application.",
        nginx: "auth_request_set and proxy_set_header for each; a location with a proxy_set_header of its own loses \
                those of the server.",
        traefik: "authResponseHeaders with all of them.",
        caddy: "request_header NAME {rp.header.NAME} for each in handle_response @yes (with the shorthand forward_auth: \
                copy_headers with all of them).",
        envoy: "allowed_upstream_headers: prefix x-session-.",
        haproxy: "http-request set-header for each, from the variables of the Lua action.",
    },
    Remedy {
        id: "identity-not-removed",
        all: "Take out what the client's Connection header names before identity headers are written, not after.",
        traefik: "Update: releases before 2.4.13 let a client do this (CVE-2021-32813), and with X-Forwarded-… those before \
                  2.11.9 and 3.1.3 (CVE-2024-45410).",
        ..NONE
    },
    Remedy {
        id: "forged-identity",
        all: "Replace every identity header by what Sealpass says, and take out those of which it says nothing; never \
              add to a client's.",
        nginx: "proxy_set_header for all of them; an empty value takes the header out.",
        traefik: "authResponseHeaders with all of them, in every router; where there is no forwardAuth, a headers \
                  middleware that empties them.",
        caddy: "request_header -X-Session-* at the head of the site's route; then request_header NAME \
                {rp.header.NAME} for each in handle_response @yes (with forward_auth: copy_headers).",
        envoy: "allowed_upstream_headers, not allowed_upstream_headers_to_append; early_header_mutation removes the \
                client's.",
        haproxy: "http-request del-header X-Session- -m beg, then set-header, not add-header.",
    },
    Remedy {
        id: "forged-underscores",
        all: "Take out a client's headers with underscores, or refuse them: X_Session_Subject is X-Session-Subject to \
              many applications.",
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
        caddy: "request_header -X-Session-* at the head of the site's route, before every handle.",
        envoy: "early_header_mutation, which does not depend on the route.",
        haproxy: "http-request del-header before any condition on the path.",
    },
    Remedy {
        id: "forged-session-path",
        all: "Take identity headers of a client out on every path, those that no policy guards too: what is copied from \
              Sealpass's answer elsewhere replaces nothing there.",
        nginx: "proxy_set_header for all of them in the server block, and no proxy_set_header in the location.",
        traefik: "A headers middleware that empties them in the session paths' router.",
        caddy: "request_header -X-Session-* at the head of the site's route, before every handle.",
        envoy: "early_header_mutation, which does not depend on the route.",
        haproxy: "http-request del-header X-Session- -m beg before any condition on the path.",
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
        caddy: "request_header Cookie \"(^|;)[ \\t]*NAME[ \\t]*=[^;]*\" \"\" in (guarded_by), with NAME the session \
                cookie's.",
        envoy: "A Lua filter behind ext_authz that rewrites cookie.",
        haproxy: "http-request replace-header Cookie, behind the Lua action.",
    },
    Remedy {
        id: "other-cookies-arrive",
        all: "Take out the session's cookie alone, by its exact name, wherever in the line it stands.",
        traefik: "pass_cookies = true in every policy of sealpass.toml, and Cookie in authResponseHeaders.",
        caddy: "request_header Cookie \"(^|;)[ \\t]*NAME[ \\t]*=[^;]*\" \"\", with NAME the session cookie's.",
        ..NONE
    },
    Remedy {
        id: "client-forwarded",
        all: "Set or remove X-Forwarded-…, X-Original-… and Forwarded: only proxies in front of this one may say \
              where a client comes from.",
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
        all: "Hand Set-Cookie of Sealpass on to the client with the application's answer. Without it sessions end in \
              the midst of their use.",
        nginx: "auth_request_set $session_cookie $upstream_http_set_cookie; add_header Set-Cookie $session_cookie \
                always; a location with an add_header of its own needs it again.",
        traefik: "addAuthCookiesToResponse with the cookie's name.",
        caddy: "header @renewed +Set-Cookie {rp.header.Set-Cookie} in handle_response @yes, with @renewed vars_regexp \
                {rp.header.Set-Cookie} .",
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
        all: "Route POST /renew to the public listener of Sealpass, unguarded, with Cookie, Origin, Sec-Fetch-Site \
              and Referer as they came. If browsers don't renew, --renew-path none.",
        ..NONE
    },
    Remedy {
        id: "logout-by-api",
        all: "Let nothing cache what Sealpass answers, not for a second.",
        nginx: "No proxy_cache where auth_request leads.",
        caddy: "No cache handler around import guarded_by, or forward_auth.",
        envoy: "No cache filter before ext_authz.",
        haproxy: "No stick table or map that remembers a verdict.",
        ..NONE
    },
    Remedy {
        id: "logout-by-browser",
        all: "Route POST /logout to the public listener of Sealpass, unguarded, with Cookie, Origin, Sec-Fetch-Site \
              and Referer as they came, and its Set-Cookie back. If browsers log out through the application, \
              --logout-path none.",
        ..NONE
    },
    Remedy {
        id: "answers-not-shared",
        all: "Let no cache before or in the proxy keep guarded answers; those of the application should say \
              Cache-Control: private.",
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
        all: "Let the application listen on loopback or in a network that only the proxy reaches, or demand of it a \
              secret or a client certificate.",
        ..NONE
    },
    Remedy {
        id: "tls",
        all: "Serve over TLS with a certificate that browsers trust for this name; for one of your own, the doctor \
              needs --ca FILE with what it was signed with.",
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
