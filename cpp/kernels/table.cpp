// Compiled once per instruction set and scalar type; exports the table NABLAS_TABLE and nothing else.
#include "kernels/table.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/gemm.hpp"
#include "kernels/losses.hpp"
#include "kernels/optimizers.hpp"
#include "kernels/peak.hpp"
#include "kernels/sparse.hpp"

namespace nablas {

#define NABLAS_STRING_(x) #x
#define NABLAS_STRING(x) NABLAS_STRING_(x)

namespace {
constexpr Threshold thresholds[] = {{"longest_sum", longest_sum},
                                    {"tile_rows", tile_rows},
                                    {"tile_columns", tile_columns},
                                    {"block_depth", block_depth},
                                    {"block_rows", block_rows},
                                    {"block_columns", block_columns},
                                    {"rows_to_pack_b", rows_to_pack_b},
                                    {"rows_to_pack_uncached_b", rows_to_pack_uncached_b},
                                    {"few_rows", few_rows},
                                    {"least_depth", least_depth},
                                    {"little_depth", little_depth},
                                    {"stream_columns", stream_columns},
                                    {"streamed_elements", streamed_elements},
                                    {"uncached_elements", uncached_elements},
                                    {"narrow_columns", narrow_columns},
                                    {"loss_rows", loss_rows},
                                    {"sparse_columns", sparse_vectors * lanes},
                                    {"lanes", lanes}};
}  // namespace

extern const Kernels<T> NABLAS_TABLE;
const Kernels<T> NABLAS_TABLE = {
    NABLAS_STRING(NABLAS_INSTRUCTION_SET),
    tile_rows,
    tile_columns,
    leaves_first_level,
    gemm_workspace,
    thresholds,
    sizeof(thresholds) / sizeof(thresholds[0]),
    gemm,
    column_sums,
    ActivationEntries::entries,
    ActivationEntries::count,
    LossEntries::entries,
    LossEntries::count,
    OptimizerEntries::entries,
    OptimizerEntries::count,
    unary_entries,
    sizeof(unary_entries) / sizeof(unary_entries[0]),
    softmax,
    softmax_slope,
    add_scaled,
    sum_of<SquareTerm>,
    sum_of<MagnitudeTerm>,
    multiply_adds,
    {gather<float>, gather<double>, gather<bool>, gather<std::uint8_t>, gather<std::int8_t>, gather<std::uint16_t>,
     gather<std::int16_t>, gather<std::uint32_t>, gather<std::int32_t>, gather<std::uint64_t>, gather<std::int64_t>},
    sparse_product,
    sparse_gradient,
    sparse_gather,
    random_words,
    dropout,
};

}  // namespace nablas
