api() { curl -sS "$1" -H "Authorization: Bearer $(cat shop.credential)" --json "$2"; }
ask() { curl -sS -o answer -w '%{http_code}\n' -b "__Host-sealpass=$token" "$1/verify/"; }

token=$(api 127.0.0.1:8081/v1/sessions '{"subject": "alice"}' | cut -d'"' -f8) # log in at a
ask 127.0.0.1:8180                                                             # 200: b lets her in
ask 127.0.0.1:8280                                                             # 200: c too
api 127.0.0.1:8281/v1/subjects/revoke '{"subject": "alice", "wait": "all"}'    # log out everywhere, at c
echo
ask 127.0.0.1:8080                                                             # 401: a refuses
ask 127.0.0.1:8180                                                             # 401: b too
