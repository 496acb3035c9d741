#!/bin/sh
# lean.sh FROM TO: copy the virtual environment without what a running service never opens.
set -eu
from=$1
to=$2

mkdir -p "$(dirname "$to")"
cp -a "$from" "$to"
cd "$to"
rm -f bin/*ctivate* bin/Activate.ps1

cd lib/python*/site-packages
find . -type d -name tests -prune -exec rm -r {} + # packages' own tests
find . -name '*.po' -delete                        # sources of translations; the compiled ones stay
find . -path '*/static/*' -type f -delete          # collected in /app/staticfiles
rm -r ./*brotli*                                   # compresses, which is done

find "$(dirname "$to")" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
