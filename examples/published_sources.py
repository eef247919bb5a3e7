"""Where the published figures stand, and what of their recipes is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A book or paper.

    Attributes
    ----------
    title, reference : str
    measure : str
        What its figures are: the share of the images that is "right" or "wrong", in per cent, or
        "ratio" of mean absolute errors.
    epoch : str
        "best" or "last": the epoch of ours that is compared with them.
    notes : str
        What of its recipe is kept, and what is not.
    """

    title: str
    reference: str
    measure: str
    epoch: str
    notes: str


NIELSEN = """\
Kept: sigmoid units in both layers, the first 50,000 training images, batches of 10, rates,
epochs, initial weights and biases. The quadratic cost ½‖a − y‖² is `half_mse`, the cross-entropy
of ten sigmoids is `binary_cross_entropy`. The book's penalty λ/(2n) Σw² is `l2 = λ/(2n)`, 5e-5
for λ = 5 and n = 50,000. The largest output is the prediction.

The book's figures are the best epoch of one run, chosen by the images that judge: with λ the
10,000 other training images, without it the test images. The book's program for λ = 5 draws
weights and biases from N(0, 1); weights from N(0, 1/inputs) come a section later. Both are here.

With the quadratic cost and 100 units the spread is large because a run may leave a digit
unlearned for many epochs or to the end: its output unit is saturated, where the quadratic cost
has no slope. The book mentions such runs. None occurs with cross-entropy."""

ISLR = """\
Kept: the network, relu units, softmax output and cross-entropy; 48,000 of the 60,000 training
images (the book uses the rest for validation), batches of 128, 30 epochs; and the lab's program:
RMSprop and initial weights by Glorot, which are Keras's defaults, and dropout of 0.4 and 0.3. Not
kept: the book penalises the weights of both hidden layers but not of the output layer, and does
not give λ. Here `l2` penalises all layers, with 1e-4, which was not tuned."""

LECUN = """\
Kept: sizes, 60,000 training images of 28 × 28 pixels from −0.1 (white) to 1.175 (black), squared
error, targets of ±1, initial weights uniform within ±2.4/inputs. The paper's unit 1.7159 tanh(⅔
z) is `tanh`, with initial weights and targets scaled so that the network computes the same; the
outputs are such units too. Not kept: the paper updates after every image, and its method gives
every weight a rate of its own, from an estimate of the Hessian's diagonal. Here batches are of
ten images and all weights have one rate, 0.1, multiplied by 0.4 after every three passes. For
single images 0.01 was better than 0.003 on 10,000 training images held out (seed 0); ten images
take ten times as much. Ten passes are made: the paper says that its networks needed 10 to 20. It
states an uncertainty of about 0.1."""

SIMARD = """\
Kept: 800 hidden units, cross-entropy, no distorted images, the first 50,000 training images,
initial weights of standard deviation 0.05, neither momentum nor penalty. The paper's rate is
0.005; batches of 32 with a rate of 0.16 give each image as much. Not kept: the paper multiplies
the rate by 0.3 every 100 epochs, for hundreds of epochs; here every 7 of 20 epochs. The paper
takes the epoch that is best on 10,000 training images held out, ours is the last. Its text does
not name the hidden units; here they are tanh or relu."""

HITTERS = """\
The lab predicts the salaries of baseball players by a linear model, a lasso and a network with
dropout, and finds that the network has no advantage. Here the table is scikit-learn's diabetes,
442 rows of 10 features, which is installed with it. What can be compared is each model's error
divided by the linear model's. Kept: a third of the rows is for testing, 64 relu units, dropout of
0.4, RMSprop, batches of 32, 1,500 epochs, mean absolute error, the lasso's penalty chosen by the
same error in 10-fold cross-validation. Not kept: the lab standardises with all rows, ours with
the training rows. A seed also decides which rows are for testing."""

SOURCES = {
    "nielsen": Source(
        "Nielsen's book, chapters 1 and 3",
        "M. Nielsen, *Neural Networks and Deep Learning*, Determination Press, 2015",
        "right",
        "best",
        NIELSEN,
    ),
    "islr": Source(
        "An Introduction to Statistical Learning, Table 10.1",
        "G. James, D. Witten, T. Hastie, R. Tibshirani, *An Introduction to Statistical Learning*, "
        "2nd edition, Springer, 2021, sections 10.2, 10.7 and 10.9.2",
        "wrong",
        "last",
        ISLR,
    ),
    "lecun": Source(
        "LeCun et al. 1998",
        "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, *Gradient-Based Learning Applied to Document "
        "Recognition*, Proceedings of the IEEE 86(11), 1998, section III.C, appendices A to C",
        "wrong",
        "last",
        LECUN,
    ),
    "simard": Source(
        "Simard et al. 2003",
        "P. Simard, D. Steinkraus, J. Platt, *Best Practices for Convolutional Neural Networks "
        "Applied to Visual Document Analysis*, ICDAR 2003, sections 3 and 5",
        "wrong",
        "last",
        SIMARD,
    ),
    "hitters": Source(
        "An Introduction to Statistical Learning, the Hitters lab",
        "The same book, section 10.6 with Table 10.2, and section 10.9.1",
        "ratio",
        "last",
        HITTERS,
    ),
}
