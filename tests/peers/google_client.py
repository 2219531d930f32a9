"""Google's own REST client of Secret Manager, as its users have it; tests/peers/google_client.rs runs this.

    google_client.py schema FILE    the descriptors of the API, for the gateway, out of the installed package
    google_client.py call URL       calls the API at URL and prints what comes back
"""

import inspect
import json
import sys
import typing

from google.api import annotations_pb2, http_pb2
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud.secretmanager_v1 import SecretManagerServiceClient, types
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import rest
from google.protobuf import descriptor_pb2, field_mask_pb2, json_format

PIN = "projects/bank/secrets/pin"


def descriptor_of(message):
    """Of a class of the client: its own wrapper, or one of protobuf's."""
    return message.pb(message()).DESCRIPTOR if hasattr(message, "pb") else message.DESCRIPTOR


def schema(path):
    """Writes a descriptor set.

    The package has the messages and no service: the client keeps each rpc's types in its annotations, and its rules in
    a table. Both become a service again, with the rules as google.api.http annotations.
    """
    files = {}

    def add(file):
        if file.name in files:
            return
        for dependency in file.dependencies:
            add(dependency)
        proto = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(proto)
        files[file.name] = proto

    api = descriptor_pb2.FileDescriptorProto(name="api.proto", package="google.cloud.secretmanager.v1", syntax="proto3")
    service = api.service.add(name="SecretManagerService")
    add(annotations_pb2.DESCRIPTOR)
    imports = {annotations_pb2.DESCRIPTOR.name}
    transport = rest.SecretManagerServiceRestTransport
    for _, rpc in inspect.getmembers(transport, lambda member: isinstance(member, property)):
        hint = typing.get_type_hints(rpc.fget).get("return")
        if typing.get_origin(hint) is None:
            continue  # no rpc of this service
        [request], reply = typing.get_args(hint)
        request, reply = descriptor_of(request), descriptor_of(reply)
        name = "".join(word.capitalize() for word in rpc.fget.__name__.split("_"))
        types_of = {"input_type": "." + request.full_name, "output_type": "." + reply.full_name}
        method = service.method.add(name=name, **types_of)
        first, *others = getattr(transport, "_" + name)._get_http_options()
        rule = rule_of(first)
        rule.additional_bindings.extend(map(rule_of, others))
        method.options.Extensions[annotations_pb2.http].CopyFrom(rule)
        for file in (request.file, reply.file):
            add(file)
            imports.add(file.name)
    api.dependency.extend(sorted(imports))
    with open(path, "wb") as out:
        out.write(descriptor_pb2.FileDescriptorSet(file=[*files.values(), api]).SerializeToString())


def rule_of(option):
    return http_pb2.HttpRule(**{option["method"]: option["uri"]}, body=option.get("body", ""))


def call(url):
    """Calls most of what there is, successes first."""
    client = SecretManagerServiceClient(
        credentials=AnonymousCredentials(), transport="rest", client_options=ClientOptions(api_endpoint=url)
    )
    secret = types.Secret(
        replication=types.Replication(automatic=types.Replication.Automatic()),
        labels={"team": "cards"},
        version_aliases={"current": 9007199254740993},
        ttl={"seconds": 86400, "nanos": 500000000},
    )
    show("create", lambda: client.create_secret(parent="projects/bank", secret_id="pin", secret=secret))
    show("get", lambda: client.get_secret(name=PIN))
    show("odd name", lambda: client.get_secret(name="projects/bank/secrets/a%2Fb +é:c"))

    listing = types.ListSecretsRequest(parent="projects/bank", page_size=2, filter="labels.team=cards & name:p+n")
    show("list", lambda: [found.name for found in client.list_secrets(request=listing)])

    changed = types.Secret(name=PIN, etag='"1"', labels={"team": "cards & loans"})
    mask = field_mask_pb2.FieldMask(paths=["labels", "version_aliases"])
    show("update", lambda: client.update_secret(secret=changed, update_mask=mask))

    payload = types.SecretPayload(data=b"\x00\xfb\xff?", data_crc32c=2**62 + 1)
    show("add", lambda: client.add_secret_version(parent=PIN, payload=payload))
    show("access", lambda: client.access_secret_version(name=f"{PIN}/versions/latest"))
    show("policy", lambda: client.get_iam_policy({"resource": PIN, "options": {"requested_policy_version": 3}}))
    show("delete", lambda: client.delete_secret({"name": PIN, "etag": '"2"'}))

    show("missing", lambda: client.get_secret(name="projects/bank/secrets/none"))
    show("refused", lambda: client.create_secret(parent="projects/bank", secret_id="p i n", secret=secret))
    # These the gateway refuses by itself.
    show("not text", lambda: client.get_secret(name="projects/bank/secrets/a\0b"))
    show("no rpc", lambda: client.list_locations({"name": "projects/bank"}))


def show(name, act):
    """Prints what a call gives, or its exception and, in further lines, all that the client has read out of it."""
    try:
        print(name, text(act()), flush=True)
    except GoogleAPICallError as error:
        status = error.grpc_status_code and error.grpc_status_code.name
        print(name, type(error).__name__, error.code, status)
        print(" ", error.message.replace(error.response.request.url, error.response.request.path_url))
        print(" ", text({"reason": error.reason, "domain": error.domain, "metadata": error.metadata}))
        print(" ", text(error.details), flush=True)


def text(result):
    return json.dumps(as_dict(result), sort_keys=True)


def as_dict(result):
    if hasattr(type(result), "pb"):
        result = type(result).pb(result)
    if hasattr(result, "DESCRIPTOR"):
        return json_format.MessageToDict(result)
    return result


if __name__ == "__main__":
    {"schema": schema, "call": call}[sys.argv[1]](sys.argv[2])
