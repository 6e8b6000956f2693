api() {
  curl -sS "http://127.0.0.1:8081$1" -d "$2" \
    -H "Authorization: Bearer $(cat shop.credential)" -H 'Content-Type: application/json'
}
take() { sed 's/.*"'$1'":"\([^"]*\)".*/\1/'; }
page() {
  path=$1 && shift
  curl -sS --cacert localhost.pem -o answer -w '%{http_code}\n' -b "__Host-sealpass=$token" "https://localhost:8443$path" "$@"
}

# Login: the application has checked who it is. It passes the answer's Set-Cookie on; here the token is put into $token.
answer=$(api /v1/sessions '{"subject": "alice", "roles": ["editor"], "amr": ["pwd"]}')
token=$(echo "$answer" | take token) csrf=$(echo "$answer" | take csrf_token)

# Each request: nginx asks Sealpass, and hands the application headers that say who it is.
page /account                                                        # 200
page /reports                                                        # 200

# A form: nothing without a CSRF token.
page /forms/note -d text=hello                                       # 403
page /forms/note -d text=hello -H "X-CSRF-Token: $csrf"              # 200

# A role is taken: what the cookie says is out of date, until the application seals new roles into it.
api /v1/subjects/stale '{"subject": "alice"}'
page /reports                                                        # 401
page /account                                                        # 200
new=$(api /v1/sessions/reseal '{"token": "'$token'", "roles": ["viewer"]}' | take token)
page /account                                                        # 401, the earlier cookie is worthless
token=$new
page /account                                                        # 200
page /reports                                                        # 403

# Logout, and then the same cookie again.
page /logout -X POST -H 'Sec-Fetch-Site: same-origin'                # 204
page /account                                                        # 401

# Log out everywhere.
token=$(api /v1/sessions '{"subject": "alice"}' | take token)
page /account                                                        # 200
api /v1/subjects/revoke '{"subject": "alice"}'
page /account                                                        # 401
