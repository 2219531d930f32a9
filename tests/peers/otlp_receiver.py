"""A receiver of traces with the published messages of OTLP. Prints its port, and a line for each span."""

import sys
from concurrent import futures

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2


def text(value):
    kind = value.WhichOneof("value")
    return f"{kind.removesuffix('_value')} {getattr(value, kind)}"


def trimmed(span):
    """The span without fields that its message does not have."""
    copy = trace_pb2.Span()
    copy.CopyFrom(span)
    copy.DiscardUnknownFields()
    return copy


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        for resource_spans in request.resource_spans:
            resource = ", ".join(f"{one.key}: {text(one.value)}" for one in resource_spans.resource.attributes)
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    attributes = {one.key: text(one.value) for one in span.attributes}
                    chosen = [attributes.get(key) for key in sys.argv[1:]]
                    kind = trace_pb2.Span.SpanKind.Name(span.kind)
                    status = trace_pb2.Status.StatusCode.Name(span.status.code)
                    ids = f"{span.trace_id.hex()} {span.parent_span_id.hex()} {len(span.span_id)}"
                    is_timed = 0 < span.start_time_unix_nano <= span.end_time_unix_nano
                    print(resource, scope_spans.scope.name, kind, span.name, ids, is_timed, hex(span.flags), status, chosen, sep="; ")
                    if span.SerializeToString() != trimmed(span).SerializeToString():
                        print("unknown fields")
        sys.stdout.flush()
        return trace_service_pb2.ExportTraceServiceResponse()


server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Receiver(), server)
print("port", server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
