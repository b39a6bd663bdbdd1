"""A provider that has hashicorp/aws's schema and nothing behind it: for `validate`, and for `test` with mock_provider.

Terraform starts it through dev_overrides (xtask/src/terraform.rs writes that file). It checks nothing by itself: types,
missing and unknown names are Terraform's own checks against the schema. It never plans, reads or writes anything.
"""

import json
import pathlib
import sys

import tf.provider
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc
from tf.runner import run_provider

NESTING = pb.Schema.NestedBlock.NestingMode


def to_block(block):
    """The extract's form of a block (see extract_schema.py) in the plugin protocol's."""
    attributes = [
        pb.Schema.Attribute(
            name=name, type=json.dumps(kind).encode(), required="r" in flags, optional="o" in flags, computed="c" in flags
        )
        for name, (kind, flags) in block.get("a", {}).items()
    ]
    nested = [
        pb.Schema.NestedBlock(
            type_name=name, nesting=NESTING.Value(nesting.upper()), min_items=low, max_items=high, block=to_block(inner)
        )
        for name, (nesting, low, high, inner) in block.get("b", {}).items()
    ]
    return pb.Schema.Block(attributes=attributes, block_types=nested)


def to_schemas(blocks):
    return {name: pb.Schema(version=0, block=to_block(block)) for name, block in blocks.items()}


class Stub(rpc.ProviderServicer):
    """Answers what `validate` and `test` ask; anything else is answered "unimplemented"."""

    def __init__(self, _provider):
        self.schema = json.loads(pathlib.Path(sys.argv[1]).read_text())

    def GetProviderSchema(self, request, context):
        return pb.GetProviderSchema.Response(
            provider=pb.Schema(version=0, block=to_block(self.schema["provider"])),
            resource_schemas=to_schemas(self.schema["resources"]),
            data_source_schemas=to_schemas(self.schema["data"]),
            server_capabilities=pb.ServerCapabilities(get_provider_schema_optional=True),
        )

    def ValidateProviderConfig(self, request, context):
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request, context):
        return pb.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request, context):
        return pb.ValidateDataResourceConfig.Response()

    def StopProvider(self, request, context):
        return pb.StopProvider.Response()


if __name__ == "__main__":
    tf.provider.ProviderServicer = Stub
    run_provider(None)
