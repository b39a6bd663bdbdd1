"""Reads the AWS provider's schema out of the classes that npm's @cdktn/provider-aws generates from it.

The provider itself is in no package registry, so its schema is taken from there: for each resource and data source that
the .tf files name, attributes and blocks with type, required, optional, computed. Only the extract is committed.

    npm pack @cdktn/provider-aws@25.7.0 && tar xzf cdktn-provider-aws-25.7.0.tgz
    python3 extract_schema.py package

Run it again when a .tf file uses a new resource ("Invalid resource type" in `validate` says so). What the classes do not
hold: allowed values of an attribute, conflicts between attributes, defaults. Only the real provider checks those.

The extract: {"version", "provider": block, "resources": {type: block}, "data": {type: block}};
block = {"a": {name: [type, flags]}, "b": {name: [nesting, min, max, block]}}; flags are letters of "roc" (required,
optional, computed); max 0 is no maximum.
"""

import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE / "aws-schema.json"

SCALARS = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
GETTERS = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
    "NumberList": ["list", "number"],
    "List": ["list", "string"],
}


def storage_type(storage, kind):
    """The Terraform type of a class's `storageClassType`, such as `stringList` of a set."""
    if storage in SCALARS:
        return SCALARS[storage]
    for suffix, collection in (("List", kind if kind in ("list", "set") else "list"), ("Map", "map")):
        if storage.endswith(suffix) and storage[: -len(suffix)]:
            return [collection, storage_type(storage[: -len(suffix)], "list")]
    raise ValueError(f"unknown type {storage}")


def bodies(source):
    """Every class of a file by name, and every `...ToHclTerraform` function by name."""
    source = "\n".join(line for line in source.split("\n") if not line.startswith("//# source"))
    classes = {m[1]: m[2] for m in re.finditer(r"^class (\w+) extends [^\n]*\{\n(.*?)^\}", source, re.M | re.S)}
    functions = {m[1].lower(): m[2] for m in re.finditer(r"^function (\w+)ToHclTerraform\(.*?\{\n(.*?)^\}", source, re.M | re.S)}
    return classes, functions


def entries(text):
    """The described attributes of a synthesize function: name -> (isBlock, kind, storage, many)."""
    found = re.finditer(
        r'^ +(\w+): \{\n +value: (.*?),\n +isBlock: (\w+),\n +type: "(\w+)",\n +storageClassType: "(\w+)",', text, re.M
    )
    return {m[1]: (m[3] == "true", m[4], m[5], m[2].startswith(("cdktn.listMapperHcl", "cdktn.hashMapperHcl"))) for m in found}


def getter(body, name):
    """The type of an attribute that only has a getter, or the class that holds its members."""
    if m := re.search(rf"this\.get(\w+)Attribute\('{name}'\)", body):
        kind = GETTERS[m[1]]
        if m[1] == "List" and re.search(rf"cdktn\.Fn\.tolist\(this\.getListAttribute\('{name}'\)", body):
            kind = ["set", "string"]
        return kind, None
    if m := re.search(rf'new cdktn\.(\w+)\(this, "{name}"', body):
        return GETTERS[m[1]], None
    if m := re.search(rf'new (\w+)\(this, "{name}"(?:, (\w+))?', body):
        return ("set" if m[2] == "true" else "list"), m[1]
    if f"interpolationForAttribute('{name}')" in body:
        return "dynamic", None
    raise ValueError(f"no getter for {name}")


def reference(name):
    """The class that holds a nested block's members."""
    return re.sub(r"(List|Map|OutputReference)$", "", name) + "OutputReference"


def computed_object(classes, name):
    """The object type of a nested value that the provider alone fills in."""
    body, members = classes[reference(name)], {}
    for member in re.findall(r"^ +// (\w+) - computed:", body, re.M):
        kind, nested = getter(body, member)
        members[member] = [kind, computed_object(classes, nested)] if nested else kind
    return ["object", members]


def block(classes, functions, name, main):
    """One block: attributes and nested blocks."""
    body = classes[name] if main else classes.get(reference(name), "")
    text = body if main else functions[re.sub(r"(List|OutputReference)$", "", name).lower()]
    described, out = entries(text), {"a": {}, "b": {}}
    comment = r"^ +// (\w+) - computed: (\w+), optional: (\w+), required: (\w+)"
    # The provider's own blocks have no such class: there, everything passes as optional.
    members = re.findall(comment, body, re.M) or [(name, "false", "true", "false") for name in described]
    for attribute, computed, optional, required in members:
        flags = "".join(c for c, on in (("r", required), ("o", optional), ("c", computed)) if on == "true")
        if attribute not in described:
            kind, nested = getter(body, attribute)
            kind = [kind, computed_object(classes, nested)] if nested else kind
            out["a"][attribute] = [kind, flags or "c"]
            continue
        is_block, kind, storage, many = described[attribute]
        if not is_block:
            out["a"][attribute] = [storage_type(storage, kind), flags]
        else:
            inner = block(classes, functions, storage, False)
            nesting = "single" if kind == "struct" else kind
            out["b"][attribute] = [nesting, int(required == "true"), 0 if many or kind == "struct" else 1, inner]
    return {key: dict(sorted(value.items())) for key, value in out.items() if value}


def extract(package, folder, main_marker):
    classes, functions = bodies((package / "lib" / folder / "index.js").read_text())
    main = next(n for n, body in classes.items() if re.search(main_marker, body))
    return block(classes, functions, main, True)


def used(kind):
    """The types that the .tf files name."""
    pattern = re.compile(rf'^\s*{kind} "(aws_\w+)"', re.M)
    files = [f for f in HERE.parent.rglob("*.tf") if ".terraform" not in f.parts]
    return sorted({name for f in files for name in pattern.findall(f.read_text())})


def main():
    package = pathlib.Path(sys.argv[1])
    provider = (package / "lib" / "provider" / "index.js").read_text()
    schema = {
        "source": "npm @cdktn/provider-aws " + json.loads((package / "package.json").read_text())["version"],
        "version": re.search(r"providerVersion: '([\d.]+)'", provider)[1],
        "provider": extract(package, "provider", r'tfResourceType = "aws"'),
        "resources": {},
        "data": {},
    }
    for kind, key, prefix in (("resource", "resources", ""), ("data", "data", "data-aws-")):
        for name in used(kind):
            folder = prefix + name.removeprefix("aws_").replace("_", "-")
            schema[key][name] = extract(package, folder, rf'tfResourceType = "{name}"')
    TARGET.write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")
    print(f"{TARGET.name}: {len(schema['resources'])} resources, {len(schema['data'])} data sources, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
