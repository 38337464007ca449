"""Keeps calls coming in the demo: `demo_calls.py ADMIN_ADDRESS CALLERS.JSON LINE_NUMBER SETTINGS_NUMBERS…`.

Every few seconds a caller that the CRM knows rings the next number, never one that still has a call; a call that
nobody answers ends after about twenty seconds. Two more callers keep to the line of a group, where they wait. All of it goes through the gateway's scenario API.
"""

import itertools
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

CALL_EVERY_S = float(os.environ.get("OKGATE_DEMO_CALL_EVERY_S", "4"))
UNANSWERED_AFTER_S = 20
TALK_MS = 45_000
LINE_CALLERS = 2


class Gateway:
    """The gateway's scenario API."""

    def __init__(self, address):
        self.base = f"http://{address}/api/v1"

    def request(self, method, path, body=None):
        """Sends a request, and returns the decoded answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    def calls(self):
        """The calls that are going on, by their chain: `{"chainid", "from", "to", "state": "ringing" | …}` each."""
        return {call["chainid"]: call for call in self.request("GET", "/sim/calls")}

    def ring(self, caller, number):
        """Lets an outside caller ring a number, and returns the chain."""
        return self.request("POST", "/sim/calls", {"from": caller, "to": number, "talk_ms": TALK_MS})["chainid"]

    def hang_up(self, chain):
        """Lets the caller give up."""
        self.request("POST", f"/sim/calls/{chain}/hangup")


class Round:
    """The calls of the demo: which number has which call, and since when it rings."""

    def __init__(self, gateway, callers, numbers):
        self.gateway = gateway
        self.callers = itertools.cycle(callers)
        self.numbers = numbers
        self.next = 0
        self.current = {}

    def step(self, now):
        """Forgets calls that are over, ends those that nobody answers, and starts one more: (caller, number)."""
        going_on = self.gateway.calls()
        self.current = {number: call for number, call in self.current.items() if call[0] in going_on}
        for chain, since in self.current.values():
            if now - since >= UNANSWERED_AFTER_S and going_on[chain]["state"] == "ringing":
                self.gateway.hang_up(chain)
        busy = set(self.current) | {str(call.get("to")) for call in going_on.values()}
        for offset in range(len(self.numbers)):
            number = self.numbers[(self.next + offset) % len(self.numbers)]
            if number not in busy:
                self.next = (self.next + offset + 1) % len(self.numbers)
                caller = next(self.callers)
                self.current[number] = (self.gateway.ring(caller, number), now)
                return caller, number
        return None


class Line:
    """The callers who wait in a group's line: a few at a time, one more each other step."""

    def __init__(self, gateway, callers, number):
        self.gateway = gateway
        self.callers = itertools.cycle(reversed(callers))
        self.number = number
        self.chains = set()
        self.steps = 0

    def step(self):
        """Forgets calls that are over, and starts one more: (caller, number)."""
        self.chains &= set(self.gateway.calls())
        self.steps += 1
        if len(self.chains) >= LINE_CALLERS or self.steps % 2:
            return None
        caller = next(self.callers)
        self.chains.add(self.gateway.ring(caller, self.number))
        return caller, self.number


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    address, callers_file, line_number, *numbers = sys.argv[1:]
    with open(callers_file, encoding="utf-8") as file:
        callers = list(json.load(file))
    gateway = Gateway(address)
    calls, line = Round(gateway, callers, numbers), Line(gateway, callers, line_number)
    while True:
        try:
            for started in (calls.step(time.monotonic()), line.step()):
                if started:
                    print(f"rang {started[1]} for {started[0]}", flush=True)
        except (urllib.error.URLError, OSError, KeyError, ValueError) as fault:
            detail = fault.read().decode(errors="replace") if isinstance(fault, urllib.error.HTTPError) else ""
            print(f"a demo call failed: {fault} {detail}".rstrip(), file=sys.stderr, flush=True)
        time.sleep(CALL_EVERY_S)


if __name__ == "__main__":
    main()
