"""Sources for tests, and the order in which rows are read, stated once more."""

import threading

import numpy as np

from nablas import kernels

READER = "nablas reader"


class Rows:
    """A source of arrays in memory that counts what is read, and how."""

    def __init__(self, *arrays, **attributes):
        self.arrays, self.shape = arrays, arrays[0].shape
        self.reads, self.threads, self.busy, self.most = [], set(), 0, 0
        vars(self).update(attributes)

    def read(self, rows):
        self.busy += 1
        self.most = max(self.most, self.busy)
        self.reads.append((rows.start, rows.stop))
        self.threads.add(threading.current_thread().name)
        found = tuple(array[rows] for array in self.arrays)
        self.busy -= 1
        return found


def as_source(settings):
    """The arguments of `fit` with X, y and weights, and validation data, as sources."""
    made = dict(settings)
    arrays = made.pop("X"), made.pop("y"), made.pop("sample_weight", None)
    if made.get("validation_data") is not None:
        made["validation_data"] = Rows(*made["validation_data"])
    return {"X": Rows(*(a for a in arrays if a is not None)), **made}


def division(rows, batch, wanted, chunk_rows=None):
    """Rows of a block and of a chunk: docs/guide/large-data, "The order of the rows"."""
    batch = min(batch, rows)
    if max(wanted, batch) >= rows:
        return rows, rows
    batches = max(wanted // batch, 1)
    chunk = batches // min(16, batches)
    if chunk_rows is not None:
        chunk = min(max(chunk, round(chunk_rows / batch)), batches)
    return batches // chunk * chunk * batch, chunk * batch


def order(rows, block, chunk, seed, epoch):
    """The source's rows in the order in which an epoch visits them, shuffled."""
    blocks = -(-rows // block)
    chunks = np.array_split(np.arange(rows), range(chunk, rows, chunk))
    if blocks > 1:
        whole = rows // chunk
        places = kernels.permutation(whole, seed=seed + blocks, epoch=epoch)
        chunks = [chunks[i] for i in places] + chunks[whole:]
    found = []
    for number in range(blocks):
        each = block // chunk
        inside = np.sort(np.concatenate(chunks[number * each : (number + 1) * each]))
        found.append(inside[kernels.permutation(len(inside), seed=seed + number, epoch=epoch)])
    return np.concatenate(found)


def readers():
    """Threads that read, still at work."""
    return [thread for thread in threading.enumerate() if thread.name == READER]
