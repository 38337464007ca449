#!/usr/bin/env python3
"""A small CRM for okgate in all six modes, in JSON and XML. It names callers and has a customer's card.

    python3 crm.py http 8080                                            http-out
    python3 crm.py http 8443 --certificate server.pem --key server.key  https-out
    python3 crm.py listen 8045                                          ws-out: the gateway connects
    python3 crm.py listen 8045 --certificate server.pem --key server.key    wss-out
    python3 crm.py connect ws://127.0.0.1:4067 --format xml             ws-in: this program connects, and again after a loss
    python3 crm.py connect wss://localhost:4067 --authority authority.pem   wss-in

HTTP needs nothing but Python; the other modes need the package websockets (pip install websockets).
CRM_CREDENTIALS=login:password is asked for by http and listen, and given by connect.
CRM_USERS=anna,boris names users who are active here (way 1): their events and forms come to this program.
"""
import argparse
import base64
import hmac
import json
import os
import ssl
import time
import xml.etree.ElementTree as ElementTree
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
from xml.sax.saxutils import escape, quoteattr

CUSTOMERS = {"89274513158": "Maria Lindqvist, Northwind Traders"}
CREDENTIALS = os.environ.get("CRM_CREDENTIALS", "")
USERS = [login for login in os.environ.get("CRM_USERS", "").split(",") if login]


def parameter(key, name):
    return {"key": key, "name": name, "description": "", "type": "string", "items": []}


def declared(key, name, defineuser, inputs, outputs):
    return {"key": key, "name": name, "description": "", "allowcancel": False, "defineuser": defineuser,
            "connectiontype": "websocket", "inputparams": inputs, "outputparams": outputs}


CALLER, CUSTOMER = parameter("callerid", "The caller's number"), parameter("name", "The customer")
METHODS = [declared("callername", "Name a caller", False, [CALLER], [CUSTOMER])]
FORMS = [declared("card", "Customer", True, [CALLER, CUSTOMER], [parameter("comment", "What was said")])]


def answer(name, fields):
    """The name and the fields of the answer to a message, or None."""
    if name == "whoareyou":
        return "iam", {"type": "ws-server", "name": "crm.py", "version": "1", "build": "1"}
    if name == "getavailablemethods":
        return "availablemethods", {"methods": METHODS}
    if name == "getavailableforms":
        return "availableforms", {"forms": FORMS}
    if name == "getactiveusers":
        return "activeusers", {"users": [{"userlogin": login, "userid": "", "type": "crm"} for login in USERS]}
    if name == "executemethod":
        found = CUSTOMERS.get(fields["inputparameters"].get("callerid"), "")
        return "methodresult", {"executionid": fields["executionid"], "outputparameters": {"name": found}}
    if name == "ping":
        return "pong", fields
    return None  # showform, closeform and events want no answer


def from_xml(element):
    kind = element.get("type", "string")
    if kind == "object":
        return {child.get("name") if child.tag == "field" else child.tag: from_xml(child) for child in element}
    if kind == "array":
        return [from_xml(child) for child in element]
    text = element.text or ""
    if kind == "number":
        return json.loads(text)
    if kind == "boolean":
        return text.strip().lower() in ("true", "1")
    if kind == "null":
        return None
    return base64.b64decode(text).decode() if element.get("encoding") == "base64" else text


def to_xml(value, tag, more=""):
    if isinstance(value, dict):
        inside = "".join(to_xml(item, key) for key, item in value.items())
        return f'<{tag}{more} type="object">{inside}</{tag}>'
    if isinstance(value, list):
        inside = "".join(to_xml(item, "item") for item in value)
        return f'<{tag}{more} type="array">{inside}</{tag}>'
    if isinstance(value, (bool, int, float)) or value is None:
        kind = "null" if value is None else "boolean" if isinstance(value, bool) else "number"
        return f'<{tag}{more} type="{kind}">{"" if value is None else json.dumps(value)}</{tag}>'
    return f"<{tag}{more}>{escape(value)}</{tag}>"


def read(text, format):
    if format == "json":
        name, fields = json.loads(text)
        return name, fields
    message = ElementTree.fromstring(text)
    message.set("type", "object")
    return message.get("name"), from_xml(message)


def written(name, fields, format):
    if format == "json":
        return json.dumps([name, fields])
    inside = "".join(to_xml(value, key) for key, value in fields.items())
    return f"<message name={quoteattr(name)}>{inside}</message>"


def reply(text, format):
    """The text of the answer to the text of a message; empty if there is none."""
    name, fields = read(text, format)
    print(name, json.dumps(fields, ensure_ascii=False), flush=True)
    found = answer(name, fields)
    return written(found[0], {**found[1], "qid": fields.get("qid")}, format) if found else ""


def is_welcome(authorization):
    wanted = "Basic " + base64.b64encode(CREDENTIALS.encode()).decode()
    return not CREDENTIALS or hmac.compare_digest(wanted, authorization or "")


class Posts(BaseHTTPRequestHandler):
    """Takes what the gateway posts."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if not is_welcome(self.headers["Authorization"]):
            return self.answer(401, b"")
        format = form["format"][0]
        text = base64.b64decode(form["data"][0]).decode()
        return self.answer(200, reply(text, format).encode(), "application/json" if format == "json" else "text/xml")

    def answer(self, status, body, kind="text/plain"):
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="crm"')
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def talk(link):
    """Answers what comes over a WebSocket. Long messages come in packets."""
    packets = {}
    for text in link:
        name, fields = read(text, link.subprotocol)
        if name == "multipart":
            parts = packets.setdefault(fields["message-id"], {})
            parts[fields["packetnumber"]] = base64.b64decode(fields["content"])
            if len(parts) < fields["packetcount"]:
                continue
            del packets[fields["message-id"]]
            text = b"".join(parts[number] for number in sorted(parts)).decode()
        told = reply(text, link.subprotocol)
        if told:
            link.send(told)


def post_box(options, context):
    server = ThreadingHTTPServer(("127.0.0.1", int(options.where)), Posts)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(f"listening on {options.where}", flush=True)
    server.serve_forever()


def listen(options, context):
    from websockets.datastructures import Headers
    from websockets.http11 import Response
    from websockets.sync.server import serve

    def check(_link, request):
        if is_welcome(request.headers.get("Authorization")):
            return None
        return Response(401, "Unauthorized", Headers({"WWW-Authenticate": 'Basic realm="crm"', "Content-Length": "0"}))

    with serve(talk, "127.0.0.1", int(options.where), ssl=context, process_request=check,
               subprotocols=["json", "xml"]) as server:
        print(f"listening on {options.where}", flush=True)
        server.serve_forever()


def connect(options, context):
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect as open_link

    headers = {"Authorization": "Basic " + base64.b64encode(CREDENTIALS.encode()).decode()} if CREDENTIALS else {}
    pause = 0.5
    while True:
        try:
            with open_link(options.where, ssl=context, additional_headers=headers, subprotocols=[options.format]) as link:
                print(f"connected to {options.where}", flush=True)
                pause = 0.5
                talk(link)
        except (OSError, WebSocketException) as error:
            print(error, flush=True)
        time.sleep(pause)
        pause = min(pause * 2, 30)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("way", choices=["http", "listen", "connect"])
    options.add_argument("where", help="a port of 127.0.0.1; to connect: a URL")
    options.add_argument("--format", choices=["json", "xml"], default="json", help="to connect: in what to speak")
    options.add_argument("--certificate", help="the own certificate (PEM)")
    options.add_argument("--key", help="its private key (PEM)")
    options.add_argument("--authority", help="wss: who signed the gateway's certificate (PEM)")
    options = options.parse_args()
    context = None
    if options.way == "connect" and options.where.startswith("wss:"):
        context = ssl.create_default_context(cafile=options.authority)
    elif options.way != "connect" and options.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if context and options.certificate:
        context.load_cert_chain(options.certificate, options.key)
    {"http": post_box, "listen": listen, "connect": connect}[options.way](options, context)


if __name__ == "__main__":
    main()
