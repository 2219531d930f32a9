"""Writes etcd's descriptors, as the package `aetcd` has them in its generated code, into one descriptor set: the first argument.

The package need not be importable: the code is read, not run.
"""

import ast
import importlib.util
import pathlib
import sys


def serialized(path):
    """The `FileDescriptorProto` in wire format that the generated code hands to protobuf."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            return node.args[0].value
    raise SystemExit("%s has no descriptor" % path)


def varint(number):
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


folder = pathlib.Path(importlib.util.find_spec("aetcd").submodule_search_locations[0], "rpc")
files = [serialized(folder / name) for name in ("kv_pb2.py", "auth_pb2.py", "rpc_pb2.py")]
# FileDescriptorSet: `repeated FileDescriptorProto file = 1`.
pathlib.Path(sys.argv[1]).write_bytes(b"".join(b"\x0a" + varint(len(file)) + file for file in files))
