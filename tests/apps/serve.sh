sealpass serve --config sealpass.toml &
nginx -e stderr -p . -c nginx.conf &
