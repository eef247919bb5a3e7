// Outputs and losses of many rows.
#pragma once

#include "network/pass.hpp"

namespace nablas {

// out (rows, outputs) = the network's outputs for these rows; targets and weights are not read.
template <class T>
void infer(const Network<T>&, const Samples<T>&, Range rows, T* out);

// losses[i / loss_rows] = sum of the weighted losses of rows i to i + loss_rows; rows.begin is a multiple of loss_rows.
template <class T>
void evaluate(const Network<T>&, const Samples<T>&, const Objective&, Range rows, double* losses);

}  // namespace nablas
