"""The built-in data sets: embedded, downloaded and local."""

from __future__ import annotations

from collections.abc import Iterator

from genkit.plugin import DatasetSpec, hookimpl


@hookimpl
def genkit_datasets() -> Iterator[DatasetSpec]:
    """Embedded and local data sets."""
    yield DatasetSpec(
        "digits",
        "genkit.data.digits:digits",
        summary="1,797 real 8x8 grey digits, embedded (1,437 train, 360 test)",
        license="CC BY 4.0",
    )
    yield DatasetSpec(
        "scenes",
        "genkit.data.scenes:scenes",
        summary="22,000 32x32 colour images of one or two digits with captions, embedded (20,000 train, 2,000 test)",
        license="CC BY 4.0",
    )
    yield DatasetSpec(
        "mnist", "genkit.data.mnist:mnist", summary="70,000 28x28 grey digits (60,000 train, 10,000 test)"
    )
    yield DatasetSpec(
        "fashion-mnist",
        "genkit.data.published:fashion_mnist",
        summary="70,000 28x28 grey images of clothes (60,000 train, 10,000 test)",
        license="MIT",
    )
    yield DatasetSpec(
        "cifar10",
        "genkit.data.published:cifar10",
        summary="60,000 32x32 colour images of 10 classes (50,000 train, 10,000 test)",
    )
    yield DatasetSpec(
        "cifar100",
        "genkit.data.published:cifar100",
        summary="60,000 32x32 colour images of 100 classes (50,000 train, 10,000 test)",
    )
    yield DatasetSpec(
        "folder", "genkit.data.folder:folder", argument="PATH", summary="Images in a folder, flat or in class folders"
    )
    yield DatasetSpec(
        "zip",
        "genkit.data.archive:zip_archive",
        argument="PATH",
        summary="Images in a zip file, read without unpacking",
    )
    yield DatasetSpec(
        "npz", "genkit.data.npz:npz", argument="PATH", summary="NumPy arrays: images, labels, test_images, test_labels"
    )
    yield DatasetSpec("npy", "genkit.data.npz:npy", argument="PATH", summary="One NumPy array of images")
    yield DatasetSpec(
        "webdataset", "genkit.data.webdataset:webdataset", argument="PATH", summary="Tar shards of images, WebDataset's"
    )
    yield DatasetSpec(
        "parquet",
        "genkit.data.parquet:parquet",
        argument="PATH",
        summary="Parquet files as Hugging Face writes them (extra parquet)",
    )
    yield DatasetSpec(
        "lmdb", "genkit.data.key_value:lmdb_database", argument="PATH", summary="LMDB of images, LSUN's (extra lmdb)"
    )
    yield DatasetSpec(
        "hf", "genkit.data.hub:hub", argument="OWNER/NAME", summary="A data set of the Hugging Face hub (extra hf)"
    )
