sealpass keys init --keys a
for name in b c; do mkdir -m 700 $name; cp -p a/cluster.secret $name/; done
sealpass credential add --file credentials.toml --name shop --out shop.credential
sealpass credential add --file credentials.toml --name ops --scope admin --realm '*' --out admin.credential
