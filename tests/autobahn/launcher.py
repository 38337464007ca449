# Starts Autobahn|Testsuite under PyPy 2, which has no OpenSSL binding: empty modules stand in for what is only imported.
# The cases run over plain WebSocket, so nothing of them is ever used.
import sys
import types

for name in ("OpenSSL", "OpenSSL.SSL", "OpenSSL.crypto", "twisted.internet.ssl"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["OpenSSL"].SSL = sys.modules["OpenSSL.SSL"]
sys.modules["OpenSSL"].crypto = sys.modules["OpenSSL.crypto"]

from autobahntestsuite import wstest  # noqa: E402

wstest.run()
