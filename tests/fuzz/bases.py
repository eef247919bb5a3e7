"""Small valid files that the fuzzing programs change: models of many kinds, tables of each format."""

import contextlib
import functools
import io
import json
import pathlib
import struct
import tempfile

import numpy as np

import nablas as nb

CORPUS = pathlib.Path(__file__).parent / "corpus"
DAYS = np.array(["2020-02-29", "1969-12-31", "NaT", "2261-01-01"], "datetime64[D]")


@functools.cache
def bases(kind):
    """The valid files of a kind, as bytes."""
    return {"model": models, "csv": csvs, "parquet": parquets, "npz": npzs}[kind]()


@functools.cache
def corpus(kind):
    """The files of a kind that once found something, by name."""
    suffix = "safetensors" if kind == "model" else kind
    return {p.name: p.read_bytes() for p in sorted(CORPUS.glob(f"*.{suffix}"))}


def split(content):
    """A safetensors file's header as an object and the bytes of its tensors."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join(header, data):
    """A safetensors file of a header, an object or its text, and the tensors' bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _networks():
    """(network, extra) of several layers, activations, dtypes, outputs and metadata."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3))
    yield nb.MLP([3, 4, 2], dtype="float64", seed=1), None
    classes = nb.MLP([3, 5, 4, 3], ["tanh", "gelu"], "softmax", seed=2)
    classes.fit(x, np.array(["a\0b", "ä", "日本"])[np.arange(30) % 3], epochs=2, optimizer="adam")
    yield classes, {"note": [1, {"deep": None}], "日本": -1.5e-300, "": [[]]}
    yield nb.MLP([2, 1], output="sigmoid", dtype="float64", seed=2**63 - 1), {}
    yield nb.MLP([1, 2, 3, 2, 1], ["selu", "softplus", "exp"], "exp", seed=0), {"big": 2**80}
    step = nb.MLP([3, 1], output="step", seed=3)
    step.fit(x, (x[:, 0] > 0).astype(int), epochs=1, optimizer="sgd")
    yield step, None
    yield nb.MLP([70, 1, 2], "leaky_relu", "softmax", seed=4), None


def checkpointed(path, epochs=2, resume=None):
    """Trains a network and writes a checkpoint."""
    net = nb.MLP([3, 4, 2], output="softmax", seed=5)
    callbacks = [nb.EarlyStopping(2, monitor="loss"), nb.Checkpoint(path)]
    optimizer = nb.NAdam(nb.schedules.WarmUp(nb.schedules.ReduceOnPlateau(0.01), steps=2))
    settings = {"optimizer": optimizer, "callbacks": callbacks, "resume": resume}
    net.fit(np.eye(3), [0, 1, 1], epochs=epochs, **settings)


def models():
    """Networks, a checkpoint, a file of format 1 without a checksum, and two of ``nablas train``."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "m.safetensors"
        for net, extra in _networks():
            net.save(path, extra=extra)
            made.append(path.read_bytes())
        checkpointed(path)
        made.append(path.read_bytes())
        header, data = split(made[0])
        specification = json.loads(header["__metadata__"]["nablas"])
        header["__metadata__"] = {"nablas": json.dumps({**specification, "format": 1})}
        made.append(join(header, data))
        with contextlib.suppress(ImportError):
            made += _pipelines(pathlib.Path(folder))
    return made


def _pipelines(folder):
    """Models of tables: classes of text and of integers, and numbers."""
    from nablas.cli import main

    made, table, path = [], folder / "t.csv", folder / "p.safetensors"
    for i, target in enumerate(("größe", "n", "c")):
        table.write_bytes(csvs()[0])
        arguments = ["train", str(table), "--target", target, "--hidden", "2", "--epochs", "1"]
        arguments += ["--json", "--out", str(path), "--task", ("auto", "classification", "auto")[i]]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert main(arguments) == 0
        made.append(path.read_bytes())
    return made


@functools.cache
def frame():
    """Numbers, text, categories, dates, booleans, missing values, an empty and a constant column."""
    import polars as pl

    rows = 12
    return pl.DataFrame(
        {
            "größe": [1.5, None, -3e10, 0.1] * 3,
            "n": [1, 2, 3, 2**40] * 3,
            "c": ["x", 'q"uo,te', None, "two\nlines; ü"] * 3,
            "yes": [True, False, None, True] * 3,
            "day": DAYS[np.arange(rows) % 4],
            "": [None] * rows,
            "same": [7] * rows,
        }
    )


def csvs():
    """Separators, quoting, line ends, a byte order mark, comments, no header, spaces, empty lines."""
    text = frame().write_csv()
    return [
        text.encode(),
        frame().write_csv(separator=";", quote_style="always").replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + text.encode(),
        b'# made by hand\na, b ,c\n 1,2.5, x\n# more\n-1e-3,NA,"y, z"\n\n3,1_000,?\n',
        b"1\t1.234,5\ttrue\n2\t-0,25\tFALSE\n3\t\t\n",
        b"1,0.1\n0,0.2\n1,0.3",
        b"only\n1\n\n2\n",
    ]


def parquets():
    """Compressions, dates, categories, nested columns, several groups of rows, no statistics."""
    import polars as pl

    plain = frame()
    rich = plain.with_columns(
        pl.col("c").cast(pl.Categorical).alias("category"),
        pl.col("day").cast(pl.Datetime("us")).alias("time"),
        pl.col("n").cast(pl.UInt8, strict=False).alias("small"),
        pl.col("größe").cast(pl.Float32).alias("single"),
        pl.col("c").cast(pl.Enum(["x", 'q"uo,te', "two\nlines; ü"])).alias("enum"),
    )
    kinds = plain.select(
        pl.col("day").cast(pl.Datetime("ms", "Europe/Berlin")).alias("zone"),
        (pl.col("day") - pl.lit(DAYS[0])).alias("took"),
        pl.lit(12.34).cast(pl.Decimal(10, 2)).alias("price"),
        pl.lit(2**63, pl.UInt64).alias("large"),
        pl.lit(3, pl.Int128).alias("larger"),
        pl.time(1, 2, pl.col("n") % 60).alias("clock"),
        pl.col("größe").is_nan().alias("flag"),
        pl.lit(float("inf")).alias("infinite"),
    )
    nested = pl.DataFrame({"l": [[1, 2], [], None], "s": [{"a": 1}] * 3, "b": [b"\0", b"", None]})
    options = [
        (plain, {}),
        (rich, {"compression": "uncompressed"}),
        (rich, {"compression": "snappy", "row_group_size": 5, "statistics": False}),
        (kinds, {}),
        (nested, {"compression": "gzip"}),
        (plain.select("n", "same"), {"compression": "lz4"}),
    ]
    made = []
    for table, settings in options:
        buffer = io.BytesIO()
        table.write_parquet(buffer, **settings)
        made.append(buffer.getvalue())
    return made


def npzs():
    """Compressed and not; images, integers, text targets, Fortran order, foreign byte order."""
    x = np.arange(12.0).reshape(4, 3)
    tables = [
        (np.savez_compressed, {"X": x, "y": np.arange(4)}),
        (np.savez, {"X": np.asfortranarray(x.astype(np.float32)), "y": np.array(list("abca"))}),
        (np.savez, {"X": np.arange(16, dtype=np.uint8).reshape(4, 2, 2), "y": x[:, 0] > 3}),
        (np.savez_compressed, {"X": x.astype(">f8"), "y": np.arange(4, dtype=">i2"), "Z": x}),
        (np.savez, {"X": x.astype(np.float16)}),
        # more than what is read at once: the end, where the checksum is compared, comes later
        (np.savez, {"X": np.arange(9000).astype(np.uint8).reshape(3000, 3)}),
    ]
    made = []
    for write, arrays in tables:
        buffer = io.BytesIO()
        write(buffer, **arrays)
        made.append(buffer.getvalue())
    return made
