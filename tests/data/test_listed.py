from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from genkit.data.listed import Listed, key_sha256


@pytest.mark.parametrize("count", [0, 1, 1000, 2500])
def test_the_hash_is_that_of_the_whole_list(count: int) -> None:
    items = [[f"ä\udcff{index}.png", index, []] for index in range(count)]

    def key(files: Any) -> Any:
        return [4, ["genkit.data.tree", "TreeSource"], ["/photos", files, "up"], {"size": [3, 4], "grey": None}, ()]

    expected = hashlib.sha256(json.dumps(key(items)).encode()).hexdigest()
    made = key(Listed(lambda: iter(items)))
    assert key_sha256(made) == key_sha256(made) == expected
    assert key_sha256(key(items)) == expected
