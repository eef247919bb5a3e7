"""The multilayer perceptron: training and prediction on top of `Network`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray

from . import _checks, _data, convert
from ._losses import Loss
from ._prepare import AnyLoss, gradient_of, loss_of, prepare
from ._processes import checked_shards, together
from ._sources import Source
from ._training import make_fit
from .callbacks import AnyCallback
from .explain import Explanation, explain
from .history import History
from .network import Network
from .optimizers import Optimizer, as_optimizer

Array = NDArray[Any]


class MLP(Network):
    """A dense feed-forward network.

    Parameters
    ----------
    sizes : sequence of int
        Features, units of each hidden layer, outputs.
    activation : str or sequence of str
        Of the hidden layers: one for all, or one for each; see ``nablas.activations()``.
    output : str
        The output layer's activation: "identity" (regression), "softmax" (classes), "sigmoid"
        (one class or many labels), "exp" (counts), "step" (the perceptron), or any registered one.
    dtype : "float32" or "float64"
    seed : int, optional
        Of the initial weights, and of shuffling and dropout where `fit` gets none. Random if None.
    init : str
        "glorot" (uniform), "glorot_normal", "he", "lecun" (normal), "uniform" (±1/sqrt(inputs)),
        "normal" (standard deviation 0.01), "zeros", or "auto", by the first layer's activation: he
        for relu and its like, lecun for selu, else glorot (docs/formulas.md). Biases are zero.

    Attributes
    ----------
    parameters : array of shape (n,)
        All weights and biases: a writeable view.
    weights, biases : sequences of arrays
        Views of `parameters`, (inputs, outputs) and (outputs,) for each layer. Assigning to an item
        copies into it.
    classes : list of str or None
        The class names by class index, if y held strings.
    history : History or None
        Of the last fit, also of one that was interrupted or diverged.
    epochs : int
        Epochs trained since the weights were initialized.

    Examples
    --------
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    >>> net = nb.MLP([2, 8, 2], activation="tanh", output="softmax", seed=0)
    >>> history = net.fit(X, y, optimizer=nb.Adam(0.05), epochs=200)
    >>> net.predict(X)
    array([0, 1, 1, 0])
    >>> net.weights[0].shape, net.parameters.shape
    ((2, 8), (42,))
    """

    def fit(
        self,
        X: ArrayLike | Source,
        y: ArrayLike | None = None,
        *,
        optimizer: Optimizer | str | None = None,
        loss: AnyLoss = None,
        batch_size: int = 32,
        epochs: int = 10,
        shuffle: bool = True,
        seed: int | None = None,
        validation_data: Sequence[Any] | Source | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        clip_norm: float | None = None,
        dropout: float | Sequence[float] = 0.0,
        callbacks: Iterable[AnyCallback] | None = (),
        progress: bool = False,
        resume: str | os.PathLike[str] | None = None,
        block_rows: int | None = None,
        comm: Any = None,
        shards: int | None = None,
    ) -> History:
        """Train by mini-batch gradient descent.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, features), or source
            A source, such as those of `nablas.data`, is read in blocks and has y and the weights,
            too. Arrays: any real dtype and strides; memory-mapped ones are read row by row as
            needed. SciPy's sparse matrices are read as compressed rows, and give the bits of the
            same rows dense. They are not made dense; with a loss in Python a batch at a time is.
        y : array, None beside a source
            Cross-entropy: class indices or strings (n,), or distributions (n, outputs). Binary
            cross-entropy: 0/1 or strings (n,), or (n, outputs). Otherwise (n,) or (n, outputs).
            The first fit's distinct strings become `classes`; later ones must be among them, until
            `initialize`.
        optimizer : Optimizer or str, optional
            Default: ``Adam()``. The same object given again goes on with its states and its
            schedule (one over a whole fit begins again), also after both were pickled together. A
            `ReduceOnPlateau` begins anew where this network was last trained by none or another.
        loss : str, Loss or function, optional
            A name of ``nablas.losses()``, by default the one linked to the output activation; an
            object such as ``Huber(delta=2.0)`` or ``CrossEntropy(label_smoothing=0.1)``; or a
            function ``(outputs, targets) -> (value, gradient)``: the mean loss of a batch and its
            gradient with respect to the outputs; it must take `sample_weight` if weights are given.
            Targets have the outputs' shape if there is one output; class labels stay as they are.
            ``nablas.autograd.as_loss`` makes one of a function of Tensors, ``nablas.check_loss``
            checks one.
        batch_size, epochs : int
        shuffle : bool
            Read the rows in a new random order every epoch.
        seed : int, optional
            Of the order and of dropout. Default: the network's.
        validation_data : (X, y), (X, y, sample_weight) or source, optional
            Loss and score on this data are recorded after every epoch; weights count in the loss.
        sample_weight : array of shape (n,), optional
            Not negative. A batch's loss is the weighted mean over its rows, as in scikit-learn:
            weights count within a batch, and with ``batch_size=1`` they cancel.
        class_weight : dict or "balanced", optional
            Weight of each class, by its label, of class indices, strings or 0 and 1; 1 for classes
            that a dict does not name. "balanced": in inverse proportion to the classes' weights in
            y. Multiplies `sample_weight`, in the loss on validation data, too.
        l1, l2 : float
            Add l1 times the sum of the weights' absolute values and l2 times the sum of their
            squares (biases excluded) to the loss. l1 is minimised by a proximal step at the end of
            each update, which gives weights that are exactly zero; see
            ``nablas.kernels.optimizer_update``.
        clip_norm : float, optional
            A batch's gradient, with that of the l2 penalty, is scaled down to this Euclidean norm.
        dropout : float or sequence of float
            Probability of dropping a hidden unit's output, from 0 to less than 1; a sequence gives
            one for each hidden layer.
        callbacks : iterable of Callbacks or of functions of a FitState
        progress : bool
            Show the progress on standard error, in a terminal, a notebook or a log.
        resume : str or path, optional
            A file that a `Checkpoint` wrote: go on from it as if the fit had never stopped, to the
            same bits, with any number of threads. Everything else must be given as in the call that
            wrote it; `epochs` is the total. A fit that had ended returns its history at once.
        block_rows : int, optional
            Of a source: rows in memory at one time, twice. They decide the order of shuffled rows
            (docs/guide/large-data). Default: about 128 MB.
        comm : mpi4py communicator, optional
            Train together with its other processes, all of which call `fit` with the same data and
            settings; see ``docs/scale.md``. Process 0 alone draws the progress bar and calls the
            callbacks; what these decide or change holds for all.
        shards : int, optional
            A power of two, by default 1, or 8 with `comm`: each batch is cut into so many parts,
            whose gradients are added as a binary tree. It decides the bits of the result, which are
            then the same for any number of processes up to it.

        Returns
        -------
        History
            With `resume`, of all epochs.

        Raises
        ------
        ValueError, TypeError
            For data or settings that do not fit, or, with `resume`, are not those of the file, or,
            with `comm`, are not those of process 0; the network is unchanged. A source's rows are
            checked as they are read, a memory map's where a loss is not finite: the weights are
            then those of the blocks or batches before.
        RuntimeError
            With `comm`, if another process failed before the training or in a callback; an error
            in one process during the training ends all by ``comm.Abort``.
            If the network or the optimizer is being trained by another call: in another thread, or
            around this one in a callback or a signal handler. Prediction meanwhile uses the weights
            of the last return from the core (an epoch's end, or up to 200 ms of one).
        FloatingPointError
            When a batch's loss is not finite. The weights before its update are kept.

        Notes
        -----
        With `resume` the network must have the file's sizes, activations and dtype; its weights,
        seed, counters and classes, the optimizer's states, the schedule, the history and the
        callbacks' states come from the file. Data are compared by shape, dtype and 1,000 rows;
        functions (losses, callbacks) by their names only, and what these remember is not in the
        file: see `Callback.get_state`.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(200, 3))
        >>> y = X @ [1.0, -2.0, 0.5]
        >>> net = nb.MLP([3, 1], seed=0)
        >>> held_out = X[150:], y[150:]
        >>> history = net.fit(
        ...     X[:150], y[:150], optimizer=nb.Adam(0.1), epochs=50, validation_data=held_out
        ... )
        >>> len(history), round(history.val_score[-1], 2)
        (50, 1.0)
        """
        with together(comm) as processes, self.engine.training(chosen := as_optimizer(optimizer)):
            _data.check_class_weight(class_weight)
            return make_fit(
                self,
                X,
                y,
                optimizer=chosen,
                loss=loss,
                batch_size=batch_size,
                epochs=epochs,
                shuffle=shuffle,
                seed=seed,
                validation_data=validation_data,
                sample_weight=sample_weight,
                class_weight=class_weight,
                l1=l1,
                l2=l2,
                clip_norm=clip_norm,
                dropout=dropout,
                callbacks=callbacks,
                progress=progress,
                resume=resume,
                block_rows=block_rows,
                shards=checked_shards(shards, comm),
                processes=processes,
            ).run()

    def loss(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        loss: AnyLoss = None,
        sample_weight: ArrayLike | None = None,
        l2: float = 0.0,
    ) -> float:
        """The objective on some data: mean loss plus l2 penalty.

        Arguments are those of `fit`; X may also be one row (features,) with its target.

        Examples
        --------
        >>> net = nb.MLP([2, 1], seed=0)
        >>> net.weights[0], net.biases[0] = [[1.0], [2.0]], [0.5]
        >>> net.loss([3.0, 4.0], 10.0)  # (11.5 - 10)²
        2.25
        """
        X, y = _data.as_batch(X, y)
        found = prepare(self, X, y, sample_weight, loss, self.classes)
        return loss_of(self, found, _checks.penalty("l2", l2))

    def gradient(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        loss: AnyLoss = None,
        sample_weight: ArrayLike | None = None,
        l2: float = 0.0,
    ) -> Array:
        """The objective's gradient, flat like `parameters`.

        Arguments are those of `fit`; X may also be one row (features,) with its target.

        Examples
        --------
        >>> net = nb.MLP([2, 1], seed=0, init="zeros")
        >>> net.gradient([3.0, 4.0], 10.0)  # bias first
        array([-20., -60., -80.], dtype=float32)
        >>> net.parameters -= 0.01 * net.gradient([3.0, 4.0], 10.0)
        """
        X, y = _data.as_batch(X, y)
        found = prepare(self, X, y, sample_weight, loss, self.classes)
        return gradient_of(self, found, _checks.penalty("l2", l2))

    def gradients(self, X: ArrayLike, y: ArrayLike, **settings: Any) -> list[tuple[Array, Array]]:
        """`gradient` by layer, as pairs of shape (inputs, outputs) and (outputs,).

        Examples
        --------
        >>> net = nb.MLP([2, 1], seed=0, init="zeros")
        >>> [(dW, db)] = net.gradients([3.0, 4.0], 10.0)
        >>> dW.tolist(), db.tolist()
        ([[-60.0], [-80.0]], [-20.0])
        """
        return self.engine.views(self.gradient(X, y, **settings))

    def explain(self, x: ArrayLike, y: ArrayLike, *, loss: str | Loss | None = None) -> Explanation:
        """Each layer's z, a, delta and gradient in one forward and backward pass.

        Parameters
        ----------
        x : array of shape (features,) or (n, features)
        y : a target, or n of them
        loss : str or Loss, optional

        Returns
        -------
        Explanation
            Prints as a table of each layer's arrays; a notebook shows it step by step, and
            `Explanation.to_html` writes that page.

        Examples
        --------
        >>> net = nb.MLP([2, 3, 1], seed=0, init="zeros")
        >>> passed = net.explain([1.0, 2.0], 1.0)
        >>> passed.layers[1].delta.tolist(), passed.loss
        ([[-2.0]], 1.0)
        """
        return explain(self, x, y, loss)

    # ---- other formats -------------------------------------------------------------------------

    def to_onnx(self, path: str | os.PathLike[str], *, dtype: str | None = None) -> None:
        """Write the network as an ONNX model; see ``nablas.convert.to_onnx``.

        Examples
        --------
        >>> nb.MLP([2, 3, 1], seed=0).to_onnx("model.onnx")
        """
        convert.to_onnx(self, path, dtype=dtype)

    def to_torch(self) -> Any:
        """The network as a ``torch.nn.Sequential``; see ``nablas.convert.to_torch``.

        Examples
        --------
        >>> nb.MLP([2, 3, 1], "tanh", seed=0).to_torch()
        Sequential(
          (0): Linear(in_features=2, out_features=3, bias=True)
          (1): Tanh()
          (2): Linear(in_features=3, out_features=1, bias=True)
          (3): Identity()
        )
        """
        return convert.to_torch(self)

    @classmethod
    def from_torch(
        cls, module: Any, *, activation: str | Sequence[str] = "relu", output: str | None = None
    ) -> Self:
        """A network with the weights of a PyTorch model of dense layers.

        Parameters
        ----------
        module : torch.nn.Sequential, or a state_dict
            ``Linear`` layers, with activations between them in a Sequential.
        activation : str or sequence of str
            Of the hidden layers, where a state_dict does not tell.
        output : str, optional
            The output activation. Default: the module's last one, or identity.

        Returns
        -------
        MLP

        Raises
        ------
        ValueError
            For layers or settings of layers that have no counterpart.

        Examples
        --------
        >>> import torch
        >>> layers = torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)
        >>> nb.MLP.from_torch(torch.nn.Sequential(*layers))
        MLP(2-3-1, tanh, identity, float32)
        """
        layers = convert.torch_layers(module, activation)
        net = cls(
            layers.sizes,
            layers.activations,
            (layers.output or "identity") if output is None else output,
            dtype=layers.dtype,
            init="zeros",
        )
        for i, (weights, bias) in enumerate(layers.arrays):
            net.weights[i], net.biases[i] = weights, bias
        return net
