#!/bin/sh
# Rebuild echarts.min.js from the published package. Needs node and npm; users of Breakeven need neither.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/echarts-entry.js" "$work/entry.js"
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact echarts@6.1.0 esbuild@0.28.2
npx esbuild entry.js --bundle --minify --format=iife --global-name=echarts --target=es2020 \
  --legal-comments=none --outfile="$here/echarts.min.js"
cp node_modules/echarts/LICENSE node_modules/echarts/NOTICE "$here/"
cp node_modules/echarts/licenses/LICENSE-d3 "$here/LICENSE-d3"
cp node_modules/zrender/LICENSE "$here/LICENSE-zrender"
cp node_modules/tslib/LICENSE.txt "$here/LICENSE-tslib"
sha256sum "$here/echarts.min.js"
