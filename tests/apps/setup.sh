sealpass keys init
(umask 077; sealpass credential new --name shop >> credentials.toml 2> shop.credential)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout localhost.key -out localhost.pem
sealpass proxy-config nginx --config sealpass.toml --public-host localhost --listen 127.0.0.1:8443 \
  --certificate localhost.pem --certificate-key localhost.key --upstream 127.0.0.1:3000 \
  --session-path /login --page /account --page /reports=editor --policy /forms=form --policy /admin=admin \
  > sealpass.conf
