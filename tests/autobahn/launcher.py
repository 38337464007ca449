# Starts Autobahn|Testsuite under PyPy 2, which has no OpenSSL binding: modules without content stand in for
# what is only imported. The cases run over plain WebSocket, so nothing of them is ever used.
import sys
import types

import twisted.internet

for name in ("OpenSSL", "OpenSSL.SSL", "OpenSSL.crypto", "twisted.internet.ssl"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["OpenSSL"].SSL = sys.modules["OpenSSL.SSL"]
sys.modules["OpenSSL"].crypto = sys.modules["OpenSSL.crypto"]
twisted.internet.ssl = sys.modules["twisted.internet.ssl"]
twisted.internet.ssl.ClientContextFactory = object  # made for every server, used for wss alone

from autobahntestsuite import wstest  # noqa: E402

wstest.run()
