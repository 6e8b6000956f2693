sealpass proxy-config nginx --config sealpass.toml --public-host localhost --listen 127.0.0.1:8443 \
  --certificate localhost.pem --certificate-key localhost.key --upstream 127.0.0.1:3000 \
  --session-path /login --session-path /log-out --session-path /before --page /account --policy /admin=admin \
  > sealpass.conf
