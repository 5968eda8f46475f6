"""Python code, stubs and gRPC services from every .proto file below this folder, written beside it.

`python proto/generate.py` writes what differs; with `--check` it writes nothing and ends with 1 where something does.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from grpc_tools import _proto, protoc

HERE = Path(__file__).resolve().parent
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def compile_into(folder: Path, sources: list[Path]) -> None:
    """Run protoc with mypy-protobuf's plugins (found beside this interpreter) into `folder`."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    well_known = next(iter(_proto.__path__))
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "grpc_python")]
    stubs = [f"--{kind}_out=quiet:{folder}" for kind in ("mypy", "mypy_grpc")]
    names = [str(source.relative_to(HERE)) for source in sources]
    if protoc.main(["protoc", f"-I{HERE}", f"-I{well_known}", *outputs, *stubs, *names]) != 0:
        sys.exit(1)


def generated_below(folder: Path) -> dict[Path, bytes]:
    """Generated files below `folder`: relative path → content."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*_pb2*"))
        if path.name.endswith(SUFFIXES)
    }


def main() -> None:
    check = sys.argv[1:] == ["--check"]
    sources = sorted(HERE.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary)
        if sources:
            compile_into(target, sources)
        wanted = generated_below(target)
    present = generated_below(HERE)
    stale = sorted(path for path in wanted.keys() | present.keys() if wanted.get(path) != present.get(path))
    if check:
        if stale:
            sys.exit(
                "generated code is not up to date, run make generate:\n" + "\n".join(f"  {path}" for path in stale)
            )
        return
    for path in stale:
        if path in wanted:
            fresh = HERE / path.with_name(f".{path.name}.new")
            fresh.write_bytes(wanted[path])
            fresh.replace(HERE / path)
            print(f"wrote proto/{path}")
        else:
            (HERE / path).unlink()
            print(f"removed proto/{path}")


if __name__ == "__main__":
    main()
