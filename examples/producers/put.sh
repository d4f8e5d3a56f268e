#!/bin/sh
# Puts the event on standard input on a queue:  put.sh BASE < event.json
set -eu
base=$1
tmp=$(mktemp -p "$base/tmp")
cat > "$tmp"
sync "$tmp"                             # the bytes are on the disk ...
name=$(date +%s)-$$-${tmp##*.}.json     # time, process and chance: unique for ever
ln "$tmp" "$base/new/$name"             # ... before the name is there; ln never overwrites
rm "$tmp"
sync "$base/new"                        # the name is on the disk too: from here on it is promised
echo "$name"
