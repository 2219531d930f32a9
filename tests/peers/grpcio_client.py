"""Calls the rpcs of talk.Talk with grpcio, with messages of plain bytes, and prints what each call gives its caller."""

import queue
import sys

import grpc
from google.rpc import error_details_pb2, status_pb2

channel = grpc.insecure_channel(sys.argv[1])


def told(name, call):
    try:
        print(name, call())
    except grpc.RpcError as error:
        metadata = dict(error.trailing_metadata() or ())
        status, info = status_pb2.Status(), error_details_pb2.ErrorInfo()
        status.ParseFromString(metadata.get("grpc-status-details-bin", b""))
        for detail in status.details:
            detail.Unpack(info)
        print(*filter(None, (name, error.code().name, error.details(), info.domain, info.reason)))


def unary():
    metadata = (("x-consent-id", "c1"), ("x-other", "o"))
    reply, call = channel.unary_unary("/talk.Talk/Ask").with_call(b"\xff one", metadata=metadata, timeout=10)
    names = ("x-started", "x-ended", "x-hidden")
    initial, trailing = dict(call.initial_metadata()), dict(call.trailing_metadata())
    return reply, [initial.get(name) for name in names], [trailing.get(name) for name in names]


def chat():
    sent = queue.SimpleQueue()
    replies = channel.stream_stream("/talk.Talk/Chat")(iter(sent.get, None), timeout=10)
    heard = []
    for text in (b"first", b"second"):
        sent.put(text)
        heard.append(next(replies))
    sent.put(None)
    return heard, list(replies)


def late():
    # Whoever is first says so: this client, or the gateway.
    try:
        ask(b"wait", timeout=0.3)
    except grpc.RpcError as error:
        return error.code().name


ask = channel.unary_unary("/talk.Talk/Ask")
told("unary", unary)
told("server stream", lambda: list(channel.unary_stream("/talk.Talk/Watch")(b"a", timeout=10)))
told("client stream", lambda: channel.stream_unary("/talk.Talk/Collect")(iter([b"a"]), timeout=10))
told("conversation", chat)
told("gzip", lambda: ask(b"b" * 1000, timeout=10, compression=grpc.Compression.Gzip) == b"b" * 1000)
told("status", lambda: ask(b"fail", timeout=10))
told("deadline", late)
told("no rpc", lambda: channel.unary_unary("/talk.Talk/None")(b"", timeout=10))
told("too large", lambda: ask(b"c" * 5000, timeout=10))
