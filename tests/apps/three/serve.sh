sealpass serve --config sealpass.toml --keys a --cluster-name a --cluster-listen 127.0.0.1:7447 &
sealpass serve --config sealpass.toml --keys b --cluster-name b --cluster-listen 127.0.0.1:7448 --public 127.0.0.1:8180 --control 127.0.0.1:8181 &
sealpass serve --config sealpass.toml --keys c --cluster-name c --cluster-listen 127.0.0.1:7449 --public 127.0.0.1:8280 --control 127.0.0.1:8281 &
