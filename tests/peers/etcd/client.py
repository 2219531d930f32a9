"""Calls an etcd through a gateway with `etcd3gw`, and by plain HTTP as `curl` does, and prints what came back.

The first argument is where the gateway is, HOST:PORT. With `bodies` behind it each response is printed too: status, content type and
body. What differs from one etcd to the next (ids, leases, tokens, sizes) is replaced by words.
"""

import json
import re
import sys
import threading

import etcd3gw
import requests

HOST, PORT = sys.argv[1].rsplit(":", 1)
SHOWS_BODIES = "bodies" in sys.argv[2:]
CHANGING = r'"(cluster_id|member_id|raft_term|raftTerm|clusterId|memberId|ID|id|lease|leader|token|dbSize|dbSizeInUse|raftIndex|raftAppliedIndex|TTL|ttl|clientURLs|peerURLs|client_urls|name|version)":("[^"]*"|\[[^\]]*\]|\d+)'
NAMES = {"clusterId": "cluster_id", "memberId": "member_id", "raftTerm": "raft_term"}


def steady(text):
    """The text without what differs from one etcd to the next."""
    return re.sub(CHANGING, lambda m: '"%s":*' % m.group(1), re.sub(r'("version":)"(\d)"', r'"v":"\2"', text))


def shown(what, value):
    print(what, value, flush=True)


def told(response, *_, **__):
    if SHOWS_BODIES:
        kind = response.headers.get("Content-Type")
        path = requests.utils.urlparse(response.url).path
        # A stream is read by whoever asked for it.
        body = "" if path == "/v3/watch" and response.status_code == 200 else " " + steady(response.text)
        print("   ", response.request.method, path, response.status_code, kind, body.strip(), flush=True)


session = requests.Session()
session.hooks["response"] = [told]
client = etcd3gw.Etcd3Client(host=HOST, port=int(PORT), api_path="/v3/", timeout=20, session=session)
URL = "http://%s:%s/v3/" % (HOST, PORT)


def refused(call):
    try:
        return call()
    except etcd3gw.exceptions.Etcd3Exception as error:
        return type(error).__name__


# Keys and values.
shown("put", client.put("a/1", "one"))
shown("put", client.put("a/2", b"\x00\xff\n"))
shown("get", client.get("a/1"))
shown("get", client.get("a/2"))
shown("nothing", client.get("b"))
shown("count", client.get("a/1", count_only=True))
shown("prefix", [(value, item["key"]) for value, item in client.get_prefix("a/", sort_order="descend", sort_target="key")])
shown("all", [item["key"] for _, item in client.get_all(sort_order="ascend")])
shown("range", client.get("a/1", range_end="a/2"))
shown("replace", client.replace("a/1", "one", "uno"))
shown("replace", client.replace("a/1", "one", "eins"))
shown("get", client.get("a/1"))
shown("create", client.create("a/3", "three"))
shown("create", client.create("a/3", "four"))
shown("delete", client.delete("a/3"))
shown("delete", client.delete("a/3"))
shown("delete_prefix", client.delete_prefix("a/"))
shown("empty", client.get_all())

# Transactions: their body goes without a Content-Type.
key = etcd3gw.utils._encode("t")
shown("transaction", client.transaction({
    "compare": [{"key": key, "result": "EQUAL", "target": "VERSION", "version": 0}],
    "success": [{"request_put": {"key": key, "value": etcd3gw.utils._encode("1")}}, {"request_range": {"key": key}}],
    "failure": [{"request_range": {"key": key}}],
})["succeeded"])
shown("transaction", client.transaction({
    "compare": [{"key": key, "result": "GREATER", "target": "MOD", "mod_revision": 0}],
    "success": [{"request_delete_range": {"key": key}}],
})["succeeded"])

# Leases.
lease = client.lease(ttl=60)
shown("put", client.put("l", "x", lease))
shown("ttl", 0 < lease.ttl() <= 60)
shown("refresh", lease.refresh())
shown("keys", lease.keys())
shown("revoke", lease.revoke())
shown("gone", client.get("l"))
shown("refresh", lease.refresh())
shown("revoke", refused(lease.revoke))

# Locks.
lock, other = client.lock("door", ttl=60), client.lock("door", ttl=60)
lock._uuid, other._uuid = "one", "two"
shown("acquire", lock.acquire())
shown("acquire", other.acquire())
shown("is_acquired", (lock.is_acquired(), other.is_acquired()))
shown("refresh", lock.refresh())
shown("release", other.release())
shown("release", lock.release())
gate = client.lock("gate", ttl=60)
gate._uuid = "three"
with gate as held:
    shown("with", held.is_acquired())

# Watches.
def event(of):
    kv = of["kv"]
    return (of.get("type", "PUT"), kv["key"], kv.get("value", b""))


def later(*calls):
    timers = [threading.Timer(0.3 + 0.2 * place, call) for place, call in enumerate(calls)]
    for timer in timers:
        timer.start()
    return timers


def joined(timers):
    for timer in timers:
        timer.join()


def watched(events, cancel, calls):
    timers, seen = later(*calls), []
    for one in events:
        seen.append(event(one))
        if len(seen) == len(calls):
            cancel()
    joined(timers)
    return seen


session.hooks["response"] = []
quiet = etcd3gw.Etcd3Client(host=HOST, port=int(PORT), api_path="/v3/", timeout=20)
shown("watch", watched(*client.watch("w/1"), [
    lambda: quiet.put("w/1", "a"), lambda: quiet.put("w/1", "b"), lambda: quiet.delete("w/1"),
]))
shown("watch_prefix", watched(*client.watch_prefix("w/"), [
    lambda: quiet.put("w/1", "a"), lambda: quiet.put("w/2", "b"), lambda: quiet.delete_prefix("w/2"),
]))
timers = later(lambda: quiet.put("w/3", "c"))
shown("watch_once", event(client.watch_once("w/3", timeout=20)))
joined(timers)
timers = later(lambda: quiet.put("w/4", "d"))
shown("watch_prefix_once", event(client.watch_once("w/4", range_end="w/5", timeout=20)))
joined(timers)
session.hooks["response"] = [told]

# The cluster.
shown("members", len(client.members()))
shown("status", "version" in client.status())

# Authentication.
def auth(path, **fields):
    return client.post(client.get_url("/auth/" + path), json=fields)


shown("not enabled", refused(lambda: auth("authenticate", name="root", password="secret")))
auth("user/add", name="root", password="secret")
auth("role/add", name="root")
auth("user/grant", user="root", role="root")
auth("user/add", name="reader", password="pass")
auth("role/add", name="readers")
auth("role/grant", name="readers", perm={"permType": "READ", "key": etcd3gw.utils._encode("w/1")})
auth("user/grant", user="reader", role="readers")
auth("enable")
shown("without", refused(lambda: client.get("w/1")))
shown("wrong", refused(lambda: auth("authenticate", name="reader", password="no")))
session.headers["Authorization"] = auth("authenticate", name="reader", password="pass")["token"]
shown("reader", client.get("w/1"))
shown("reader", refused(lambda: client.put("w/1", "x")))
del session.headers["Authorization"]
session.headers["Grpc-Metadata-Token"] = auth("authenticate", name="root", password="secret")["token"]
shown("root", client.put("w/1", "x"))
shown("users", auth("user/list")["users"])
auth("disable")
del session.headers["Grpc-Metadata-Token"]

# As people call it by hand.
for name, path, data, headers in [
    ("curl -d", "kv/put", '{"key":"Yw==","value":"Yw=="}', {"Content-Type": "application/x-www-form-urlencoded"}),
    ("text/plain", "kv/put", '{"key":"Yw==","value":"Yw=="}', {"Content-Type": "text/plain"}),
    ("octet-stream", "kv/put", '{"key":"Yw==","value":"Yw=="}', {"Content-Type": "application/octet-stream"}),
    ("no type", "kv/put", '{"key":"Yw==","value":"Yw=="}', {}),
    ("no body", "auth/user/list", None, {}),
    ("no key", "kv/put", "", {"Content-Type": "application/json"}),
    ("unknown member", "kv/put", '{"key":"Yw==","nope":{"a":[1]}}', {}),
    ("unknown enum", "kv/range", '{"key":"Yw==","sort_order":"SIDEWAYS"}', {}),
    ("unknown query", "kv/put?pretty=1", '{"key":"Yw=="}', {}),
    ("base64 in lines", "kv/put", '{"key":"YWJj\\r\\nZGVm\\n","value":"Yw=="}', {}),
    ("get it", "kv/range", '{"key":"YWJjZGVm"}', {}),
    ("out of range", "kv/compaction", '{"revision":"9000"}', {}),
    ("failed precondition", "auth/authenticate", '{"name":"a","password":"b"}', {}),
    ("not found", "lease/revoke", '{"ID":"17"}', {}),
    ("keepalive", "lease/keepalive", '{"ID":"17"}', {}),
    ("keepalive twice", "lease/keepalive", '{"ID":"17"}\n{"ID":"18"}', {}),
    ("two messages", "lease/keepalive", '{"ID":"17"} {"ID":"18"}', {"Content-Type": "application/json"}),
]:
    response = requests.post(URL + path, data=data, headers=headers, timeout=20)
    # Towbar says itself what is wrong with a request.
    body = "" if name == "unknown enum" else steady(response.text)
    shown(name, (response.status_code, response.headers["Content-Type"], body) if SHOWS_BODIES else response.ok)
