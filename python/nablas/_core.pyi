from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]

has_openmp: bool

def num_threads() -> int: ...
def set_num_threads(count: int) -> None: ...
def set_own_threads(count: int) -> int: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def use_isa(name: str) -> None: ...
def tile_shape(float64: bool) -> tuple[int, int]: ...
def peak_gflops(float64: bool = False) -> float: ...
def activations() -> dict[str, str]: ...
def losses() -> dict[str, str]: ...
def optimizers() -> dict[str, tuple[dict[str, float], tuple[str, ...]]]: ...
def initialisations() -> list[str]: ...
def matmul(
    a: ArrayLike,
    b: ArrayLike,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    out: Array | None = None,
) -> Array: ...
def dense_forward(
    x: ArrayLike,
    weights: ArrayLike,
    activation: str = "identity",
    *,
    out: Array | None = None,
    preactivation_out: Array | None = None,
) -> Array: ...
def dense_backward(
    x: ArrayLike,
    weights: ArrayLike,
    delta: ArrayLike,
    activation: str = "identity",
    *,
    preactivation: ArrayLike | None = None,
    gradient_out: Array | None = None,
    delta_out: Array | None = None,
) -> tuple[Array, Array]: ...
def softmax(z: ArrayLike, *, out: Array | None = None) -> Array: ...
def exp(x: ArrayLike, *, out: Array | None = None) -> Array: ...
def log(x: ArrayLike, *, out: Array | None = None) -> Array: ...
def tanh(x: ArrayLike, *, out: Array | None = None) -> Array: ...
def sigmoid(x: ArrayLike, *, out: Array | None = None) -> Array: ...
def erf(x: ArrayLike, *, out: Array | None = None) -> Array: ...
def activate(z: ArrayLike, activation: str, *, out: Array | None = None) -> Array: ...
def slope(kept: ArrayLike, activation: str, *, out: Array | None = None) -> Array: ...
def hadamard_delta(
    delta: ArrayLike, kept: ArrayLike, activation: str, *, out: Array | None = None
) -> Array: ...
def gather_rows(
    x: ArrayLike,
    indices: ArrayLike,
    *,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
) -> Array: ...
def softmax_cross_entropy(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: Array | None = None,
) -> tuple[float, Array]: ...

sigmoid_binary_cross_entropy = softmax_cross_entropy
mse = softmax_cross_entropy
half_mse = softmax_cross_entropy
mae = softmax_cross_entropy
huber = softmax_cross_entropy
poisson = softmax_cross_entropy

def optimizer_update(
    optimizer: str,
    parameters: Array,
    gradient: ArrayLike,
    states: Sequence[Array],
    *,
    step: int,
    learning_rate: float,
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
    out: Array | None = None,
) -> Array: ...

class Network_float32:
    def __init__(self, sizes: Sequence[int], activations: Sequence[str]) -> None: ...
    def initialise(self, method: str, seed: int) -> None: ...
    @property
    def parameters(self) -> Array: ...
    @property
    def offsets(self) -> list[int]: ...
    updates: int
    def forward(self, x: ArrayLike, out: Array | None = None) -> Array: ...
    def evaluate(self, data: Dataset_float32, l2: float) -> float: ...

class Dataset_float32:
    def __init__(
        self,
        network: Network_float32,
        x: ArrayLike,
        targets: ArrayLike | None,
        sample_weight: ArrayLike | None,
        loss: str,
    ) -> None: ...
    @property
    def rows(self) -> int: ...

class Trainer_float32:
    def __init__(
        self, network: Network_float32, optimizer: str, hyperparameters: dict[str, float]
    ) -> None: ...
    def run_epoch(
        self,
        data: Dataset_float32,
        rates: NDArray[np.float64],
        batch_size: int,
        shuffle: bool,
        seed: int,
        epoch: int,
        dropout: Sequence[float],
        l2: float,
        on_rows: Callable[[int], None] | None = None,
        by_batch: bool = False,
    ) -> tuple[float, float, bool, float]: ...
    def gradient(self, data: Dataset_float32, l2: float) -> tuple[float, Array]: ...
    def forward_batch(
        self,
        data: Dataset_float32,
        begin: int,
        end: int,
        order: NDArray[np.int64] | None,
        dropout: Sequence[float],
        seed: int,
    ) -> Array: ...
    def gradient_batch(
        self,
        data: Dataset_float32,
        begin: int,
        end: int,
        order: NDArray[np.int64] | None,
        dropout: Sequence[float],
        seed: int,
    ) -> tuple[float, float, Array]: ...
    def backward_batch(self, gradient: Array, dropout: Sequence[float], seed: int) -> None: ...
    def update(self, learning_rate: float, l2: float) -> None: ...
    @property
    def steps(self) -> int: ...

class Network_float64(Network_float32): ...
class Dataset_float64(Dataset_float32): ...
class Trainer_float64(Trainer_float32): ...
