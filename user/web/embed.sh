#!/bin/sh
# SPDX-License-Identifier: MIT
# embed.sh PATH=FILE... - the files as a C source with the table of user/web_assets.h, on
# standard output. PATH is that of the request.
set -eu

type_of() {
	case $1 in
	/ | *.html) echo 'text/html; charset=utf-8' ;;
	*.css) echo 'text/css; charset=utf-8' ;;
	*.js) echo 'text/javascript; charset=utf-8' ;;
	*.svg) echo 'image/svg+xml' ;;
	*) echo "embed.sh: what is $1?" >&2 && exit 1 ;;
	esac
}

echo '/* Made by user/web/embed.sh. */'
echo '#include "web_assets.h"'
i=0
for pair; do
	echo "static const unsigned char asset_$i[] = {"
	od -An -v -tu1 "${pair#*=}" | sed 's/\([0-9]\) /\1,/g; s/$/,/'
	echo '};'
	i=$((i + 1))
done
echo 'const struct web_asset web_assets[] = {'
i=0
for pair; do
	type=$(type_of "${pair%%=*}")
	echo "{\"${pair%%=*}\", \"$type\", asset_$i, sizeof(asset_$i)},"
	i=$((i + 1))
done
echo '{0, 0, 0, 0}};'
