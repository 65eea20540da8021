#!/bin/sh
# Installs SoftHSM, the PKCS#11 token of the tests, where that can be done without asking: Debian, and root.
# Never fails: the tests that need it say so when it is not there.
command -v softhsm2-util >/dev/null 2>&1 && exit 0
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
  echo "softhsm2 is not installed, and cannot be installed from here: the tests of the PKCS#11 vault are skipped"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -q && apt-get install -y -q --no-install-recommends softhsm2; } </dev/null >/dev/null 2>&1 ||
  echo "softhsm2 could not be installed: the tests of the PKCS#11 vault are skipped"
exit 0
