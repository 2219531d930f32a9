"""Validates messages with protovalidate, the reference for the rules of buf.validate.

`descriptor FILE` writes the descriptor of buf/validate/validate.proto. `check FILE FILE` reads schemas with messages, as
JSON, and writes for each message its violations, or why there is no result."""

import base64
import json
import sys

import protovalidate
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from protovalidate._gen.buf.validate import validate_pb


def descriptor(path):
    with open(path, "wb") as file:
        file.write(validate_pb._DESC.proto.to_binary())


def subscript(element):
    match element.subscript:
        case None:
            return ""
        case one if one.field == "string_key":
            return f'["{one.value}"]'
        case one if one.field == "bool_key":
            return f"[{str(one.value).lower()}]"
        case one:
            return f"[{one.value}]"


def shown(violation):
    elements = violation.proto.field.elements if violation.proto.field else []
    path = ".".join(f"{element.field_name}{subscript(element)}" for element in elements)
    return f"{path} {violation.proto.rule_id}"


def violations(validator, kind, wire):
    try:
        message = kind.FromString(base64.b64decode(wire))
        return sorted(shown(violation) for violation in validator.collect_violations(message))
    except protovalidate.CompilationError as error:
        return f"compilation: {error}"
    except protovalidate.EvaluationError as error:
        return f"evaluation: {error}"


def check(cases, results):
    with open(cases, encoding="utf-8") as file:
        schemas = json.load(file)
    found = []
    for schema in schemas:
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(schema["set"])).file:
            pool.Add(file)
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(schema["message"]))
        validator = protovalidate.Validator()
        found.append([violations(validator, kind, wire) for wire in schema["wires"]])
    with open(results, "w", encoding="utf-8") as file:
        json.dump(found, file)


{"descriptor": descriptor, "check": check}[sys.argv[1]](*sys.argv[2:])
