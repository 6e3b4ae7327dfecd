#!/bin/sh
# SPDX-License-Identifier: MIT
# assets.sh PATH=FILE... - the files as a C source with the table of user/assets.h, on
# standard output. PATH is the name in the table.
set -eu

type_of() {
	case $1 in
	/ | *.html) echo 'text/html; charset=utf-8' ;;
	*.css) echo 'text/css; charset=utf-8' ;;
	*.js) echo 'text/javascript; charset=utf-8' ;;
	*.svg) echo 'image/svg+xml' ;;
	*) echo "assets.sh: what is $1?" >&2 && exit 1 ;;
	esac
}

echo '/* Made by user/assets.sh. */'
echo '#include "assets.h"'
i=0
for pair; do
	echo "static const unsigned char asset_$i[] = {"
	od -An -v -tu1 "${pair#*=}" | sed 's/\([0-9]\) /\1,/g; s/$/,/'
	echo '};'
	i=$((i + 1))
done
echo 'const struct asset assets[] = {'
i=0
for pair; do
	type=$(type_of "${pair%%=*}")
	hash=$(openssl dgst -sha256 -binary "${pair#*=}" | base64)
	echo "{\"${pair%%=*}\", \"$type\", \"$hash\", asset_$i, sizeof(asset_$i)},"
	i=$((i + 1))
done
echo '{0, 0, 0, 0, 0}};'
