"""Command line: ``python tests/fuzz [model csv parquet npz] --attempts 1000000 --seed 0``."""

import contextlib
import io
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import attack
import numpy as np

import nablas as nb
from fuzz.damage import damage, damage_header

FOLDER = pathlib.Path(tempfile.mkdtemp())
CORPUS = pathlib.Path(__file__).parent / "corpus"
seeds = {}


def models():
    """Small valid model files."""
    path = FOLDER / "seed.safetensors"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3))
    plain = nb.MLP([3, 4, 2], dtype="float64", seed=1)
    classes = nb.MLP([3, 5, 4, 3], ["tanh", "gelu"], "softmax", seed=2)
    classes.fit(x, np.array(["ä", "b", "c"])[np.arange(30) % 3], epochs=2)
    made = []
    for net, extra in ((plain, None), (classes, {"note": [1, {"deep": None}]})):
        net.save(path, extra=extra)
        made.append(path.read_bytes())
    return made + [p.read_bytes() for p in sorted(CORPUS.glob("*.safetensors"))]


def tables(kind):
    """Small valid tables of a kind."""
    import polars as pl

    frame = pl.DataFrame(
        {
            "a": [1.5, None, -3e10] * 5,
            "b": [1, 2, 3] * 5,
            "c": ["x", 'q"uo,te', None] * 5,
            "d": [True, False, None] * 5,
        }
    )
    if kind == "csv":
        texts = [
            frame.write_csv().encode(),
            frame.write_csv(separator=";", quote_style="always").encode(),
        ]
        return texts + [p.read_bytes() for p in sorted(CORPUS.glob("*.csv"))]
    buffer = io.BytesIO()
    if kind == "parquet":
        frame.write_parquet(buffer)
    else:
        np.savez_compressed(buffer, X=np.arange(12.0).reshape(4, 3), y=np.arange(4))
    return [buffer.getvalue()] + [p.read_bytes() for p in sorted(CORPUS.glob(f"*.{kind}"))]


def seed_of(choice, kind, make):
    if kind not in seeds:
        seeds[kind] = make()
    return seeds[kind][choice.integers(len(seeds[kind]))]


def judged(path, act):
    """None, or what was wrong: only a ValueError or OSError that names the file is right."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            act()
    except (ValueError, OSError, MemoryError) as error:
        if isinstance(error, MemoryError) or str(path) in str(error):
            return None
        return f"message without the file: {type(error).__name__}: {error!s:.200}"
    except BaseException as error:
        return f"raised {type(error).__name__}: {error!s:.200}"
    return None


def model(choice):
    content = seed_of(choice, "model", models)
    broken = damage_header(choice, content) if choice.random() < 0.6 else damage(choice, content)
    path = FOLDER / "m.safetensors"
    path.write_bytes(broken)

    def act():
        net = nb.MLP.load(path)
        assert np.isfinite(net.parameters).all()
        assert np.isfinite(net.forward(np.zeros((2, net.sizes[0])))).all()
        repr(net)

    return f"{len(broken)} bytes", judged(path, act)


def table(kind):
    def attempt(choice):
        from nablas.cli.preprocessing import Statistics
        from nablas.cli.tables import Format, read

        path = FOLDER / f"t.{kind}"
        broken = damage(choice, seed_of(choice, kind, lambda: tables(kind)))
        path.write_bytes(broken)
        how = Format(
            separator=[None, ",", ";"][choice.integers(3)],
            decimal=".,"[choice.integers(2)],
            comment=[None, "#"][choice.integers(2)],
            header=bool(choice.integers(2)),
        )

        def act():
            frame, _ = read(str(path), None, how)
            with contextlib.suppress(ValueError):  # of a column: the file can be read
                statistics = Statistics(frame.columns[-1], "auto")
                statistics.update(frame)
                made = statistics.finish().matrix(frame)
                assert np.isfinite(made).all()

        return repr(broken[:80]), judged(path, act)

    return attempt


ATTACKS = {"model": model, **{kind: table(kind) for kind in ("csv", "parquet", "npz")}}

if __name__ == "__main__":
    raise SystemExit(attack.main(__file__, ATTACKS, 100_000, __doc__, chunk=2_000))
