"""Examples; a package, so that the benchmarks read MNIST with the examples' reader."""
