#!/bin/sh
# Makes what TLS needs in the present directory: an authority of one's own, and for each of server and client a
# certificate that it has signed. The server's is for the names in $1 (without it: this machine).
set -eu
names=${1:-DNS:localhost,IP:127.0.0.1}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=okgate test authority" \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout authority.key -out authority.pem
for whose in server client; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$whose" -keyout $whose.key -out $whose.csr
  printf 'basicConstraints=critical,CA:FALSE\nsubjectAltName=%s\nextendedKeyUsage=%sAuth\n' "$names" $whose >$whose.ext
  openssl x509 -req -in $whose.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 365 -extfile $whose.ext -out $whose.pem
  rm $whose.csr $whose.ext
done
