"""Images and the containers that tests write them into, as the formats' documentation says."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COUNT = 12
COLOUR = np.random.default_rng(5).integers(0, 256, (COUNT, 8, 8, 3), dtype=np.uint8)
LABELS = [index % 3 for index in range(COUNT)]
NAMES = [f"{index:04d}" for index in range(COUNT)]


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


FILES = [png(pixels) for pixels in COLOUR]


def tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def database(folder: Path, values: dict[bytes, bytes]) -> Path:
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as change:
        for key, value in values.items():
            change.put(key, value)
    return folder


def table(path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None) -> Path:
    made = pa.table(columns)
    if features:
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(exist_ok=True)
    pq.write_table(made, path, row_group_size=5)
    return path


def structs(files: list[bytes]) -> Any:
    rows = [{"bytes": data, "path": f"{name}.png"} for name, data in zip(NAMES, files, strict=False)]
    return pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
