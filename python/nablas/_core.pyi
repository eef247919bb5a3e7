from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .history import History

_Array = NDArray[Any]

most_weight: dict[str, float]  # the largest sum of sample weights, by dtype
has_openmp: bool
compiler: str

def num_threads() -> int: ...
def set_num_threads(count: int) -> None: ...
def set_own_threads(count: int) -> None: ...
def own_threads() -> int: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def use_isa(name: str) -> None: ...
def thread_source() -> str: ...
def team() -> tuple[str, str]: ...
def use_team(name: str) -> None: ...
def use_futex(used: bool) -> None: ...
def thresholds(float64: bool) -> dict[str, float]: ...
def peak_gflops(float64: bool = False) -> float: ...
def end_sections(seconds: float) -> int: ...
def registry() -> dict[str, Any]: ...

kernels: tuple[str, ...]

def matmul(
    a: ArrayLike,
    b: ArrayLike,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    out: _Array | None = None,
) -> _Array: ...
def dense_forward(
    x: ArrayLike,
    weights: ArrayLike,
    activation: str = "identity",
    *,
    out: _Array | None = None,
    preactivation_out: _Array | None = None,
) -> _Array: ...
def dense_backward(
    x: ArrayLike,
    weights: ArrayLike,
    delta: ArrayLike,
    activation: str = "identity",
    *,
    preactivation: ArrayLike | None = None,
    gradient_out: _Array | None = None,
    delta_out: _Array | None = None,
) -> tuple[_Array, _Array]: ...
def sparse_forward(
    data: ArrayLike,
    indices: ArrayLike,
    indptr: ArrayLike,
    weights: ArrayLike,
    activation: str = "identity",
    *,
    out: _Array | None = None,
    preactivation_out: _Array | None = None,
) -> _Array: ...
def sparse_gradient(
    data: ArrayLike,
    indices: ArrayLike,
    indptr: ArrayLike,
    delta: ArrayLike,
    inputs: int,
    *,
    out: _Array | None = None,
) -> _Array: ...
def softmax(z: ArrayLike, *, out: _Array | None = None) -> _Array: ...
def exp(x: ArrayLike, *, out: _Array | None = None) -> _Array: ...
def log(x: ArrayLike, *, out: _Array | None = None) -> _Array: ...
def tanh(x: ArrayLike, *, out: _Array | None = None) -> _Array: ...
def sigmoid(x: ArrayLike, *, out: _Array | None = None) -> _Array: ...
def erf(x: ArrayLike, *, out: _Array | None = None) -> _Array: ...
def activate(z: ArrayLike, activation: str, *, out: _Array | None = None) -> _Array: ...
def slope(kept: ArrayLike, activation: str, *, out: _Array | None = None) -> _Array: ...
def hadamard_delta(
    delta: ArrayLike, kept: ArrayLike, activation: str, *, out: _Array | None = None
) -> _Array: ...
def gather_rows(
    x: ArrayLike,
    indices: ArrayLike,
    *,
    dtype: DTypeLike | None = None,
    out: _Array | None = None,
) -> _Array: ...
def softmax_cross_entropy(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: _Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, _Array]: ...
def huber(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: _Array | None = None,
    delta: float = 1.0,
) -> tuple[float, _Array]: ...
def quantile(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: _Array | None = None,
    q: float = 0.5,
) -> tuple[float, _Array]: ...

sigmoid_binary_cross_entropy = softmax_cross_entropy

# Losses without hyperparameters.
def mse(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: _Array | None = None,
) -> tuple[float, _Array]: ...

half_mse = mse
mae = mse
log_cosh = mse
perceptron = mse
poisson = mse

def optimizer_update(
    optimizer: str,
    parameters: _Array,
    gradient: ArrayLike,
    states: Sequence[_Array],
    *,
    step: int,
    learning_rate: float,
    l1: float = 0.0,
    l2: float = 0.0,
    **hyperparameters: float,
) -> None: ...
def random_uniform(count: int, *, seed: int, stream: int = 0) -> NDArray[np.float64]: ...
def random_normal(count: int, *, seed: int, stream: int = 0) -> NDArray[np.float64]: ...
def permutation(count: int, *, seed: int, epoch: int = 0) -> NDArray[np.int64]: ...
def dropout(
    x: ArrayLike,
    rate: float,
    *,
    seed: int,
    step: int = 0,
    layer: int = 0,
    first_row: int = 0,
    out: _Array | None = None,
) -> _Array: ...

# The extension has these classes for float32 and for float64; the bases are the stub's alone.

class Held:
    def release(self) -> None: ...

class Claim:
    def __init__(self) -> None: ...
    def hold(self) -> Held | None: ...

class _Network:
    def __init__(self, sizes: Sequence[int], activations: Sequence[str]) -> None: ...
    def initialize(self, method: str, seed: int) -> None: ...
    @property
    def parameters(self) -> _Array: ...
    @property
    def offsets(self) -> list[int]: ...
    updates: int
    epochs: int
    def forward(self, x: ArrayLike, out: _Array | None = None) -> _Array: ...
    def penalty(self, l1: float, l2: float) -> float: ...
    def evaluate(self, data: _Dataset, l2: float) -> float: ...
    def evaluate_part(
        self, data: _Dataset, before: int, sums: NDArray[np.float64] | None
    ) -> tuple[float, float, NDArray[np.float64] | None]: ...

class _Sparse:
    def __init__(
        self, data: ArrayLike, indices: ArrayLike, indptr: ArrayLike, columns: int
    ) -> None: ...
    @property
    def shape(self) -> tuple[int, int]: ...

class _Dataset:
    def __init__(
        self,
        network: _Network,
        x: ArrayLike,
        targets: ArrayLike | None,
        sample_weight: ArrayLike | None,
        loss: str,
        hyperparameters: dict[str, float],
        groups: Sequence[int],
    ) -> None: ...
    @property
    def rows(self) -> int: ...

class _Trainer:
    epochs: int
    def __init__(
        self, network: _Network, optimizer: str, hyperparameters: dict[str, float]
    ) -> None: ...
    def run_epochs(
        self,
        data: _Dataset,
        rates: NDArray[np.float64],
        batch_size: int,
        shuffle: bool,
        seed: int,
        epoch: int,
        dropout: Sequence[float],
        l1: float,
        l2: float,
        clip_norm: float,
        on_rows: Callable[[int], None] | None,
        by_batch: bool,
        mean_weight: float,
        bias: bool,
        history: History | None = None,
        loss_scale: float = 1.0,
        position: tuple[int, NDArray[np.float64]] | None = None,
        on_batch: Callable[[int, NDArray[np.float64]], None] | None = None,
        slice: float = ...,
        part: tuple[NDArray[np.int64] | None, int] | None = None,
        shards: int = 1,
        own: tuple[int, int] = ...,
        reduce: Callable[[list[_Array], NDArray[np.float64]], float] | None = None,
    ) -> tuple[float, float, bool, float]: ...
    def record(
        self,
        history: History,
        loss_scale: float,
        rate: float,
        loss: float,
        penalty: float,
        finite: bool,
        seconds: float,
    ) -> None: ...
    def gradient(self, data: _Dataset, l2: float) -> tuple[float, _Array]: ...
    def forward_batch(
        self,
        data: _Dataset,
        begin: int,
        end: int,
        order: NDArray[np.int64] | None,
        dropout: Sequence[float],
        seed: int,
    ) -> _Array: ...
    def backward_batch(self, gradient: _Array, dropout: Sequence[float], seed: int) -> _Array: ...
    def update(
        self, learning_rate: float, l1: float, l2: float, clip_norm: float, bias: bool
    ) -> None: ...
    @property
    def state(self) -> tuple[list[_Array], int, float]: ...
    @property
    def states(self) -> list[_Array]: ...
    @states.setter
    def states(self, arg1: Sequence[_Array]) -> None: ...
    @property
    def sums(self) -> NDArray[np.float64]: ...
    def resume(self, steps: int, scalar: float) -> None: ...
    @property
    def steps(self) -> int: ...

class Network_float32(_Network): ...
class Network_float64(_Network): ...
class Sparse_float32(_Sparse): ...
class Sparse_float64(_Sparse): ...
class Dataset_float32(_Dataset): ...
class Dataset_float64(_Dataset): ...
class Trainer_float32(_Trainer): ...
class Trainer_float64(_Trainer): ...
